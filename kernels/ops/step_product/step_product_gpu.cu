// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/aligned.h"
#include "kernels/ops/step_product/step_product_ahead.cuh"

namespace lathe::cuda {

namespace {

using namespace step_product;

/// From here on there are enough outputs for every warp to take several, which share one x.
constexpr std::int64_t kManyOutputs = 4096;

/// Asks for eight weights; zeros outside.
template <class T>
__device__ void fetchStored(Stored<T>& stored, const T* from, bool inside) {
#pragma unroll
    for (int i = 0; i < Stored<T>::kParts; ++i) {
        stored.part[i] = inside ? __ldg(reinterpret_cast<const uint4*>(from) + i) : uint4{};
    }
}

/// What a warp has of a product: up to `Rows` rows times `Outs` outputs. Lane l takes columns 8 l
/// to 8 l + 7 of every chunk, in their order, whatever Rows and Outs are. `Once`: one unit a warp.
template <class T, int Rows, int Outs, bool Once>
struct Sums {
    /// Chunks that have been asked for.
    static constexpr int kAhead = Rows <= 2 ? kUnit : Outs < kUnit ? kUnit / Outs : 1;
    float sum[Rows][Outs] = {};
    float squares[Rows] = {};
    Stored<T> next[kAhead][Outs];

