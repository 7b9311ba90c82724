// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"

#include <memory>
#include <stop_token>

namespace lathe {

class ModelCache;

inline constexpr const char* kWhatIfQuestion = "decode.what-if";

/// Answers what a text would be under other thresholds, from what both models are remembered to
/// have said: see WhatIf. Keeps one text at a time. Not for several threads at once.
class WhatIfDesk {
public:
    WhatIfDesk();
    ~WhatIfDesk();

    /// @param question {"spec": a Spec of decode.once, "costs": as that study's metric}
    /// @return the metrics of decode.once, times modelled by the costs; "candidates": for each
    ///         distinct prefix at which a token was written, the five likeliest of each model that
    ///         is known to have seen it, {"little": [[id, probability], ...], "big": [...]}; "at":
    ///         for each event the index of its prefix there, or -1; "computed": how many prefixes
    ///         had to be computed.
    /// @throws InputError, FormatError for a Spec that cannot run; Unsupported for one that samples
    ///         or needs no big model; Cancelled.
    Json answer(const Json& question, ModelCache& models, const std::stop_token& stop);

private:
    struct Subject;
    std::unique_ptr<Subject> m_subject;
};

} // namespace lathe
