// SPDX-License-Identifier: Apache-2.0
#include "engine/models/llama_gradient.h"

#include "engine/core/check.h"
#include "engine/models/gradient_memory.h"
#include "kernels/ops/add/add.h"
#include "kernels/ops/attention/attention.h"
#include "kernels/ops/attention_gradient/attention_gradient.h"
#include "kernels/ops/cross_entropy/cross_entropy.h"
#include "kernels/ops/embedding/embedding.h"
#include "kernels/ops/gemm/gemm.h"
#include "kernels/ops/rms_norm/rms_norm.h"
#include "kernels/ops/rope/rope.h"
#include "kernels/ops/swiglu/swiglu.h"
#include "kernels/ops/transpose/transpose.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace lathe {

namespace {

/// A block's matrices in the order of LlamaModel::modules().
enum Matrix : std::size_t { Q, K, V, O, Gate, Up, Down, kMatrices };

/// A block's pass back costs about as much as three passes forward.
constexpr int kBackwardShare = 3;

std::array<const Linear*, kMatrices> matricesOf(const LlamaBlock& block) {
    return {&block.q, &block.k, &block.v, &block.o, &block.gate, &block.up, &block.down};
}

const Tensor& denseOf(const Linear& linear, const std::string& name) {
    const auto* dense = std::get_if<DenseWeight>(&linear.weight);
    LATHE_CHECK(
        dense != nullptr, name + " is quantized already (" + describe(linear.weight) +
                              "); sensitivities are those of the original model");
    return dense->w;
}

/// y = w^T in F32 on the context's device.
Tensor transposed(ExecContext& context, ConstView w) {
    Tensor y = Tensor::empty({w.shape[1], w.shape[0]}, DType::F32, context.device());
    run(context, Transpose{.x = w, .y = y.view()});
    return y;
}

/// Host numbers in scratch memory of the device.
TensorView onDevice(ExecContext& context, std::span<const std::int32_t> values) {
    const auto host = constViewOf(values, Shape{static_cast<std::int64_t>(values.size())});
    const TensorView view = context.scratch().take(host.shape, DType::I32);
    copy(context, host, view);
    return view;
}

/// One block on the device while the samples go back through it.
struct BlockWork {
    const LlamaBlock* block = nullptr;
    std::array<Tensor, kMatrices> transposed; ///< [in, out]; null where no gradient goes through
    bool wanted = false;                      ///< the visitor sees its gradients
    bool passOn = true;                       ///< a block before it needs the gradient
};

/// What the pass back needs of the pass forward through one block, for one sample.
struct Activations {
    TensorView normed;       ///< [tokens, hidden]: given to q, k, v
    TensorView q, k, v;      ///< [tokens, heads or kvHeads, headDim], turned
    TensorView mixed;        ///< [tokens, heads, headDim]: given to o
    TensorView middle;       ///< [tokens, hidden]: between attention and feed-forward
    TensorView middleNormed; ///< [tokens, hidden]: given to gate, up
    TensorView gate, up;     ///< [tokens, intermediate]
};

} // namespace

class LlamaGradient {
public:
    LlamaGradient(
        RunControl& control, ExecContext& context, const LlamaModel& model,
        const GradientRequest& request, GradientVisitor& visitor);
    double compute();

private:
    struct Sample {
        std::span<const TokenId> inputs;  ///< all ids but the last
        std::span<const TokenId> targets; ///< all ids but the first
        std::int64_t from = 0;            ///< first row of its activations
    };

    bool wanted(int block) const { return !m_request.wanted || m_request.wanted(block); }
    void allocate(std::int64_t longest, std::int64_t total);
    TensorView inputOf(int block, const Sample& sample);
    TensorView gradientOf(const Sample& sample);
    void report(double done, int block, std::size_t sample);

    double forward();
    double forward(const Sample& sample, DecoderState& state, ConstView head);
    void backward(int index);
    BlockWork prepare(int index) const;
    void backward(BlockWork& work, const Sample& sample, int index);
    Activations activate(const LlamaBlock& block, ConstView x, ConstView positions);
    void backwardFeedForward(BlockWork& work, const Activations& a, TensorView d);
    void backwardAttention(BlockWork& work, const Activations& a, ConstView x, TensorView d);
    void show(const BlockWork& work, Matrix matrix, ConstView x, ConstView dy);
    void product(const BlockWork& work, Matrix matrix, ConstView dy, TensorView dx);
    void addNormGradient(ConstView x, const Tensor& gamma, TensorView dy, TensorView d);

