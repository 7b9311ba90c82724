// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/benchmark.h"

#include "engine/core/check.h"
#include "kernels/core/cuda_backend.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include <unistd.h>

namespace lathe {

namespace {

using Clock = std::chrono::steady_clock;

/// Where the system does not tell: a size that is large for most processors.
constexpr std::size_t kUnknownCacheBytes = std::size_t{32} << 20;
/// Each of the two buffers fills the last-level cache this often, so that nothing of the last copy
/// is left in it; at least so many bytes, so that a start costs nothing beside them.
constexpr std::size_t kCopyCaches = 2;
constexpr std::size_t kCopyLeastBytes = std::size_t{256} << 20;
/// Timings of a sanitizer's build mean nothing; small buffers keep its tests short.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kCopyMostBytes = std::size_t{4} << 20;
#else
constexpr std::size_t kCopyMostBytes = std::size_t{16} << 30;
#endif
constexpr int kCopyRepeats = 5;
constexpr int kCopiesPerRepeat = 2;
constexpr std::int64_t kCopyGrainBytes = std::int64_t{1} << 20;

double hostMicroseconds(int launches, const std::function<void(int)>& body) {
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < launches; ++i) {
        body(i);
    }
    const std::chrono::duration<double, std::micro> span = Clock::now() - start;
    return span.count() / launches;
}

} // namespace

Timing
timeKernel(ExecContext& context, int repeat, int launches, const std::function<void(int)>& body) {
    LATHE_CHECK(repeat >= 1 && launches >= 1, "a timing needs at least one repetition and launch");
    const auto measure = [&] {
        return context.device().isCuda() ? cuda::timeLaunches(context, launches, body)
                                         : hostMicroseconds(launches, body);
    };
    measure();
    std::vector<double> times;
    for (int i = 0; i < repeat; ++i) {
        times.push_back(measure());
    }
    std::ranges::sort(times);
    const std::size_t middle = times.size() / 2;
    const double median =
        times.size() % 2 == 1 ? times[middle] : (times[middle - 1] + times[middle]) / 2.0;
    return {median, times.front(), times.back()};
}

double measureCopyBandwidth(ExecContext& context) {
    const std::size_t most = std::min(
        static_cast<std::size_t>(deviceInfo(context.device()).freeBytes) / 8, kCopyMostBytes);
    const std::size_t wanted =
        std::min(std::max(kCopyCaches * lastLevelCacheBytes(context), kCopyLeastBytes), most);
    const std::int64_t bytes = std::max(static_cast<std::int64_t>(wanted), kCopyGrainBytes);
    Tensor from = Tensor::zeros({bytes}, DType::U8, context);
    Tensor to = Tensor::zeros({bytes}, DType::U8, context);
    const Timing timing = timeKernel(context, kCopyRepeats, kCopiesPerRepeat, [&](int) {
        if (context.device().isCuda()) {
            copy(context, from.constView(), to.view());
            return;
        }
        context.pool().parallelFor(
            bytes, kCopyGrainBytes, [&](std::int64_t begin, std::int64_t end) {
                std::memcpy(
                    to.view().data + begin, from.view().data + begin,
                    static_cast<std::size_t>(end - begin));
            });
    });
    return 2.0 * static_cast<double>(bytes) / (timing.medianUs * 1e-6);
}

std::size_t lastLevelCacheBytes(ExecContext& context) {
    if (context.device().isCuda()) {
        return cuda::cacheBytes(context.device().index);
    }
    for (const int level : {_SC_LEVEL4_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL2_CACHE_SIZE}) {
        const long bytes = sysconf(level);
        if (bytes > 0) {
            return static_cast<std::size_t>(bytes);
        }
    }
    return kUnknownCacheBytes;
}

} // namespace lathe
