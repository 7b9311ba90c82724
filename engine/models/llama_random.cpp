// SPDX-License-Identifier: Apache-2.0
#include "engine/models/llama_random.h"

#include "engine/base/random.h"
#include "engine/core/check.h"
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "kernels/ops/plane_gemv/plane_gemv.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

namespace lathe {

namespace {

constexpr double kMostSparsity = 0.5;
/// Normal numbers that are used over and over: a prime, so that the rows of a matrix differ.
constexpr std::size_t kPoolSize = 65521;

struct MatrixSize {
    std::int64_t out = 0, in = 0;
};

/// In the order of LlamaModel::modules().
std::array<MatrixSize, 7> matricesOf(const LlamaConfig& config) {
    const std::int64_t hidden = config.hiddenSize, inner = config.intermediateSize;
    const std::int64_t queries = config.heads * config.headDim;
    const std::int64_t keys = config.kvHeads * config.headDim;
    return {
        {{queries, hidden},
         {keys, hidden},
         {keys, hidden},
         {hidden, queries},
         {inner, hidden},
         {inner, hidden},
         {hidden, inner}}};
}

void check(const RandomWeights& weights) {
    const bool dense = weights.bits == kDenseBits;
    LATHE_CHECK(
        dense || (weights.bits >= 1 && weights.bits <= 8),
        "random weights have 1 to 8 bits, or 16 for dense F16, not " +
            std::to_string(weights.bits));
    LATHE_CHECK(
        weights.sparsity >= 0.0 && weights.sparsity <= (dense ? 0.0 : kMostSparsity),
        "the share of sparse values must be from 0 to 0.5, and 0 beside dense weights, not " +
            std::to_string(weights.sparsity));
}

/// Values in each row of a sparse part.
std::int64_t sparseCount(const RandomWeights& weights, std::int64_t in) {
    return std::llround(weights.sparsity * static_cast<double>(in));
}

std::int64_t bytesOf(const MatrixSize& size, const RandomWeights& weights, ExecContext& context) {
    if (weights.bits == kDenseBits) {
        return size.out * size.in * 2;
    }
    const std::int64_t entries = std::int64_t{1} << weights.bits;
    std::int64_t bytes = size.out * (packedWords(size.in, weights.bits) * 4 + entries * 2);
    if (prefersPlanes(context, weights.bits, size.in)) {
        bytes += 4 * (planesShape(size.out, size.in, weights.bits).elementCount() +
                      planeCoefficientsShape(size.out, weights.bits).elementCount());
    }
    const std::int64_t count = sparseCount(weights, size.in); // of a row: U16 and F16 each
    return bytes + (count == 0 ? 0 : 4 * (size.out + 1) + size.out * count * 4);
}

} // namespace

/// Makes the tensors of a model; those of a block once on the host.
class RandomLlama {
public:
    RandomLlama(const LlamaConfig& config, const RandomWeights& weights, ExecContext& context)
        : m_config(config), m_weights(weights), m_context(context), m_random(weights.seed),
          m_pool(kPoolSize) {
        check(weights);
        std::ranges::generate(m_pool, [&] { return m_random.normal(); });
    }

    std::unique_ptr<LlamaModel> make(const std::function<void(int)>& onLayer) {
        auto model = std::make_unique<LlamaModel>();
        model->m_config = m_config;
        model->m_device = m_context.device();
        const std::int64_t hidden = m_config.hiddenSize;
        const Shape table{m_config.vocabularySize, hidden};
        model->m_embedding = dense(table, 1.0).to(m_context.device(), m_context);
        if (!m_config.tiedHead) {
            model->m_head = Linear{
                DenseWeight{dense(table, scaleOf(hidden)).to(m_context.device(), m_context)}};
        }
        const std::vector<float> ones(static_cast<std::size_t>(hidden), 1.0F);
        const std::vector<float> frequencies = ropeFrequencies(m_config);
        model->m_finalNorm = upload(ones);
        model->m_frequencies = upload(frequencies);
        std::vector<Weight> block;
        for (const MatrixSize& size : matricesOf(m_config)) {
            block.push_back(matrix(size));
        }
        for (int layer = 0; layer < m_config.layers; ++layer) {
            if (onLayer) {
                onLayer(layer);
            }
            LlamaBlock& made = model->m_blocks.emplace_back();
            made.inputNorm = upload(ones);
            made.postAttentionNorm = upload(ones);
            const std::array<Linear*, 7> linears{&made.q,    &made.k,  &made.v,   &made.o,
                                                 &made.gate, &made.up, &made.down};
            for (std::size_t i = 0; i < linears.size(); ++i) {
                linears.at(i)->weight = toDevice(block[i], m_context.device(), m_context);
            }
            if (m_context.device().isCuda()) {
                model->fuseProducts(m_context);
            }
        }
        return model;
    }

private:
    /// So that a product of normal inputs is normal again.
    static double scaleOf(std::int64_t in) { return 1.0 / std::sqrt(static_cast<double>(in)); }

