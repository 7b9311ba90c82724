// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/overlap.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/widen.cuh"
#include "kernels/ops/step_product/step_product.h"

namespace lathe::cuda {

namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarp;
constexpr int kMostRows = 12; ///< of one block
constexpr int kOctet = 8;     ///< neighbouring columns of a lane
/// Octets of the matrix that a lane has asked for before it multiplies.
constexpr int kUnderWay = 4;
/// From here on there are enough outputs for every warp to take several, which share one x.
constexpr std::int64_t kManyOutputs = 4096;
constexpr int kSharedOutputs = 4;

template <class T>
struct ProductArguments {
    const float* x;
    const float* gamma; ///< null: none
    const T* w;
    float* y;
    int rows, in, out;
    float epsilon;
    StepProduct::Result result;
};

/// Eight stored weights, on their way or there.
template <class T>
struct Stored {
    static constexpr int kParts = static_cast<int>(sizeof(T)) / 2;
    uint4 part[kParts];

    __device__ void load(const T* from) {
#pragma unroll
        for (int i = 0; i < kParts; ++i) {
            part[i] = __ldg(reinterpret_cast<const uint4*>(from) + i);
        }
    }
    __device__ float at(int i) const { return widen(reinterpret_cast<const T*>(part)[i]); }
};

struct Eight {
    float value[kOctet];

