// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/thread_pool.h"

#include "engine/core/error.h"
#include "tests/support/lathe_test.h"

#include <atomic>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

using namespace lathe;

namespace {

/// Leaves the process so many bytes of address space for a scope.
class AddressSpaceLimit {
public:
    explicit AddressSpaceLimit(std::size_t bytesLeft) {
        getrlimit(RLIMIT_AS, &m_old);
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        rlimit limit = m_old;
        limit.rlim_cur = pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + bytesLeft;
        setrlimit(RLIMIT_AS, &limit);
    }
    ~AddressSpaceLimit() { setrlimit(RLIMIT_AS, &m_old); }
    AddressSpaceLimit(const AddressSpaceLimit&) = delete;
    AddressSpaceLimit& operator=(const AddressSpaceLimit&) = delete;

private:
    rlimit m_old{};
};

} // namespace

class ThreadPoolTest : public QObject {
    Q_OBJECT

private slots:
    void everyIndexOnce_data() {
        QTest::addColumn<int>("threads");
        QTest::addColumn<qint64>("count");
        QTest::addColumn<qint64>("grain");
        for (const int threads : {1, 2, 5}) {
            for (const qint64 count : {0, 1, 2, 7, 64, 1000}) {
                for (const qint64 grain : {0, 1, 3, 64, 5000}) {
                    QTest::addRow("%d threads %lld by %lld", threads, count, grain)
                        << threads << count << grain;
                }
            }
        }
    }

    void everyIndexOnce() {
        QFETCH(const int, threads);
        QFETCH(const qint64, count);
        QFETCH(const qint64, grain);
        ThreadPool pool(threads);
        QCOMPARE(pool.threadCount(), threads);
        std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
        std::atomic<bool> tooSmall{false};
        pool.parallelFor(count, grain, [&](std::int64_t from, std::int64_t to) {
            if (to - from < std::min<std::int64_t>(grain, count)) {
                tooSmall = true;
            }
            for (std::int64_t i = from; i < to; ++i) {
                ++visits[static_cast<std::size_t>(i)];
            }
        });
        QVERIFY(!tooSmall);
        for (const std::atomic<int>& visit : visits) {
            QCOMPARE(visit.load(), 1);
        }
    }

    void manyJobsInARow() {
        ThreadPool pool(4);
        std::int64_t wanted = 0;
        std::atomic<std::int64_t> sum{0};
        for (std::int64_t job = 0; job < 20000; ++job) {
            const std::int64_t count = job % 50;
            wanted += count * (count - 1) / 2;
            pool.parallelFor(count, 1, [&](std::int64_t from, std::int64_t to) {
                std::int64_t part = 0;
                for (std::int64_t i = from; i < to; ++i) {
                    part += i;
                }
                sum += part;
            });
        }
        QCOMPARE(sum.load(), wanted);
    }

    void exceptionsReachTheCaller() {
        ThreadPool pool(3);
        for (int round = 0; round < 200; ++round) {
            LATHE_VERIFY_THROWS(
                pool.parallelFor(
                    100, 1,
                    [](std::int64_t from, std::int64_t to) {
                        if (from <= 57 && 57 < to) {
                            throw InputError("piece with 57");
                        }
                    }),
                InputError, "57");
        }
        LATHE_VERIFY_THROWS(
            pool.parallelFor(
                100, 1, [](std::int64_t, std::int64_t) { throw std::runtime_error("all"); }),
            std::runtime_error, "all");
        // The pool serves on.
        std::atomic<std::int64_t> seen{0};
        pool.parallelFor(100, 1, [&](std::int64_t from, std::int64_t to) { seen += to - from; });
        QCOMPARE(seen.load(), std::int64_t{100});
    }

    void nestedCallsRunInPlace() {
        ThreadPool pool(3);
        std::atomic<std::int64_t> sum{0};
        std::atomic<bool> moved{false};
        pool.parallelFor(12, 1, [&](std::int64_t from, std::int64_t to) {
            for (std::int64_t i = from; i < to; ++i) {
                const std::thread::id outer = std::this_thread::get_id();
                pool.parallelFor(10, 1, [&](std::int64_t innerFrom, std::int64_t innerTo) {
                    sum += innerTo - innerFrom;
                    moved = moved || std::this_thread::get_id() != outer;
                });
            }
        });
        QCOMPARE(sum.load(), std::int64_t{120});
        QVERIFY(!moved);
    }

    void twoCallersShareAPool() {
        ThreadPool pool(3);
        std::atomic<std::int64_t> sum{0};
        const auto work = [&] {
            for (int job = 0; job < 2000; ++job) {
                pool.parallelFor(
                    20, 1, [&](std::int64_t from, std::int64_t to) { sum += to - from; });
            }
        };
        {
            const std::jthread other(work);
            work();
        }
        QCOMPARE(sum.load(), std::int64_t{80000});
    }

    /// Those that run already must end, or the failed pool waits for them for ever.
    void failedStartEndsTheOthers() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        QSKIP("a sanitizer needs more address space than this test leaves");
#endif
        const AddressSpaceLimit limit(std::size_t{96} << 20);
        LATHE_VERIFY_THROWS(ThreadPool(1024), DeviceError, "of 1024 threads could be started");
    }

    void threadCounts() {
        QVERIFY(ThreadPool(0).threadCount() >= 1);
        LATHE_VERIFY_THROWS(ThreadPool(-1), InputError, "threads is -1");
        LATHE_VERIFY_THROWS(ThreadPool(100000), InputError, "100000");
    }
};

LATHE_TEST(ThreadPoolTest);
#include "thread_pool_test.moc"
