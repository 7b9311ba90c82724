// SPDX-License-Identifier: Apache-2.0
// One block per row, block after block over the rows. Compiled without fused multiply-add (see
// kernels/cuda/CMakeLists.txt): the results are those of Kmeans1d bit for bit.
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/widen.cuh"
#include "kernels/ops/kmeans_rows/kmeans_rows.h"
#include "kernels/ops/kmeans_rows/row_layers.cuh"
#include "kernels/ops/kmeans_rows/row_sort.cuh"

#include <algorithm>
#include <bit>

namespace lathe::cuda {

namespace {

/// Arrays over the distinct values: what describes them, then what the layers read all the time.
constexpr int kDescribing = 4;
constexpr int kHot = 5;
/// Hot arrays live in shared memory when a row has few enough distinct values: so much of it lets
/// three blocks share a Hopper multiprocessor and holds 1842 values; 11008 normal BF16 numbers have
/// some 1783.
constexpr int kBlocksPerMultiprocessor = 3;
constexpr std::size_t kHotSharedBytes = 72U * 1024U;
/// What the statically shared arrays of the kernel need at most.
constexpr std::size_t kStaticSharedBytes = 8U * 1024U;
/// Memory of all blocks in flight.
constexpr std::size_t kScratchBytes = std::size_t{1} << 30;

struct Job {
    const void* values;
    const float* weights;        ///< null: all ones
    const std::int32_t* lengths; ///< null: all values of a row
    double* centroids;
    double* cost;
    double* curve; ///< null: not wanted
    std::int64_t rows;
    int width, clusters;
    int padded;       ///< power of two, the width at least
    bool keysShared;  ///< keys are sorted in shared memory, else in scratch
    int sharedValues; ///< distinct values whose hot arrays fit shared memory
    std::byte* scratch;
    std::size_t scratchStride; ///< bytes of one block