    __device__ void load(const float* from) {
        const float4 a = *reinterpret_cast<const float4*>(from);
        const float4 b = *reinterpret_cast<const float4*>(from + 4);
        value[0] = a.x, value[1] = a.y, value[2] = a.z, value[3] = a.w;
        value[4] = b.x, value[5] = b.y, value[6] = b.z, value[7] = b.w;
    }
};

template <class T>
__device__ void finish(const ProductArguments<T>& a, int row, int o, float product) {
    float* to = a.y + static_cast<std::int64_t>(row) * a.out + o;
    switch (a.result) {
    case StepProduct::Result::Store:
        *to = product;
        break;
    case StepProduct::Result::Relu:
        *to = product < 0.0F ? 0.0F : product; // fmaxf would lose NaN
        break;
    case StepProduct::Result::Add:
        *to += product;
        break;
    }
}

/// `Outs` outputs a warp, of up to `Rows` rows. Lane l takes columns 8 l to 8 l + 7 of every 256,
/// in their order, whatever Rows and Outs are.
template <class T, int Rows, int Outs>
__global__ void __launch_bounds__(kThreads) productKernel(ProductArguments<T> a) {
    constexpr int kAhead = kUnderWay / Outs;
    letNextBegin();
    const std::int64_t above = static_cast<std::int64_t>(blockIdx.y) * Rows;
    a.x += above * a.in;
    a.y += above * a.out;
    a.rows = min(a.rows - static_cast<int>(above), Rows);
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int first =
        (static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp) * Outs;
    if (first >= a.out) {
        return;
    }
    const T* w[Outs];
#pragma unroll
    for (int o = 0; o < Outs; ++o) {
        w[o] = a.w + static_cast<std::int64_t>(min(first + o, a.out - 1)) * a.in;
    }
    Stored<T> next[kAhead][Outs] = {};
    const auto fetch = [&](int from) {
#pragma unroll
        for (int c = 0; c < kAhead; ++c) {
            const int column = from + c * kWarp * kOctet + lane * kOctet;
#pragma unroll
            for (int o = 0; o < Outs; ++o) {
                if (column < a.in) {
                    next[c][o].load(w[o] + column);
                }
            }
        }
    };
    fetch(0);
    waitForPrevious();
    float sum[Rows][Outs] = {};
    float squares[Rows] = {};
    for (int from = 0; from < a.in; from += kAhead * kWarp * kOctet) {
        Stored<T> held[kAhead][Outs];
#pragma unroll
        for (int c = 0; c < kAhead; ++c) {
#pragma unroll
            for (int o = 0; o < Outs; ++o) {
                held[c][o] = next[c][o];
            }
        }
        fetch(from + kAhead * kWarp * kOctet);
#pragma unroll
        for (int c = 0; c < kAhead; ++c) {
            const int column = from + c * kWarp * kOctet + lane * kOctet;
            if (column >= a.in) {
                break;
            }
            Eight scale;
            if (a.gamma != nullptr) {
                scale.load(a.gamma + column);
            }
#pragma unroll
            for (int r = 0; r < Rows; ++r) {
                Eight x;
                x.load(a.x + static_cast<std::int64_t>(min(r, a.rows - 1)) * a.in + column);
                if (a.gamma != nullptr) {
#pragma unroll
                    for (int i = 0; i < kOctet; ++i) {
                        squares[r] = fmaf(x.value[i], x.value[i], squares[r]);
                        x.value[i] *= scale.value[i];
                    }
                }
#pragma unroll
                for (int o = 0; o < Outs; ++o) {
#pragma unroll
                    for (int i = 0; i < kOctet; ++i) {
                        sum[r][o] = fmaf(held[c][o].at(i), x.value[i], sum[r][o]);
                    }
                }
            }
        }
    }
#pragma unroll
    for (int r = 0; r < Rows; ++r) {
        float norm = 1.0F;
        if (a.gamma != nullptr) {
            norm = 1.0F / sqrtf(warpSum(squares[r]) / static_cast<float>(a.in) + a.epsilon);
        }
        float mine = 0.0F;
#pragma unroll
        for (int o = 0; o < Outs; ++o) {
            const float total = warpSum(sum[r][o]) * norm;
            mine = lane == o ? total : mine;
        }
        if (lane < Outs && first + lane < a.out && r < a.rows) {
            finish(a, r, first + lane, mine);
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
    if (a.gamma != nullptr) {
        sum *= 1.0F / sqrtf(squares / static_cast<float>(a.in) + a.epsilon);
    }
    if (lane == 0) {
        finish(a, row, o, sum);
    }
}

template <class T, int Rows, int Outs>
void launchShape(ExecContext& context, const ProductArguments<T>& a) {
    const int perBlock = kWarps * Outs;
    launchOverlapped(
        context, "step_product", productKernel<T, Rows, Outs>,
        {.grid = dim3(
             static_cast<unsigned>((a.out + perBlock - 1) / perBlock),
             static_cast<unsigned>((a.rows + Rows - 1) / Rows)),
         .threads = kThreads},
        a);
}

template <class T, int Rows>
void launchRows(ExecContext& context, const ProductArguments<T>& a) {
    if (a.out >= kManyOutputs) {
        launchShape<T, Rows, kSharedOutputs>(context, a);
    } else {
        launchShape<T, Rows, 1>(context, a);
    }
}

/// kMostRows rows at once and more of them beside each other: the weights come from the caches.
template <class T>
void launchSome(ExecContext& context, const ProductArguments<T>& a) {
    if (a.rows == 1) {
        launchShape<T, 1, 1>(context, a);
    } else if (a.rows == 2) {
        launchRows<T, 2>(context, a);
    } else if (a.rows <= 4) {
        launchRows<T, 4>(context, a);
    } else if (a.rows <= 8) {
        launchRows<T, 8>(context, a);
    } else {
        launchRows<T, kMostRows>(context, a);
    }
}

} // namespace

void launch(ExecContext& context, const StepProduct& op) {
    const auto rows = static_cast<int>(op.x.shape[0]), in = static_cast<int>(op.x.shape[1]);
    const auto aligned = [](const ConstView& view) {
        return reinterpret_cast<std::uintptr_t>(view.data) % 16 == 0;
    };
    const bool wide = in % kOctet == 0 && aligned(op.x) && aligned(op.w) && aligned(op.gamma);
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
            .epsilon = op.epsilon,
            .result = op.result};
        if (!wide) {
            const auto blocks = static_cast<unsigned>((a.out + kWarps - 1) / kWarps);
            launchOverlapped(
                context, "step_product", productAnyKernel<T>,
                {.grid = dim3(blocks, static_cast<unsigned>(rows)), .threads = kThreads}, a);
            return;
        }
        launchSome(context, a);
    });
}

} // namespace lathe::cuda
