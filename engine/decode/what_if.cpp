// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/what_if.h"

#include "engine/core/check.h"

namespace lathe {

namespace {

TokenModel& given(TokenModel* model) {
    LATHE_CHECK(model != nullptr, "replaying other thresholds needs both models");
    return *model;
}

} // namespace

WhatIf::WhatIf(const DecodeModels& models, const DecodeRequest& request, int top)
    : m_request(request), m_little(given(models.little), request.littleEncoder, top),
      m_big(given(models.big), request.bigEncoder, top) {}

DecodedText WhatIf::decode(RunControl& run, const DraftOptions& options, const CallCosts& costs) {
    const DecodeSettings settings{.options = options, .clock = [] { return std::int64_t{0}; }};
    DecodedText text =
        decodeTexts(run, {&m_little, &m_big}, std::span(&m_request, 1), settings).front();
    text.log = retimed(std::move(text.log), costs);
    text.wallNs = text.log.events.empty() ? 0 : text.log.events.back().t1Ns;
    return text;
}

} // namespace lathe
