// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/aligned.h"
#include "kernels/cuda/async_copy.cuh"
#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/packed_codes.cuh"
#include "kernels/ops/lut_gemv/lut_gemv.h"
#include "kernels/ops/lut_gemv/lut_rows.cuh"

#include <cooperative_groups.h>

#include <algorithm>
#include <array>
#include <atomic>

/// Look-up products on tensor cores: every code is decoded once for all rows of x.
///
/// A warp keeps its 256 columns of x in registers, as the A operand of products of 16 x 8 x 16, and
/// walks tiles of 8 rows of the matrix, whose codes it turns into the B operand by one look-up for
/// two weights (one for one weight from 5 bits on). Lanes hold a copy of the table each, every copy
/// in a bank of its own, so that no look-up waits for another. The warps of a block stand side by
/// side along the columns, the blocks of a cluster likewise; their partial sums are added in a
/// fixed order.
namespace lathe::cuda {

namespace {

namespace groups = cooperative_groups;

/// Blocks along the columns, as many as every GPU takes into a cluster.
constexpr int kMostSlices = 8;
/// Tiles of a cluster whose sums it keeps until all its blocks are done.
constexpr int kMostHeldTiles = 128;

/// Where a lane's codes of a tile lie; steps from tile to tile.
template <int Bits>
struct CodeReader {
    using Codes = LaneCodes<Bits>;
    const std::uint32_t* from; ///< the row, from the warp's first word on
    std::int64_t step;         ///< words from one tile of this block to the next
    int row, rowStep, out;
    int left; ///< words of the row from `from` on

    __device__ CodeReader(const RowsArguments& a, int tile, int tileStride, std::int64_t firstWord)
        : step(static_cast<std::int64_t>(tileStride) * kTileRows * a.words),
          row(tile * kTileRows + static_cast<int>(threadIdx.x % kWarp / 4)),
          rowStep(tileStride * kTileRows), out(static_cast<int>(a.out)),
          left(static_cast<int>(max(a.words - firstWord, std::int64_t{0}))) {
        from = a.packed + row * a.words + firstWord;
    }
    /// The codes of the present tile, 0 beyond the matrix; then goes on to the next one.
    __device__ void read(Codes& codes) {
        constexpr int kVector = Codes::kVector, kPieceWords = Codes::kPieceWords;
        const unsigned t = threadIdx.x % 4;
#pragma unroll
        for (int at = 0; at < 2 * Bits; at += kVector) {
            const int word = at / kPieceWords * 4 * kPieceWords +
                             static_cast<int>(t) * kPieceWords + at % kPieceWords;
            const bool isThere = row < out && word < left;
            if constexpr (kVector == 4) {
                uint4 four{};
                if (isThere) {
                    four = __ldcs(reinterpret_cast<const uint4*>(from + word));
                }
                codes.word[at] = four.x;
                codes.word[at + 1] = four.y;
                codes.word[at + 2] = four.z;
                codes.word[at + 3] = four.w;
            } else {
                uint2 two{};
                if (isThere) {
                    two = __ldcs(reinterpret_cast<const uint2*>(from + word));
                }
                codes.word[at] = two.x;
                codes.word[at + 1] = two.y;
            }
        }
        from += step;
        row += rowStep;
    }
    /// Asks the second-level cache for the tile `Ahead` ones further.
    template <int Ahead>
    __device__ void prefetch() const {
        constexpr int kSectorWords = 8, kWords = kUnitColumns / 32 * Bits;
        const int mine = static_cast<int>(threadIdx.x % 4) * kSectorWords;
#pragma unroll
        for (int i = 0; i < kWords; i += 4 * kSectorWords) {
            if (i + mine < min(kWords, left) && row + Ahead * rowStep < out) {
                prefetchLine(from + Ahead * step + i + mine);
            }
        }
    }
};

/// The tables of a tile, which lie one behind the other, on their way to shared memory.
template <int Bits>
__device__ void fetchTables(const RowsArguments& a, int tile, std::uint32_t to) {
    constexpr unsigned kTileBytes = kTileRows * (2U << Bits);
    const std::int64_t begin = static_cast<std::int64_t>(tile) * kTileBytes;
    const std::int64_t end = a.out * (2 << Bits);
    for (unsigned at = threadIdx.x * 16; at < kTileBytes; at += blockDim.x * 16) {
        const std::int64_t left = end - begin - at;
        const bool isThere = left > 0;
        copyAsyncPart(
            to + at, reinterpret_cast<const unsigned char*>(a.table) + (isThere ? begin + at : 0),
            isThere ? static_cast<unsigned>(min(left, std::int64_t{16})) : 0U);
    }
}

/// Writes the entries that a tile's look-ups find: for each index one word in every bank, that of a
/// lane for its row. `raw`: [8, 2^Bits] halves; `to`: the first entry of this tile's buffer.
template <int Bits>
__device__ void buildTables(const __half* raw, unsigned char* to) {
    using L = LookUp<Bits>;
    constexpr int kEntries = 1 << Bits;
    constexpr int kGroup = kEntries < 4 ? kEntries : 4; // entries that one thread reads at once
    constexpr int kGroups = kEntries / kGroup;
    constexpr int kSeconds = L::kPairs ? kEntries : 1;
    for (unsigned i = threadIdx.x; i < kTileRows * kGroups * kSeconds; i += blockDim.x) {
        const unsigned row = i % kTileRows, group = i / kTileRows % kGroups;
        const unsigned second = i / kTileRows / kGroups;
        const auto* entries = reinterpret_cast<const std::uint16_t*>(raw) + row * kEntries;
        const std::uint32_t upper = L::kPairs ? std::uint32_t{entries[second]} << 16 : 0U;
        std::uint16_t four[kGroup];
#pragma unroll
        for (int e = 0; e < kGroup; e += 2) { // two at once
            const std::uint32_t two =
                *reinterpret_cast<const std::uint32_t*>(entries + group * kGroup + e);
            four[e] = static_cast<std::uint16_t>(two);
            four[e + 1] = static_cast<std::uint16_t>(two >> 16);
        }
        auto* place = reinterpret_cast<uint4*>(
            to + ((L::kPairs ? second * kEntries : 0U) + group * kGroup) * kIndexBytes + row * 16);
#pragma unroll
        for (int e = 0; e < kGroup; ++e) {
            const std::uint32_t word = four[e] | upper;
            place[e * (kIndexBytes / 16)] = make_uint4(word, word, word, word);
        }
    }
}

/// c += x [16, 16] * w [8, 16]^T.
__device__ void
multiply(float (&c)[4], const std::uint32_t (&x)[4], std::uint32_t low, std::uint32_t high) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(low), "r"(high));
}

