// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/recorded_steps.h"

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

namespace lathe {

class T5Model;
struct T5Attention;
struct T5Block;
struct T5Memory;
struct Linear;

/// A pass of some rows through the decoder of a T5Model: seven or eight launches a block with a
/// plain feed-forward layer. A row's numbers do not depend on how many there are, nor on what else
/// is in the pass.
class T5DecodeStep : public RowsStep {
public:
    /// Rows of one text.
    struct Part {
        T5Memory* memory;
        std::int64_t rows;
    };
    /// Of one text, with what it takes to make steps of it.
    static RecordedSteps::Subject
    subjectOf(ExecContext& context, const T5Model& model, T5Memory& memory);

    /// With buffers of its own. @param model outlives the step, as the parts' memory does.
    T5DecodeStep(ExecContext& context, const T5Model& model, std::vector<Part> parts);
    /// A pass that happens once: buffers in scratch memory, but for the logits.
    T5DecodeStep(
        ExecContext& context, const T5Model& model, std::vector<Part> parts, TensorView logits);
    /// The encoder's pass, with buffers of its own; for `encode` alone.
    T5DecodeStep(ExecContext& context, const T5Model& model, std::int64_t sourceTokens);
    /// What the encoder makes of the ids. @param hidden [ids, hidden] F32, overwritten.
    void encode(ExecContext& context, ConstView ids, TensorView hidden);
    /// Everything of a stack whose address launches keep, apart from the caches.
    static std::vector<std::uintptr_t>
    identityOf(ExecContext& context, const T5Model& model, bool encoder);

    /// y = w * x of any number of rows, by few launches on a GPU.
    static void multiplyAll(ExecContext& context, const Linear& linear, ConstView x, TensorView y);

    std::int64_t rows() const override { return m_rows; }
    /// The lengths of all parts are loaded.
    void enqueue(ExecContext& context, ConstView ids) override;
    ConstView logits() const override { return m_logits; }

private:
    using Allocate = std::function<TensorView(Shape)>;
    T5DecodeStep(const T5Model& model, std::int64_t rows);
    void makeBuffers(const Allocate& floats);
    void attend(ExecContext& context, std::size_t layer);
    /// Every row to every row.
    void attendAll(ExecContext& context, const T5Block& block);
    /// Queries, keys and values in m_qkv. @return elements between rows
    std::int64_t
    project(ExecContext& context, const T5Attention& attention, std::array<TensorView, 3>& qkv);
    void attendSource(ExecContext& context, std::size_t layer);
    bool attendAtOnce(ExecContext& context, const T5Attention& source, std::size_t layer);
    void attendByParts(ExecContext& context, const T5Attention& source, std::size_t layer);
    void feedForward(ExecContext& context, const T5Block& block);
    /// y = w * norm(x), without a gamma w * x.
    void multiply(
        ExecContext& context, const Linear& linear, const Tensor* gamma, ConstView x, TensorView y,
        bool relu = false);
    /// The residual stream += w * x.
    void addTo(ExecContext& context, const Linear& linear, ConstView x);

    const T5Model& m_model;
    std::vector<Part> m_parts;
    std::int64_t m_rows = 0;
    float m_epsilon;
    std::vector<Tensor> m_owned;
    TensorView m_x, m_normed, m_delta; ///< [rows, hidden]
    TensorView m_qkv;    ///< [3, rows, heads * headDim], or [rows, 3 * heads * headDim]
    TensorView m_mixed;  ///< [rows, heads, headDim]
    TensorView m_inner;  ///< [2, rows, intermediate]
    TensorView m_logits; ///< [rows, vocabulary]
};

/// The encoder's pass over so many tokens, recorded at its second use.
class T5EncodeStep {
public:
    /// Tokens of the longest source that is recorded.
    static constexpr std::int64_t kMostTokens = 64;

    T5EncodeStep(ExecContext& context, const T5Model& model, std::int64_t tokens);
    bool isFor(ExecContext& context, const T5Model& model, std::int64_t tokens) const;
    /// @return [ids, hidden] F32, until the next run
    ConstView run(ExecContext& context, std::span<const TokenId> ids);

private:
    std::vector<std::uintptr_t> m_identity;
    T5DecodeStep m_pass;
    Tensor m_ids, m_hidden;
    bool m_hasRun = false;
    std::unique_ptr<CapturedGraph> m_graph;
};

} // namespace lathe
