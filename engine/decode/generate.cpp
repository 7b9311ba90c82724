// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/generate.h"

#include "engine/core/check.h"

#include <algorithm>
#include <chrono>
#include <string>

namespace lathe {

namespace {

/// The last row of logits on the host; `buffer` holds it where they are elsewhere.
std::span<const float> lastRow(ExecContext& context, ConstView logits, std::vector<float>& buffer) {
    const std::int64_t rows = logits.shape[0];
    const std::int64_t vocabulary = logits.shape[1];
    const ConstView row = logits.slice(rows - 1, rows);
    if (!row.device.isCuda()) {
        return row.as<float>();
    }
    buffer.resize(static_cast<std::size_t>(vocabulary));
    copy(context, row, viewOf(std::span<float>(buffer), Shape{1, vocabulary}));
    return buffer;
}

} // namespace

std::vector<TokenId> generate(
    RunControl& run, ExecContext& context, const Decoder& model, std::span<const TokenId> prompt,
    std::optional<TokenId> eos, const GenerateOptions& options, Random& random,
    const std::function<void(const GeneratedToken&)>& onToken) {
    LATHE_CHECK(!prompt.empty(), "the prompt has no tokens; give at least one");
    LATHE_CHECK(
        options.maxNew >= 0,
        "the number of new tokens is " + std::to_string(options.maxNew) + ", below 0");
    const auto given = static_cast<std::int64_t>(prompt.size());
    LATHE_CHECK(
        given <= model.maxPositions(), "the prompt has " + std::to_string(given) +
                                           " tokens, the model has " +
                                           std::to_string(model.maxPositions()) + " positions");
    std::vector<TokenId> ids(prompt.begin(), prompt.end());
    if (options.maxNew == 0) {
        return ids;
    }
    // The last token made is never fed back.
    const std::int64_t capacity = std::min(model.maxPositions(), given + options.maxNew - 1);
    ids.reserve(prompt.size() + static_cast<std::size_t>(options.maxNew));
    const std::unique_ptr<DecoderState> state = model.begin(context, capacity, options.encoder);
    std::vector<float> buffer;
    std::span<const TokenId> fresh(ids);
    for (int made = 1;; ++made) {
        run.checkpoint();
        const auto start = std::chrono::steady_clock::now();
        const DecodeSlot slot{*state, fresh};
        const ConstView logits = model.forward(context, std::span(&slot, 1));
        const SampledToken token =
            sampleToken(lastRow(context, logits, buffer), options.sampling, random);
        const std::chrono::duration<double, std::micro> took =
            std::chrono::steady_clock::now() - start;
        ids.push_back(token.id);
        if (onToken) {
            const int position = static_cast<int>(ids.size()) - 1;
            onToken({position, token.id, token.probability, took.count()});
        }
        const bool isEnd =
            token.id == eos || std::ranges::find(options.ends, token.id) != options.ends.end();
        const bool ended = options.stopAtEos && isEnd;
        if (ended || made == options.maxNew || state->length() == capacity) {
            return ids;
        }
        fresh = std::span<const TokenId>(ids).last(1);
    }
}

} // namespace lathe
