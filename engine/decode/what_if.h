// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/decode_cost.h"
#include "engine/decode/decode_texts.h"
#include "engine/decode/memo_model.h"

namespace lathe {

/// One text under any thresholds, exactly: the strategy itself runs again on what the models are
/// known to say, and only prefixes that never came up are computed. A log alone would not do:
/// behind the first other decision the text is another one.
class WhatIf {
public:
    /// @param models, request's encoders  outlive this.
    /// @param top candidates that are kept of every prefix, for displays
    WhatIf(const DecodeModels& models, const DecodeRequest& request, int top = 5);

    /// What decoding gives with these options, greedily; its times are those of `costs`.
    /// @throws Unsupported for options that sample; what decodeTexts throws.
    DecodedText decode(RunControl& run, const DraftOptions& options, const CallCosts& costs);

    /// What is remembered of each model.
    const MemoModel& little() const { return m_little; }
    const MemoModel& big() const { return m_big; }

private:
    DecodeRequest m_request;
    MemoModel m_little, m_big;
};

} // namespace lathe