    Tensor upload(const std::vector<float>& values) {
        const Shape shape{static_cast<std::int64_t>(values.size())};
        Tensor tensor = Tensor::empty(shape, DType::F32, m_context.device());
        copy(m_context, constViewOf(std::span<const float>(values), shape), tensor.view());
        return tensor;
    }

    /// F16 on the host.
    Tensor dense(Shape shape, double scale) {
        std::vector<Half> scaled(kPoolSize);
        std::ranges::transform(m_pool, scaled.begin(), [scale](double number) {
            return toHalf(static_cast<float>(scale * number));
        });
        Tensor tensor = Tensor::empty(shape, DType::F16, Device{});
        const std::span<Half> values = tensor.view().as<Half>();
        for (std::size_t from = 0; from < values.size(); from += kPoolSize) {
            std::copy_n(
                scaled.begin(), std::min(kPoolSize, values.size() - from),
                values.begin() + static_cast<std::ptrdiff_t>(from));
        }
        return tensor;
    }

    /// On the host.
    Weight matrix(const MatrixSize& size) {
        if (m_weights.bits == kDenseBits) {
            return DenseWeight{dense({size.out, size.in}, scaleOf(size.in))};
        }
        LutWeight lut{
            .packed = Tensor::empty(
                {size.out, packedWords(size.in, m_weights.bits)}, DType::I32, Device{}),
            .table = dense({size.out, std::int64_t{1} << m_weights.bits}, scaleOf(size.in)),
            .bits = m_weights.bits,
            .in = size.in};
        for (std::int32_t& word : lut.packed.view().as<std::int32_t>()) {
            word = static_cast<std::int32_t>(static_cast<std::uint32_t>(m_random.next() >> 32));
        }
        if (sparseCount(m_weights, size.in) > 0) {
            lut.sparse = sparse(size);
        }
        return lut;
    }

    /// One value somewhere in each of equally long pieces of a row.
    SparseRows sparse(const MatrixSize& size) {
        const std::int64_t count = sparseCount(m_weights, size.in);
        SparseRows rows{
            Tensor::empty({size.out + 1}, DType::I32, Device{}),
            Tensor::empty({size.out * count}, DType::U16, Device{}),
            dense({size.out * count}, scaleOf(size.in))};
        std::int64_t at = 0;
        for (std::int64_t row = 0; row <= size.out; ++row) {
            rows.rowPointers.view().as<std::int32_t>()[static_cast<std::size_t>(row)] =
                static_cast<std::int32_t>(row * count);
        }
        for (std::uint16_t& column : rows.columns.view().as<std::uint16_t>()) {
            const std::int64_t piece = at++ % count;
            const std::int64_t from = piece * size.in / count;
            const std::int64_t to = (piece + 1) * size.in / count;
            column = static_cast<std::uint16_t>(
                from +
                static_cast<std::int64_t>(m_random.below(static_cast<std::uint64_t>(to - from))));
        }
        return rows;
    }

    const LlamaConfig& m_config;
    const RandomWeights& m_weights;
    ExecContext& m_context;
    Random m_random;
    std::vector<double> m_pool;
};

std::unique_ptr<LlamaModel> randomLlama(
    const LlamaConfig& config, const RandomWeights& weights, ExecContext& context,
    const std::function<void(int layer)>& onLayer) {
    return RandomLlama(config, weights, context).make(onLayer);
}

std::int64_t
randomLlamaBytes(const LlamaConfig& config, const RandomWeights& weights, ExecContext& context) {
    check(weights);
    std::int64_t block = 2 * config.hiddenSize * 4;
    for (const MatrixSize& size : matricesOf(config)) {
        block += bytesOf(size, weights, context);
    }
    const std::int64_t tables = config.tiedHead ? 1 : 2;
    return config.layers * block + tables * config.vocabularySize * config.hiddenSize * 2 +
           config.hiddenSize * 4;
}

} // namespace lathe
