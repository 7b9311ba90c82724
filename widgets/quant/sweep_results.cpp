// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/sweep_results.h"

#include "widgets/base/export_button.h"
#include "widgets/base/plot.h"
#include "widgets/base/row_table.h"
#include "widgets/base/run_table_model.h"
#include "widgets/base/table_csv.h"
#include "widgets/base/theme.h"
#include "widgets/base/followed_run.h"
#include "widgets/quant/module_selection.h"
#include "widgets/quant/prediction.h"
#include "widgets/quant/sample_view.h"
#include "widgets/quant/setting_facts.h"

#include <QComboBox>
#include <QEvent>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLabel>
#include <QProgressBar>
#include <QScrollArea>
#include <QSortFilterProxyModel>
#include <QSplitter>
#include <QTabBar>
#include <QTabWidget>
#include <QTableView>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr int kIconSize = 18;

QComboBox* makeMeasureBox(std::span<const Measure> measures, const QString& name) {
    auto* box = new QComboBox;
    for (const Measure& measure : measures) {
        box->addItem(axisLabel(measure), QString::fromStdString(measure.metric));
    }
    box->setAccessibleName(name);
    return box;
}

} // namespace

SweepResults::SweepResults(ModuleSelection& modules, QWidget* parent)
    : QWidget(parent), m_modules(modules), m_headIcon(new QLabel), m_head(new QLabel),
      m_progress(new QProgressBar), m_xBox(makeMeasureBox(costMeasures(), tr("Horizontal axis"))),
      m_yBox(makeMeasureBox(qualityMeasures(), tr("Vertical axis"))),
      m_export(
          makeExportButton(tr("Export plot"), tr("Write the plot as PNG, SVG, PDF, CSV or JSON"))),
      m_exportPrediction(
          makeExportButton(tr("Export plot"), tr("Write the plot as PNG, SVG, PDF, CSV or JSON"))),
      m_exportTable(makeExportButton(tr("Export table"), tr("Write the table as CSV"))),
      m_plot(new PlotView), m_prediction(new PlotView), m_plots(new QTabWidget),
      m_model(new CellTableModel(this)), m_sorted(new QSortFilterProxyModel(this)),
      m_table(new QTableView), m_facts(new QLabel), m_samples(new SampleView),
      m_split(new QSplitter(Qt::Vertical)), m_detailSplit(new QSplitter(Qt::Horizontal)) {
    build();
    const auto axesChanged = [this] {
        if (m_run != nullptr) {
            showPlot();
        }
    };
    connect(m_xBox, &QComboBox::currentIndexChanged, this, axesChanged);
    connect(m_yBox, &QComboBox::currentIndexChanged, this, axesChanged);
    for (PlotView* plot : {m_plot, m_prediction}) {
        connect(plot, &PlotView::pointSelected, this, &SweepResults::plotSelected);
        connect(plot, &PlotView::pointActivated, this, [this](qint64 id) {
            plotSelected(id);
            m_table->setFocus();
        });
    }
    connect(
        m_exportPrediction, &QToolButton::clicked, m_prediction, &PlotView::exportInteractively);
    connect(m_plot, &PlotView::zoomChanged, this, &SweepResults::rememberScales);
    connect(m_export, &QToolButton::clicked, m_plot, &PlotView::exportInteractively);
    connect(m_exportTable, &QToolButton::clicked, this, [this] {
        exportTableInteractively(this, *m_sorted, tr("sweep-%1").arg(m_shownId));
    });
    connect(
        m_table->selectionModel(), &QItemSelectionModel::selectionChanged, this,
        &SweepResults::tableSelected);
    connect(&m_modules, &ModuleSelection::changed, this, &SweepResults::selectModule);
}

void SweepResults::build() {
    m_plots->addTab(makePlotPart(), tr("Cost and quality"));
    m_plots->addTab(makePredictionPart(), tr("Predicted and measured"));
    m_plots->setDocumentMode(true);
    m_plots->tabBar()->setDrawBase(false);
    m_plots->tabBar()->setAccessibleName(tr("Plots of the sweep"));
    m_split->addWidget(m_plots);
    m_split->addWidget(makeTablePart());
    m_split->addWidget(makeDetailPart());
    m_split->setChildrenCollapsible(false);
    m_split->setStretchFactor(0, 5);
    m_split->setStretchFactor(1, 3);
    m_split->setStretchFactor(2, 3);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(8, 8, 8, 8);
    auto* head = new QHBoxLayout;
    m_head->setTextFormat(Qt::PlainText);
    m_head->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
    setUpProgress(*m_progress, tr("Progress of the sweep"));
    head->addWidget(m_headIcon);
    head->addWidget(m_head, 1);
    head->addWidget(m_progress);
    column->addLayout(head);
    column->addWidget(m_split, 1);
}

