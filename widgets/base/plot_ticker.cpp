// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_ticker.h"

#include "widgets/base/plot_data.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace lathe {

namespace {
constexpr double kLinearRatio = 4.0;    ///< below: linear steps even on a log axis
constexpr double kWholeSubTicks = 10.0; ///< whole steps below have nothing between
constexpr int kMostNames = 40;          ///< on an axis; of more, only some are seen at a time
constexpr double kNamesOfMany = 6.0;
constexpr double kMantissaRatio = 2e3; ///< below: 1-2-5, above: whole decades
} // namespace

PlotTicker::PlotTicker() { setTickCount(6); }

double PlotTicker::getTickStep(const QCPRange& range) {
    const double step = QCPAxisTicker::getTickStep(range);
    return m_whole && range.size() >= 1.0 ? std::max(1.0, std::ceil(step - 1e-9)) : step;
}

int PlotTicker::getSubTickCount(double tickStep) {
    return m_whole && tickStep < kWholeSubTicks ? 0 : QCPAxisTicker::getSubTickCount(tickStep);
}

void PlotTicker::setPlaces(std::vector<PlotPlace> places) {
    m_places = std::move(places);
    std::ranges::sort(m_places, {}, &PlotPlace::at);
}

QVector<double> PlotTicker::createTickVector(double tickStep, const QCPRange& range) {
    QVector<double> ticks = numberTicks(tickStep, range);
    if (m_places.empty()) {
        return ticks;
    }
    const double highest = m_places.back().at;
    ticks.removeIf([highest](double tick) { return tick <= highest; });
    for (auto place = m_places.rbegin(); place != m_places.rend(); ++place) {
        ticks.prepend(place->at);
    }
    return ticks;
}

QVector<double> PlotTicker::numberTicks(double tickStep, const QCPRange& range) {
    if (!m_names.isEmpty()) {
        QVector<double> ticks;
        const double seen = std::min(range.size(), static_cast<double>(m_names.size()));
        int stride = 1;
        while (m_names.size() > kMostNames && seen / stride > kNamesOfMany) {
            stride *= 2;
        }
        for (int i = 0; i < m_names.size(); i += stride) {
            ticks.append(i);
        }
        return ticks;
    }
    m_step = tickStep;
    const double ratio = range.lower > 0.0 ? range.upper / range.lower : 0.0;
    if (!m_log || ratio < kLinearRatio) {
        return QCPAxisTicker::createTickVector(tickStep, range);
    }
    m_step = 0.0;
    QVector<double> ticks;
    const int first = static_cast<int>(std::floor(std::log10(range.lower)));
    const int last = static_cast<int>(std::ceil(std::log10(range.upper)));
    const bool fine = ratio < kMantissaRatio;
    const int stride = fine ? 1 : std::max(1, (last - first) / 8);
    for (int decade = first; decade <= last; decade += stride) {
        for (const double mantissa : {1.0, 2.0, 5.0}) {
            if (fine || mantissa == 1.0) {
                ticks.append(mantissa * std::pow(10.0, decade));
            }
        }
    }
    return ticks;
}

QVector<double> PlotTicker::createSubTickVector(int count, const QVector<double>& ticks) {
    return !m_names.isEmpty() || !m_places.empty() || (m_log && m_step == 0.0)
               ? QVector<double>()
               : QCPAxisTicker::createSubTickVector(count, ticks);
}

QString PlotTicker::getTickLabel(double tick, const QLocale&, QChar, int) {
    if (!m_names.isEmpty()) {
        return m_names.value(static_cast<int>(std::lround(tick)));
    }
    const auto place = std::ranges::find(m_places, tick, &PlotPlace::at);
    if (place != m_places.end()) {
        return place->name;
    }
    // Rounding errors of the step must not show as 1e-17.
    if (m_step > 0.0 && std::abs(tick) < m_step * 1e-6) {
        tick = 0.0;
    }
    // Enough digits that neighbouring ticks differ after a deep zoom.
    int digits = 4;
    if (m_step > 0.0 && tick != 0.0) {
        digits =
            std::clamp(static_cast<int>(std::ceil(std::log10(std::abs(tick) / m_step))) + 2, 3, 12);
    }
    return siNumber(tick, digits);
}

} // namespace lathe
