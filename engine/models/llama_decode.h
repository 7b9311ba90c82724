// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/recorded_steps.h"
#include "kernels/ops/decode_attention/decode_attention.h"

#include <memory>
#include <span>
#include <vector>

namespace lathe {

class LlamaModel;
struct LlamaConfig;
struct LlamaBlock;
struct Linear;

/// Kinds of work in a step, to be left out when they are timed.
struct DecodeParts {
    bool products = true; ///< of the blocks
    bool attention = true;
    bool elementwise = true; ///< embedding, norms, SwiGLU
    bool head = true;
};

/// One fresh token for each of some sequences, on one device: a fixed list of launches that read
/// ids and positions from the device. The second step and all later ones replay it as a graph.
/// Buffers are its own, so that nothing but the caches and the weights has to stay where it is.
/// Or several tokens of one sequence, whose recording is that of RecordedSteps.
/// See docs/adr/0007-decode-graph.md.
class LlamaDecodeStep : public RowsStep {
public:
    /// One token a slot, and no more slots than one step takes.
    static bool suits(std::span<const DecodeSlot> slots);
    /// @param slots those of `suits`, checked as forward does.
    LlamaDecodeStep(
        ExecContext& context, const LlamaModel& model, std::span<const DecodeSlot> slots);
    /// Of one sequence, with what it takes to make steps of it.
    static RecordedSteps::Subject subjectOf(
        ExecContext& context, const LlamaModel& model, DecoderState& state,
        const RecordedSteps& steps);

    std::int64_t rows() const override { return m_slots; }
    /// Of a step that `subjectOf` makes.
    void enqueue(ExecContext& context, ConstView ids) override;
    ConstView logits() const override { return m_logits.view(); }

    /// Whether caches, slots, weights and context are those it was made for.
    bool isFor(ExecContext& context, const LlamaModel& model, std::span<const DecodeSlot> slots);
    /// Feeds the slots' tokens; the caches are not committed. @return logits [slots, vocabulary]
    ConstView run(ExecContext& context, const LlamaModel& model, std::span<const DecodeSlot> slots);
    /// Ids and positions for the launches to come.
    void load(ExecContext& context, std::span<const DecodeSlot> slots);
    /// The launches, in order.
    void enqueue(ExecContext& context, const LlamaModel& model, const DecodeParts& parts = {});

private:
    /// Rows of one sequence. @param steps say where it stands; model and steps outlive the step.
    LlamaDecodeStep(
        ExecContext& context, const LlamaModel& model, KvCache& cache, const RecordedSteps& steps,
        std::int64_t rows);
    void makeBuffers(ExecContext& context, const LlamaConfig& config);
    void
    enqueue(ExecContext& context, const LlamaModel& model, ConstView ids, const DecodeParts& parts);
    void
    mix(ExecContext& context, const LlamaModel& model, int layer, ConstView q, ConstView k,
        ConstView v, std::int64_t stride);
    void attend(ExecContext& context, const LlamaModel& model, int layer, const DecodeParts& parts);
    void feedForward(ExecContext& context, const LlamaBlock& block, const DecodeParts& parts);
    /// x += delta; normed = norm(x).
    void addNorm(
        ExecContext& context, const LlamaModel& model, const Tensor& gamma,
        const DecodeParts& parts);
    static std::vector<std::uintptr_t>
    identityOf(ExecContext& context, const LlamaModel& model, std::span<const DecodeSlot> slots);

    std::int64_t m_slots;                      ///< or rows
    const LlamaModel* m_model = nullptr;       ///< of rows of one sequence, as is
    const RecordedSteps* m_position = nullptr; ///< where it stands
    std::vector<std::uintptr_t> m_identity;
    std::vector<std::vector<TensorView>> m_keys, m_values; ///< [layers][slots]
    Tensor m_inputs;                                       ///< [2, slots] I32: ids, positions
    Tensor m_x, m_normed, m_delta;                         ///< [slots, hidden]
    Tensor m_qkv;                                          ///< [slots, queries + 2 * keys]
    Tensor m_mixed;                                        ///< [slots, queries]
    Tensor m_gateUp;                                       ///< [slots, 2 * intermediate]
    Tensor m_inner;                                        ///< [slots, intermediate]
    Tensor m_logits;                                       ///< [slots, vocabulary]
    bool m_hasRun = false;
    std::unique_ptr<CapturedGraph> m_graph;
};

} // namespace lathe
