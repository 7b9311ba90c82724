// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/bulk_copy.cuh"
#include "kernels/cuda/cuda_check.h"
#include "kernels/ops/plane_gemv/plane_activations.cuh"
#include "kernels/ops/plane_gemv/plane_gemv.h"

#include <algorithm>
#include <limits>

namespace lathe::cuda {

namespace {

constexpr int kBatch = 4; ///< steps that are fetched at once
constexpr int kTileRows = static_cast<int>(kPlaneTileRows);
/// So many steps a worker counts at most: 257 times its columns stay below 2^22, beyond which
/// kIntegerShift is not exact.
constexpr int kMostStepsPerWorker = 63;
/// With these the sum of all x in fixed point stays an int, and x fits shared memory.
constexpr int kMostSteps = 256;
static_assert(257 * kMostStepsPerWorker * kPlaneStepColumns < (1 << 22));
static_assert(kMostSteps <= 8 * kMostStepsPerWorker);

/// Batches in flight per warp: some 64 KB per multiprocessor hide the latency of memory, and two
/// blocks still fit one multiprocessor.
template <int Bits>
constexpr int kSlots = Bits == 4   ? 2
                       : Bits == 3 ? 3
                                   : 4;

/// The shared memory of a block; sizes in bytes.
template <int Bits>
struct Layout {
    static constexpr int kEntries = 1 << Bits;
    /// Floats per row of coefficients: lanes that read two rows each meet different banks.
    static constexpr int kRowFloats = (kEntries < 4 ? 4 : kEntries) + 4;
    static constexpr int kStepBytes = Bits * kWarp * 8;
    static constexpr int kSlotBytes = kBatch * kStepBytes;
    static constexpr int kRing = 0; ///< [workers][slots]
    static constexpr int kCoefficients = kRing + kWorkers * kSlots<Bits> * kSlotBytes;
    static constexpr int kPartial = kCoefficients + kWorkers * kTileRows * kRowFloats * 4;
    static constexpr int kReduce = kPartial + 2 * kWorkers * kTileRows * 4;
    static constexpr int kBarriers = kReduce + 2 * kWorkers * 4; ///< full, then empty
    static constexpr int kX = kBarriers + 2 * kWorkers * kSlots<Bits> * 8;
    static_assert(kX % 16 == 0);

