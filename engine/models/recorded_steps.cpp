// SPDX-License-Identifier: Apache-2.0
#include "engine/models/recorded_steps.h"

#include "engine/core/check.h"
#include "kernels/ops/row_statistics/row_statistics.h"

#include <algorithm>
#include <bit>
#include <string>

namespace lathe {

namespace {

/// Offsets in the integers that kernels read, the first ones in one `put`.
constexpr std::int64_t kState = 0;
constexpr std::int64_t kSource = kState + DraftStep::kStateSize;
constexpr std::int64_t kLimits = kSource + 1;
constexpr std::int64_t kIds = kLimits + DraftStep::kLimitSize;
constexpr std::int64_t kRows = kIds + RecordedSteps::kMostRows;
constexpr std::int64_t kBlock = kRows + 4 * RecordedSteps::kMostDrafts;
static_assert(kRows <= static_cast<std::int64_t>(kMostPut));

void checkCount(std::size_t tokens) {
    LATHE_CHECK(
        static_cast<std::int64_t>(tokens) <= RecordedSteps::kMostRows,
        "a recorded step takes at most " + std::to_string(RecordedSteps::kMostRows) +
            " tokens, not " + std::to_string(tokens));
}

} // namespace

TensorView RecordedSteps::part(std::int64_t from, std::int64_t count) {
    return m_block.view().slice(from, from + count);
}

bool RecordedSteps::canDraft(ExecContext& context, const DraftLimits& limits) {
    return CapturedGraph::isAvailable(context) &&
           static_cast<std::int64_t>(limits.ends.size()) <= kMostDraftEnds;
}

ConstView RecordedSteps::length() const {
    return m_block.view().slice(kState + DraftStep::Length, kState + DraftStep::Length + 1);
}

ConstView RecordedSteps::sourceLength() const { return m_block.view().slice(kSource, kSource + 1); }

void RecordedSteps::load(
    ExecContext& context, const Subject& subject, std::span<const TokenId> tokens,
    const DraftLimits* limits, std::int64_t most) {
    if (m_block.isNull()) {
        m_block = Tensor::empty({kBlock}, DType::I32, context.device());
    }
    std::array<std::int32_t, kRows> values{};
    values[kState + DraftStep::Length] = static_cast<std::int32_t>(subject.cache.length());
    values[kState + DraftStep::Fed] = static_cast<std::int32_t>(tokens.size());
    values[kSource] = static_cast<std::int32_t>(subject.sourceLength);
    if (limits != nullptr) {
        values[kLimits + DraftStep::Most] = static_cast<std::int32_t>(most);
        values[kLimits + DraftStep::Threshold] =
            std::bit_cast<std::int32_t>(static_cast<float>(limits->fallback));
        values[kLimits + DraftStep::EndCount] = static_cast<std::int32_t>(limits->ends.size());
        std::ranges::copy(limits->ends, values.begin() + kLimits + DraftStep::Ends);
    }
    const auto count = std::min<std::size_t>(tokens.size(), kMostRows);
    std::ranges::copy(tokens.first(count), values.begin() + kIds);
    put(context, values, part(0, kRows));
}

void RecordedSteps::keepFor(const Subject& subject) {
    if (subject.identity != m_identity) {
        m_identity = subject.identity;
        m_widths = {};
        m_loopKnown = false;
    }
}

RecordedSteps::Width& RecordedSteps::widthFor(const Subject& subject, std::size_t tokens) {
    checkCount(tokens);
    keepFor(subject);
    const auto at = std::ranges::lower_bound(kWidths, static_cast<std::int64_t>(tokens));
    Width& width = m_widths.at(static_cast<std::size_t>(at - kWidths.begin()));
    if (width.step == nullptr) {
        width.step = subject.make(*at);
    }
    return width;
}

void RecordedSteps::enqueue(ExecContext& context, Width& width) {
    width.step->enqueue(context, part(kIds, width.step->rows()));
}

ConstView
RecordedSteps::run(ExecContext& context, const Subject& subject, std::span<const TokenId> tokens) {
    Width& width = widthFor(subject, tokens.size());
    load(context, subject, tokens);
    // The first step is not recorded: a short text would pay for it, and a kernel that is used for
    // the first time may have to be loaded, which cannot be recorded.
    if (!width.hasRun || !CapturedGraph::isAvailable(context)) {
        enqueue(context, width);
        width.hasRun = true;
    } else {
        if (width.graph == nullptr) {
            width.graph = CapturedGraph::record(context, [&] { enqueue(context, width); });
        }
        width.graph->replay(context);
    }
    return width.step->logits().slice(0, static_cast<std::int64_t>(tokens.size()));
}

void RecordedSteps::enqueueDraft(ExecContext& context, Width& width) {
    enqueue(context, width);
    const std::int64_t rows = width.step->rows();
    const RowStatistics statistics{
        .logits = width.step->logits(),
        .targets = m_targets.view().slice(0, rows),
        .columns = m_columns,
        .argmax = m_argmax.view().slice(0, rows),
        .values = m_values.view().slice(0, rows)};
    lathe::run(context, statistics);
    lathe::run(
        context, DraftStep{
                     .argmax = statistics.argmax,
                     .values = statistics.values,
                     .limits = part(kLimits, DraftStep::kLimitSize),
                     .state = part(kState, DraftStep::kStateSize),
                     .id = part(kIds, 1),
                     .rows = part(kRows, 4 * kMostDrafts).reshaped({kMostDrafts, 4})});
}

void RecordedSteps::makeLoop(const Subject& subject) {
    m_loop = subject.makeLoop ? subject.makeLoop() : std::nullopt;
    if (m_loop) {
        m_loop->columns = m_columns;
        m_loop->sourceLength = sourceLength();
        m_loop->limits = part(kLimits, DraftStep::kLimitSize);
        m_loop->state = part(kState, DraftStep::kStateSize);
        m_loop->ids = part(kIds, kMostRows);
        m_loop->rows = part(kRows, 4 * kMostDrafts).reshaped({kMostDrafts, 4});
    }
    m_loopKnown = true;
}

bool RecordedSteps::loopReaches(
    ExecContext& context, const Subject& subject, std::int64_t positions) {
    if (!m_loop) {
        return false;
    }
    constexpr std::int64_t kStep = 64; // so that it seldom has to be asked anew
    const auto roundedUp = [](std::int64_t count) { return (count + kStep - 1) / kStep * kStep; };
    const std::int64_t reach = roundedUp(positions), source = roundedUp(subject.sourceLength);
    if (reach != m_loop->positions || source != m_loop->sourcePositions) {
        m_loop->positions = reach;
        m_loop->sourcePositions = source;
        m_loop->blocks = draftLoopBlocks(context, *m_loop);
    }
    return m_loop->blocks > 0;
}

void RecordedSteps::prepareDrafts(
    ExecContext& context, const Subject& subject, std::int64_t columns) {
    keepFor(subject);
    if (columns != m_columns) {
        for (Width& width : m_widths) {
            width.drafts.reset();
        }
        m_columns = columns;
        m_loopKnown = false;
    }
    if (!m_loopKnown) {
        makeLoop(subject);
    }
    if (m_targets.isNull()) {
        std::array<std::int32_t, kMostRows> none{};
        none.fill(-1);
        m_targets = Tensor::empty({kMostRows}, DType::I32, context.device());
        put(context, none, m_targets.view());
        m_argmax = Tensor::empty({kMostRows}, DType::I32, context.device());
        m_values = Tensor::empty({kMostRows, 3}, DType::F32, context.device());
    }
}

void RecordedSteps::draftByRecording(
    ExecContext& context, const Subject& subject, std::size_t tokens) {
    Width& first = widthFor(subject, tokens);
    Width& again = widthFor(subject, 1);
    if (!first.hasRun || !again.hasRun || !CapturedGraph::isAvailable(context)) {
        enqueueDraft(context, first); // and no further, see run
        first.hasRun = true;
        return;
    }
    if (first.drafts == nullptr) {
        first.drafts = CapturedGraph::recordLoop(
            context, [&] { enqueueDraft(context, first); }, [&] { enqueueDraft(context, again); },
            part(kState + DraftStep::Go, 1));
    }
    first.drafts->replay(context);
}

std::vector<DraftedRow> RecordedSteps::draft(
    ExecContext& context, const Subject& subject, std::span<const TokenId> tokens,
    const DraftLimits& limits, std::int64_t columns) {
    LATHE_CHECK(
        limits.most >= 1 && static_cast<std::int64_t>(limits.ends.size()) <= kMostDraftEnds,
        "a draft has at least one step and knows at most " + std::to_string(kMostDraftEnds) +
            " ends");
    checkCount(tokens.size());
    const std::int64_t room = subject.cache.capacity() - subject.cache.length() -
                              static_cast<std::int64_t>(tokens.size());
    const std::int64_t most = std::min({limits.most, kMostDrafts, room + 1});
    load(context, subject, tokens, &limits, most);
    prepareDrafts(context, subject, columns);
    const auto fed = static_cast<std::int64_t>(tokens.size());
    if (loopReaches(context, subject, subject.cache.length() + fed + most)) {
        lathe::run(context, *m_loop);
    } else {
        draftByRecording(context, subject, tokens.size());
    }
    std::array<std::int32_t, kBlock> block{};
    copy(context, m_block.view(), viewOf(std::span<std::int32_t>(block), {kBlock}));
    const std::int32_t count = block[kState + DraftStep::Count];
    if (count < 1 || count > most) {
        throw InternalError("a draft of " + std::to_string(count) + " steps");
    }
    std::vector<DraftedRow> rows(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::int32_t* words = block.data() + kRows + 4 * i;
        rows[i] = {words[0], std::bit_cast<float>(words[1]), std::bit_cast<float>(words[2])};
    }
    return rows;
}

} // namespace lathe