/// This warp's part of the products of a tile, [batch, 8], to `to`. `base`: see LookUp.
template <int Bits, Batch Rows>
__device__ void
multiplyTile(const LaneCodes<Bits>& codes, const LaneX<Rows>& x, std::uint32_t base, float* to) {
    constexpr int kAtOnce = 4; // steps whose look-ups are under way beside four products
    std::uint32_t low[2][kAtOnce], high[2][kAtOnce];
    const auto lookUp = [&](int set, int step) {
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i) {
            low[set][i] = LookUp<Bits>::template pair<0>(codes, step + i, base);
            high[set][i] = LookUp<Bits>::template pair<1>(codes, step + i, base);
        }
    };
    float sum[4] = {}, odd[4] = {}; // two, so that a product need not wait for the one before it
    lookUp(0, 0);
#pragma unroll
    for (int step = 0; step < kSteps; step += kAtOnce) {
        const int set = step / kAtOnce % 2;
        if (step + kAtOnce < kSteps) {
            lookUp(1 - set, step + kAtOnce);
        }
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i) {
            std::uint32_t a[4];
            x.operand(step + i, a);
            multiply(i % 2 == 0 ? sum : odd, a, low[set][i], high[set][i]);
        }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        sum[i] += odd[i];
    }
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    auto* place = reinterpret_cast<float2*>(to) + lane;
    if constexpr (Rows == Batch::Four) { // rows 0..3 the upper parts, 4..7 the lower ones
        sum[0] += __shfl_xor_sync(~0U, sum[0], 16);
        sum[1] += __shfl_xor_sync(~0U, sum[1], 16);
        if (lane < kWarp / 2) {
            *place = make_float2(sum[0] * x.unscale, sum[1] * x.unscale);
        }
    } else if constexpr (Rows == Batch::Eight) { // rows 8..15 the lower parts
        *place = make_float2((sum[0] + sum[2]) * x.unscale, (sum[1] + sum[3]) * x.unscale);
    } else {
        place[0] = make_float2(sum[0], sum[1]);
        place[kWarp] = make_float2(sum[2], sum[3]);
    }
}

