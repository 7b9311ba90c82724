// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/thread_pool.h"

#include "engine/core/check.h"
#include "engine/core/error.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <immintrin.h>
#include <sched.h>

namespace lathe {

namespace {

/// Pauses before a waiting thread sleeps: about 50 us on a Zen 4, longer than the gaps between the
/// ops of one decoded token, shorter than anybody's time slice.
constexpr int kSpins = 2000;
constexpr int kMostThreads = 1024;
/// Pieces per thread: some, so that a thread which loses its core does not hold up the others.
constexpr std::int64_t kPiecesPerThread = 4;

int usableCores() {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    if (sched_getaffinity(0, sizeof(cores), &cores) == 0) {
        return std::max(1, CPU_COUNT(&cores));
    }
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

/// Which job is offered and which of its pieces is next, in one word: a piece is claimed by
/// exchanging this word, so that a worker that wakes up late cannot take a piece of another job.
struct Ticket {
    std::uint32_t job = 0;
    std::uint16_t next = 0;
    std::uint16_t pieces = 0;

    std::uint64_t word() const noexcept {
        return (std::uint64_t{job} << 32) | (std::uint64_t{next} << 16) | pieces;
    }
    static Ticket of(std::uint64_t word) noexcept {
        return {
            static_cast<std::uint32_t>(word >> 32), static_cast<std::uint16_t>(word >> 16),
            static_cast<std::uint16_t>(word)};
    }
};

} // namespace

struct ThreadPool::Workers {
    using Body = std::function<void(std::int64_t, std::int64_t)>;

    explicit Workers(int threadCount) : threads(threadCount) {
        int running = 1;
        try {
            for (; running < threads; ++running) {
                joined.emplace_back([this] { serve(); });
            }
        } catch (const std::exception& error) {
            // The destructor does not run for a half-made object: those that wait must be sent home
            // here, or joining them never ends.
            stop();
            throw DeviceError(
                "only " + std::to_string(running) + " of " + std::to_string(threads) +
                " threads could be started (" + error.what() + "); give a smaller --threads");
        }
    }
    ~Workers() { stop(); }
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    void stop() noexcept {
        stopping.store(true);
        jobs.fetch_add(1);
        jobs.notify_all();
    }
    void serve();
    void runPieces();
    void runPiece(std::int64_t piece, std::int64_t pieces);
    void waitForPieces(std::uint32_t pieces);

    const int threads;
    // The job: written before `ticket`, read only by owners of a claimed piece.
    const Body* body = nullptr;
    std::int64_t count = 0;

    std::atomic<std::uint64_t> ticket{0};
    std::atomic<std::uint32_t> jobs{0};
    std::atomic<std::uint32_t> done{0};
    std::atomic<bool> busy{false};
    std::atomic<bool> failed{false};
    std::atomic<bool> stopping{false};
    std::mutex failureMutex;
    std::exception_ptr failure;
    std::vector<std::jthread> joined;
};

void ThreadPool::Workers::serve() {
    std::uint32_t seen = 0;
    while (true) {
        int spins = 0;
        while (jobs.load(std::memory_order_acquire) == seen) {
            if (++spins < kSpins) {
                _mm_pause();
            } else {
                jobs.wait(seen);
            }
        }
        seen = jobs.load(std::memory_order_acquire);
        if (stopping.load()) {
            return;
        }
        runPieces();
    }
}

void ThreadPool::Workers::runPieces() {
    std::uint64_t word = ticket.load(std::memory_order_acquire);
    while (true) {
        Ticket claim = Ticket::of(word);
        if (claim.next >= claim.pieces) {
            return;
        }
        const std::int64_t piece = claim.next++;
        if (ticket.compare_exchange_weak(word, claim.word(), std::memory_order_acq_rel)) {
            runPiece(piece, claim.pieces);
            word = ticket.load(std::memory_order_acquire);
        }
    }
}

void ThreadPool::Workers::runPiece(std::int64_t piece, std::int64_t pieces) {
    if (!failed.load(std::memory_order_relaxed)) {
        try {
            const std::int64_t small = count / pieces;
            const std::int64_t rest = count % pieces;
            const std::int64_t from = piece * small + std::min(piece, rest);
            (*body)(from, from + small + (piece < rest ? 1 : 0));
        } catch (...) { // handed to the caller of parallelFor
            const std::lock_guard lock(failureMutex);
            if (!failed.exchange(true)) {
                failure = std::current_exception();
            }
        }
    }
    if (done.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<std::uint32_t>(pieces)) {
        done.notify_one();
    }
}

void ThreadPool::Workers::waitForPieces(std::uint32_t pieces) {
    int spins = 0;
    while (true) {
        const std::uint32_t finished = done.load(std::memory_order_acquire);
        if (finished == pieces) {
            return;
        }
        if (++spins < kSpins) {
            _mm_pause();
        } else {
            done.wait(finished);
        }
    }
}

ThreadPool::ThreadPool(int threads) {
    LATHE_CHECK(
        threads >= 0 && threads <= kMostThreads,
        "threads is " + std::to_string(threads) + "; give 0 (one per core) to 1024");
    m_workers = std::make_unique<Workers>(threads == 0 ? usableCores() : threads);
}

ThreadPool::~ThreadPool() = default;

int ThreadPool::threadCount() const noexcept { return m_workers->threads; }

void ThreadPool::parallelFor(
    std::int64_t count, std::int64_t grain,
    const std::function<void(std::int64_t from, std::int64_t to)>& body) {
    if (count <= 0) {
        return;
    }
    Workers& workers = *m_workers;
    const std::int64_t pieces =
        std::min(count / std::max<std::int64_t>(grain, 1), kPiecesPerThread * workers.threads);
    // A call from inside a job, or from a second thread, finds the pool busy and runs here.
    if (pieces <= 1 || workers.threads == 1 || workers.busy.exchange(true)) {
        body(0, count);
        return;
    }
    workers.body = &body;
    workers.count = count;
    workers.done.store(0, std::memory_order_relaxed);
    const std::uint32_t job = workers.jobs.load(std::memory_order_relaxed) + 1;
    workers.ticket.store(
        Ticket{job, 0, static_cast<std::uint16_t>(pieces)}.word(), std::memory_order_release);
    workers.jobs.store(job, std::memory_order_seq_cst);
    workers.jobs.notify_all();
    workers.runPieces();
    workers.waitForPieces(static_cast<std::uint32_t>(pieces));
    const bool failed = workers.failed.exchange(false);
    std::exception_ptr failure = std::exchange(workers.failure, nullptr);
    workers.busy.store(false, std::memory_order_release);
    if (failed) {
        std::rethrow_exception(failure);
    }
}

} // namespace lathe
