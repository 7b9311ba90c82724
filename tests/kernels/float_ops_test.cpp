// SPDX-License-Identifier: Apache-2.0
// What the float ops refuse, and a few results that are known without a reference.
#include "kernels/core/dispatch.h"
#include "kernels/core/exec_context.h"
#include "kernels/ops/add/add.h"
#include "kernels/ops/attention/attention.h"
#include "kernels/ops/attention_gradient/attention_gradient.h"
#include "kernels/ops/cross_entropy/cross_entropy.h"
#include "kernels/ops/embedding/embedding.h"
#include "kernels/ops/geglu/geglu.h"
#include "kernels/ops/gemm/gemm.h"
#include "kernels/ops/guided_hessian/guided_hessian.h"
#include "kernels/ops/relu/relu.h"
#include "kernels/ops/rms_norm/rms_norm.h"
#include "kernels/ops/rope/rope.h"
#include "kernels/ops/row_statistics/row_statistics.h"
#include "kernels/ops/squared_gradient/squared_gradient.h"
#include "kernels/ops/swiglu/swiglu.h"
#include "kernels/ops/transpose/transpose.h"
#include "tests/support/lathe_test.h"

#include <array>
#include <cmath>
#include <vector>

using namespace lathe;

class FloatOpsTest : public QObject {
    Q_OBJECT

    ExecContext m_context{Device{}, {.threads = 1}};

    Tensor zeros(Shape shape, DType dtype = DType::F32) {
        return Tensor::zeros(shape, dtype, m_context);
    }
    template <class T>
    static Tensor tensorOf(Shape shape, const std::vector<T>& values) {
        Tensor tensor = Tensor::empty(shape, DTypeOf<T>::value, Device{});
        std::ranges::copy(values, tensor.view().as<T>().begin());
        return tensor;
    }
    static void compare(const Tensor& tensor, const std::vector<float>& wanted) {
        const std::span<const float> got = tensor.view().as<float>();
        QCOMPARE(got.size(), wanted.size());
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            QVERIFY2(
                std::abs(got[i] - wanted[i]) <= 1e-6F * std::max(1.0F, std::abs(wanted[i])),
                qPrintable(QString("element %1 is %2").arg(i).arg(static_cast<double>(got[i]))));
        }
    }

