// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gemm/gemm_onednn.h"

#include "engine/core/check.h"
#include "kernels/core/weight_kind.h"
#include "kernels/ops/gemm/gemm_simd.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include <dnnl.h>

// Of the OpenMP runtime that oneDNN links; its header is not there with every compiler.
extern "C" void omp_set_num_threads(int threads);

namespace lathe {

namespace {

/// Rows of w per piece of work, all of them widened together when they are 16-bit: a few pieces for
/// each thread, but none so small that packing x again costs more than it brings.
std::int64_t outsPerTile(std::int64_t out, int threads) {
    constexpr std::int64_t kFewest = 32;
    constexpr std::int64_t kMost = 128;
    const std::int64_t share = (out + 2 * threads - 1) / (2 * threads);
    return std::clamp((share + kFewest - 1) / kFewest * kFewest, kFewest, kMost);
}

/// The target whose products are oneDNN's: the best of this processor, whatever LATHE_TARGET says.
Target oneDnnTarget() { return isAvailable(Target::Avx512) ? Target::Avx512 : Target::Avx2; }

void limitInstructionSet() {
    static const dnnl_status_t status = dnnl_set_max_cpu_isa(
        oneDnnTarget() == Target::Avx512 ? dnnl_cpu_isa_all : dnnl_cpu_isa_avx2);
    if (status != dnnl_success) {
        throw InternalError("gemm: oneDNN was used before its instruction set was limited");
    }
}

/// Columns [from, to) of y with their rows of w, already widened.
void multiply(const Gemm& op, std::int64_t from, std::int64_t to, const float* w) {
    const std::int64_t rows = op.x.shape[0];
    const std::int64_t in = op.x.shape[1];
    const std::int64_t stride = op.yStride == 0 ? op.w.shape[0] : op.yStride;
    float* y = op.y.ptr<float>() + from;
    if (!op.bias.empty()) {
        const float* bias = op.bias.ptr<float>() + from;
        for (std::int64_t row = 0; row < rows; ++row) {
            std::memcpy(
                y + row * stride, bias, static_cast<std::size_t>(to - from) * sizeof(float));
        }
    }
    const float keep = op.bias.empty() ? 0.0F : 1.0F;
    const dnnl_status_t status = dnnl_sgemm(
        'N', 'T', rows, to - from, in, 1.0F, op.x.ptr<float>(), in, w, in, keep, y, stride);
    if (status != dnnl_success) {
        throw InternalError(
            "gemm: oneDNN failed with status " + std::to_string(static_cast<int>(status)) +
            " for x " + op.x.shape.text() + " and w " + op.w.shape.text());
    }
}

} // namespace

bool suitsOneDnn(const Gemm& op) { return op.x.shape[0] > kGemvMostRows && op.x.shape[1] > 0; }

bool suitsOneDnnAvx2(const Gemm& op) { return oneDnnTarget() == Target::Avx2 && suitsOneDnn(op); }

void gemmOneDnn(ExecContext& context, const Gemm& op) {
    limitInstructionSet();
    const std::int64_t in = op.w.shape[1];
    const std::int64_t out = op.w.shape[0];
    const WeightKind kind = weightKindOf(op.w.dtype);
    const int threads = context.pool().threadCount();
    const std::int64_t tileOuts = outsPerTile(out, threads);
    const std::int64_t tiles = (out + tileOuts - 1) / tileOuts;
    const std::int64_t slots = std::min<std::int64_t>(tiles, threads);
    const Arena::Scope scope(context.scratch());
    float* scratch = nullptr;
    if (kind != WeightKind::F32) {
        scratch = context.scratch().take({slots, tileOuts, in}, DType::F32).ptr<float>();
    }
    std::atomic<std::int64_t> next{0};
    context.pool().parallelFor(slots, 1, [&](std::int64_t slot, std::int64_t) {
        omp_set_num_threads(1);
        for (std::int64_t tile = next++; tile < tiles; tile = next++) {
            const std::int64_t from = tile * tileOuts;
            const std::int64_t to = std::min(from + tileOuts, out);
            if (kind == WeightKind::F32) {
                multiply(op, from, to, op.w.ptr<float>() + from * in);
                continue;
            }
            float* widened = scratch + slot * tileOuts * in;
            avx2::widenWeights(op.w.data, kind, from * in, (to - from) * in, widened);
            multiply(op, from, to, widened);
        }
    });
}

} // namespace lathe
