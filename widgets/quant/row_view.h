// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/quant/inspection.h"

#include <QWidget>

class QLabel;
class QSlider;
class QSpinBox;
class QToolButton;

namespace lathe {

/// One row of a matrix: the histograms of its weights and sensitivities, the table entries of three
/// methods in lanes below, their errors, and the bit count that all of this is of. Changing the bit
/// count needs no engine.
class RowView : public QWidget {
    Q_OBJECT
public:
    explicit RowView(QWidget* parent = nullptr);

    void setInspection(const MatrixInspection& matrix);
    int bits() const;
    void setBits(int bits);

    const PlotView& plot() const { return *m_plot; }
    QString errorsText() const;

signals:
    void rowChosen(int row); ///< by its number

private:
    void build();
    void showRow();

    MatrixInspection m_matrix;
    QSpinBox* m_row;
    QLabel* m_share;
    QSlider* m_slider;
    QSpinBox* m_bits;
    QToolButton* m_export;
    PlotView* m_plot;
    QLabel* m_errors;
};

} // namespace lathe