private slots:
    void gemmMultiplies() {
        const Tensor x = tensorOf<float>({2, 3}, {1, 2, 3, 4, 5, 6});
        const Tensor w = tensorOf<float>({2, 3}, {1, 0, -1, 0.5F, 0.5F, 0.5F});
        const Tensor bias = tensorOf<float>({2}, {10, 20});
        Tensor y = zeros({2, 2});
        run(m_context, Gemm{.x = x.view(), .w = w.view(), .bias = bias.view(), .y = y.view()});
        compare(y, {8, 23, 8, 27.5F});
    }

    /// A linear layer under softmax cross entropy, two samples of one row: the squares of each are
    /// summed, not the sum squared. Numbers computed by hand in double.
    void squaredGradientsAreSummedBySample() {
        const Tensor w = tensorOf<float>({3, 2}, {0.5F, -0.25F, 0, 1, -0.5F, 0.25F});
        const std::array samples{
            tensorOf<float>({1, 2}, {1, 2}), tensorOf<float>({1, 2}, {-1, 0.5F})};
        const std::array targets{
            tensorOf<std::int32_t>({1}, {0}), tensorOf<std::int32_t>({1}, {2})};
        Tensor sums = zeros({3, 2});
        Tensor logits = zeros({1, 3});
        for (std::size_t i = 0; i < samples.size(); ++i) {
            run(m_context, Gemm{.x = samples[i].view(), .w = w.view(), .y = logits.view()});
            run(m_context, CrossEntropyGradient{
                               .logits = logits.view(),
                               .targets = targets[i].view(),
                               .dlogits = logits.view()});
            run(m_context,
                SquaredGradient{.x = samples[i].view(), .dy = logits.view(), .sums = sums.view()});
        }
        compare(sums, {0.815778F, 3.197681F, 0.784888F, 2.518773F, 0.301820F, 0.117994F});
    }

    void ropeTurnsBack() {
        Tensor x = tensorOf<float>({1, 1, 4}, {1, 2, 3, 4});
        const Tensor frequencies = tensorOf<float>({2}, {1, 0.1F});
        for (const std::int32_t position : {7, -7}) {
            const Tensor positions = tensorOf<std::int32_t>({1}, {position});
            run(m_context, Rope{
                               .x = x.view(),
                               .frequencies = frequencies.view(),
                               .positions = positions.view()});
        }
        compare(x, {1, 2, 3, 4});
    }

    void gradientsRefuse() {
        Tensor x = zeros({2, 3});
        Tensor y = zeros({2, 4});
        Tensor sums = zeros({4, 2});
        LATHE_VERIFY_THROWS(
            run(m_context, SquaredGradient{.x = x.view(), .dy = y.view(), .sums = sums.view()}),
            InputError, "squared_gradient: sums is [4, 2] F32, [4, 3] F32 is needed");
        Tensor hessian = zeros({5, 3, 3});
        LATHE_VERIFY_THROWS(
            run(m_context, GuidedHessian{.x = x.view(), .dy = y.view(), .sums = hessian.view()}),
            InputError, "5 groups of 4 outputs; possible are 1 to 4");
        LATHE_VERIFY_THROWS(
            run(m_context, Transpose{.x = x.view(), .y = y.view()}), InputError,
            "transpose: y is [2, 4] F32, [3, 2] F32 is needed");
        const Tensor targets = tensorOf<std::int32_t>({2}, {0, 3});
        LATHE_VERIFY_THROWS(
            run(m_context,
                CrossEntropyGradient{
                    .logits = x.view(), .targets = targets.view(), .dlogits = x.view()}),
            InputError, "targets[1] is 3");
        Tensor q = zeros({2, 3, 4});
        Tensor keys = zeros({2, 2, 4});
        LATHE_VERIFY_THROWS(
            run(m_context,
                AttentionGradient{
                    .q = q.view(),
                    .keys = keys.view(),
                    .values = keys.view(),
                    .dy = q.view(),
                    .dq = q.view(),
                    .dkeys = keys.view(),
                    .dvalues = keys.view()}),
            InputError, "not a multiple");
    }

    /// Its instruction set is fixed once in a process: a second target's numbers would hang on
    /// which of them came first.
    void oneDnnServesOneTarget() {
        const Tensor x = zeros({16, 8});
        const Tensor w = zeros({8, 8});
        Tensor y = zeros({16, 8});
        const Gemm op{.x = x.view(), .w = w.view(), .y = y.view()};
        int served = 0;
        for (const Target have : availableTargets()) {
            for (const Kernel<Gemm>& kernel : kernelsOf<Gemm>()) {
                if (serves(have, kernel.target) &&
                    (kernel.accepts == nullptr || kernel.accepts(op))) {
                    served += std::string_view(kernel.name).ends_with("onednn") ? 1 : 0;
                    break;
                }
            }
        }
        QVERIFY(served <= 1);
    }

    void gemmRefuses() {
        Tensor x = zeros({2, 3});
        Tensor y = zeros({2, 4});
        const Tensor w = zeros({4, 3});
        const auto gemm = [&](ConstView weights, ConstView bias, TensorView out,
                              std::int64_t stride = 0) {
            run(m_context,
                Gemm{.x = x.view(), .w = weights, .bias = bias, .y = out, .yStride = stride});
        };
        LATHE_VERIFY_THROWS(
            gemm(zeros({4, 5}).view(), {}, y.view()), InputError, "gemm: w is [4, 5] F32, [4, 3]");
        LATHE_VERIFY_THROWS(
            gemm(zeros({4, 3}, DType::I32).view(), {}, y.view()), InputError, "F32 or F16 or BF16");
        LATHE_VERIFY_THROWS(
            gemm(w.view(), {}, zeros({2, 3}).view()), InputError, "y is [2, 3] F32, [2, 4]");
        LATHE_VERIFY_THROWS(gemm(w.view(), zeros({3}).view(), y.view()), InputError, "bias is [3]");
        LATHE_VERIFY_THROWS(gemm(w.view(), {}, y.view(), 3), InputError, "yStride is 3");
        LATHE_VERIFY_THROWS(
            run(m_context, Gemm{.x = x.view(), .w = zeros({3, 3}).view(), .y = x.view()}),
            InputError, "share memory");
        LATHE_VERIFY_THROWS(
            run(m_context, Gemm{.x = zeros({3}).view(), .w = w.view(), .y = y.view()}), InputError,
            "a tensor of 2 axes");
        ConstView far = w.constView();
        far.device = Device{Device::Kind::Cuda, 0};
        LATHE_VERIFY_THROWS(gemm(far, {}, y.view()), InputError, "w is on cuda:0");
        ConstView nowhere = w.constView();
        nowhere.data = nullptr;
        LATHE_VERIFY_THROWS(gemm(nowhere, {}, y.view()), InputError, "no memory");
    }

    void addRefuses() {
        Tensor a = zeros({2, 3});
        Tensor y = zeros({2, 3});
        LATHE_VERIFY_THROWS(
            run(m_context, Add{.a = a.view(), .b = zeros({3, 2}).view(), .y = y.view()}),
            InputError, "add: b is [3, 2] F32, [2, 3] F32 is needed");
        Tensor wide = zeros({3, 3});
        LATHE_VERIFY_THROWS(
            run(m_context,
                Add{.a = wide.view().slice(0, 2), .b = a.view(), .y = wide.view().slice(1, 3)}),
            InputError, "overlap in part");
    }

    void rmsNormAndSwiGlu() {
        const Tensor x = tensorOf<float>({1, 2}, {3, 4});
        const Tensor gamma = tensorOf<float>({2}, {1, 2});
        Tensor y = zeros({1, 2});
        run(m_context,
            RmsNorm{.x = x.view(), .gamma = gamma.view(), .y = y.view(), .epsilon = 0.0F});
        const float root = std::sqrt(12.5F);
        compare(y, {3.0F / root, 8.0F / root});
        run(m_context,
            SwiGlu{.gate = x.view(), .up = gamma.view().reshaped({1, 2}), .y = y.view()});
        compare(y, {3.0F / (1.0F + std::exp(-3.0F)), 8.0F / (1.0F + std::exp(-4.0F))});
        LATHE_VERIFY_THROWS(
            run(m_context, RmsNorm{.x = x.view(), .gamma = zeros({3}).view(), .y = y.view()}),
            InputError, "rms_norm: gamma is [3]");
        LATHE_VERIFY_THROWS(
            run(m_context, SwiGlu{.gate = x.view(), .up = zeros({2, 1}).view(), .y = y.view()}),
            InputError, "swiglu: up is [2, 1]");
    }

    void ropeTurns() {
        Tensor x = tensorOf<float>({2, 1, 4}, {1, 2, 3, 4, 1, 2, 3, 4});
        const Tensor frequencies = tensorOf<float>({2}, {1.0F, 0.5F});
        const Tensor positions = tensorOf<std::int32_t>({2}, {0, 3});
        run(m_context,
            Rope{.x = x.view(), .frequencies = frequencies.view(), .positions = positions.view()});
        const float a = std::cos(3.0F);
        const float b = std::sin(3.0F);
        const float c = std::cos(1.5F);
        const float d = std::sin(1.5F);
        compare(x, {1, 2, 3, 4, a - 3 * b, 2 * c - 4 * d, 3 * a + b, 4 * c + 2 * d});
        Tensor odd = zeros({2, 1, 3});
        LATHE_VERIFY_THROWS(
            run(m_context,
                Rope{
                    .x = odd.view(),
                    .frequencies = frequencies.view(),
                    .positions = positions.view()}),
            InputError, "headDim is odd");
    }

    void embeddingRefusesForeignIds() {
        const Tensor table = zeros({4, 2});
        Tensor y = zeros({2, 2});
        for (const std::int32_t wrong : {-1, 4, 1 << 30}) {
            const Tensor ids = tensorOf<std::int32_t>({2}, {0, wrong});
            LATHE_VERIFY_THROWS(
                run(m_context, Embedding{.table = table.view(), .ids = ids.view(), .y = y.view()}),
                InputError, "ids[1] is " + std::to_string(wrong));
        }
    }

    void attentionOfOneKeyIsItsValue() {
        const Tensor q = tensorOf<float>({1, 2, 1}, {5, -7});
        const Tensor keys = tensorOf<float>({2, 1, 1}, {1, 100});
        const Tensor values = tensorOf<float>({2, 1, 1}, {0.25F, 9});
        Tensor y = zeros({1, 2, 1});
        run(m_context,
            Attention{.q = q.view(), .keys = keys.view(), .values = values.view(), .y = y.view()});
        compare(y, {0.25F, 0.25F});
    }

    /// Queries of zeros: the weights are those of the biases alone.
    void attentionAddsBiasesByDistance() {
        const float ln3 = std::log(3.0F);
        const Tensor q = zeros({2, 1, 1});
        const Tensor keys = zeros({3, 1, 1});
        const Tensor values = tensorOf<float>({3, 1, 1}, {1, 5, 9});
        Tensor y = zeros({2, 1, 1});
        // Distances -2, -1, 0: the first query sees keys 0 and 1, the second all three.
        const Tensor back = tensorOf<float>({1, 3}, {0, ln3, 0});
        run(m_context, Attention{
                           .q = q.view(),
                           .keys = keys.view(),
                           .values = values.view(),
                           .past = 1,
                           .y = y.view(),
                           .bias = back.view(),
                           .biasOrigin = 2});
        compare(y, {(3.0F * 1 + 5) / 4, (1 + 3.0F * 5 + 9) / 5});
        // Distances -1 to 2: both see all.
        const Tensor both = tensorOf<float>({1, 4}, {ln3, 0, 0, ln3});
        run(m_context, Attention{
                           .q = q.view(),
                           .keys = keys.view(),
                           .values = values.view(),
                           .y = y.view(),
                           .causal = false,
                           .bias = both.view(),
                           .biasOrigin = 1});
        compare(y, {(1 + 5 + 3.0F * 9) / 5, (3.0F * 1 + 5 + 9) / 5});
    }

    void attentionRefusesBiasesThatDoNotReach() {
        const Tensor q = zeros({2, 1, 1});
        const Tensor keys = zeros({3, 1, 1});
        Tensor y = zeros({2, 1, 1});
        const auto attend = [&](Shape bias, std::int64_t origin, bool causal) {
            run(m_context, Attention{
                               .q = q.view(),
                               .keys = keys.view(),
                               .values = keys.view(),
                               .past = causal ? 1 : 0,
                               .y = y.view(),
                               .causal = causal,
                               .bias = zeros(bias).view(),
                               .biasOrigin = origin});
        };
        LATHE_VERIFY_THROWS(attend({1, 3}, 1, true), InputError, "distances from -2 to 0");
        LATHE_VERIFY_THROWS(attend({1, 3}, 3, true), InputError, "distance 0 at 3");
        LATHE_VERIFY_THROWS(attend({1, 3}, 1, false), InputError, "distances from -1 to 2");
        LATHE_VERIFY_THROWS(attend({1, 4}, 0, false), InputError, "distances from -1 to 2");
        LATHE_VERIFY_THROWS(attend({2, 4}, 1, false), InputError, "bias is [2, 4]");
    }

    void geluAndRelu() {
        const Tensor gate = tensorOf<float>({1, 3}, {1, -1, 0});
        const Tensor up = tensorOf<float>({1, 3}, {2, 10, 7});
        Tensor y = zeros({1, 3});
        run(m_context, GeGlu{.gate = gate.view(), .up = up.view(), .y = y.view()});
        compare(y, {2 * 0.8411920F, -10 * 0.1588080F, 0});
        run(m_context, Relu{.x = gate.view(), .y = y.view()});
        compare(y, {1, 0, 0});
    }

    void attentionRefuses() {
        const Tensor q = zeros({2, 4, 8});
        Tensor y = zeros({2, 4, 8});
        const auto attend = [&](Shape cache, std::int64_t past) {
            const Tensor keys = zeros(cache);
            run(m_context, Attention{
                               .q = q.view(),
                               .keys = keys.view(),
                               .values = zeros(cache).view(),
                               .past = past,
                               .y = y.view()});
        };
        LATHE_VERIFY_THROWS(attend({9, 3, 8}, 0), InputError, "not a multiple");
        LATHE_VERIFY_THROWS(attend({9, 2, 8}, 8), InputError, "past is 8");
        LATHE_VERIFY_THROWS(attend({9, 2, 8}, -1), InputError, "past is -1");
        LATHE_VERIFY_THROWS(attend({9, 2, 6}, 0), InputError, "keys is [9, 2, 6]");
    }

    void crossEntropyOfUniformLogits() {
        const Tensor logits = zeros({2, 8});
        const Tensor targets = tensorOf<std::int32_t>({2}, {0, 7});
        Tensor nll = zeros({2});
        run(m_context,
            CrossEntropy{.logits = logits.view(), .targets = targets.view(), .nll = nll.view()});
        compare(nll, {std::log(8.0F), std::log(8.0F)});
        const Tensor wrong = tensorOf<std::int32_t>({2}, {0, 8});
        LATHE_VERIFY_THROWS(
            run(m_context,
                CrossEntropy{.logits = logits.view(), .targets = wrong.view(), .nll = nll.view()}),
            InputError, "targets[1] is 8");
    }

    void statisticsOfKnownRows() {
        // Probabilities .1, .3, .3, .3 and a padded column that does not count.
        const float third = std::log(3.0F);
        const Tensor logits = tensorOf<float>({2, 5}, {0, third, third, third, 99, 7, 7, 7, 7, 99});
        const Tensor targets = tensorOf<std::int32_t>({2}, {0, -1});
        Tensor argmax = zeros({2}, DType::I32);
        Tensor values = zeros({2, 3});
        const auto summarize = [&](const Tensor& wanted, std::int64_t columns) {
            run(m_context, RowStatistics{
                               .logits = logits.view(),
                               .targets = wanted.view(),
                               .columns = columns,
                               .argmax = argmax.view(),
                               .values = values.view()});
        };
        summarize(targets, 4);
        QCOMPARE(argmax.view().as<std::int32_t>()[0], 1); // the lowest of three
        QCOMPARE(argmax.view().as<std::int32_t>()[1], 0);
        const auto found = values.view().as<float>();
        QVERIFY(std::abs(std::exp(found[0] - found[1]) - 0.3F) < 1e-6F);
        QVERIFY(std::abs(found[1] - found[2] - std::log(10.0F)) < 1e-6F);
        QVERIFY(std::abs(found[4] - (7.0F + std::log(4.0F))) < 1e-6F);
        QVERIFY(std::isnan(found[5]));
        LATHE_VERIFY_THROWS(
            summarize(tensorOf<std::int32_t>({2}, {0, 4}), 4), InputError, "targets[1] is 4");
        LATHE_VERIFY_THROWS(summarize(targets, 6), InputError, "6 columns");
        LATHE_VERIFY_THROWS(summarize(targets, 0), InputError, "0 columns");
    }

    /// The same distributions from shifted logits: what rounding leaves is never below 0.
    void distanceIsNotNegative() {
        constexpr std::int64_t kRows = 64;
        constexpr std::int64_t kVocabulary = 500;
        std::vector<float> logits;
        std::vector<float> shifted;
        for (std::int64_t i = 0; i < kRows * kVocabulary; ++i) {
            logits.push_back(std::sin(static_cast<float>(i)) * 3.0F);
            shifted.push_back(logits.back() + 0.1F * static_cast<float>(i / kVocabulary));
        }
        for (const Target target : availableTargets()) {
            const Device device{target == Target::Cuda ? Device::Kind::Cuda : Device::Kind::Cpu, 0};
            ExecContext context(device, {.target = target, .threads = 1});
            const Tensor p = tensorOf({kRows, kVocabulary}, logits).to(device, context);
            const Tensor q = tensorOf({kRows, kVocabulary}, shifted).to(device, context);
            Tensor kl = zeros({kRows}).to(device, context);
            Tensor same = zeros({kRows}, DType::I32).to(device, context);
            run(context,
                DistributionDistance{
                    .p = p.view(), .q = q.view(), .kl = kl.view(), .sameArgmax = same.view()});
            const Tensor result = kl.to(Device{}, context);
            context.synchronize();
            for (const float value : result.view().as<float>()) {
                QVERIFY2(value >= 0.0F && value < 1e-4F, nameOf(target).data());
            }
        }
    }

    void distanceOfKnownDistributions() {
        // p = (1/2, 1/2), q = (1/4, 3/4): KL = (ln 2 + ln(2/3)) / 2.
        const Tensor p = tensorOf<float>({2, 2}, {0, 0, 1, 2});
        const Tensor q = tensorOf<float>({2, 2}, {0, std::log(3.0F), 1, 2});
        Tensor kl = zeros({2});
        Tensor same = zeros({2}, DType::I32);
        run(m_context,
            DistributionDistance{
                .p = p.view(), .q = q.view(), .kl = kl.view(), .sameArgmax = same.view()});
        compare(kl, {(std::log(2.0F) + std::log(2.0F / 3.0F)) / 2.0F, 0.0F});
        QCOMPARE(same.view().as<std::int32_t>()[0], 0);
        QCOMPARE(same.view().as<std::int32_t>()[1], 1);
        Tensor index = zeros({2}, DType::I32);
        run(m_context, ArgMax{.logits = p.view(), .index = index.view()});
        QCOMPARE(index.view().as<std::int32_t>()[0], 0);
        QCOMPARE(index.view().as<std::int32_t>()[1], 1);
        LATHE_VERIFY_THROWS(
            run(m_context, ArgMax{.logits = zeros({2, 0}).view(), .index = index.view()}),
            InputError, "[2, 0]");
    }
};

LATHE_TEST(FloatOpsTest);
#include "float_ops_test.moc"
