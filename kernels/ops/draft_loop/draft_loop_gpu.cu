// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/draft_loop/draft_choice.cuh"

#include <algorithm>
#include <string>

namespace lathe::cuda {

namespace {

using Plan = DraftLoopPlan;
static_assert(
    Plan::kStatisticsThreads == kStatisticsThreads && Plan::kOctet == kOctet &&
    Plan::kAttentionWarps == kAttentionWarps && Plan::kWarp == kWarp);
using Of = RowsCopy::Of;

template <class T, bool Narrow>
__global__ void __launch_bounds__(kDraftThreads, 1)
    draftLoopKernel(const __grid_constant__ LoopArguments<T> arguments) {
    DraftBlock<T, Narrow> block(arguments);
    const bool drafts = block.begin();
    const int before = block.count();
    if (drafts) {
        block.draft();
    }
    block.end(drafts, before);
}

/// The list of what blocks copy to their memory.
class Copies {
public:
    Copies(RowsCopy* to, int& count) : m_to(to), m_count(count) {}
    void add(const ConstView& from, int to, Of of, int start, int each, int count) {
        const auto rowBytes =
            from.bytes() / static_cast<std::size_t>(std::max<std::int64_t>(from.shape[0], 1));
        m_to[m_count++] = {
            .from = from.data,
            .to = to,
            .rowBytes = static_cast<int>(rowBytes),
            .start = start,
            .each = each,
            .count = count,
            .of = of};
    }
    void all(const ConstView& from, int to) {
        const auto count = static_cast<int>(from.shape[0]);
        add(from, to, Of::All, 0, count, count);
    }
    /// A block's outputs.
    void share(const ConstView& from, int to, int each) {
        add(from, to, Of::Block, 0, each, static_cast<int>(from.shape[0]));
    }

private:
    RowsCopy* m_to;
    int& m_count;
};

void addLayer(Copies& copies, const DraftLoop::Layer& layer, const Plan& p, int base) {
    const int norm = p.hidden * static_cast<int>(sizeof(float));
    copies.all(layer.selfNorm, base + p.norms);
    copies.all(layer.sourceNorm, base + p.norms + norm);
    copies.all(layer.innerNorm, base + p.norms + 2 * norm);
    const int headBytes = p.headDim * p.hidden * static_cast<int>(sizeOf(layer.q.dtype)),
              wide = p.heads * p.headDim;
    for (int slot = 0; slot < p.blockHeads; ++slot) {
        const auto addHead = [&](const ConstView& from, int to) {
            copies.add(from, base + to, Of::Team, slot * p.blocks * p.headDim, p.headDim, wide);
        };
        addHead(layer.q, p.qkv + 3 * slot * headBytes);
        addHead(layer.k, p.qkv + (3 * slot + 1) * headBytes);
        addHead(layer.v, p.qkv + (3 * slot + 2) * headBytes);
        addHead(layer.sourceQ, p.sourceQ + slot * headBytes);
    }
    copies.share(layer.o, base + p.o, p.blockHidden);
    copies.share(layer.sourceO, base + p.sourceO, p.blockHidden);
    copies.share(layer.in, base + p.in, p.blockInner);
    if (p.gated) {
        copies.share(layer.up, base + p.up, p.blockInner);
    }
    copies.share(layer.out, base + p.out, p.blockHidden);
}

template <class T>
LoopArguments<T> argumentsOf(const DraftLoop& op, const Plan& plan) {
    LoopArguments<T> a{
        .plan = plan,
        .copies = {},
        .copyCount = 0,
        .caches = {},
        .embedding = op.embedding.ptr<T>(),
        .bias = op.bias.ptr<float>() + op.biasOrigin,
        .biasStride = op.bias.shape[1],
        .epsilon = op.epsilon,
        .activation = op.activation,
        .sourceLength = op.sourceLength.ptr<std::int32_t>(),
        .limits = op.limits.ptr<std::int32_t>(),
        .state = op.state.ptr<std::int32_t>(),
        .ids = op.ids.ptr<std::int32_t>(),
        .rows = op.rows.ptr<std::int32_t>()};
    Copies copies(a.copies, a.copyCount);
    for (int i = 0; i < plan.layers; ++i) {
        const DraftLoop::Layer& layer = op.layers[static_cast<std::size_t>(i)];
        addLayer(copies, layer, plan, plan.firstLayer + i * plan.layerBytes);
        float** caches = a.caches[i];
        caches[0] = layer.keys.ptr<float>();
        caches[1] = layer.values.ptr<float>();
        caches[2] = const_cast<float*>(layer.sourceKeys.ptr<float>()); // read only
        caches[3] = const_cast<float*>(layer.sourceValues.ptr<float>());
    }
    copies.all(op.finalNorm, plan.finalNorm);
    const int groupBytes = plan.groupColumns * plan.hidden * static_cast<int>(sizeof(T));
    for (int group = 0; group < plan.groups; ++group) {
        copies.add(
            op.head, plan.head + group * groupBytes, Of::Block, group * kStatisticsThreads,
            plan.groupColumns, plan.columns);
    }
    return a;
}

/// Calls body with the kernel for an op.
template <class Body>
void withKernel(const DraftLoop& op, Body&& body) {
    constexpr int kMostNarrow = kWarp * kOctet;
    const DraftLoop::Layer& layer = op.layers.front();
    const bool narrow =
        std::max({layer.o.shape[0], layer.o.shape[1], layer.in.shape[0]}) <= kMostNarrow;
    withFloatType(op.embedding.dtype, [&](auto zero) {
        using T = decltype(zero);
        body(zero, narrow ? draftLoopKernel<T, true> : draftLoopKernel<T, false>);
    });
}

/// Lets a kernel have clusters of 16 and all the shared memory there is.
template <class T>
void prepare(ExecContext& context, void (*kernel)(LoopArguments<T>)) {
    allowShared(kernel, static_cast<std::size_t>(context.cuda()->mostShared));
    check(
        cudaFuncSetAttribute(
            reinterpret_cast<const void*>(kernel), cudaFuncAttributeNonPortableClusterSizeAllowed,
            1),
        "cudaFuncSetAttribute");
}

template <class T>
bool fits(void (*kernel)(LoopArguments<T>), int blocks, int bytes) {
    cudaLaunchConfig_t config{};
    cudaLaunchAttribute cluster{};
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {static_cast<unsigned>(blocks), 1, 1};
    config.gridDim = static_cast<unsigned>(blocks);
    config.blockDim = kDraftThreads;
    config.dynamicSmemBytes = static_cast<std::size_t>(bytes);
    config.attrs = &cluster;
    config.numAttrs = 1;
    int clusters = 0;
    if (cudaOccupancyMaxActiveClusters(&clusters, kernel, &config) != cudaSuccess) {
        cudaGetLastError(); // a size that this GPU does not have
        return false;
    }
    return clusters > 0;
}

} // namespace

int draftLoopBlocks(ExecContext& context, const DraftLoop& op) {
    if (!context.cuda()->overlaps) { // not Hopper, or code that was not built for it
        return 0;
    }
    const int most = context.cuda()->mostShared;
    int found = 0;
    withKernel(op, [&](auto, auto* kernel) {
        prepare(context, kernel);
        for (const int blocks : {16, 8}) {
            const std::optional<Plan> plan = planDraftLoop(op, blocks);
            if (found == 0 && plan && plan->bytes <= most && fits(kernel, blocks, plan->bytes)) {
                found = blocks;
            }
        }
    });
    return found;
}

void launch(ExecContext& context, const DraftLoop& op) {
    const std::optional<Plan> plan =
        op.blocks > 0 ? planDraftLoop(op, op.blocks) : std::optional<Plan>();
    if (!plan || !context.cuda()->overlaps || plan->bytes > context.cuda()->mostShared) {
        throw Unsupported(
            "draft_loop: " + std::to_string(op.blocks) +
            " blocks of this GPU do not hold the decoder; draft step by step");
    }
    withKernel(op, [&](auto zero, auto* kernel) {
        prepare(context, kernel);
        launchOverlapped(
            context, "draft_loop", kernel,
            {.grid = dim3(static_cast<unsigned>(plan->blocks)),
             .threads = kDraftThreads,
             .cluster = static_cast<unsigned>(plan->blocks),
             .shared = static_cast<std::size_t>(plan->bytes)},
            argumentsOf<decltype(zero)>(op, *plan));
    });
}

} // namespace lathe::cuda
