// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/draft_maker.h"
#include "kernels/core/captured_graph.h"
#include "kernels/ops/draft_loop/draft_loop.h"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace lathe {

/// A pass of some rows of one sequence through a decoder as a fixed list of launches, which read
/// ids and lengths from the device.
class RowsStep {
public:
    virtual ~RowsStep() = default;
    virtual std::int64_t rows() const = 0;
    /// @param ids [rows] I32
    virtual void enqueue(ExecContext& context, ConstView ids) = 0;
    /// [rows, vocabulary] F32
    virtual ConstView logits() const = 0;
};

/// The steps of one sequence: recorded at their second use, for a few numbers of rows to which
/// others are rounded up. The rows too many take part behind the last position, where later ones
/// overwrite them. See docs/adr/0010-two-models.md.
class RecordedSteps {
public:
    /// Rows of the widest step.
    static constexpr std::int64_t kMostRows = 12;
    /// Rows that leave the device after one call of `draft`.
    static constexpr std::int64_t kMostDrafts = 32;

    /// The sequence and its model.
    struct Subject {
        const KvCache& cache;
        std::int64_t sourceLength = 0;
        /// Everything whose address a step keeps: when it changes, steps are made anew.
        std::vector<std::uintptr_t> identity{};
        std::function<std::unique_ptr<RowsStep>(std::int64_t rows)> make{};
        /// Drafts as one op, but for what `draft` gives it; null or none: step by step.
        std::function<std::optional<DraftLoop>()> makeLoop{};
    };

    static bool suits(std::span<const TokenId> tokens) {
        return static_cast<std::int64_t>(tokens.size()) <= kMostRows;
    }
    /// Whether `draft` goes beyond one step: on a GPU, for as many ends as a DraftStep knows.
    static bool canDraft(ExecContext& context, const DraftLimits& limits);
    /// Feeds the tokens, which are not committed. @return logits [tokens, vocabulary]
    /// @throws InputError for more than kMostRows.
    ConstView run(ExecContext& context, const Subject& subject, std::span<const TokenId> tokens);
    /// Feeds the tokens, and then what the model makes of them, token by token.
    /// @param columns of the logits that count
    /// @throws InputError for more than kMostRows tokens or kMostDraftEnds ends, or no steps.
    std::vector<DraftedRow> draft(
        ExecContext& context, const Subject& subject, std::span<const TokenId> tokens,
        const DraftLimits& limits, std::int64_t columns);

    /// Where steps find the length of the cache and that of the source: [1] I32, once loaded.
    ConstView length() const;
    ConstView sourceLength() const;
    /// Writes both, and up to kMostRows ids.
    void load(
        ExecContext& context, const Subject& subject, std::span<const TokenId> tokens,
        const DraftLimits* limits = nullptr, std::int64_t most = 0);

private:
    static constexpr std::array<std::int64_t, 6> kWidths{1, 2, 4, 6, 8, kMostRows};
    struct Width {
        std::unique_ptr<RowsStep> step{};
        bool hasRun = false;
        std::unique_ptr<CapturedGraph> graph{}, drafts{};
    };

    Width& widthFor(const Subject& subject, std::size_t tokens);
    void enqueue(ExecContext& context, Width& width);
    void enqueueDraft(ExecContext& context, Width& width);
    /// Forgets what was made for other memory.
    void keepFor(const Subject& subject);
    void prepareDrafts(ExecContext& context, const Subject& subject, std::int64_t columns);
    void makeLoop(const Subject& subject);
    /// Whether one launch can draft up to so many positions of the text.
    bool loopReaches(ExecContext& context, const Subject& subject, std::int64_t positions);
    void draftByRecording(ExecContext& context, const Subject& subject, std::size_t tokens);
    TensorView part(std::int64_t from, std::int64_t count);

    std::vector<std::uintptr_t> m_identity;
    std::array<Width, kWidths.size()> m_widths{};
    Tensor m_block;                       ///< I32, see the offsets in recorded_steps.cpp
    Tensor m_targets, m_argmax, m_values; ///< of the rows of a draft's step
    std::int64_t m_columns = 0;
    std::optional<DraftLoop> m_loop; ///< where one launch may make drafts
    bool m_loopKnown = false;
};

} // namespace lathe
