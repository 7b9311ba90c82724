// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/cuda_backend.h"
#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/overlap.cuh"
#include "kernels/ops/plane_gemv/plane_activations.cuh"
#include "kernels/ops/plane_gemv/plane_gemv.h"

#include <algorithm>

namespace lathe::cuda {

namespace {

constexpr int kTileRows = static_cast<int>(kPlaneTileRows);
/// With these the sum of all x in fixed point stays an int, and x fits shared memory.
constexpr int kMostSteps = 128;
/// Steps of a worker under way before x is there. More would not come sooner, but x itself would
/// come later: it queues behind them.
constexpr int kWindow = 1;
/// When so few steps or less are left after those of a worker's ring, the second-level cache
/// fetches them meanwhile. More would hold up x, and what the kernel in front still has to read.
constexpr int kAhead = 4;
constexpr int kPieceBytes = kWarp * 16; ///< what a warp copies at once

/// The shared memory of a block whose workers hold `Slots` steps each; sizes in bytes.
template <int Bits, int Slots>
struct Layout {
    static constexpr int kEntries = 1 << Bits;
    /// Floats per row of coefficients: lanes that read two rows each meet different banks.
    static constexpr int kRowFloats = (kEntries < 4 ? 4 : kEntries) + 4;
    static constexpr int kStepBytes = Bits * kPieceBytes;
    static constexpr int kRing = 0; ///< [workers][slots]
    static constexpr int kCoefficients = kRing + kWorkers * Slots * kStepBytes;
    static constexpr int kHeads = kCoefficients + kWorkers * kTileRows * kRowFloats * 4;
    static constexpr int kHeadTiles = kHeads + kWorkers * kTileRows * 4;
    static constexpr int kReduce = kHeadTiles + kWorkers * 4;
    static constexpr int kX = kReduce + 2 * kWorkers * 4;
    static_assert(kX % 16 == 0);

    static std::size_t bytes(const PlaneArguments& a) {
        return kX + static_cast<std::size_t>(a.steps) * 2 * kXWords * 4 +
               static_cast<std::size_t>(a.heldProducts) * kWorkers * 4;
    }
};

/// What one lane copies ahead of the products: a ring of steps, and only its own words of them. So
/// nothing but the copies themselves is ever waited for.
template <int Bits, int Slots>
struct Ring {
    static constexpr int kStepBytes = Layout<Bits, Slots>::kStepBytes;
    std::uint32_t begin, slot;
    const unsigned char* from;
    int left; ///< steps to ask for

    __device__ Ring(const PlaneArguments& a, const Share& share, std::uint32_t ring, int lane)
        : begin(ring + lane * 16), slot(begin),
          from(
              a.planes +
              (static_cast<std::int64_t>(share.tile) * a.steps + share.step) * kStepBytes +
              lane * 16),
          left(share.count) {}

