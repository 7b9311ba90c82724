// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/plot.h"
#include "widgets/base/plot_view.h"

namespace lathe {

/// Ticks with SI prefixes in the user's locale. On a log axis: 1-2-5 within a decade or two, whole
/// decades beyond, linear steps below half a decade, so there is always more than one label.
class PlotTicker : public QCPAxisTicker {
public:
    PlotTicker();
    void setLog(bool log) { m_log = log; }
    /// All values of the axis are whole: no tick stands between them.
    void setWhole(bool whole) { m_whole = whole; }
    /// Names of the whole numbers from 0; while there are any, only these have ticks.
    void setNames(const QStringList& names) { m_names = names; }

    /// Names among the numbers, which stand above the highest of them.
    void setPlaces(std::vector<PlotPlace> places);

protected:
    double getTickStep(const QCPRange& range) override;
    int getSubTickCount(double tickStep) override;
    QVector<double> createTickVector(double tickStep, const QCPRange& range) override;
    QVector<double> createSubTickVector(int count, const QVector<double>& ticks) override;
    QString getTickLabel(double tick, const QLocale& locale, QChar format, int precision) override;

private:
    QVector<double> numberTicks(double tickStep, const QCPRange& range);

    bool m_log = false;
    bool m_whole = false;
    double m_step = 1.0;
    QStringList m_names;
    std::vector<PlotPlace> m_places; ///< ascending
};

} // namespace lathe