    __device__ void fetch(const ProductArguments<T>& a, int first, int chunk, int segment) {
        const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
        for (int c = 0; c < kAhead; ++c) {
            const int column = columnOf(chunk + c, segment, a.split) + lane * kOctet;
#pragma unroll
            for (int o = 0; o < Outs; ++o) {
                const auto row = static_cast<std::int64_t>(min(first + o, a.out - 1));
                fetchStored(next[c][o], a.w + row * a.in + column, column < a.in);
            }
        }
    }
    __device__ void multiply(const ProductArguments<T>& a, int first, int segment) {
        if constexpr (Once) {
#pragma unroll
            for (int chunk = 0; chunk < kUnit; chunk += kAhead) {
                batch(a, first, chunk, segment, chunk + kAhead < kUnit);
            }
        } else {
            for (int chunk = 0; columnOf(chunk, segment, a.split) < a.in; chunk += kAhead) {
                batch(a, first, chunk, segment, true);
            }
        }
    }

private:
    __device__ void
    batch(const ProductArguments<T>& a, int first, int chunk, int segment, bool more) {
        Stored<T> held[kAhead][Outs];
#pragma unroll
        for (int c = 0; c < kAhead; ++c) {
#pragma unroll
            for (int o = 0; o < Outs; ++o) {
                held[c][o] = next[c][o];
            }
        }
        if (more) {
            fetch(a, first, chunk + kAhead, segment);
        }
#pragma unroll
        for (int c = 0; c < kAhead; ++c) {
            const int column = columnOf(chunk + c, segment, a.split);
            // With few rows all loads are under way together, those outside of the row too.
            if (Rows <= 2 || column < a.in) {
                add(a, held[c], column);
            }
        }
    }
    __device__ void add(const ProductArguments<T>& a, const Stored<T> (&w)[Outs], int from) {
        const int column = from + static_cast<int>(threadIdx.x) % kWarp * kOctet;
        const bool inside = column < a.in;
        Eight scale;
        scale.load(a.gamma + column, a.gamma != nullptr && inside);
#pragma unroll
        for (int r = 0; r < Rows; ++r) {
            Eight x;
            const auto row = static_cast<std::int64_t>(min(r, a.rows - 1));
            x.load(a.x + row * a.in + column, inside);
            if (a.gamma != nullptr) {
                squares[r] = x.scale(scale, squares[r]);
            }
#pragma unroll
            for (int o = 0; o < Outs; ++o) {
                sum[r][o] = w[o].times(x, sum[r][o]);
            }
        }
    }
};

/// `Outs` outputs for `split` warps, of up to `Rows` rows.
template <class T, int Rows, int Outs, bool Once>
__global__ void __launch_bounds__(kThreads, Rows <= 2 ? 3 : 2)
    productKernel(ProductArguments<T> a) {
    constexpr int kRowPower = kPower<Rows>;
    __shared__ float products[kWarps][Outs][kRowPower];
    __shared__ float norms[kWarps][kRowPower];
    letNextBegin();
    const std::int64_t above = static_cast<std::int64_t>(blockIdx.y) * Rows;
    a.x += above * a.in;
    a.y += above * a.out;
    a.rows = min(a.rows - static_cast<int>(above), Rows);
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp, segment = warp % a.split;
    const int first = (static_cast<int>(blockIdx.x) * (kWarps / a.split) + warp / a.split) * Outs;
    Sums<T, Rows, Outs, Once> mine;
    mine.fetch(a, first, 0, segment);
    waitForPrevious();
    mine.multiply(a, first, segment);
    // The sum of row r is in lane r * kLanes.
    constexpr int kLanes = kWarp / kRowPower;
    float squares = 0.0F, totals[Outs];
    const auto summed = [&](auto valueOf) {
        float values[kRowPower] = {};
#pragma unroll
        for (int r = 0; r < Rows; ++r) {
            values[r] = valueOf(r);
        }
        return warpSums(values);
    };
    if (a.gamma != nullptr) {
        squares = summed([&](int r) { return mine.squares[r]; });
    }
#pragma unroll
    for (int o = 0; o < Outs; ++o) {
        totals[o] = summed([&](int r) { return mine.sum[r][o]; });
    }
    const int row = lane / kLanes;
    if (a.split > 1) {
        if (lane % kLanes == 0) {
            norms[warp][row] = squares;
#pragma unroll
            for (int o = 0; o < Outs; ++o) {
                products[warp][o][row] = totals[o];
            }
        }
        __syncthreads();
        if (segment > 0) {
            return;
        }
        for (int s = 1; s < a.split; ++s) {
            squares += norms[warp + s][row];
#pragma unroll
            for (int o = 0; o < Outs; ++o) {
                totals[o] += products[warp + s][o][row];
            }
        }
    }
    if (lane % kLanes != 0 || row >= a.rows) {
        return;
    }
    const float norm = normOf(a, squares);
#pragma unroll
    for (int o = 0; o < Outs; ++o) {
        if (first + o < a.out) {
            finish(a, row, first + o, totals[o], norm, before(a, row, first + o));
        }
    }
}

/// Rows of any length and alignment: one output of one row a warp.
template <class T>
__global__ void __launch_bounds__(kThreads) productAnyKernel(const ProductArguments<T> a) {
    letNextBegin();
    waitForPrevious();
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int o = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp;
    const auto row = static_cast<int>(blockIdx.y);
    if (o >= a.out) {
        return;
    }
    const T* w = a.w + static_cast<std::int64_t>(o) * a.in;
    const float* x = a.x + static_cast<std::int64_t>(row) * a.in;
    float sum = 0.0F, squares = 0.0F;
    for (int i = lane; i < a.in; i += kWarp) {
        const float value = x[i];
        squares = fmaf(value, value, squares);
        sum = fmaf(widen(w[i]), a.gamma != nullptr ? value * a.gamma[i] : value, sum);
    }
    sum = warpSum(sum);
    squares = warpSum(squares);
    if (lane == 0) {
        finish(a, row, o, sum, normOf(a, squares), before(a, row, o));
    }
}

template <class T, int Rows, int Outs>
void launchShape(ExecContext& context, const ProductArguments<T>& a) {
    const int perBlock = kWarps / a.split * Outs;
    const bool once = a.in <= a.split * kUnit * kChunk;
    launchOverlapped(
        context, "step_product",
        once ? productKernel<T, Rows, Outs, true> : productKernel<T, Rows, Outs, false>,
        {.grid = dim3(
             static_cast<unsigned>((a.out + perBlock - 1) / perBlock),
             static_cast<unsigned>((a.rows + Rows - 1) / Rows)),
         .threads = kThreads},
        a);
}

/// One or two rows: as many outputs a warp as let all blocks be there at once.
template <class T, int Rows>
void launchFew(ExecContext& context, const ProductArguments<T>& a) {
    const std::int64_t blocks = static_cast<std::int64_t>(a.out) * a.split / kWarps;
    if (blocks <= std::int64_t{4} * context.cuda()->multiprocessors) {
        launchShape<T, Rows, 1>(context, a);
    } else {
        launchShape<T, Rows, 2>(context, a);
    }
}

template <class T, int Rows>
void launchRows(ExecContext& context, const ProductArguments<T>& a) {
    if constexpr (sizeof(T) == 2) { // what models are stored in
        if (a.out >= kManyOutputs) {
            launchShape<T, Rows, Rows <= 8 ? 4 : 2>(context, a);
            return;
        }
    }
    launchShape<T, Rows, 1>(context, a);
}

/// kMostRows rows at once and more of them beside each other: the weights come from the caches.
template <class T>
void launchSome(ExecContext& context, const ProductArguments<T>& a) {
    if (a.rows == 1) {
        launchFew<T, 1>(context, a);
    } else if (a.rows == 2) {
        launchFew<T, 2>(context, a);
    } else if (a.rows <= 4) {
        launchRows<T, 4>(context, a);
    } else if (a.rows <= 6) {
        launchRows<T, 6>(context, a);
    } else if (a.rows <= 8) {
        launchRows<T, 8>(context, a);
    } else {
        launchRows<T, kMostRows>(context, a);
    }
}

/// Outputs in one segment that the warps of aheadKernel of a multiprocessor have each.
int aheadShare(ExecContext& context, std::int64_t out, int split) {
    const std::int64_t together = std::int64_t{kWarps / split} * context.cuda()->multiprocessors;
    return static_cast<int>((out + together - 1) / together);
}

/// Matrices of which every multiprocessor can hold a share that is worth fetching ahead.
bool suitsAhead(ExecContext& context, const StepProduct& op, int split) {
    constexpr std::int64_t kWorthwhile = 1 << 20;
    return context.cuda()->overlaps && op.x.shape[0] <= kMostRows &&
           static_cast<std::int64_t>(op.w.bytes()) >= kWorthwhile &&
           op.w.shape[1] <= std::int64_t{split} * kUnit * kChunk &&
           aheadShare(context, op.w.shape[0], split) <= kMostAheadBlocks * kMostEach;
}

template <class T, int Rows, int Each>
void launchAhead(ExecContext& context, const ProductArguments<T>& a) {
    const int outs = kWarps / a.split * Each;
    const auto sums = static_cast<std::size_t>(a.split * a.rows * (outs + 1));
    const std::size_t shared = kAheadWeights<Each> + sums * sizeof(float);
    auto* kernel = aheadKernel<T, Rows, Each>;
    allowShared(kernel, shared);
    launchOverlapped(
        context, "step_product", kernel,
        {.grid = dim3(static_cast<unsigned>((a.out + outs - 1) / outs)),
         .threads = kThreads,
         .shared = shared,
         .besideProducts = true},
        a);
}

/// One block a multiprocessor, or two with half of the outputs.
template <class T, int Rows>
void launchAhead(ExecContext& context, const ProductArguments<T>& a) {
    const int share = aheadShare(context, a.out, a.split);
    const int blocks = (share + kMostEach - 1) / kMostEach;
    switch ((share + blocks - 1) / blocks) {
    case 1:
        launchAhead<T, Rows, 1>(context, a);
        break;
    case 2:
        launchAhead<T, Rows, 2>(context, a);
        break;
    case 3:
        launchAhead<T, Rows, 3>(context, a);
        break;
    default:
        launchAhead<T, Rows, kMostEach>(context, a);
    }
}

template <class T>
void launchAhead(ExecContext& context, const ProductArguments<T>& a) {
    if (a.rows == 1) {
        launchAhead<T, 1>(context, a);
    } else if (a.rows == 2) {
        launchAhead<T, 2>(context, a);
    } else if (a.rows % 4 == 0) {
        launchAhead<T, 4>(context, a);
    } else {
        launchAhead<T, 3>(context, a);
    }
}

} // namespace

void launch(ExecContext& context, const StepProduct& op) {
    const auto rows = static_cast<int>(op.x.shape[0]), in = static_cast<int>(op.x.shape[1]);
    const bool wide = in % kOctet == 0 && isAligned(op.x.data) && isAligned(op.w.data) &&
                      isAligned(op.gamma.data);
    withFloatType(op.w.dtype, [&](auto zero) {
        using T = decltype(zero);
        const ProductArguments<T> a{
            .x = op.x.ptr<float>(),
            .gamma = op.gamma.empty() ? nullptr : op.gamma.ptr<float>(),
            .w = op.w.ptr<T>(),
            .y = op.y.ptr<float>(),
            .rows = rows,
            .in = in,
            .out = static_cast<int>(op.w.shape[0]),
            .split = segmentsOf(in),
            .epsilon = op.epsilon,
            .result = op.result};
        if (!wide) {
            const auto blocks = static_cast<unsigned>((a.out + kWarps - 1) / kWarps);
            launchOverlapped(
                context, "step_product", productAnyKernel<T>,
                {.grid = dim3(blocks, static_cast<unsigned>(rows)), .threads = kThreads}, a);
            return;
        }
        if constexpr (sizeof(T) == 2) {
            if (suitsAhead(context, op, a.split)) {
                launchAhead(context, a);
                return;
            }
        }
        launchSome(context, a);
    });
}

} // namespace lathe::cuda