    __device__ std::uint32_t following() const {
        return slot == begin + (Slots - 1) * kStepBytes ? begin : slot + kStepBytes;
    }
    /// Asks for the next step, in place of that of the current slot. There is a group even when
    /// nothing is left, so that waiting can count groups.
    __device__ void refill() {
        if (left > 0) {
#pragma unroll
            for (int piece = 0; piece < Bits; ++piece) {
                copyAsync(slot + piece * kPieceBytes, from + piece * kPieceBytes);
            }
            from += kStepBytes;
            --left;
        }
        endCopyGroup();
        slot = following();
    }
    __device__ void fill(bool isFirstLane) {
#pragma unroll
        for (int s = 0; s < Slots; ++s) {
            if (s >= kWindow) {
                waitForCopies<kWindow - 1>();
            }
            refill();
        }
        if (isFirstLane && left > 0 && left <= kAhead) {
            prefetch(from, left * kStepBytes);
        }
    }
};

/// count[plane of x, row] += bits that x and the codes of odd parity have in common.
__device__ void
multiplyBits(int (&count)[4], const uint4& x, unsigned codesLow, unsigned codesHigh) {
    asm("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(count[0]), "+r"(count[1]), "+r"(count[2]), "+r"(count[3])
        : "r"(x.x), "r"(x.y), "r"(x.z), "r"(x.w), "r"(codesLow), "r"(codesHigh));
}

/// One half of a step for all sets of code bits. `words` are those of PlaneArrange.
template <int Bits, int Half>
__device__ void
multiplyHalf(int (&counts)[(1 << Bits) - 1][4], const unsigned (&words)[4 * Bits], const uint4& x) {
#pragma unroll
    for (int set = 1; set < 1 << Bits; ++set) {
        unsigned low = 0, high = 0;
#pragma unroll
        for (int plane = 0; plane < Bits; ++plane) {
            if ((set >> plane & 1) != 0) {
                low ^= words[(Half * Bits + plane) * 2];
                high ^= words[(Half * Bits + plane) * 2 + 1];
            }
        }
        multiplyBits(counts[set - 1], x, low, high);
    }
}

template <int Sets>
__device__ void clear(int (&counts)[Sets][4]) {
#pragma unroll
    for (int set = 0; set < Sets; ++set) {
        counts[set][0] = counts[set][1] = counts[set][2] = counts[set][3] = 0;
    }
}

template <int From, int To, int Words>
__device__ void loadPieces(unsigned (&words)[Words], std::uint32_t slot) {
#pragma unroll
    for (int piece = From; piece < To; ++piece) {
        const uint4 four = loadShared(slot + piece * kPieceBytes);
        words[4 * piece] = four.x;
        words[4 * piece + 1] = four.y;
        words[4 * piece + 2] = four.z;
        words[4 * piece + 3] = four.w;
    }
}

/// The coefficients of a worker's tiles, which are [8, 2^bits] each, on their way through a
/// register to shared memory: a lane has at most four.
template <int Bits>
struct Coefficients {
    static constexpr int kEntries = 1 << Bits, kRowFloats = Layout<Bits, 1>::kRowFloats;
    static constexpr int kTileQuads = kTileRows * kEntries / 4;
    const float4* from;
    float* shared; ///< [8, kRowFloats]
    float4 next{};

    __device__ Coefficients(const PlaneArguments& a, int tile, int lane, float* to)
        : from(
              reinterpret_cast<const float4*>(a.coefficients) +
              static_cast<std::int64_t>(tile) * kTileQuads + lane),
          shared(to) {}

    __device__ void load(int lane) {
        if (lane < kTileQuads) {
            next = __ldg(from);
        }
        from += kTileQuads;
    }
    __device__ void store(int lane) const {
        if (lane >= kTileQuads) {
            return;
        }
        if constexpr (kEntries >= 4) {
            const int row = lane * 4 / kEntries, set = lane * 4 % kEntries;
            *reinterpret_cast<float4*>(shared + row * kRowFloats + set) = next;
        } else { // two rows
            float* to = shared + lane * 2 * kRowFloats;
            *reinterpret_cast<float2*>(to) = make_float2(next.x, next.y);
            *reinterpret_cast<float2*>(to + kRowFloats) = make_float2(next.z, next.w);
        }
    }
};

/// Rows 2t and 2t + 1 of a tile (t: lane % 4), in parts over the lanes of one t: the counts times
/// the weights of their planes and coefficients.
template <int Bits>
__device__ float2
combine(const int (&counts)[(1 << Bits) - 1][4], const float* coefficients, float toFloat) {
    constexpr int kEntries = 1 << Bits, kRowFloats = Layout<Bits, 1>::kRowFloats;
    constexpr int kQuad = kEntries < 4 ? kEntries : 4;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int plane = lane / 4; // and plane + 8, of which 15 is the sign
    const int upper = plane == 7 ? -256 : 256;
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
            sum.x = fmaf(evens[i], static_cast<float>(count[2] * upper + count[0]), sum.x);
            sum.y = fmaf(odds[i], static_cast<float>(count[3] * upper + count[1]), sum.y);
        }
    }
    const float weight = __int_as_float((127 + plane) << 23) * toFloat; // 2^plane
    return {sum.x * weight, sum.y * weight};
}