    RunControl& m_control;
    ExecContext& m_context;
    const LlamaModel& m_model;
    const GradientRequest& m_request;
    GradientVisitor& m_visitor;
    const LlamaConfig& m_config;
    std::vector<Sample> m_samples;
    double m_loss = 0.0;
    int m_first = 0;              ///< the lowest block that is wanted
    std::vector<Tensor> m_inputs; ///< of blocks m_first, ..: [all tokens, hidden]
    Tensor m_gradient;            ///< of the output of the block that comes next, the same
};

LlamaGradient::LlamaGradient(
    RunControl& control, ExecContext& context, const LlamaModel& model,
    const GradientRequest& request, GradientVisitor& visitor)
    : m_control(control), m_context(context), m_model(model), m_request(request),
      m_visitor(visitor), m_config(model.config()) {
    LATHE_CHECK(!request.samples.empty(), "sensitivities need at least one sample of text");
    for (const auto& [name, linear] : model.modules()) {
        denseOf(*linear, name);
    }
    std::int64_t longest = 0;
    std::int64_t total = 0;
    for (const std::vector<TokenId>& ids : request.samples) {
        const auto length = static_cast<std::int64_t>(ids.size());
        LATHE_CHECK(
            length >= 2 && length <= m_config.maxPositions,
            "a sample has " + std::to_string(length) + " tokens; possible are 2 to the model's " +
                std::to_string(m_config.maxPositions) + " positions");
        for (const TokenId id : ids) {
            LATHE_CHECK(
                id >= 0 && id < m_config.vocabularySize,
                "a sample holds token " + std::to_string(id) +
                    ", which is not in a vocabulary of " + std::to_string(m_config.vocabularySize));
        }
        const std::span<const TokenId> all(ids);
        m_samples.push_back({all.first(all.size() - 1), all.subspan(1), total});
        longest = std::max(longest, length - 1);
        total += length - 1;
    }
    while (m_first < m_config.layers && !wanted(m_first)) {
        ++m_first;
    }
    LATHE_CHECK(m_first < m_config.layers, "sensitivities of no block were asked for");
    allocate(longest, total);
}

void LlamaGradient::allocate(std::int64_t longest, std::int64_t total) {
    const Shape plane{total, m_config.hiddenSize};
    GradientMemory memory =
        gradientMemory(m_config, m_context.device(), 1, longest + 1, m_request.hessianGroups);
    memory.checkpoints = (m_config.layers - m_first + 1) * plane.elementCount() *
                         static_cast<std::int64_t>(sizeof(float));
    const Device place = checkpointDevice(memory, m_context.device());
    for (int block = m_first; block < m_config.layers; ++block) {
        m_inputs.push_back(Tensor::empty(plane, DType::F32, place));
    }
    m_gradient = Tensor::empty(plane, DType::F32, place);
}

TensorView LlamaGradient::inputOf(int block, const Sample& sample) {
    const auto rows = static_cast<std::int64_t>(sample.inputs.size());
    Tensor& plane = m_inputs[static_cast<std::size_t>(block - m_first)];
    return plane.view().slice(sample.from, sample.from + rows);
}

TensorView LlamaGradient::gradientOf(const Sample& sample) {
    const auto rows = static_cast<std::int64_t>(sample.inputs.size());
    return m_gradient.view().slice(sample.from, sample.from + rows);
}

/// @param done blocks' worth of work; @param block -1: the pass forward
void LlamaGradient::report(double done, int block, std::size_t sample) {
    m_control.checkpoint();
    if (m_request.onProgress) {
        const double all = m_config.layers + kBackwardShare * (m_config.layers - m_first);
        m_request.onProgress(
            done / all, (block < 0 ? "forward" : "model.layers." + std::to_string(block)) +
                            ": sample " + std::to_string(sample + 1) + " of " +
                            std::to_string(m_samples.size()));
    }
}