QWidget* SweepResults::makePlotPart() {
    auto* part = new QWidget;
    auto* column = new QVBoxLayout(part);
    column->setContentsMargins(0, 0, 0, 0);
    auto* row = new QHBoxLayout;
    for (const auto& [text, box] :
         {std::pair{tr("&Vertical"), m_yBox}, std::pair{tr("Hori&zontal"), m_xBox}}) {
        auto* label = new QLabel(text);
        label->setBuddy(box);
        row->addWidget(label);
        row->addWidget(box);
        row->addSpacing(8);
    }
    row->addStretch(1);
    row->addWidget(m_export);
    column->addLayout(row);
    column->addWidget(m_plot, 1);
    m_plot->setMinimumHeight(200);
    return part;
}

QWidget* SweepResults::makePredictionPart() {
    auto* part = new QWidget;
    auto* column = new QVBoxLayout(part);
    column->setContentsMargins(0, 0, 0, 0);
    auto* row = new QHBoxLayout;
    auto* what = new QLabel(tr("Predicted: half the sum of sensitivity × squared error"));
    row->addWidget(what, 1);
    row->addWidget(m_exportPrediction);
    column->addLayout(row);
    column->addWidget(m_prediction, 1);
    m_prediction->setMinimumHeight(200);
    // The points run from the lower left to the upper right.
    m_prediction->plot().axisRect()->insetLayout()->setInsetAlignment(
        0, Qt::AlignLeft | Qt::AlignTop);
    m_prediction->setAxes(
        {.title = tr("Measured against predicted loss"),
         .xLabel = axisLabel(predictedMeasure()),
         .yLabel = axisLabel(klMeasure()),
         .xLog = true,
         .yLog = true});
    return part;
}

bool SweepResults::showsPredictions() const { return m_plots->isTabVisible(1); }

void SweepResults::showPredictions() {
    std::vector<PlotSeries> series = predictionSeries(*m_run);
    const bool any = !series.empty();
    m_plots->setTabVisible(1, any);
    m_plots->tabBar()->setVisible(any);
    if (PlotAxes axes = m_prediction->axes(); axes.corner != predictionNote(*m_run)) {
        axes.corner = predictionNote(*m_run);
        m_prediction->setAxes(axes);
    }
    m_prediction->setSeries(std::move(series));
}

/// Columns of what only some sweeps have are there where they say something.
void SweepResults::showColumns() {
    for (int column = 0; column < CellTableModel::ColumnCount; ++column) {
        m_table->setColumnHidden(column, m_model->rowCount() > 0 && !m_model->isUsed(column));
    }
}

QWidget* SweepResults::makeTablePart() {
    m_sorted->setSourceModel(m_model);
    m_sorted->setSortRole(CellTableModel::SortRole);
    m_table->setModel(m_sorted);
    styleRowTable(*m_table);
    m_table->setSelectionMode(QAbstractItemView::ExtendedSelection);
    m_table->setAccessibleName(tr("Settings of the sweep"));
    m_table->setMinimumHeight(90);
    QHeaderView* header = m_table->horizontalHeader();
    header->setSectionResizeMode(QHeaderView::ResizeToContents);
    header->setSortIndicatorClearable(true);
    header->setSortIndicator(-1, Qt::AscendingOrder);
    m_table->setSortingEnabled(true);
    auto* part = new QWidget;
    auto* column = new QVBoxLayout(part);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(4);
    auto* row = new QHBoxLayout;
    row->addWidget(new QLabel(tr("★ best of the quantized settings")));
    row->addStretch(1);
    row->addWidget(m_exportTable);
    column->addLayout(row);
    column->addWidget(m_table, 1);
    return part;
}

QWidget* SweepResults::makeDetailPart() {
    m_facts->setTextFormat(Qt::RichText);
    m_facts->setAlignment(Qt::AlignLeft | Qt::AlignTop);
    m_facts->setWordWrap(true);
    m_facts->setMargin(4);
    m_facts->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_facts->setAccessibleName(tr("Numbers of the selected setting"));
    auto* area = new QScrollArea;
    area->setWidgetResizable(true);
    area->setFrameShape(QFrame::StyledPanel);
    area->setFocusPolicy(Qt::NoFocus);
    area->setWidget(m_facts);
    area->setMinimumWidth(290);
    m_detailSplit->addWidget(area);
    m_detailSplit->addWidget(m_samples);
    m_detailSplit->setChildrenCollapsible(false);
    m_detailSplit->setStretchFactor(0, 2);
    m_detailSplit->setStretchFactor(1, 3);
    return m_detailSplit;
}

