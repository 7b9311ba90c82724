// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/study_info.h"
#include "experiments/decode_pair.h"

/// One text decoded by two models, as numbers, texts and its whole log.
namespace lathe {

std::vector<MetricInfo> decodedMetricInfos();
/// Under those names. @param alone what the big model alone makes of the same text
Json decodedMetrics(
    const Tokenizer& tokenizer, const DraftOptions& options, const PairText& result,
    const PairText& alone);

} // namespace lathe