double LlamaGradient::compute() {
    m_loss = forward();
    for (int block = m_config.layers - 1; block >= m_first; --block) {
        backward(block);
    }
    return m_loss;
}

/// All samples; returns their mean loss.
double LlamaGradient::forward() {
    const ConstView head =
        m_model.m_head ? denseOf(*m_model.m_head, "lm_head").view() : m_model.m_embedding.view();
    const Tensor turned = transposed(m_context, head); // [hidden, vocabulary]
    std::int64_t longest = 0;
    for (const Sample& sample : m_samples) {
        longest = std::max(longest, static_cast<std::int64_t>(sample.inputs.size()));
    }
    const std::unique_ptr<DecoderState> state = m_model.begin(m_context, longest);
    double loss = 0.0;
    for (std::size_t s = 0; s < m_samples.size(); ++s) {
        const double share = static_cast<double>(s) / static_cast<double>(m_samples.size());
        report(share * m_config.layers, -1, s);
        loss += forward(m_samples[s], *state, turned.view());
    }
    return loss / static_cast<double>(m_samples.size());
}

/// One sample: leaves its block inputs and the gradient of the last block's output behind.
double LlamaGradient::forward(const Sample& sample, DecoderState& state, ConstView head) {
    Arena& scratch = m_context.scratch();
    const Arena::Scope scope(scratch);
    const auto tokens = static_cast<std::int64_t>(sample.inputs.size());
    const TensorView last = scratch.take({tokens, m_config.hiddenSize}, DType::F32);
    if (m_first == 0) {
        run(m_context, Embedding{
                           .table = m_model.m_embedding.view(),
                           .ids = onDevice(m_context, sample.inputs),
                           .y = last});
        copy(m_context, last, inputOf(0, sample));
    }
    const auto observe = [&](int layer, ConstView hidden) {
        const int next = layer + 1;
        if (next == m_config.layers) {
            copy(m_context, hidden, last);
        } else if (next >= m_first) {
            copy(m_context, hidden, inputOf(next, sample));
        }
    };
    state.truncate(0);
    const DecodeSlot slot{state, sample.inputs};
    const ConstView logits = m_model.forwardObserved(m_context, {&slot, 1}, observe);

    const TensorView targets = onDevice(m_context, sample.targets);
    const TensorView nll = scratch.take({tokens}, DType::F32);
    run(m_context, CrossEntropy{.logits = logits, .targets = targets, .nll = nll});
    std::vector<float> losses(sample.targets.size());
    copy(m_context, nll, viewOf(std::span(losses), {tokens}));

    const TensorView dlogits = scratch.take(logits.shape, DType::F32); // [tokens, vocabulary]
    run(m_context, CrossEntropyGradient{
                       .logits = logits,
                       .targets = targets,
                       .scale = 1.0F / static_cast<float>(tokens),
                       .dlogits = dlogits});
    const TensorView d = scratch.take(last.shape, DType::F32); // [tokens, hidden]
    run(m_context, Gemm{.x = dlogits, .w = head, .y = d});
    run(m_context, RmsNormGradient{
                       .x = last,
                       .gamma = m_model.m_finalNorm.view(),
                       .dy = d,
                       .dx = d,
                       .epsilon = m_config.rmsEpsilon});
    copy(m_context, d, gradientOf(sample));
    return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(tokens);
}

BlockWork LlamaGradient::prepare(int index) const {
    BlockWork work;
    work.block = &m_model.m_blocks[static_cast<std::size_t>(index)];
    work.wanted = wanted(index);
    work.passOn = index > m_first;
    const auto matrices = matricesOf(*work.block);
    for (std::size_t m = 0; m < kMatrices; ++m) {
        const ConstView w = std::get<DenseWeight>(matrices[m]->weight).w.view();
        if (work.passOn || m >= O) {
            work.transposed[m] = transposed(m_context, w);
        }
    }
    return work;
}

/// All samples through one block.
void LlamaGradient::backward(int index) {
    BlockWork work = prepare(index);
    if (work.wanted) {
        m_visitor.begin(index);
    }
    for (std::size_t s = 0; s < m_samples.size(); ++s) {
        const double share = static_cast<double>(s) / static_cast<double>(m_samples.size());
        report(m_config.layers + kBackwardShare * (m_config.layers - 1 - index + share), index, s);
        backward(work, m_samples[s], index);
    }
    m_context.synchronize();
    if (work.wanted) {
        m_visitor.end(index, m_loss);
    }
}

