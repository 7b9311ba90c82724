// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/quant/inspection.h"

#include <QJsonObject>
#include <QWidget>

class QComboBox;
class QSpinBox;
class QToolButton;

namespace lathe {

/// Where in a matrix sensitivities and errors lie: its tiles as a map, the choice of what they sum,
/// and how the matrix is quantized for that. A click chooses the strongest row of a tile.
class TileView : public QWidget {
    Q_OBJECT
public:
    explicit TileView(QWidget* parent = nullptr);

    void setInspection(const MatrixInspection& matrix);

    std::string method() const;
    int bits() const;
    void setQuantity(TileQuantity quantity);
    TileQuantity quantity() const;

    QJsonObject saveState() const;
    void restoreState(const QJsonObject& state); ///< what is not its own changes nothing

    const PlotView& plot() const { return *m_plot; }

signals:
    void edited(); ///< method or bits
    void rowChosen(int row);
    void rowActivated(int row); ///< Enter or double click

private:
    void build();
    void showTiles();
    void markRow();
    int rowOf(qint64 tile) const; ///< -1: no tile

    MatrixInspection m_matrix;
    QComboBox* m_quantity;
    QComboBox* m_method;
    QSpinBox* m_bits;
    QToolButton* m_export;
    PlotView* m_plot;
};

} // namespace lathe
