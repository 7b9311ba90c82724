// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/decoder_model.h"

#include "engine/core/check.h"
#include "engine/decode/draft_maker.h"
#include "kernels/core/captured_graph.h"
#include "kernels/ops/row_statistics/row_statistics.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace lathe {

namespace {

constexpr std::int64_t kWordsPerRow = 4; ///< argmax, largest, log-sum-exp, target's logit

class DecoderSequence : public TokenSequence {
public:
    explicit DecoderSequence(std::unique_ptr<DecoderState> state) : m_state(std::move(state)) {}
    std::int64_t length() const override { return m_state->length(); }
    void truncate(std::int64_t length) override { m_state->truncate(length); }
    DecoderState& state() { return *m_state; }

private:
    std::unique_ptr<DecoderState> m_state;
};

DecoderState& stateOf(TokenSequence& sequence) {
    auto* own = dynamic_cast<DecoderSequence*>(&sequence);
    if (own == nullptr) {
        throw InternalError("a sequence of another kind of model was fed to a decoder");
    }
    return own->state();
}

std::vector<std::int32_t> targetsOf(std::span<const TokenFeed> feeds) {
    std::vector<std::int32_t> targets;
    for (const TokenFeed& feed : feeds) {
        const std::size_t given = std::min(feed.targets.size(), feed.tokens.size());
        targets.insert(targets.end(), feed.targets.begin(), feed.targets.begin() + given);
        targets.insert(targets.end(), feed.tokens.size() - given, -1);
    }
    return targets;
}

TokenRow rowOf(std::int32_t argmax, std::span<const float, 3> values) {
    const double largest = static_cast<double>(values[0]);
    const double logSum = static_cast<double>(values[1]);
    LATHE_CHECK(
        std::isfinite(largest) && std::isfinite(logSum),
        "the model's logits are not finite; its weights hold NaN or infinite values");
    // Rounding may leave a largest probability just above 1.
    return {
        .argmax = argmax,
        .confidence = std::min(1.0, std::exp(largest - logSum)),
        .distance = std::max(0.0, logSum - static_cast<double>(values[2]))};
}

} // namespace

DecoderModel::DecoderModel(
    ExecContext& context, const Decoder& decoder, std::optional<std::int64_t> vocabulary)
    : m_context(context), m_decoder(decoder),
      m_vocabulary(vocabulary.value_or(decoder.vocabularySize())) {
    LATHE_CHECK(
        m_vocabulary > 0 && m_vocabulary <= decoder.vocabularySize(),
        "a vocabulary of " + std::to_string(m_vocabulary) + " ids was asked for; the model has " +
            std::to_string(decoder.vocabularySize()));
}

std::unique_ptr<TokenSequence>
DecoderModel::begin(std::int64_t capacity, const EncoderOutput* encoder) {
    return std::make_unique<DecoderSequence>(m_decoder.begin(m_context, capacity, encoder));
}

std::vector<TokenRow>
DecoderModel::feed(std::span<const TokenFeed> feeds, const RowDetail& detail) {
    std::vector<DecodeSlot> slots;
    slots.reserve(feeds.size());
    for (const TokenFeed& feed : feeds) {
        slots.push_back({stateOf(feed.sequence), feed.tokens});
    }
    const ConstView logits = m_decoder.forward(m_context, slots);
    if (detail.nothing) {
        return {};
    }
    std::vector<TokenRow> rows = statistics(logits, feeds);
    if (detail.probabilities || detail.top > 0) {
        addDistributions(logits, detail, rows);
    }
    return rows;
}

bool DecoderModel::draftsAlone(const DraftLimits& limits) const {
    const auto* maker = dynamic_cast<const DraftMaker*>(&m_decoder);
    return maker != nullptr && maker->makesDrafts(m_context, limits);
}

