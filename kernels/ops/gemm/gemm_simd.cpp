// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/gemm/gemm_simd.h"

#include "kernels/simd/weights.h"

namespace lathe::LATHE_SIMD_NAMESPACE {

namespace {

constexpr int64_t kWidth = Vec::kWidth;
/// Twice as many registers with AVX-512: taller tiles.
constexpr bool kManyRegisters = Vec::kWidth == 16;

// --- matrix-vector product: dot products along a row of w, several rows of w at a time ---

/// Rows of x whose sums are in registers together; of more, some after the others.
constexpr int kRowsAtOnce = kManyRegisters ? 6 : 4;
/// Bytes of w that stay in the first-level cache while rows of x follow one another.
constexpr int64_t kBlockBytes = 16384;

/// How far ahead weights are asked for: the tiles of a narrow matrix are too short for the
/// processor to see that they follow one another.
constexpr int64_t kPrefetchBytes = 4096;

/// Rows of w per tile, so that Outs * Rows accumulators, the weights and one x fit the registers.
template <int Rows>
constexpr int outsPerTile() {
    constexpr int kAccumulators = kManyRegisters ? 24 : 8;
    constexpr int kFit = kAccumulators / Rows;
    return kFit >= 4 ? 4 : (kFit >= 1 ? kFit : 1);
}

/// One step of `count` <= kWidth inputs from input i on.
template <class Weights, int Rows, int Outs, bool Partial>
inline void gemvStep(
    const GemmArguments& g, const typename Weights::Element* w, int64_t i,
    Vec (&sums)[Outs][Rows]) {
    Vec weights[Outs];
    LATHE_UNROLL
    for (int o = 0; o < Outs; ++o) {
        if constexpr (Partial) {
            weights[o] = loadPartial<Weights>(w + o * g.in + i, g.in - i);
        } else {
            weights[o] = Weights::load(w + o * g.in + i);
            if constexpr (Rows <= 2) { // more rows leave the processor time to fetch by itself
                const auto* next = reinterpret_cast<const char*>(w + o * g.in + i);
                __builtin_prefetch(next + kPrefetchBytes);
            }
        }
    }
    LATHE_UNROLL
    for (int r = 0; r < Rows; ++r) {
        Vec x = Vec::zero();
        if constexpr (Partial) {
            x = Vec::loadPartial(g.x + r * g.in + i, g.in - i);
        } else {
            x = Vec::load(g.x + r * g.in + i);
        }
        LATHE_UNROLL
        for (int o = 0; o < Outs; ++o) {
            sums[o][r] = fma(weights[o], x, sums[o][r]);
        }
    }
}

/// The sums of Count vectors, each in the same order.
template <int Count>
inline void sumAll(const Vec* vectors, float* results) {
    int i = 0;
    LATHE_UNROLL
    for (; i + 4 <= Count; i += 4) {
        sum4(vectors[i], vectors[i + 1], vectors[i + 2], vectors[i + 3], results + i);
    }
    if constexpr (Count % 4 != 0) {
        constexpr int kRest = Count % 4;
        const Vec zero = Vec::zero();
        float rest[4];
        sum4(
            vectors[Count - kRest], kRest > 1 ? vectors[Count - kRest + 1] : zero,
            kRest > 2 ? vectors[Count - kRest + 2] : zero, zero, rest);
        for (int k = 0; k < kRest; ++k) {
            results[Count - kRest + k] = rest[k];
        }
    }
}

template <class Weights, int Rows, int Outs>
void gemvTile(const GemmArguments& g, int64_t out) {
    const auto* w = static_cast<const typename Weights::Element*>(g.w) + out * g.in;
    Vec sums[Outs][Rows];
    LATHE_UNROLL
    for (int o = 0; o < Outs; ++o) {
        LATHE_UNROLL
        for (int r = 0; r < Rows; ++r) {
            sums[o][r] = Vec::zero();
        }
    }
    int64_t i = 0;
    for (; i + kWidth <= g.in; i += kWidth) {
        gemvStep<Weights, Rows, Outs, false>(g, w, i, sums);
    }
    if (i < g.in) {
        gemvStep<Weights, Rows, Outs, true>(g, w, i, sums);
    }
    float results[Outs][Rows];
    sumAll<Outs * Rows>(&sums[0][0], &results[0][0]);
    LATHE_UNROLL
    for (int r = 0; r < Rows; ++r) {
        LATHE_UNROLL
        for (int o = 0; o < Outs; ++o) {
            g.y[r * g.yStride + out + o] =
                results[o][r] + (g.bias == nullptr ? 0.0F : g.bias[out + o]);
        }
    }
}

template <class Weights, int Rows>
void gemvRows(const GemmArguments& g, int64_t from, int64_t to) {
    constexpr int kOuts = outsPerTile<Rows>();
    int64_t out = from;
    for (; out + kOuts <= to; out += kOuts) {
        gemvTile<Weights, Rows, kOuts>(g, out);
    }
    for (; out < to; ++out) {
        gemvTile<Weights, Rows, 1>(g, out);
    }
}

template <class Weights>
void gemvOf(const GemmArguments& g, int64_t from, int64_t to) {
    using Rows = void (*)(const GemmArguments&, int64_t, int64_t);
    constexpr Rows kByRows[] = {gemvRows<Weights, 1>, gemvRows<Weights, 2>, gemvRows<Weights, 3>,
                                gemvRows<Weights, 4>, gemvRows<Weights, 5>, gemvRows<Weights, 6>};
    if (g.rows <= kRowsAtOnce) {
        kByRows[g.rows - 1](g, from, to);
        return;
    }
    // Groups of nearly equal size: a short one has fewer sums than the processor can add at once.
    const int64_t groups = (g.rows + kRowsAtOnce - 1) / kRowsAtOnce;
    const auto rowBytes = g.in * static_cast<int64_t>(sizeof(typename Weights::Element));
    const int64_t block = kBlockBytes / (rowBytes + 1) / 4 * 4 + 4;
    for (int64_t first = from; first < to; first += block) {
        const int64_t last = first + block < to ? first + block : to;
        for (int64_t group = 0; group < groups; ++group) {
            GemmArguments part = g;
            const int64_t row = group * g.rows / groups;
            part.rows = (group + 1) * g.rows / groups - row;
            part.x += row * g.in;
            part.y += row * g.yStride;
            kByRows[part.rows - 1](part, first, last);
        }
    }
}

// --- tiled product: panels of w, widened and transposed, times tiles of rows of x ---

constexpr int64_t kPanel = 2 * kWidth;
/// Inputs per panel: 32 KiB of packed weights with AVX-512, half of it with AVX2.
constexpr int64_t kDepth = 256;
constexpr int kTileRows = kManyRegisters ? 12 : 6;

struct Panel {
    float packed[kDepth * kPanel]; ///< [depth][kPanel]
    int64_t column = 0;            ///< first column of y
    int64_t columns = 0;           ///< 1 .. kPanel
    int64_t input = 0;             ///< first input
    int64_t depth = 0;             ///< inputs
};

template <class Weights>
void pack(const GemmArguments& g, Panel& panel) {
    const auto* w = static_cast<const typename Weights::Element*>(g.w);
    float row[kDepth];
    for (int64_t c = 0; c < kPanel; ++c) {
        if (c < panel.columns) {
            widen<Weights>(w + (panel.column + c) * g.in + panel.input, panel.depth, row);
        }
        for (int64_t k = 0; k < panel.depth; ++k) {
            panel.packed[k * kPanel + c] = c < panel.columns ? row[k] : 0.0F;
        }
    }
}

/// Two vectors of one row of y, or of the bias.
inline void loadPair(const float* p, int64_t columns, Vec (&pair)[2]) {
    if (columns == kPanel) {
        pair[0] = Vec::load(p);
        pair[1] = Vec::load(p + kWidth);
        return;
    }
    const int64_t first = columns < kWidth ? columns : kWidth;
    pair[0] = Vec::loadPartial(p, first);
    pair[1] = columns > kWidth ? Vec::loadPartial(p + kWidth, columns - kWidth) : Vec::zero();
}

inline void storePair(float* p, int64_t columns, const Vec (&pair)[2]) {
    if (columns == kPanel) {
        pair[0].store(p);
        pair[1].store(p + kWidth);
        return;
    }
    const int64_t first = columns < kWidth ? columns : kWidth;
    pair[0].storePartial(p, first);
    if (columns > kWidth) {
        pair[1].storePartial(p + kWidth, columns - kWidth);
    }
}

template <int Rows>
void multiplyTile(const GemmArguments& g, const Panel& panel, int64_t row) {
    const float* x = g.x + row * g.in + panel.input;
    float* y = g.y + row * g.yStride + panel.column;
    Vec sums[Rows][2];
    LATHE_UNROLL
    for (int r = 0; r < Rows; ++r) {
        if (panel.input > 0) {
            loadPair(y + r * g.yStride, panel.columns, sums[r]);
        } else if (g.bias != nullptr) {
            loadPair(g.bias + panel.column, panel.columns, sums[r]);
        } else {
            sums[r][0] = sums[r][1] = Vec::zero();
        }
    }
    for (int64_t k = 0; k < panel.depth; ++k) {
        const Vec first = Vec::load(panel.packed + k * kPanel);
        const Vec second = Vec::load(panel.packed + k * kPanel + kWidth);
        LATHE_UNROLL
        for (int r = 0; r < Rows; ++r) {
            const Vec activation = Vec::set1(x[r * g.in + k]);
            sums[r][0] = fma(activation, first, sums[r][0]);
            sums[r][1] = fma(activation, second, sums[r][1]);
        }
    }
    LATHE_UNROLL
    for (int r = 0; r < Rows; ++r) {
        storePair(y + r * g.yStride, panel.columns, sums[r]);
    }
}

void multiplyPanel(const GemmArguments& g, const Panel& panel) {
    int64_t row = 0;
    for (; row + kTileRows <= g.rows; row += kTileRows) {
        multiplyTile<kTileRows>(g, panel, row);
    }
    for (; row + 3 <= g.rows; row += 3) {
        multiplyTile<3>(g, panel, row);
    }
    for (; row < g.rows; ++row) {
        multiplyTile<1>(g, panel, row);
    }
}

} // namespace

void gemv(const GemmArguments& g, int64_t from, int64_t to) {
    withWeights(g.kind, [&](auto weights) { gemvOf<decltype(weights)>(g, from, to); });
}

void gemmPanels(const GemmArguments& g, int64_t from, int64_t to) {
    alignas(64) Panel panel;
    for (int64_t index = from; index < to; ++index) {
        panel.column = index * kPanel;
        panel.columns = g.out - panel.column < kPanel ? g.out - panel.column : kPanel;
        panel.input = 0;
        do {
            panel.depth = g.in - panel.input < kDepth ? g.in - panel.input : kDepth;
            withWeights(g.kind, [&](auto weights) { pack<decltype(weights)>(g, panel); });
            multiplyPanel(g, panel);
            panel.input += kDepth;
        } while (panel.input < g.in);
    }
}

int64_t gemmPanelWidth() { return kPanel; }

void widenWeights(const void* w, WeightKind kind, int64_t offset, int64_t count, float* to) {
    withWeights(kind, [&](auto weights) {
        using Weights = decltype(weights);
        widen<Weights>(static_cast<const typename Weights::Element*>(w) + offset, count, to);
    });
}

} // namespace lathe::LATHE_SIMD_NAMESPACE