/// Where a block's sums go: to y, or where it is one of several along the columns, to its own
/// shared memory until all are done.
struct Sums {
    const RowsArguments& a;
    float* held; ///< [tiles of this block, batch, 8]

    __device__ void put(std::int64_t tile, int at, float sum) const {
        const std::int64_t row = at / kTileRows, o = tile * kTileRows + at % kTileRows;
        if (row < a.rows && o < a.out) {
            sum += a.bias != nullptr ? a.bias[o] : 0.0F;
            float* y = a.y + row * a.yStride + o;
            *y = a.accumulate ? *y + sum : sum;
        }
    }
};

/// Adds the parts of all warps. `turn`: of the first thread that has work, another one at each
/// tile, so that no warp is the last every time.
template <Batch Rows>
__device__ void
addParts(const Sums& sums, const float* parts, int index, std::int64_t tile, int turn) {
    constexpr int kFloats = batchRows(Rows) * kTileRows;
    const int threads = static_cast<int>(blockDim.x), units = threads / kWarp;
    const int turned = static_cast<int>(threadIdx.x) - turn;
    for (int at = turned < 0 ? turned + threads : turned; at < kFloats; at += threads) {
        float part[kMostUnits];
#pragma unroll
        for (int warp = 0; warp < kMostUnits; ++warp) {
            part[warp] = warp < units ? parts[warp * kFloats + at] : 0.0F;
        }
        float sum = 0.0F;
#pragma unroll
        for (int warp = 0; warp < kMostUnits; ++warp) {
            sum += part[warp];
        }
        if (sums.a.slices == 1) {
            sums.put(tile, at, sum);
        } else {
            sums.held[index * kFloats + at] = sum;
        }
    }
}

/// Adds the sums of all blocks of the cluster, each for its share of the tiles.
template <Batch Rows>
__device__ void
addSlices(const Sums& sums, std::int64_t tiles, std::int64_t first, std::int64_t stride) {
    constexpr int kFloats = batchRows(Rows) * kTileRows;
    const groups::cluster_group cluster = groups::this_cluster();
    cluster.sync();
    const int slices = sums.a.slices;
    for (std::int64_t i = cluster.block_rank() * blockDim.x + threadIdx.x; i < tiles * kFloats;
         i += static_cast<std::int64_t>(slices) * blockDim.x) {
        float sum = 0.0F;
        for (int slice = 0; slice < slices; ++slice) {
            sum += *cluster.map_shared_rank(sums.held + i, slice);
        }
        sums.put(first + i / kFloats * stride, static_cast<int>(i % kFloats), sum);
    }
    cluster.sync(); // the sums of a block are read until here
}