    static std::size_t bytes(int steps) {
        return kX + static_cast<std::size_t>(steps) * kXWords * 4;
    }
};

/// Which steps of which tiles a worker multiplies: `Split` workers share the columns of a tile.
template <int Split>
struct Share {
    int first, stride; ///< tiles
    int begin, count;  ///< steps
    __device__ Share(int worker, int steps) {
        const int each = (steps + Split - 1) / Split;
        // Block after block, so that what is left over falls to all multiprocessors alike.
        first = worker / Split * static_cast<int>(gridDim.x) + static_cast<int>(blockIdx.x);
        stride = static_cast<int>(gridDim.x) * (kWorkers / Split);
        begin = worker % Split * each;
        count = max(0, min(each, steps - begin)); // at 0 its part of every sum is 0
    }
};

/// The fetching warp: lane w keeps the ring of worker w filled, as far as its slots are free.
template <int Bits, int Split>
__device__ void fetch(const PlaneArguments& a, unsigned char* shared) {
    using L = Layout<Bits>;
    constexpr int kCount = kSlots<Bits>;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const bool active = lane < kWorkers;
    const std::uint32_t ring = sharedAddress(shared + L::kRing) + lane * kCount * L::kSlotBytes;
    const std::uint32_t full = sharedAddress(shared + L::kBarriers) + lane * kCount * 8;
    const std::uint32_t empty = full + kWorkers * kCount * 8;
    if (active) {
        for (int s = 0; s < kCount; ++s) {
            initBarrier(full + s * 8, 1);
            initBarrier(empty + s * 8, 1);
        }
        publishBarriers();
    }
    __syncwarp();
    asm volatile("bar.arrive 1, %0;" ::"n"(kThreads) : "memory"); // the barriers exist
    const Share<Split> share(lane % kWorkers, a.steps);
    int tile = active && share.count > 0 ? share.first : a.tiles;
    int step = 0, slot = 0;
    std::uint32_t parity = 1; // of the phase before the first: free from the start
    // No lane waits for ever for its own slot: a worker that lags would hold up the rings of those
    // that it waits for itself.
    while (__any_sync(~0U, tile < a.tiles)) {
        if (tile >= a.tiles || !waitBriefly(empty + slot * 8, parity)) {
            continue;
        }
        const int steps = min(kBatch, share.count - step);
        const std::int64_t at = static_cast<std::int64_t>(tile) * a.steps + share.begin + step;
        copyAsync(
            ring + slot * L::kSlotBytes, a.planes + at * L::kStepBytes,
            static_cast<std::uint32_t>(steps * L::kStepBytes), full + slot * 8);
        step += kBatch;
        if (step >= share.count) {
            step = 0;
            tile += share.stride;
        }
        if (++slot == kCount) {
            slot = 0;
            parity ^= 1U;
        }
    }
}

/// count[plane of x, row] += bits that x and the codes of odd parity have in common.
__device__ void
multiplyBits(int (&count)[4], const uint4& x, unsigned codesLow, unsigned codesHigh) {
    asm("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(count[0]), "+r"(count[1]), "+r"(count[2]), "+r"(count[3])
        : "r"(x.x), "r"(x.y), "r"(x.z), "r"(x.w), "r"(codesLow), "r"(codesHigh));
}

/// One step of a tile for all sets of code bits.
template <int Bits>
__device__ void multiplyStep(
    int (&counts)[(1 << Bits) - 1][4], const unsigned char* codes, const unsigned* xPlanes) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    uint2 planes[Bits];
#pragma unroll
    for (int plane = 0; plane < Bits; ++plane) {
        planes[plane] = *reinterpret_cast<const uint2*>(codes + (plane * kWarp + lane) * 8);
    }
    const uint4 x = *reinterpret_cast<const uint4*>(xPlanes + lane * 4);
#pragma unroll
    for (int set = 1; set < 1 << Bits; ++set) {
        unsigned low = 0, high = 0;
#pragma unroll
        for (int plane = 0; plane < Bits; ++plane) {
            if ((set >> plane & 1) != 0) {
                low ^= planes[plane].x;
                high ^= planes[plane].y;
            }
        }
        multiplyBits(counts[set - 1], x, low, high);
    }
}

/// Quad `quad` of the coefficients of a tile, which are [8, 2^bits] in memory.
template <int Bits>
__device__ void store(float* coefficients, int quad, const float4& values) {
    constexpr int kEntries = 1 << Bits;
    if constexpr (kEntries >= 4) {
        const int row = quad * 4 / kEntries, set = quad * 4 % kEntries;
        *reinterpret_cast<float4*>(coefficients + row * Layout<Bits>::kRowFloats + set) = values;
    } else { // two rows
        float* to = coefficients + quad * 2 * Layout<Bits>::kRowFloats;
        *reinterpret_cast<float2*>(to) = make_float2(values.x, values.y);
        *reinterpret_cast<float2*>(to + Layout<Bits>::kRowFloats) = make_float2(values.z, values.w);
    }
}

/// Rows 2t and 2t + 1 of a tile (t: lane % 4), the same in all lanes of one t: the counts times the
/// weights of their planes and coefficients.
template <int Bits>
__device__ float2
combine(const int (&counts)[(1 << Bits) - 1][4], const float* coefficients, float toFloat) {
    constexpr int kEntries = 1 << Bits;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int plane = lane / 4; // and plane + 8, of which 15 is the sign
    const int upper = plane == 7 ? -256 : 256;
    constexpr int kRowFloats = Layout<Bits>::kRowFloats;
    constexpr int kQuad = kEntries < 4 ? kEntries : 4;
    const float* first = coefficients + lane % 4 * 2 * kRowFloats;
    float2 sum{0.0F, 0.0F};
#pragma unroll
    for (int from = 0; from < kEntries; from += kQuad) {
        const float4 even = *reinterpret_cast<const float4*>(first + from);
        const float4 odd = *reinterpret_cast<const float4*>(first + kRowFloats + from);
        const float evens[4] = {even.x, even.y, even.z, even.w};
        const float odds[4] = {odd.x, odd.y, odd.z, odd.w};
#pragma unroll
        for (int i = from == 0 ? 1 : 0; i < kQuad; ++i) {
            const int(&count)[4] = counts[from + i - 1];
            const int a = count[2] * upper + count[0] + kIntegerShiftBits;
            const int b = count[3] * upper + count[1] + kIntegerShiftBits;
            sum.x = fmaf(evens[i], __int_as_float(a) - kIntegerShift, sum.x);
            sum.y = fmaf(odds[i], __int_as_float(b) - kIntegerShift, sum.y);
        }
    }
    const float weight = __int_as_float((127 + plane) << 23); // 2^plane
    sum.x *= weight;
    sum.y *= weight;
#pragma unroll
    for (int distance = 4; distance < kWarp; distance *= 2) {
        sum.x += __shfl_xor_sync(~0U, sum.x, distance);
        sum.y += __shfl_xor_sync(~0U, sum.y, distance);
    }
    sum.x *= toFloat;
    sum.y *= toFloat;
    return sum;
}

/// Each worker multiplies its share of the steps of its tiles; workers of one tile add up in a
/// fixed order. The fetching warp runs ahead of all of them, also over the end of the kernel
/// before.
template <int Bits, int Split>
__global__ void __launch_bounds__(kThreads, 2) planeGemvKernel(const PlaneArguments a) {
#if __CUDA_ARCH__ >= 900
    using L = Layout<Bits>;
    constexpr int kEntries = L::kEntries, kCount = kSlots<Bits>;
    extern __shared__ __align__(1024) unsigned char shared[];
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    cudaTriggerProgrammaticLaunchCompletion();
    if (warp == kWorkers) {
        fetch<Bits, Split>(a, shared);
        return;
    }
    auto* coefficients =
        reinterpret_cast<float*>(shared + L::kCoefficients) + warp * kTileRows * L::kRowFloats;
    auto* partial = reinterpret_cast<float*>(shared + L::kPartial);
    auto* xPlanes = reinterpret_cast<unsigned*>(shared + L::kX);
    const unsigned char* ring = shared + L::kRing + warp * kCount * L::kSlotBytes;
    const std::uint32_t full = sharedAddress(shared + L::kBarriers) + warp * kCount * 8;
    const std::uint32_t empty = full + kWorkers * kCount * 8;
    const Share<Split> share(warp, a.steps);
    const auto* allCoefficients = reinterpret_cast<const float4*>(a.coefficients);
    constexpr int kTileQuads = kTileRows * kEntries / 4; // at most one per lane
    float4 next{};
    if (share.first < a.tiles && lane < kTileQuads) {
        next = __ldg(allCoefficients + static_cast<std::int64_t>(share.first) * kTileQuads + lane);
    }
    cudaGridDependencySynchronize(); // x may come from the kernel before
    const FixedPoint fixed =
        xToPlanes(a, xPlanes, reinterpret_cast<unsigned*>(shared + L::kReduce));
    int slot = 0, turn = 0;
    std::uint32_t parity = 0;
    for (int tile = share.first; tile < a.tiles; tile += share.stride, ++turn) {
        int counts[kEntries - 1][4] = {};
        const unsigned* xStep = xPlanes + share.begin * kXWords;
        for (int step = 0; step < share.count; step += kBatch, xStep += kBatch * kXWords) {
            wait(full + slot * 8, parity);
#pragma unroll
            for (int i = 0; i < kBatch; ++i) {
                if (step + i < share.count) {
                    multiplyStep<Bits>(
                        counts, ring + slot * L::kSlotBytes + i * L::kStepBytes,
                        xStep + i * kXWords);
                }
            }
            __syncwarp();
            if (lane == 0) {
                arrive(empty + slot * 8);
            }
            slot = slot == kCount - 1 ? 0 : slot + 1;
            parity ^= slot == 0 ? 1U : 0U;
        }
        if (lane < kTileQuads) {
            store<Bits>(coefficients, lane, next);
        }
        __syncwarp();
        const int following = tile + share.stride;
        if (following < a.tiles && lane < kTileQuads) {
            next =
                __ldg(allCoefficients + static_cast<std::int64_t>(following) * kTileQuads + lane);
        }
        const float2 sum = combine<Bits>(counts, coefficients, fixed.toFloat);
        float* mine = partial + (turn % 2 * kWorkers + warp) * kTileRows;
        if (lane < 4) {
            mine[2 * lane] = sum.x;
            mine[2 * lane + 1] = sum.y;
        }
        if constexpr (Split == 1) {
            __syncwarp();
        } else {
            // Two sets of sums: the next tile's may be written while these are read.
            asm volatile("bar.sync %0, %1;" ::"r"(3 + warp / Split), "n"(Split * kWarp) : "memory");
        }
        const int row = tile * kTileRows + lane;
        if (warp % Split == turn % Split && lane < kTileRows && row < a.out) {
            float y = a.bias != nullptr ? a.bias[row] : 0.0F;
            y = fmaf(fixed.sum, coefficients[lane * L::kRowFloats], y);
            const float* all = partial + (turn % 2 * kWorkers + warp / Split * Split) * kTileRows;
#pragma unroll
            for (int part = 0; part < Split; ++part) {
                y += all[part * kTileRows + lane];
            }
            a.y[row] = y;
        }
        __syncwarp(); // the coefficients are read
    }
#endif
}

/// Workers that share a tile: what makes the longest queue of steps shortest, an epilogue counted
/// as a step and a half.
int splitFor(int tiles, int steps, int workers) {
    int best = kWorkers;
    double least = std::numeric_limits<double>::infinity();
    for (int split = 1; split <= kWorkers; split *= 2) {
        if ((steps + split - 1) / split > kMostStepsPerWorker) {
            continue;
        }
        const int turns = (tiles * split + workers - 1) / workers;
        const double cost = turns * ((steps + split - 1) / split + 1.5);
        if (cost < least) {
            least = cost;
            best = split;
        }
    }
    return best;
}

template <int Bits, int Split>
void launchSplit(ExecContext& context, const PlaneArguments& a, int blocksPerSm) {
    const std::size_t shared = Layout<Bits>::bytes(a.steps);
    allowShared(planeGemvKernel<Bits, Split>, shared);
    cudaLaunchConfig_t config{};
    config.gridDim =
        static_cast<unsigned>(std::min(a.tiles, context.cuda()->multiprocessors * blocksPerSm));
    config.blockDim = kThreads;
    config.dynamicSmemBytes = shared;
    config.stream = context.cuda()->stream;
    cudaLaunchAttribute overlap{};
    overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    overlap.val.programmaticStreamSerializationAllowed = 1;
    config.attrs = &overlap;
    config.numAttrs = 1;
    check(cudaLaunchKernelEx(&config, planeGemvKernel<Bits, Split>, a), "plane_gemv");
}

template <int Bits>
void launchBits(ExecContext& context, const PlaneArguments& a) {
    // Two blocks share a multiprocessor when their shared memory fits its 228 KB. A small matrix
    // leaves that room to the next kernel.
    const bool two = Layout<Bits>::bytes(a.steps) <= 113U * 1024U &&
                     a.tiles >= 8 * context.cuda()->multiprocessors;
    const int blocksPerSm = two ? 2 : 1;
    const int workers = context.cuda()->multiprocessors * blocksPerSm * kWorkers;
    switch (splitFor(a.tiles, a.steps, workers)) {
    case 1:
        return launchSplit<Bits, 1>(context, a, blocksPerSm);
    case 2:
        return launchSplit<Bits, 2>(context, a, blocksPerSm);
    case 4:
        return launchSplit<Bits, 4>(context, a, blocksPerSm);
    default:
        return launchSplit<Bits, 8>(context, a, blocksPerSm);
    }
}

} // namespace

