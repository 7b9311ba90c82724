// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/device.h"

#include "kernels/core/benchmark.h"
#include "kernels/core/dispatch.h"
#include "kernels/core/exec_context.h"
#include "tests/support/lathe_test.h"

#include <cstdlib>

using namespace lathe;

namespace {

/// Sets LATHE_TARGET for a scope.
class ForcedTarget {
public:
    explicit ForcedTarget(const char* name) {
        if (const char* old = std::getenv("LATHE_TARGET")) {
            m_old = old;
        }
        setenv("LATHE_TARGET", name, 1);
    }
    ~ForcedTarget() {
        if (m_old.empty()) {
            unsetenv("LATHE_TARGET");
        } else {
            setenv("LATHE_TARGET", m_old.c_str(), 1);
        }
    }
    ForcedTarget(const ForcedTarget&) = delete;
    ForcedTarget& operator=(const ForcedTarget&) = delete;

private:
    std::string m_old;
};

} // namespace

class DeviceTest : public QObject {
    Q_OBJECT

private slots:
    void parsesNames() {
        QVERIFY(Device::parse("cpu") == Device{});
        QCOMPARE(Device{}.name(), std::string("cpu"));
        QCOMPARE((Device{Device::Kind::Cuda, 2}.name()), std::string("cuda:2"));
        const char* const wrong[] = {"",        "gpu",     "cuda:", "cuda:x",
                                     "cuda:-1", "cuda:1x", "CPU",   "cuda0"};
        for (const char* text : wrong) {
            LATHE_VERIFY_THROWS(Device::parse(text), InputError, "auto, cpu, cuda, cuda:N");
        }
    }

    void absentGpusAreNamed() {
        std::string whyNot;
        const int count = cudaDeviceCount(&whyNot);
        QCOMPARE(count == 0, !whyNot.empty());
        LATHE_VERIFY_THROWS(Device::parse("cuda:99"), DeviceError, "cuda:99");
        QCOMPARE(Device::parse("auto").isCuda(), count > 0);
        QCOMPARE(isAvailable(Target::Cuda), count > 0);
        if (count == 0) {
            LATHE_VERIFY_THROWS(Device::parse("cuda"), DeviceError, whyNot);
            LATHE_VERIFY_THROWS(ExecContext(Device{Device::Kind::Cuda, 0}), DeviceError, "");
            LATHE_VERIFY_THROWS(
                Tensor::empty({1}, DType::F32, Device{Device::Kind::Cuda, 0}), DeviceError, "");
        }
    }

    void targetsHaveNames() {
        for (const Target target : {Target::Scalar, Target::Avx2, Target::Avx512, Target::Cuda}) {
            QCOMPARE(targetFromName(nameOf(target)), target);
        }
        LATHE_VERIFY_THROWS(targetFromName("sse"), InputError, "sse");
        QVERIFY(!availableTargets().empty());
        QCOMPARE(availableTargets().front(), Target::Scalar);
    }

    void theEnvironmentForcesATarget() {
        {
            const ForcedTarget forced("scalar");
            QCOMPARE(bestTarget(Device{}), Target::Scalar);
            QCOMPARE(ExecContext(Device{}, {.threads = 1}).target(), Target::Scalar);
            QVERIFY(Device::parse("auto") == Device{});
        }
        {
            const ForcedTarget forced("sse");
            LATHE_VERIFY_THROWS(bestTarget(Device{}), InputError, "sse");
        }
        const ForcedTarget forced("cuda");
        LATHE_VERIFY_THROWS(bestTarget(Device{}), DeviceError, "LATHE_TARGET=cuda");
    }

    void anAbsentTargetIsAnErrorNotAFallback() {
        for (const Target target : {Target::Avx2, Target::Avx512, Target::Cuda}) {
            if (isAvailable(target)) {
                continue;
            }
            LATHE_VERIFY_THROWS(
                ExecContext(Device{}, {.target = target}), DeviceError,
                std::string(nameOf(target)));
            const ForcedTarget forced(std::string(nameOf(target)).c_str());
            LATHE_VERIFY_THROWS(bestTarget(Device{}), DeviceError, std::string(nameOf(target)));
        }
        LATHE_VERIFY_THROWS(ExecContext(Device{}, {.target = Target::Cuda}), DeviceError, "cuda");
    }

    void aProcessorRefusesHalfProducts() {
        LATHE_VERIFY_THROWS(
            ExecContext(Device{}, {.threads = 1, .products = Products::Half}), Unsupported,
            "half precision");
        QCOMPARE(ExecContext(Device{}, {.threads = 1}).products(), Products::Float32);
    }

    void cpuTablesFallBackCudaTablesDoNot() {
        QVERIFY(serves(Target::Avx512, Target::Avx2));
        QVERIFY(serves(Target::Avx512, Target::Scalar));
        QVERIFY(serves(Target::Avx2, Target::Avx2));
        QVERIFY(!serves(Target::Avx2, Target::Avx512));
        QVERIFY(!serves(Target::Scalar, Target::Avx2));
        QVERIFY(!serves(Target::Cuda, Target::Scalar));
        QVERIFY(!serves(Target::Scalar, Target::Cuda));
        QVERIFY(serves(Target::Cuda, Target::Cuda));
    }

    void describesTheMachine() {
        const DeviceInfo info = deviceInfo(Device{});
        QVERIFY(!info.title.empty());
        QVERIFY(info.totalBytes > 0);
        QVERIFY(info.freeBytes > 0 && info.freeBytes <= info.totalBytes);
        QCOMPARE(info.note.empty(), cudaDeviceCount() > 0);
    }

    void timesCountCalls() {
        ExecContext context(Device{}, {.threads = 1});
        int calls = 0;
        int last = -1;
        const Timing timing = timeKernel(context, 3, 5, [&](int i) {
            ++calls;
            last = i;
        });
        // One warm-up and three measurements.
        QCOMPARE(calls, 20);
        QCOMPARE(last, 4);
        QVERIFY(timing.minimumUs <= timing.medianUs && timing.medianUs <= timing.maximumUs);
        LATHE_VERIFY_THROWS(timeKernel(context, 0, 1, [](int) {}), InputError, "repetition");
        QVERIFY(lastLevelCacheBytes(context) > 0);
    }
};

LATHE_TEST(DeviceTest);
#include "device_test.moc"