    __host__ __device__ std::size_t arrayBytes() const { return (width + 1) * sizeof(double); }
    __host__ __device__ std::size_t keysOffset() const {
        return (kDescribing + kHot) * arrayBytes();
    }
    __host__ __device__ std::size_t splitsOffset() const {
        return keysOffset() + (keysShared ? 0 : padded * sizeof(Key));
    }
};

__device__ void fillNan(const Job& job, std::int64_t index, double* curve) {
    for (int i = threadIdx.x; i < job.clusters; i += kThreads) {
        job.centroids[index * job.clusters + i] = nan("");
        if (curve != nullptr) {
            curve[i] = nan("");
        }
    }
    if (threadIdx.x == 0) {
        job.cost[index] = nan("");
    }
}

/// The block's pointers once the distinct values are counted.
__device__ void placeHotArrays(const Job& job, std::byte* shared, std::byte* scratch, Row& row) {
    const bool fits = row.count <= job.sharedValues;
    const std::size_t bytes = fits ? (row.count + 1) * sizeof(double) : job.arrayBytes();
    std::byte* from = fits ? shared : scratch + kDescribing * job.arrayBytes();
    double** const arrays[kHot] = {&row.s0, &row.s1, &row.s2, &row.previous, &row.current};
    for (int i = 0; i < kHot; ++i) {
        *arrays[i] = reinterpret_cast<double*>(from + i * bytes);
    }
}

template <class T>
__device__ void
clusterRow(const Job& job, std::int64_t index, std::byte* shared, std::byte* scratch) {
    const T* values = static_cast<const T*>(job.values) + index * job.width;
    const float* weights = job.weights == nullptr ? nullptr : job.weights + index * job.width;
    double* curve = job.curve == nullptr ? nullptr : job.curve + index * job.clusters;
    const int length = job.lengths == nullptr ? job.width : job.lengths[index];
    bool bad = length < 1 || length > job.width, weighty = false;
    for (int i = threadIdx.x; i < min(length, job.width); i += kThreads) {
        const float weight = weights == nullptr ? 0.0F : weights[i];
        bad = bad || !isfinite(widen(values[i])) || !(weight >= 0.0F) || !isfinite(weight);
        weighty = weighty || weight > 0.0F;
    }
    if (__syncthreads_or(bad ? 1 : 0) != 0) {
        fillNan(job, index, curve);
        return;
    }
    const bool allAlike = __syncthreads_or(weighty ? 1 : 0) == 0;

    Row row{};
    row.width = job.width;
    row.value = reinterpret_cast<double*>(scratch);
    row.weight = reinterpret_cast<double*>(scratch + job.arrayBytes());
    row.repeats = reinterpret_cast<double*>(scratch + 2 * job.arrayBytes());
    row.alone = reinterpret_cast<int*>(scratch + 3 * job.arrayBytes());
    row.splits = reinterpret_cast<std::uint16_t*>(scratch + job.splitsOffset());
    Key* keys = reinterpret_cast<Key*>(job.keysShared ? shared : scratch + job.keysOffset());
    sortRow(values, length, job.padded, keys);
    row.count = mergeEqual(values, allAlike ? nullptr : weights, length, keys, row);
    placeHotArrays(job, shared, scratch, row);
    sumFromMedian(row);
    const double cost = optimum(row, job.clusters, job.centroids + index * job.clusters, curve);
    if (threadIdx.x == 0) {
        job.cost[index] = cost;
    }
}

template <class T>
__global__ void __launch_bounds__(kThreads, kBlocksPerMultiprocessor) kmeansRowsKernel(Job job) {
    extern __shared__ __align__(16) std::byte shared[];
    std::byte* scratch = job.scratch + blockIdx.x * job.scratchStride;
    for (std::int64_t index = blockIdx.x; index < job.rows; index += gridDim.x) {
        clusterRow<T>(job, index, shared, scratch);
        __syncthreads();
    }
}

std::size_t sharedLimit(int device) {
    int bytes = 0;
    check(
        cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
        "cudaDeviceGetAttribute");
    return static_cast<std::size_t>(bytes) - kStaticSharedBytes;
}

Job jobOf(const KmeansRows& op) {
    Job job{};
    job.values = op.values.data;
    job.weights = op.weights.ptr<float>();
    job.lengths = op.lengths.ptr<std::int32_t>();
    job.centroids = op.centroids.ptr<double>();
    job.cost = op.cost.ptr<double>();
    job.curve = op.curve.ptr<double>();
    job.rows = op.values.shape[0];
    job.width = static_cast<int>(op.values.shape[1]);
    job.clusters = static_cast<int>(op.centroids.shape[1]);
    job.padded = static_cast<int>(std::bit_ceil(static_cast<unsigned>(job.width)));
    return job;
}

template <class T>
void launchTyped(ExecContext& context, Job job) {
    const std::size_t limit = sharedLimit(context.cuda()->device);
    const std::size_t keyBytes = job.padded * sizeof(Key);
    job.keysShared = keyBytes <= limit;
    const std::size_t hot = std::min(kHot * job.arrayBytes(), std::min(kHotSharedBytes, limit));
    const std::size_t shared = std::max(hot, job.keysShared ? keyBytes : 0);
    job.sharedValues = static_cast<int>(shared / (kHot * sizeof(double))) - 1;
    allowShared(kmeansRowsKernel<T>, shared);

    int perMultiprocessor = 0;
    check(
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(
            &perMultiprocessor, kmeansRowsKernel<T>, kThreads, shared),
        "cudaOccupancyMaxActiveBlocksPerMultiprocessor");
    constexpr std::size_t kAlignment = 256;
    const std::size_t needed =
        job.splitsOffset() + sizeof(std::uint16_t) * (job.clusters - 1) * job.width;
    job.scratchStride = (needed + kAlignment - 1) / kAlignment * kAlignment;
    const std::int64_t resident =
        std::int64_t{std::max(perMultiprocessor, 1)} * context.cuda()->multiprocessors;
    const std::int64_t affordable =
        std::max<std::int64_t>(1, static_cast<std::int64_t>(kScratchBytes / job.scratchStride));
    const std::int64_t blocks = std::min({job.rows, resident, affordable});

    const Arena::Scope scope(context.scratch());
    job.scratch = context.scratch()
                      .take({blocks * static_cast<std::int64_t>(job.scratchStride)}, DType::U8)
                      .data;
    kmeansRowsKernel<T>
        <<<static_cast<unsigned>(blocks), kThreads, shared, context.cuda()->stream>>>(job);
    checkLaunch(context, "kmeans_rows");
}

} // namespace

void launch(ExecContext& context, const KmeansRows& op) {
    if (op.values.shape[0] == 0) {
        return;
    }
    withFloatType(
        op.values.dtype, [&](auto zero) { launchTyped<decltype(zero)>(context, jobOf(op)); });
}

} // namespace lathe::cuda