/// Compute capability 9.x only: the copy engine came with it, and the binary products of its
/// successors have not been measured.
bool acceptsPlanes(const PlaneGemv& op) {
    int major = 0;
    check(
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, op.planes.device.index),
        "cudaDeviceGetAttribute");
    if (major != 9 || op.planes.shape[1] > kMostSteps) {
        return false;
    }
    static const bool isBuilt = [] { // for an older GPU the kernel is empty
        cudaFuncAttributes attributes{};
        check(cudaFuncGetAttributes(&attributes, planeGemvKernel<4, 1>), "cudaFuncGetAttributes");
        return attributes.ptxVersion >= 90;
    }();
    return isBuilt;
}

void launch(ExecContext& context, const PlaneGemv& op) {
    const std::int64_t bits = op.planes.shape[2];
    const PlaneArguments a{
        .planes = reinterpret_cast<const unsigned char*>(op.planes.data),
        .coefficients = op.coefficients.ptr<float>(),
        .x = op.x.ptr<float>(),
        .bias = op.bias.empty() ? nullptr : op.bias.ptr<float>(),
        .y = op.y.ptr<float>(),
        .in = static_cast<int>(op.x.shape[1]),
        .out = static_cast<int>(op.y.shape[1]),
        .tiles = static_cast<int>(op.planes.shape[0]),
        .steps = static_cast<int>(op.planes.shape[1])};
    switch (bits) {
    case 1:
        launchBits<1>(context, a);
        break;
    case 2:
        launchBits<2>(context, a);
        break;
    case 3:
        launchBits<3>(context, a);
        break;
    default:
        launchBits<4>(context, a);
    }
    checkLaunch(context, "plane_gemv");
}

} // namespace lathe::cuda