/// The sums over the lanes of one t, in all of them.
__device__ float2 addLanes(float2 sum) {
#pragma unroll
    for (int distance = 4; distance < kWarp; distance *= 2) {
        sum.x += __shfl_xor_sync(~0U, sum.x, distance);
        sum.y += __shfl_xor_sync(~0U, sum.y, distance);
    }
    return sum;
}

/// By the first four lanes.
__device__ void writeRows(const PlaneArguments& a, int tile, const float2& sum) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int row = tile * kTileRows + 2 * lane;
    if (lane < 4 && row < a.out) {
        a.y[row] = sum.x + (a.bias != nullptr ? a.bias[row] : 0.0F);
        if (row + 1 < a.out) {
            a.y[row + 1] = sum.y + (a.bias != nullptr ? a.bias[row + 1] : 0.0F);
        }
    }
}

/// What becomes of the sums of a worker. The worker with the first step of a tile writes its rows,
/// and before that adds, in their order, what others have of the tile.
struct Rows {
    float2* heads;  ///< [workers][4] shared: of the tile that a worker did not begin
    int* headTiles; ///< [workers] shared: which that is
    int ownTile = -1;
    float2 own{}; ///< of the tile that others go on with

    __device__ Rows(const Share& share, unsigned char* toHeads, unsigned char* toTiles)
        : heads(reinterpret_cast<float2*>(toHeads)), headTiles(reinterpret_cast<int*>(toTiles)) {
        if (threadIdx.x % kWarp == 0) {
            headTiles[threadIdx.x / kWarp] = share.count > 0 && share.step > 0 ? share.tile : -1;
        }
    }
    __device__ void add(const PlaneArguments& a, int tile, bool begun, bool ends, float2 sum) {
        if (begun && ends) {
            writeRows(a, tile, sum);
        } else if (begun) {
            own = sum;
            ownTile = tile;
        } else if (threadIdx.x % kWarp < 4) {
            heads[threadIdx.x / kWarp * 4 + threadIdx.x % kWarp] = sum;
        }
    }
    /// After all workers of the block are done.
    __device__ void finish(const PlaneArguments& a) {
        if (ownTile < 0) {
            return;
        }
#pragma unroll
        for (int other = 1; other < kWorkers; ++other) {
            const float2 head = heads[other * 4 + threadIdx.x % 4];
            const bool isPart =
                other > static_cast<int>(threadIdx.x) / kWarp && headTiles[other] == ownTile;
            own.x += isPart ? head.x : 0.0F;
            own.y += isPart ? head.y : 0.0F;
        }
        writeRows(a, ownTile, own);
    }
};

/// Multiplies the steps of a worker. `x`: this lane's words of the planes of x.
template <int Bits, int Slots, class Sparse>
__device__ void multiplyShare(
    const PlaneArguments& a, const Share& share, Ring<Bits, Slots>& ring,
    Coefficients<Bits>& coefficients, Rows& rows, std::uint32_t x, const Sparse& sparse,
    const FixedPoint& fixed) {
    constexpr int kXStepBytes = 2 * kXWords * 4, kRowFloats = Coefficients<Bits>::kRowFloats;
    // Pieces with words of the first half only: read a step ahead where registers are left for it.
    constexpr int kEarly = Bits < 4 ? Bits / 2 : 0;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    std::uint32_t xStep = x + share.step * kXStepBytes;
    unsigned words[4 * Bits];
    waitForCopies<Slots - 1>();
    loadPieces<0, kEarly>(words, ring.slot);
    uint4 xLow = loadShared(xStep);
    int counts[(1 << Bits) - 1][4];
    clear(counts);
    int tile = share.tile, fromStep = share.step, inTile = a.steps - share.step;
    [[maybe_unused]] int begins = 0;
    if constexpr (Sparse::kIsSparse) {
        begins = rowBegin(a, tile, min(lane, kTileRows));
    }
    bool begun = share.step == 0; // is the tile's first step among the counted?
    for (int left = share.count; left > 0; --left) {
        loadPieces<kEarly, Bits>(words, ring.slot);
        const uint4 xHigh = loadShared(xStep + kXWords * 4);
        multiplyHalf<Bits, 0>(counts, words, xLow);
        const bool ends = --inTile == 0;
        xStep = ends ? x : xStep + kXStepBytes;
        waitForCopies<Slots - 2>();
        loadPieces<0, kEarly>(words, ring.following());
        xLow = loadShared(xStep);
        multiplyHalf<Bits, 1>(counts, words, xHigh);
        ring.refill();
        if (!ends && left > 1) {
            continue;
        }
        coefficients.store(lane);
        __syncwarp();
        if (left > 1) {
            coefficients.load(lane);
        }
        float2 sum = combine<Bits>(counts, coefficients.shared, fixed.toFloat);
        clear(counts);
        sum = addLanes(sum);
        if constexpr (Sparse::kIsSparse) {
            const float2 more = sparse.rows(a, begins, fromStep, a.steps - inTile);
            sum.x += more.x;
            sum.y += more.y;
            begins = rowBegin(a, tile + 1, min(lane, kTileRows));
        }
        if (begun) {
            const float* first = coefficients.shared + lane % 4 * 2 * kRowFloats;
            sum.x = fmaf(fixed.sum, first[0], sum.x);
            sum.y = fmaf(fixed.sum, first[kRowFloats], sum.y);
        }
        rows.add(a, tile, begun, ends, sum);
        begun = true;
        fromStep = 0;
        inTile = a.steps;
        ++tile;
        __syncwarp(); // the coefficients are read
    }
}