const Measure& SweepResults::xMeasure() const {
    return costMeasures()[static_cast<std::size_t>(std::max(0, m_xBox->currentIndex()))];
}

const Measure& SweepResults::yMeasure() const {
    return qualityMeasures()[static_cast<std::size_t>(std::max(0, m_yBox->currentIndex()))];
}

void SweepResults::setMeasures(const std::string& x, const std::string& y) {
    for (const auto& [box, metric] : {std::pair{m_xBox, x}, std::pair{m_yBox, y}}) {
        if (const int index = box->findData(QString::fromStdString(metric)); index >= 0) {
            box->setCurrentIndex(index);
        }
    }
}

void SweepResults::setRun(const SweepRun& run) {
    if (run.id != m_shownId) {
        m_selected.clear();
        m_shownId = run.id;
    }
    m_run = &run;
    m_linking = true;
    m_model->setRun(run);
    m_linking = false;
    m_plot->setProvenance(tr("run %1").arg(run.id));
    m_prediction->setProvenance(tr("run %1").arg(run.id));
    showHead();
    showPlot();
    showPredictions();
    showColumns();
    const std::set<int> keep = m_selected;
    selectCells({keep.begin(), keep.end()});
    if (keep.empty()) {
        selectModule(m_modules.module());
    }
}

void SweepResults::update(const SweepRun& run, int change, const std::set<int>& cells) {
    m_run = &run;
    bool points = false;
    bool details = false;
    for (const int index : cells) {
        if (const SweepCell* cell = run.cell(index)) {
            m_model->updateCell(*cell);
            points = points || cell->state == CellState::Done;
            details = details || cell->isFloat() || m_selected.contains(index);
        }
    }
    if (points) {
        showPlot();
        showPredictions();
    }
    if (!cells.empty()) {
        showColumns();
    }
    if (details) {
        showDetails();
    }
    if (change != SweepRun::Nothing) {
        showHead();
        m_exportTable->setEnabled(m_model->rowCount() > 0);
    }
}

void SweepResults::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange && m_run != nullptr) {
        showHead(); // icon, and texts that hold colours
        showDetails();
    }
}

void SweepResults::showHead() {
    m_headIcon->setPixmap(Theme::pixmap(
        runStateIcon(m_run->state), runStateColour(m_run->state), kIconSize, devicePixelRatioF()));
    const QString text = sweepHeadline(*m_run);
    m_head->setText(text);
    m_head->setToolTip(text);
    m_progress->setVisible(m_run->state == RunState::Running);
    const bool known = std::isfinite(m_run->fraction) && m_run->fraction > 0.0;
    const double cells =
        m_run->total > 0 ? static_cast<double>(m_run->doneCount()) / m_run->total : 0.0;
    showFraction(*m_progress, known ? m_run->fraction : cells);
}

void SweepResults::showPlot() {
    const Measure& x = xMeasure();
    const Measure& y = yMeasure();
    const auto isLog = [this](const Measure& measure) {
        const auto chosen = m_logChosen.find(measure.metric);
        return chosen != m_logChosen.end() ? chosen->second : wantsLog(*m_run, measure);
    };
    const PlotAxes axes{
        .title = tr("%1 against %2").arg(measureTitle(y), measureTitle(x).toLower()),
        .xLabel = axisLabel(x),
        .yLabel = axisLabel(y),
        .xLog = isLog(x),
        .yLog = isLog(y)};
    const PlotAxes& before = m_plot->axes();
    if (axes.title != before.title || axes.xLog != before.xLog || axes.yLog != before.yLog) {
        const bool other = axes.title != before.title;
        m_plot->setAxes(axes);
        if (other) {
            m_plot->fit(); // a view zoomed for other quantities shows nothing of these
        }
    }
    m_plot->setEmptyText(
        m_run->isActive() ? tr("The first point appears when the float model has been measured.")
                          : tr("No finished setting has a value for these axes."));
    m_plot->setSeries(sweepSeries(*m_run, x, y));
    m_export->setEnabled(!m_plot->series().empty());
    m_exportTable->setEnabled(m_model->rowCount() > 0);
}

void SweepResults::rememberScales() {
    // The plot's own keys and menu switch the scale; remember that per metric.
    const PlotAxes& axes = m_plot->axes();
    if (m_run != nullptr) {
        for (const auto& [measure, log] :
             {std::pair{&xMeasure(), axes.xLog}, std::pair{&yMeasure(), axes.yLog}}) {
            const auto chosen = m_logChosen.find(measure->metric);
            if (chosen != m_logChosen.end() || log != wantsLog(*m_run, *measure)) {
                m_logChosen[measure->metric] = log;
            }
        }
    }
}

std::vector<int> SweepResults::selectedCells() const {
    return {m_selected.begin(), m_selected.end()};
}

