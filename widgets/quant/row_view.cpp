// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/row_view.h"

#include "widgets/base/export_button.h"
#include "widgets/base/flow_layout.h"
#include "widgets/base/theme.h"

#include <QLabel>
#include <QLocale>
#include <QSignalBlocker>
#include <QSlider>
#include <QSpinBox>
#include <QToolButton>
#include <QVBoxLayout>

#include <cmath>

namespace lathe {

namespace {
constexpr int kFirstBits = 3;
constexpr int kSliderWidth = 110;
} // namespace

RowView::RowView(QWidget* parent)
    : QWidget(parent), m_row(new QSpinBox), m_share(new QLabel),
      m_slider(new QSlider(Qt::Horizontal)), m_bits(new QSpinBox),
      m_export(makeExportButton(
          tr("Export"), tr("Write the row as PNG, SVG, PDF, CSV or JSON"), tr("Export the row"))),
      m_plot(new PlotView), m_errors(new QLabel) {
    build();
    connect(m_row, &QSpinBox::valueChanged, this, &RowView::rowChosen);
    connect(m_slider, &QSlider::valueChanged, m_bits, &QSpinBox::setValue);
    connect(m_bits, &QSpinBox::valueChanged, this, [this](int bits) {
        m_slider->setValue(bits);
        showRow();
    });
    connect(m_plot, &PlotView::zoomChanged, this, [this] {
        // The plot's own key switches the scale; the lanes then lie elsewhere.
        if (m_matrix.runId != 0 &&
            m_plot->axes().yPlaces.front().at !=
                rowPlot(m_matrix, bits(), m_plot->axes().yLog).axes.yPlaces.front().at) {
            showRow();
        }
    });
    connect(m_export, &QToolButton::clicked, m_plot, &PlotView::exportInteractively);
}

void RowView::build() {
    m_row->setAccessibleName(tr("Row that is looked into"));
    m_row->setToolTip(tr("An output row of the matrix; a click on the tiles chooses one too"));
    m_row->setKeyboardTracking(false);
    m_share->setToolTip(tr("Share of this row in the whole matrix's F·ΔW²"));
    m_slider->setRange(1, kMostTableBits);
    m_slider->setValue(kFirstBits);
    m_slider->setPageStep(1);
    m_slider->setTickPosition(QSlider::TicksBelow);
    m_slider->setTickInterval(1);
    m_slider->setFixedWidth(kSliderWidth);
    m_slider->setAccessibleName(tr("Bits of the row's tables, slider"));
    m_bits->setRange(1, kMostTableBits);
    m_bits->setValue(kFirstBits);
    m_bits->setSuffix(tr(" bit"));
    m_bits->setAccessibleName(tr("Bits of the row's tables"));
    for (QWidget* one : std::initializer_list<QWidget*>{m_slider, m_bits}) {
        one->setToolTip(tr("Bits of the tables below; all eight have been worked out already"));
    }
    m_errors->setTextFormat(Qt::RichText);
    m_errors->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_errors->setAccessibleName(tr("Weighted errors of the row"));
    m_errors->setToolTip(
        tr("Sum of sensitivity × squared error over the row, before tables are rounded to F16"));
    auto* controls = new FlowLayout;
    controls->setSpacing(6);
    controls->addWidget(labelled(tr("R&ow"), *m_row, {m_row, m_share}));
    controls->addWidget(labelled(tr("&Bits"), *m_bits, {m_slider, m_bits}));
    controls->addWidget(m_export);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(4, 0, 0, 0);
    column->addLayout(controls);
    column->addWidget(m_plot, 1);
    column->addWidget(m_errors);
}

int RowView::bits() const { return m_bits->value(); }
void RowView::setBits(int bits) { m_bits->setValue(bits); }
QString RowView::errorsText() const { return m_errors->text(); }

void RowView::setInspection(const MatrixInspection& matrix) {
    m_matrix = matrix;
    const QSignalBlocker quiet(m_row); // nobody chose this row just now
    m_row->setRange(0, matrix.rows - 1);
    m_row->setValue(matrix.row);
    m_row->setSuffix(tr(" of %1").arg(matrix.rows));
    m_share->setText(
        std::isfinite(matrix.rowShare)
            ? tr("%1 % of F·ΔW²").arg(QLocale().toString(100.0 * matrix.rowShare, 'f', 1))
            : QString());
    m_plot->setProvenance(tr("run %1").arg(matrix.runId));
    showRow();
    m_plot->fit(); // of other weights
}

void RowView::showRow() {
    if (m_matrix.runId == 0) {
        return;
    }
    InspectionPlot plot = rowPlot(m_matrix, bits(), m_plot->axes().yLog);
    m_plot->setSelection({}); // entries of other tables
    m_plot->setAxes(plot.axes);
    m_plot->setSeries(std::move(plot.series));
    m_errors->setText(rowErrorsText(m_matrix, bits()));
}

} // namespace lathe