/// Weights are asked for before the kernel in front has ended.
template <int Bits, int Slots, class Sparse>
__global__ void __launch_bounds__(kThreads, 2) planeGemvKernel(const PlaneArguments a) {
#if __CUDA_ARCH__ >= 900
    using L = Layout<Bits, Slots>;
    extern __shared__ __align__(1024) unsigned char shared[];
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    letNextBegin();
    const Share share(a, warp, Sparse::kIsSparse);
    Ring<Bits, Slots> ring(
        a, share, sharedAddress(shared + L::kRing) + warp * Slots * L::kStepBytes, lane);
    ring.fill(lane == 0);
    auto* xPlanes = reinterpret_cast<unsigned*>(shared + L::kX);
    Sparse sparse(
        a, share.tile, share.step, share.count,
        reinterpret_cast<unsigned char*>(xPlanes + a.steps * 2 * kXWords));
    Coefficients<Bits> coefficients(
        a, share.tile, lane,
        reinterpret_cast<float*>(shared + L::kCoefficients) + warp * kTileRows * L::kRowFloats);
    if (share.count > 0) {
        coefficients.load(lane);
    }
    Rows rows(share, shared + L::kHeads, shared + L::kHeadTiles);
    waitForPrevious(); // x may come from the kernel in front
    auto* reduce = reinterpret_cast<unsigned*>(shared + L::kReduce);
    const FixedPoint fixed = a.steps * 32 <= kThreads ? xToPlanes<1>(a, xPlanes, reduce, sparse)
                                                      : xToPlanes<3>(a, xPlanes, reduce, sparse);
    multiplyShare(
        a, share, ring, coefficients, rows, sharedAddress(xPlanes) + lane * 16, sparse, fixed);
    __syncthreads();
    rows.finish(a);
#endif
}

/// Two blocks share a multiprocessor, this kernel's and the next one's, when their shared memory
/// fits its 228 KB.
constexpr std::size_t kHalfOfShared = 113U * 1024U;
/// Products with values of the sparse part that a worker keeps, which is more than it has of a
/// matrix as large as it uses to be.
constexpr int kHeldProducts = 512;
/// Slots of a worker: so that a block holds some 64 to 84 KB of weights, or 48 to 60 where x needs
/// the room.
template <int Bits>
constexpr int kManySlots = Bits == 4   ? 4
                           : Bits == 3 ? 7
                                       : 8;
template <int Bits>
constexpr int kFewSlots = Bits == 4   ? 3
                          : Bits == 3 ? 5
                                      : 6;
/// At 4 bits, shares of up to twice as many steps gain from 96 KB: most of such a share is then
/// under way before x is there. Longer ones lose by it.
constexpr int kShortShareSlots = 6;