void LlamaGradient::backward(BlockWork& work, const Sample& sample, int index) {
    Arena& scratch = m_context.scratch();
    const Arena::Scope scope(scratch);
    const auto tokens = static_cast<std::int64_t>(sample.inputs.size());
    const TensorView x = scratch.take({tokens, m_config.hiddenSize}, DType::F32);
    const TensorView d = scratch.take(x.shape, DType::F32); // of the block's output, then input
    copy(m_context, inputOf(index, sample), x);
    copy(m_context, gradientOf(sample), d);
    std::vector<std::int32_t> positions(sample.inputs.size());
    std::iota(positions.begin(), positions.end(), 0);
    const Activations a = activate(*work.block, x, onDevice(m_context, positions));
    backwardFeedForward(work, a, d);
    backwardAttention(work, a, x, d);
    if (work.passOn) {
        copy(m_context, d, gradientOf(sample));
    }
}

/// The block's pass forward once more, as LlamaModel::forward does it, with all that lies between.
Activations LlamaGradient::activate(const LlamaBlock& block, ConstView x, ConstView positions) {
    Arena& scratch = m_context.scratch();
    const std::int64_t tokens = x.shape[0];
    const Shape queries{tokens, m_config.heads, m_config.headDim};
    const Shape keys{tokens, m_config.kvHeads, m_config.headDim};
    const Shape inner{tokens, m_config.intermediateSize};
    const auto take = [&](Shape shape) { return scratch.take(shape, DType::F32); };
    const auto flat = [&](TensorView view) {
        return view.reshaped({tokens, view.shape.rowElements()});
    };
    const auto norm = [&](ConstView from, const Tensor& gamma, TensorView y) {
        run(m_context,
            RmsNorm{.x = from, .gamma = gamma.view(), .y = y, .epsilon = m_config.rmsEpsilon});
    };
    const ConstView frequencies = m_model.m_frequencies.view();
    Activations a{
        .normed = take(x.shape),
        .q = take(queries),
        .k = take(keys),
        .v = take(keys),
        .mixed = take(queries),
        .middle = take(x.shape),
        .middleNormed = take(x.shape),
        .gate = take(inner),
        .up = take(inner)};
    norm(x, block.inputNorm, a.normed);
    block.q.apply(m_context, a.normed, flat(a.q));
    block.k.apply(m_context, a.normed, flat(a.k));
    block.v.apply(m_context, a.normed, flat(a.v));
    run(m_context, Rope{.x = a.q, .frequencies = frequencies, .positions = positions});
    run(m_context, Rope{.x = a.k, .frequencies = frequencies, .positions = positions});
    run(m_context, Attention{
                       .q = a.q,
                       .keys = a.k,
                       .values = a.v,
                       .scale = 1.0F / std::sqrt(static_cast<float>(m_config.headDim)),
                       .y = a.mixed});
    block.o.apply(m_context, flat(a.mixed), a.middle);
    run(m_context, Add{.a = a.middle, .b = x, .y = a.middle});
    norm(a.middle, block.postAttentionNorm, a.middleNormed);
    block.gate.apply(m_context, a.middleNormed, a.gate);
    block.up.apply(m_context, a.middleNormed, a.up);
    return a;
}

/// d: from the gradient of the block's output to that of `middle`.
void LlamaGradient::backwardFeedForward(BlockWork& work, const Activations& a, TensorView d) {
    Arena& scratch = m_context.scratch();
    const Arena::Scope scope(scratch);
    const TensorView inner = scratch.take(a.gate.shape, DType::F32); // [tokens, intermediate]
    const TensorView dinner = scratch.take(a.gate.shape, DType::F32);
    const TensorView dnormed = scratch.take(d.shape, DType::F32); // [tokens, hidden]
    const TensorView part = scratch.take(d.shape, DType::F32);
    run(m_context, SwiGlu{.gate = a.gate, .up = a.up, .y = inner});
    show(work, Down, inner, d);
    product(work, Down, d, dinner);
    run(m_context,
        SwiGluGradient{.gate = a.gate, .up = a.up, .dy = dinner, .dgate = a.gate, .dup = a.up});
    show(work, Gate, a.middleNormed, a.gate);
    show(work, Up, a.middleNormed, a.up);
    product(work, Gate, a.gate, dnormed);
    product(work, Up, a.up, part);
    run(m_context, Add{.a = dnormed, .b = part, .y = dnormed});
    addNormGradient(a.middle, work.block->postAttentionNorm, dnormed, d);
}

