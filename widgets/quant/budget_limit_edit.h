// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/quant/budget_curves.h"

#include <QWidget>

class QComboBox;
class QDoubleSpinBox;
class QSlider;

namespace lathe {

/// The limit of a plan: a slider over all that is possible and the exact number beside it, as the
/// size on disk or as average bits.
class BudgetLimitEdit : public QWidget {
    Q_OBJECT
public:
    explicit BudgetLimitEdit(QWidget* parent = nullptr);

    /// What is possible; the limit stays where it can.
    void setCurves(const BudgetCurves& curves);
    LimitUnit unit() const;
    /// In bytes or average bits.
    double limit() const;
    /// Rounded up to a number that the field can show.
    void setLimit(LimitUnit unit, double limit);
    /// "2.314 MiB", "3.43 bit"
    QString text() const;

signals:
    void limitChanged();
    void unitChanged(); ///< the limit is then still that of the other unit, as near as possible

private:
    void takeUnit();
    void takeSlider();
    void takeSpin();
    void showRange();

    double m_least[2] = {0.0, 0.0}; ///< by unit
    double m_most[2] = {0.0, 0.0};
    bool m_linking = false;
    QComboBox* m_unit;
    QSlider* m_slider;
    QDoubleSpinBox* m_spin;
};

} // namespace lathe