template <int Bits, int Slots, class Sparse>
void launchKernel(ExecContext& context, const PlaneArguments& a, int blocks) {
    const std::size_t shared = Layout<Bits, Slots>::bytes(a);
    allowShared(planeGemvKernel<Bits, Slots, Sparse>, shared);
    launchOverlapped(
        context, "plane_gemv", planeGemvKernel<Bits, Slots, Sparse>,
        {.grid = static_cast<unsigned>(blocks), .threads = kThreads, .shared = shared}, a);
}

template <int Bits, int Slots>
void launchSlots(ExecContext& context, const PlaneArguments& a, int blocks) {
    if (a.rowPointers != nullptr) {
        launchKernel<Bits, Slots, SparseShare>(context, a, blocks);
    } else {
        launchKernel<Bits, Slots, NoSparse>(context, a, blocks);
    }
}

template <int Bits>
void launchBits(ExecContext& context, PlaneArguments a, int tiles, int blocks) {
    a.tilesEach = tiles / blocks;
    a.tilesMore = tiles % blocks;
    if constexpr (Bits == 4) {
        const bool isShort = tiles * a.steps <= 2 * kShortShareSlots * kWorkers * blocks;
        if (isShort && Layout<Bits, kShortShareSlots>::bytes(a) <= kHalfOfShared) {
            return launchSlots<Bits, kShortShareSlots>(context, a, blocks);
        }
    }
    if (Layout<Bits, kManySlots<Bits>>::bytes(a) <= kHalfOfShared) {
        launchSlots<Bits, kManySlots<Bits>>(context, a, blocks);
    } else {
        launchSlots<Bits, kFewSlots<Bits>>(context, a, blocks);
    }
}

} // namespace

/// Compute capability 9.x only: kernels that overlap came with it, and the binary products of its
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
        check(
            cudaFuncGetAttributes(&attributes, planeGemvKernel<4, kManySlots<4>, NoSparse>),
            "cudaFuncGetAttributes");
        return attributes.ptxVersion >= 90;
    }();
    return isBuilt;
}

std::int64_t multiprocessors(ExecContext& context) { return context.cuda()->multiprocessors; }

void launch(ExecContext& context, const PlaneGemv& op) {
    if (op.x.shape[1] == 0) { // no steps, so no worker would write y
        return op.bias.empty() ? cuda::fillZero(context, op.y) : cuda::copy(context, op.bias, op.y);
    }
    const std::int64_t bits = op.planes.shape[2];
    const bool hasValues = !op.sparse.values.empty();
    const PlaneArguments a{
        .planes = reinterpret_cast<const unsigned char*>(op.planes.data),
        .coefficients = op.coefficients.ptr<float>(),
        .x = op.x.ptr<float>(),
        .bias = op.bias.empty() ? nullptr : op.bias.ptr<float>(),
        .y = op.y.ptr<float>(),
        .rowPointers = hasValues ? op.sparse.rowPointers.ptr<int>() : nullptr,
        .columns = op.sparse.columns.ptr<std::uint16_t>(),
        .values = op.sparse.values.data,
        .halfValues = op.sparse.values.dtype == DType::F16,
        .heldProducts = hasValues ? kHeldProducts : 0,
        .shares = op.shares.empty() ? nullptr : op.shares.ptr<int2>(),
        .in = static_cast<int>(op.x.shape[1]),
        .out = static_cast<int>(op.y.shape[1]),
        .steps = static_cast<int>(op.planes.shape[1]),
        .tilesEach = 0,
        .tilesMore = 0};
    const auto tiles = static_cast<int>(op.planes.shape[0]);
    const int blocks = op.shares.empty() ? std::min(tiles, context.cuda()->multiprocessors)
                                         : static_cast<int>(op.shares.shape[0] / kPlaneWorkers);
    switch (bits) {
    case 1:
        launchBits<1>(context, a, tiles, blocks);
        break;
    case 2:
        launchBits<2>(context, a, tiles, blocks);
        break;
    case 3:
        launchBits<3>(context, a, tiles, blocks);
        break;
    default:
        launchBits<4>(context, a, tiles, blocks);
    }
    checkLaunch(context, "plane_gemv");
}

} // namespace lathe::cuda
