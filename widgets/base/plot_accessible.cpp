// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_accessible.h"

#include "widgets/base/plot.h"

#include <QAccessible>
#include <QAccessibleWidget>

namespace lathe {

namespace {

QAccessibleInterface* makeChart(const QString& className, QObject* object) {
    const bool chart = className == QLatin1String("QCustomPlot") ||
                       className == QLatin1String("lathe::PaintedChart");
    if (chart && object != nullptr && object->isWidgetType()) {
        return new QAccessibleWidget(static_cast<QWidget*>(object), QAccessible::Chart);
    }
    return nullptr;
}

} // namespace

void installPlotAccessibility() {
    // Installing the same function again has no effect.
    QAccessible::installFactory(&makeChart);
}

} // namespace lathe
