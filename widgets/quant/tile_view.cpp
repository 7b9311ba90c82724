// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/tile_view.h"

#include "widgets/base/export_button.h"
#include "widgets/base/flow_layout.h"
#include "widgets/base/theme.h"

#include <QComboBox>
#include <QLabel>
#include <QSpinBox>
#include <QToolButton>
#include <QVBoxLayout>

namespace lathe {

TileView::TileView(QWidget* parent)
    : QWidget(parent), m_quantity(new QComboBox), m_method(new QComboBox), m_bits(new QSpinBox),
      m_export(makeExportButton(
          tr("Export"), tr("Write the tiles as PNG, SVG, PDF, CSV or JSON"),
          tr("Export the tiles"))),
      m_plot(new PlotView) {
    build();
    connect(m_quantity, &QComboBox::currentIndexChanged, this, &TileView::showTiles);
    connect(m_method, &QComboBox::currentIndexChanged, this, &TileView::edited);
    connect(m_bits, &QSpinBox::valueChanged, this, &TileView::edited);
    connect(m_export, &QToolButton::clicked, m_plot, &PlotView::exportInteractively);
    connect(m_plot, &PlotView::pointSelected, this, [this](qint64 tile) {
        const int row = rowOf(tile);
        markRow(); // the plot marks the tile alone
        if (row >= 0) {
            emit rowChosen(row);
        }
    });
    connect(m_plot, &PlotView::pointActivated, this, [this](qint64 tile) {
        if (const int row = rowOf(tile); row >= 0) {
            emit rowActivated(row);
        }
    });
}

void TileView::build() {
    for (const auto quantity :
         {TileQuantity::Sensitivity, TileQuantity::SquaredError, TileQuantity::WeightedError}) {
        m_quantity->addItem(tileQuantityName(quantity));
    }
    m_quantity->setItemData(0, tr("Sensitivity: the mean squared gradient"), Qt::ToolTipRole);
    m_quantity->setItemData(1, tr("Squared error of the quantized weights"), Qt::ToolTipRole);
    m_quantity->setItemData(
        2, tr("Sensitivity × squared error: what the loss is expected to grow by, up to a factor"),
        Qt::ToolTipRole);
    m_quantity->setCurrentIndex(static_cast<int>(TileQuantity::WeightedError));
    m_quantity->setAccessibleName(tr("What the tiles sum"));
    m_quantity->setToolTip(tr("F: sensitivity; ΔW²: squared error; F·ΔW²: their product"));
    for (const char* method : {"squeezellm", "lloyd", "kmeans", "rtn"}) {
        m_method->addItem(QString::fromLatin1(method));
    }
    m_method->setAccessibleName(tr("Method that the tiles' errors are of"));
    m_method->setToolTip(tr("How the matrix is quantized for ΔW²"));
    m_bits->setRange(1, kMostTableBits);
    m_bits->setValue(4);
    m_bits->setSuffix(tr(" bit"));
    m_bits->setAccessibleName(tr("Bits that the tiles' errors are of"));
    m_bits->setToolTip(tr("Bits of the whole matrix for ΔW²; the row on the right has its own"));
    auto* controls = new FlowLayout;
    controls->setSpacing(6);
    controls->addWidget(labelled(tr("&Tiles of"), *m_quantity, {m_quantity}));
    controls->addWidget(m_method);
    controls->addWidget(m_bits);
    controls->addWidget(m_export);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 4, 0);
    column->addLayout(controls);
    column->addWidget(m_plot, 1);
}

std::string TileView::method() const { return m_method->currentText().toStdString(); }
int TileView::bits() const { return m_bits->value(); }
TileQuantity TileView::quantity() const {
    return static_cast<TileQuantity>(m_quantity->currentIndex());
}
void TileView::setQuantity(TileQuantity quantity) {
    m_quantity->setCurrentIndex(static_cast<int>(quantity));
}

void TileView::setInspection(const MatrixInspection& matrix) {
    const bool otherShape =
        matrix.tileRows != m_matrix.tileRows || matrix.tileColumns != m_matrix.tileColumns;
    m_matrix = matrix;
    m_plot->setProvenance(tr("run %1").arg(matrix.runId));
    showTiles();
    if (otherShape) {
        m_plot->fit();
    }
}

void TileView::showTiles() {
    if (m_matrix.runId == 0) {
        return;
    }
    InspectionPlot plot = tilePlot(m_matrix, quantity());
    m_plot->setAxes(plot.axes);
    m_plot->setSeries(std::move(plot.series));
    markRow();
}

/// All tiles of the row that is looked into.
void TileView::markRow() {
    std::vector<qint64> tiles;
    const qint64 first = qint64{m_matrix.tileColumns} * m_matrix.tileRowOf(m_matrix.row) + 1;
    for (int column = 0; column < m_matrix.tileColumns; ++column) {
        tiles.push_back(first + column);
    }
    m_plot->setSelection(tiles);
}

int TileView::rowOf(qint64 tile) const {
    const qint64 count = qint64{m_matrix.tileRows} * m_matrix.tileColumns;
    return tile > 0 && tile <= count
               ? m_matrix.strongestRow(
                     static_cast<int>((tile - 1) / m_matrix.tileColumns), quantity())
               : -1;
}

QJsonObject TileView::saveState() const {
    return {
        {QStringLiteral("quantity"), m_quantity->currentIndex()},
        {QStringLiteral("method"), m_method->currentText()},
        {QStringLiteral("bits"), m_bits->value()}};
}

void TileView::restoreState(const QJsonObject& state) {
    const int quantity = state[QStringLiteral("quantity")].toInt(m_quantity->currentIndex());
    if (quantity >= 0 && quantity < m_quantity->count()) {
        m_quantity->setCurrentIndex(quantity);
    }
    if (const int method = m_method->findText(state[QStringLiteral("method")].toString());
        method >= 0) {
        m_method->setCurrentIndex(method);
    }
    m_bits->setValue(state[QStringLiteral("bits")].toInt(m_bits->value()));
}

} // namespace lathe