std::vector<TokenRow> DecoderModel::draft(
    TokenSequence& sequence, std::span<const TokenId> tokens, const DraftLimits& limits) {
    if (!draftsAlone(limits)) {
        return TokenModel::draft(sequence, tokens, limits);
    }
    std::vector<TokenRow> rows;
    for (const DraftedRow& row : dynamic_cast<const DraftMaker&>(m_decoder).makeDrafts(
             m_context, stateOf(sequence), tokens, limits, m_vocabulary)) {
        const float values[3] = {row.largest, row.logSumExp, 0.0F};
        rows.push_back(rowOf(row.argmax, std::span<const float, 3>(values)));
        rows.back().distance = std::numeric_limits<double>::quiet_NaN();
    }
    return rows;
}

std::vector<TokenRow> DecoderModel::statistics(ConstView logits, std::span<const TokenFeed> feeds) {
    const std::int64_t count = logits.shape[0];
    const std::vector<std::int32_t> targets = targetsOf(feeds);
    if (m_targets.isNull() || m_targets.shape()[0] < count) {
        m_targets = Tensor::empty({count}, DType::I32, m_context.device());
        m_block = Tensor::empty({count * kWordsPerRow}, DType::I32, m_context.device());
    }
    const TensorView onDevice = m_targets.view().slice(0, count);
    if (targets.size() <= kMostPut) {
        put(m_context, targets, onDevice); // waits for nothing
    } else {
        copy(m_context, constViewOf(std::span<const std::int32_t>(targets), {count}), onDevice);
    }
    const TensorView block = m_block.view().slice(0, count * kWordsPerRow);
    const auto idBytes = static_cast<std::size_t>(count) * sizeof(std::int32_t);
    run(m_context, RowStatistics{
                       .logits = logits,
                       .targets = onDevice,
                       .columns = m_vocabulary,
                       .argmax = block.slice(0, count),
                       .values = {block.data + idBytes, {count, 3}, DType::F32, block.device}});
    std::vector<std::int32_t> words(static_cast<std::size_t>(count * kWordsPerRow));
    copy(m_context, block, viewOf(std::span(words), block.shape));
    std::vector<TokenRow> rows;
    for (std::size_t r = 0; r < static_cast<std::size_t>(count); ++r) {
        float values[3];
        std::memcpy(values, words.data() + static_cast<std::size_t>(count) + 3 * r, sizeof values);
        rows.push_back(rowOf(words[r], std::span<const float, 3>(values)));
        if (targets[r] < 0) { // std::max above has no opinion on NaN
            rows.back().distance = std::numeric_limits<double>::quiet_NaN();
        }
    }
    return rows;
}

void DecoderModel::addDistributions(
    ConstView logits, const RowDetail& detail, std::vector<TokenRow>& rows) {
    std::span<const float> host;
    if (logits.device.isCuda()) {
        m_logits.resize(static_cast<std::size_t>(logits.elementCount()));
        copy(m_context, logits, viewOf(std::span(m_logits), logits.shape));
        host = m_logits;
    } else {
        host = logits.as<float>();
    }
    const auto stride = static_cast<std::size_t>(logits.shape[1]);
    for (std::size_t r = 0; r < rows.size(); ++r) {
        const std::span<const float> row =
            host.subspan(r * stride, static_cast<std::size_t>(m_vocabulary));
        const double largest = static_cast<double>(row[static_cast<std::size_t>(rows[r].argmax)]);
        std::vector<double> probabilities(row.size());
        double sum = 0.0;
        for (std::size_t v = 0; v < row.size(); ++v) {
            probabilities[v] = std::exp(static_cast<double>(row[v]) - largest);
            sum += probabilities[v];
        }
        for (double& probability : probabilities) {
            probability /= sum;
        }
        rows[r].top = topCandidates(probabilities, detail.top);
        if (detail.probabilities) {
            rows[r].probabilities = std::move(probabilities);
        }
    }
}

void requireSameVocabulary(
    const Tokenizer& big, const std::string& bigName, const Tokenizer& little,
    const std::string& littleName) {
    LATHE_CHECK(
        big.fingerprint() == little.fingerprint(),
        "the vocabularies of " + bigName + " (" + std::to_string(big.size()) + " pieces) and " +
            littleName + " (" + std::to_string(little.size()) +
            " pieces) differ; a big and a little model need the same one");
}

} // namespace lathe
