// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/decode_cost.h"

#include "engine/core/check.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

using Kind = DecodeEventKind;

constexpr int kLongestRun = 100'000; ///< of the closed form, which sums over them

double milliseconds(const DecodeEvent& event) {
    return static_cast<double>(event.t1Ns - event.t0Ns) * 1e-6;
}

bool isLittleStep(const DecodeEvent& event) {
    return (event.kind == Kind::Draft || event.kind == Kind::Fallback) && event.rows > 0;
}

/// Mean and straight line of values over x.
struct Line {
    double count = 0.0, x = 0.0, y = 0.0, xx = 0.0, xy = 0.0;
    void add(double at, double value) {
        count += 1.0;
        x += at;
        y += value;
        xx += at * at;
        xy += at * value;
    }
    double slope() const {
        const double spread = count * xx - x * x;
        return spread > 0.0 ? (count * xy - x * y) / spread : 0.0;
    }
    double at(double where) const {
        return count == 0.0 ? 0.0 : y / count + slope() * (where - x / count);
    }
};

/// Modelled time of one event.
double costOf(const DecodeEvent& event, const CallCosts& costs) {
    if (isLittleStep(event)) {
        return costs.littleMs;
    }
    switch (event.kind) {
    case Kind::Verify:
        return costs.big(event.rows);
    case Kind::PrefillSmall: // encoder included: a log may have been made without it
        return costs.littleStartMs;
    case Kind::PrefillLarge:
        return costs.bigStartMs;
    default:
        return 0.0;
    }
}

void requireShare(const char* name, double value) {
    LATHE_CHECK(
        value >= 0.0 && value <= 1.0,
        std::string(name) + " must lie between 0 and 1, not " + std::to_string(value));
}

/// 1 + x + ... + x^count.
double geometricSum(double x, int count) {
    return x == 1.0 ? count + 1.0 : (1.0 - std::pow(x, count + 1)) / (1.0 - x);
}

} // namespace

CallCosts measuredCosts(std::span<const DecodeLog> logs) {
    Line little, big;
    CallCosts costs;
    for (const DecodeLog& log : logs) {
        for (const DecodeEvent& event : log.events) {
            if (isLittleStep(event)) {
                little.add(0.0, milliseconds(event));
            } else if (event.kind == Kind::Verify) {
                big.add(static_cast<double>(event.rows), milliseconds(event));
            } else if (event.kind == Kind::PrefillSmall || event.kind == Kind::EncodeSmall) {
                costs.littleStartMs += milliseconds(event);
            } else if (event.kind == Kind::PrefillLarge || event.kind == Kind::EncodeLarge) {
                costs.bigStartMs += milliseconds(event);
            }
        }
    }
    const double texts = static_cast<double>(std::max<std::size_t>(1, logs.size()));
    costs.littleStartMs /= texts;
    costs.bigStartMs /= texts;
    costs.littleMs = little.at(0.0);
    costs.bigMs = big.at(1.0);
    costs.bigPerRowMs = big.slope();
    return costs;
}

Json toJson(const CallCosts& costs) {
    return {
        {"little_ms", costs.littleMs},
        {"big_ms", costs.bigMs},
        {"big_per_row_ms", costs.bigPerRowMs},
        {"little_start_ms", costs.littleStartMs},
        {"big_start_ms", costs.bigStartMs}};
}

CallCosts callCostsFromJson(const Json& json) {
    const auto member = [&json](const char* name) {
        const auto found = json.find(name);
        if (!json.is_object() || found == json.end() || !found->is_number() ||
            !std::isfinite(found->get<double>())) {
            throw FormatError(std::string("costs of calls: '") + name + "' is no number");
        }
        return found->get<double>();
    };
    return {
        .littleMs = member("little_ms"),
        .bigMs = member("big_ms"),
        .bigPerRowMs = member("big_per_row_ms"),
        .littleStartMs = member("little_start_ms"),
        .bigStartMs = member("big_start_ms")};
}

double modelledMs(const DecodeLog& log, const CallCosts& costs) {
    double sum = 0.0;
    for (const DecodeEvent& event : log.events) {
        sum += costOf(event, costs);
    }
    return sum;
}

double modelledBigAloneMs(const DecodeLog& log, const CallCosts& costs) {
    const auto made = static_cast<double>(replay(log).tokens.size() - log.prompt.size());
    return costs.bigStartMs + made * costs.bigMs;
}

DecodeLog retimed(DecodeLog log, const CallCosts& costs) {
    double now = 0.0;
    for (DecodeEvent& event : log.events) {
        event.t0Ns = std::llround(now * 1e6);
        now += costOf(event, costs);
        event.t1Ns = std::llround(now * 1e6);
    }
    return log;
}

CycleModel cycleModel(const CycleRates& rates) {
    requireShare("the fallback rate", rates.fallback);
    requireShare("the rollback rate", rates.rollback);
    LATHE_CHECK(
        rates.maxRun <= kLongestRun, "a cycle of more than " + std::to_string(kLongestRun) +
                                         " drafts has no use for a model of it");
    LATHE_CHECK(
        rates.maxRun >= 0 && rates.costRatio >= 0.0 && rates.extraRow >= 0.0,
        "a cycle's longest run and costs cannot be below 0");
    const double stay = 1.0 - rates.fallback;
    const double keep = 1.0 - rates.rollback;
    CycleModel model;
    double reached = 1.0; // the chance of at least k drafts
    double allKept = 0.0;
    double verifying = 0.0;
    for (int k = 0; k <= rates.maxRun && reached > 1e-15; ++k) {
        const double chance = k < rates.maxRun ? reached * rates.fallback : reached;
        model.drafts += chance * k;
        allKept += chance * std::pow(keep, k);
        model.tokens += chance * geometricSum(keep, k);
        verifying += chance * (1.0 + rates.extraRow * k);
        model.wasted += k < rates.maxRun ? chance : 0.0;
        reached *= stay;
    }
    model.rollbacks = 1.0 - allKept;
    const double second = rates.bigAfterRollback ? model.rollbacks : 0.0;
    model.speedup =
        model.tokens / ((model.drafts + model.wasted) * rates.costRatio + verifying + second);
    return model;
}

double losslessTokensPerCall(double accepted, int drafts) {
    requireShare("the acceptance rate", accepted);
    LATHE_CHECK(drafts >= 0, "the number of drafts cannot be below 0");
    return geometricSum(accepted, drafts);
}

double losslessGain(double accepted, int drafts, double costRatio) {
    return losslessTokensPerCall(accepted, drafts) / (drafts * costRatio + 1.0);
}

double losslessOperations(double accepted, int drafts, double operationsRatio) {
    return (drafts * operationsRatio + drafts + 1.0) / losslessTokensPerCall(accepted, drafts);
}

} // namespace lathe