template <int Bits, Batch Rows>
__global__ void __launch_bounds__(kMostUnits* kWarp, 1) lutRowsKernel(const RowsArguments a) {
#if __CUDA_ARCH__ >= 900
    using L = RowsLayout<Bits, Rows>;
    extern __shared__ __align__(16) unsigned char shared[];
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int units = static_cast<int>(blockDim.x) / kWarp;
    const int slice = static_cast<int>(blockIdx.x) % a.slices;
    const int first = static_cast<int>(blockIdx.x) / a.slices;
    const int stride = static_cast<int>(gridDim.x) / a.slices;
    const int tiles = static_cast<int>((a.tiles - first + stride - 1) / stride);
    letNextBegin();

    auto* raw = reinterpret_cast<__half*>(shared);
    auto* parts = reinterpret_cast<float*>(shared + L::kParts);
    const Sums sums{a, reinterpret_cast<float*>(shared + L::kSums)};
    unsigned char* tables = shared + L::tables(sharedAddress(shared), a.heldTiles);
    const std::int64_t column = a.firstColumn + (slice * units + warp) * kUnitColumns;
    const std::int64_t firstWord = column / 32 * Bits;
    const auto rawOf = [&](int i) { return raw + i % kRawTiles * (kTileRows << Bits); };
    const auto tileOf = [&](int i) { return static_cast<int>(a.firstTile) + first + i * stride; };
    const auto partsOf = [&](int i) { return parts + i % 2 * units * L::kPartFloats; };

#pragma unroll
    for (int i = 0; i < kRawTiles - 1; ++i) {
        fetchTables<Bits>(a, tileOf(i), sharedAddress(rawOf(i)));
    }
    endCopyGroup();
    CodeReader<Bits> reader(a, tileOf(0), stride, firstWord);
    LaneCodes<Bits> next;
    reader.read(next);
    reader.template prefetch<0>();
    reader.template prefetch<1>();
    waitForPrevious(); // x may come from the kernel in front
    LaneX<Rows> x;
    x.template load<Bits>(
        a, column, sharedAddress(shared + L::kParts) + warp * Staging<Bits>::kBytes);
    __syncthreads(); // all x is in registers; all copies have been waited for
    buildTables<Bits>(rawOf(0), tables);
    __syncthreads();
    int turn = 0;
    for (int i = 0; i < tiles; ++i) {
        const LaneCodes<Bits> codes = next;
        if (i + 1 < tiles) {
            reader.read(next);
            reader.template prefetch<1>();
            fetchTables<Bits>(a, tileOf(i + 3), sharedAddress(rawOf(i + 3)));
            buildTables<Bits>(rawOf(i + 1), tables + (i + 1) % 2 * kLineBytes);
        }
        endCopyGroup();
        const std::uint32_t base = sharedAddress(tables + i % 2 * kLineBytes) + lane * 4;
        multiplyTile<Bits, Rows>(codes, x, base, partsOf(i) + warp * L::kPartFloats);
        if (i > 0) {
            addParts<Rows>(sums, partsOf(i - 1), i - 1, tileOf(i - 1), turn);
            turn = turn + L::kPartFloats < static_cast<int>(blockDim.x) ? turn + L::kPartFloats : 0;
        }
        waitForCopies<1>(); // the tables of the tile after the next
        __syncthreads();
    }
    addParts<Rows>(sums, partsOf(tiles - 1), tiles - 1, tileOf(tiles - 1), 0);
    if (a.slices > 1) {
        addSlices<Rows>(sums, tiles, a.firstTile + first, stride);
    }
#endif
}

/// Clusters that run beside each other when they have 1 to 8 blocks; those that do not fit a part
/// of the GPU would run after all others.
template <int Bits, Batch Rows>
int clustersAtOnce(int slices) {
    static std::array<std::atomic<int>, kMostSlices + 1> known{};
    std::atomic<int>& count = known[static_cast<std::size_t>(slices)];
    if (count == 0) {
        const auto blocks = static_cast<unsigned>(slices);
        cudaLaunchAttribute cluster{};
        cluster.id = cudaLaunchAttributeClusterDimension;
        cluster.val.clusterDim = {blocks, 1, 1};
        cudaLaunchConfig_t config{};
        config.gridDim = blocks;
        config.blockDim = kMostUnits * kWarp;
        config.dynamicSmemBytes = RowsLayout<Bits, Rows>::bytes(kMostHeldTiles, kMostUnits);
        config.attrs = &cluster;
        config.numAttrs = 1;
        int clusters = 0;
        check(
            cudaOccupancyMaxActiveClusters(&clusters, lutRowsKernel<Bits, Rows>, &config),
            "cudaOccupancyMaxActiveClusters");
        count = std::max(clusters, 1);
    }
    return count;
}