/// d: from the gradient of `middle` to that of the block's input x, if a block before needs it.
void LlamaGradient::backwardAttention(
    BlockWork& work, const Activations& a, ConstView x, TensorView d) {
    Arena& scratch = m_context.scratch();
    const Arena::Scope scope(scratch);
    const std::int64_t tokens = x.shape[0];
    const auto flat = [&](TensorView view) {
        return view.reshaped({tokens, view.shape.rowElements()});
    };
    const TensorView dmixed = scratch.take(a.q.shape, DType::F32); // [tokens, heads, headDim]
    const TensorView dq = scratch.take(a.q.shape, DType::F32);
    const TensorView dk = scratch.take(a.k.shape, DType::F32); // [tokens, kvHeads, headDim]
    const TensorView dv = scratch.take(a.v.shape, DType::F32);
    show(work, O, flat(a.mixed), d);
    product(work, O, d, flat(dmixed));
    run(m_context, AttentionGradient{
                       .q = a.q,
                       .keys = a.k,
                       .values = a.v,
                       .dy = dmixed,
                       .scale = 1.0F / std::sqrt(static_cast<float>(m_config.headDim)),
                       .dq = dq,
                       .dkeys = dk,
                       .dvalues = dv});
    std::vector<std::int32_t> back(static_cast<std::size_t>(tokens));
    for (std::size_t t = 0; t < back.size(); ++t) {
        back[t] = -static_cast<std::int32_t>(t);
    }
    const ConstView positions = onDevice(m_context, back);
    const ConstView frequencies = m_model.m_frequencies.view();
    run(m_context, Rope{.x = dq, .frequencies = frequencies, .positions = positions});
    run(m_context, Rope{.x = dk, .frequencies = frequencies, .positions = positions});
    show(work, Q, a.normed, flat(dq));
    show(work, K, a.normed, flat(dk));
    show(work, V, a.normed, flat(dv));
    if (!work.passOn) {
        return;
    }
    const TensorView dnormed = scratch.take(d.shape, DType::F32); // [tokens, hidden]
    const TensorView part = scratch.take(d.shape, DType::F32);
    product(work, Q, flat(dq), dnormed);
    product(work, K, flat(dk), part);
    run(m_context, Add{.a = dnormed, .b = part, .y = dnormed});
    product(work, V, flat(dv), part);
    run(m_context, Add{.a = dnormed, .b = part, .y = dnormed});
    addNormGradient(x, work.block->inputNorm, dnormed, d);
}

/// A matrix was given x, and its result has the gradient dy.
void LlamaGradient::show(const BlockWork& work, Matrix matrix, ConstView x, ConstView dy) {
    if (work.wanted) {
        m_visitor.visit(matrix, x, dy);
    }
}

/// dx = dy * w.
void LlamaGradient::product(const BlockWork& work, Matrix matrix, ConstView dy, TensorView dx) {
    run(m_context, Gemm{.x = dy, .w = work.transposed[matrix].view(), .y = dx});
}

/// d += gradient of the norm's input x, from that of its result; dy is overwritten.
void LlamaGradient::addNormGradient(ConstView x, const Tensor& gamma, TensorView dy, TensorView d) {
    run(m_context,
        RmsNormGradient{
            .x = x, .gamma = gamma.view(), .dy = dy, .dx = dy, .epsilon = m_config.rmsEpsilon});
    run(m_context, Add{.a = d, .b = dy, .y = d});
}

double visitGradients(
    RunControl& run, ExecContext& context, const LlamaModel& model, const GradientRequest& request,
    GradientVisitor& visitor) {
    return LlamaGradient(run, context, model, request, visitor).compute();
}

} // namespace lathe