void SweepResults::selectCells(const std::vector<int>& cells) {
    QItemSelection selection;
    for (const int cell : cells) {
        const QModelIndex index = m_sorted->mapFromSource(m_model->index(m_model->rowOf(cell), 0));
        if (index.isValid()) {
            selection.select(index, index);
        }
    }
    m_linking = true;
    m_table->selectionModel()->select(
        selection, QItemSelectionModel::ClearAndSelect | QItemSelectionModel::Rows);
    m_linking = false;
    tableSelected();
    if (!selection.isEmpty()) {
        m_table->scrollTo(selection.indexes().front());
    }
}

void SweepResults::tableSelected() {
    if (m_linking) {
        return;
    }
    m_selected.clear();
    std::vector<qint64> ids;
    for (const QModelIndex& index : m_table->selectionModel()->selectedRows()) {
        const int cell = index.data(CellTableModel::CellRole).toInt();
        m_selected.insert(cell);
        ids.push_back(cell + 1);
    }
    m_plot->setSelection(ids);
    m_prediction->setSelection(ids);
    showDetails();
    tellModule();
}

/// Of one or several settings of one matrix; others leave the panel's module as it is.
void SweepResults::tellModule() {
    std::set<std::string> modules;
    for (const int index : m_selected) {
        const SweepCell* cell = m_run != nullptr ? m_run->cell(index) : nullptr;
        modules.insert(cell != nullptr ? cell->matrix : std::string());
    }
    if (modules.size() == 1 && !modules.begin()->empty()) {
        m_modules.select(*modules.begin());
    }
}

/// Selects all settings of a matrix, unless some of them are what was chosen.
void SweepResults::selectModule(const std::string& module) {
    if (m_run == nullptr || m_run->cellsOf({}).empty()) {
        return; // settings of the whole model have nothing to follow
    }
    const std::vector<int> cells = module.empty() ? std::vector<int>() : m_run->cellsOf(module);
    if (m_selected.empty() || !std::ranges::includes(cells, m_selected)) {
        selectCells(cells);
    }
}

void SweepResults::plotSelected(qint64 id) {
    selectCells(id > 0 ? std::vector{static_cast<int>(id) - 1} : std::vector<int>{});
}

void SweepResults::showDetails() {
    const SweepCell* reference = m_run != nullptr ? m_run->floatCell() : nullptr;
    const SweepCell* selected = nullptr;
    if (m_run != nullptr) {
        for (const int cell : m_selected) {
            const SweepCell* found = m_run->cell(cell);
            const bool better = selected == nullptr || selected->isFloat();
            selected = found != nullptr && better ? found : selected;
        }
    }
    const SweepCell* shown = selected != nullptr ? selected : reference;
    QString text = shown != nullptr ? settingFacts(*shown, reference)
                                    : tr("The numbers of a selected setting stand here.");
    if (m_selected.size() > 1) {
        text += QStringLiteral("<p>%1</p>")
                    .arg(tr("%1 settings are selected; the first one is shown.")
                             .arg(m_selected.size())
                             .toHtmlEscaped());
    }
    m_facts->setText(text);
    m_samples->show(reference, selected);
}

QJsonObject SweepResults::saveState() const {
    QJsonObject logs;
    for (const auto& [metric, log] : m_logChosen) {
        logs[QString::fromStdString(metric)] = log;
    }
    return {
        {QStringLiteral("x"), m_xBox->currentData().toString()},
        {QStringLiteral("y"), m_yBox->currentData().toString()},
        {QStringLiteral("log"), logs},
        {QStringLiteral("split"), QString::fromLatin1(m_split->saveState().toBase64())},
        {QStringLiteral("detailSplit"),
         QString::fromLatin1(m_detailSplit->saveState().toBase64())}};
}

void SweepResults::restoreState(const QJsonObject& state) {
    const QJsonObject logs = state[QStringLiteral("log")].toObject();
    for (const auto& group : {qualityMeasures(), costMeasures()}) {
        for (const Measure& measure : group) {
            const QJsonValue value = logs[QString::fromStdString(measure.metric)];
            if (value.isBool()) {
                m_logChosen[measure.metric] = value.toBool();
            }
        }
    }
    setMeasures(
        state[QStringLiteral("x")].toString().toStdString(),
        state[QStringLiteral("y")].toString().toStdString());
    // restoreState refuses what is not its own.
    for (const auto& [split, key] :
         {std::pair{m_split, QStringLiteral("split")},
          std::pair{m_detailSplit, QStringLiteral("detailSplit")}}) {
        split->restoreState(QByteArray::fromBase64(state[key].toString().toLatin1()));
    }
}

} // namespace lathe