/// Tiles [a.firstTile, a.firstTile + a.tiles), columns from a.firstColumn on.
template <int Bits, Batch Rows>
void launchTiles(ExecContext& context, RowsArguments a, unsigned warps) {
    const auto slices = static_cast<unsigned>(a.slices);
    allowShared(
        lutRowsKernel<Bits, Rows>, RowsLayout<Bits, Rows>::bytes(kMostHeldTiles, kMostUnits));
    const std::int64_t most =
        slices > 1 ? clustersAtOnce<Bits, Rows>(a.slices) : context.cuda()->multiprocessors;
    const std::int64_t atOnce = slices > 1 ? most * kMostHeldTiles : a.tiles;
    const std::int64_t end = a.tiles;
    for (a.firstTile = 0; a.firstTile < end; a.firstTile += atOnce) {
        a.tiles = std::min(atOnce, end - a.firstTile);
        const std::int64_t clusters = std::min(most, a.tiles);
        a.heldTiles = slices > 1 ? static_cast<int>((a.tiles + clusters - 1) / clusters) : 0;
        launchOverlapped(
            context, "lut_gemv", lutRowsKernel<Bits, Rows>,
            {.grid = static_cast<unsigned>(clusters) * slices,
             .threads = warps * kWarp,
             .cluster = slices,
             .shared = RowsLayout<Bits, Rows>::bytes(a.heldTiles, warps)},
            a);
    }
}

/// As many columns at once as a cluster takes.
template <int Bits, Batch Rows>
void launchColumns(ExecContext& context, RowsArguments a) {
    std::int64_t column = 0;
    do {
        const std::int64_t left = (a.in - column + kUnitColumns - 1) / kUnitColumns;
        const std::int64_t units = std::clamp<std::int64_t>(left, 1, kMostUnits * kMostSlices);
        a.slices = static_cast<int>((units + kMostUnits - 1) / kMostUnits);
        const std::int64_t warps = (units + a.slices - 1) / a.slices;
        a.firstColumn = column;
        a.accumulate = column > 0;
        column += warps * a.slices * kUnitColumns;
        launchTiles<Bits, Rows>(context, a, static_cast<unsigned>(warps));
        a.bias = nullptr; // added by the first pass
    } while (column < a.in);
}

} // namespace

/// Compute capability 9.x, and rows of codes that begin on whole vectors. With 5 to 7 bits the
/// plain kernel is faster at one row.
bool acceptsRows(const LutGemv& op) {
    if (op.x.shape[0] == 1 && op.bits >= 5 && op.bits <= 7) {
        return false;
    }
    int major = 0;
    check(
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, op.packed.device.index),
        "cudaDeviceGetAttribute");
    static const bool isBuilt = [] { // for an older GPU the kernel is empty
        cudaFuncAttributes attributes{};
        check(
            cudaFuncGetAttributes(&attributes, lutRowsKernel<4, Batch::Eight>),
            "cudaFuncGetAttributes");
        return attributes.ptxVersion >= 90;
    }();
    bool fits = false;
    withBits(op.bits, [&](auto bits) {
        fits = op.packed.shape[1] % LaneCodes<decltype(bits)::value>::kVector == 0;
    });
    return major == 9 && isBuilt && fits && isAligned(op.packed.data) && isAligned(op.table.data);
}

void launchRows(ExecContext& context, const LutGemv& op) {
    RowsArguments a{};
    a.packed = op.packed.ptr<std::uint32_t>();
    a.table = op.table.ptr<__half>();
    a.in = op.x.shape[1];
    a.out = a.yStride = op.y.shape[1];
    a.words = op.packed.shape[1];
    a.tiles = (a.out + kTileRows - 1) / kTileRows;
    a.vectorised = a.in % 4 == 0 && isAligned(op.x.data);
    a.x = op.x.ptr<float>();
    a.y = op.y.ptr<float>();
    a.bias = op.bias.empty() ? nullptr : op.bias.ptr<float>();
    const std::int64_t rows = op.x.shape[0];
    const bool isHalf = rows > batchRows(Batch::Eight) && context.products() == Products::Half;
    const int most = batchRows(isHalf ? Batch::Sixteen : Batch::Eight);
    for (std::int64_t row = 0; row < rows && a.out > 0; row += a.rows) {
        a.rows = static_cast<int>(std::min<std::int64_t>(most, rows - row));
        withBits(op.bits, [&](auto bits) {
            constexpr int kBits = decltype(bits)::value;
            if (isHalf) {
                launchColumns<kBits, Batch::Sixteen>(context, a);
            } else if (a.rows <= batchRows(Batch::Four)) {
                launchColumns<kBits, Batch::Four>(context, a);
            } else {
                launchColumns<kBits, Batch::Eight>(context, a);
            }
        });
        a.x += a.rows * a.in;
        a.y += a.rows * a.yStride;
    }
    checkLaunch(context, "lut_gemv");
}

} // namespace lathe::cuda
