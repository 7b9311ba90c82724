// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/budget_limit_edit.h"

#include <QComboBox>
#include <QDoubleSpinBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QSlider>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr double kMib = 1024.0 * 1024.0;
constexpr int kSteps = 1000; ///< of the slider
constexpr int kDecimals = 3;

double factorOf(LimitUnit unit) { return unit == LimitUnit::Bytes ? kMib : 1.0; }

/// What a field of so many decimals shows of a value, not less than it.
double shownAbove(double value) {
    const double fine = std::pow(10.0, kDecimals);
    return std::ceil(value * fine - 1e-6) / fine;
}

} // namespace

BudgetLimitEdit::BudgetLimitEdit(QWidget* parent)
    : QWidget(parent), m_unit(new QComboBox), m_slider(new QSlider(Qt::Horizontal)),
      m_spin(new QDoubleSpinBox) {
    m_unit->addItem(tr("Size on disk"));
    m_unit->addItem(tr("Average bits"));
    m_unit->setAccessibleName(tr("What the limit is about"));
    m_slider->setRange(0, kSteps);
    m_slider->setPageStep(kSteps / 20);
    m_slider->setAccessibleName(tr("Limit, slider"));
    m_spin->setDecimals(kDecimals);
    m_spin->setKeyboardTracking(false);
    m_spin->setAccessibleName(tr("Limit"));
    auto* label = new QLabel(tr("&Limit"));
    label->setBuddy(m_unit);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->addWidget(label);
    row->addWidget(m_unit);
    row->addWidget(m_slider, 1);
    row->addWidget(m_spin);
    connect(m_unit, &QComboBox::currentIndexChanged, this, &BudgetLimitEdit::takeUnit);
    connect(m_slider, &QSlider::valueChanged, this, &BudgetLimitEdit::takeSlider);
    connect(m_spin, &QDoubleSpinBox::valueChanged, this, &BudgetLimitEdit::takeSpin);
}

LimitUnit BudgetLimitEdit::unit() const {
    return m_unit->currentIndex() == 0 ? LimitUnit::Bytes : LimitUnit::AverageBits;
}

double BudgetLimitEdit::limit() const {
    const double shown = m_spin->value() * factorOf(unit());
    return unit() == LimitUnit::Bytes ? std::floor(shown) : shown;
}

QString BudgetLimitEdit::text() const { return m_spin->text(); }

void BudgetLimitEdit::setCurves(const BudgetCurves& curves) {
    for (const LimitUnit each : {LimitUnit::Bytes, LimitUnit::AverageBits}) {
        m_least[static_cast<int>(each)] = curves.least(each);
        m_most[static_cast<int>(each)] = curves.most(each);
    }
    showRange();
}

void BudgetLimitEdit::showRange() {
    const auto at = static_cast<int>(unit());
    m_linking = true;
    m_spin->setSuffix(unit() == LimitUnit::Bytes ? tr(" MiB") : tr(" bit"));
    m_spin->setRange(
        shownAbove(m_least[at] / factorOf(unit())), shownAbove(m_most[at] / factorOf(unit())));
    m_spin->setSingleStep(std::max(0.001, (m_spin->maximum() - m_spin->minimum()) / 200.0));
    m_linking = false;
    takeSpin();
}

void BudgetLimitEdit::setLimit(LimitUnit newUnit, double limit) {
    m_linking = true;
    m_unit->setCurrentIndex(static_cast<int>(newUnit));
    m_linking = false;
    showRange();
    m_spin->setValue(shownAbove(limit / factorOf(newUnit)));
}

void BudgetLimitEdit::takeUnit() {
    if (!m_linking) {
        emit unitChanged();
    }
}

void BudgetLimitEdit::takeSlider() {
    if (!m_linking) {
        const double share = static_cast<double>(m_slider->value()) / kSteps;
        m_spin->setValue(m_spin->minimum() + share * (m_spin->maximum() - m_spin->minimum()));
    }
}

void BudgetLimitEdit::takeSpin() {
    if (m_linking) {
        return;
    }
    const double range = m_spin->maximum() - m_spin->minimum();
    const double share = range > 0.0 ? (m_spin->value() - m_spin->minimum()) / range : 0.0;
    m_linking = true;
    m_slider->setValue(static_cast<int>(std::lround(share * kSteps)));
    m_linking = false;
    emit limitChanged();
}

} // namespace lathe
