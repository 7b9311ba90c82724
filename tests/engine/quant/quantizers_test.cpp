// SPDX-License-Identifier: Apache-2.0
// What holds for every quantizer of the list.
#include "engine/core/error.h"
#include "engine/quant/matrix_rows.h"
#include "tests/engine/quant/matrices.h"
#include "tests/support/lathe_test.h"

#include <cstring>
#include <limits>

using namespace lathe;

namespace {

void addEvery() {
    QTest::addColumn<QString>("id");
    for (const auto& quantizer : quantizers().all()) {
        QTest::newRow(quantizer->info().id.c_str()) << QString::fromStdString(quantizer->info().id);
    }
}

/// Every byte of a quantized weight.
std::vector<std::byte> bytesOf(const Weight& weight) {
    std::vector<std::byte> all;
    const auto append = [&all](const Tensor& tensor) {
        const std::byte* data = tensor.view().data;
        all.insert(all.end(), data, data + tensor.bytes());
    };
    if (const auto* lut = std::get_if<LutWeight>(&weight)) {
        append(lut->packed);
        append(lut->table);
    } else {
        const auto& group = std::get<GroupWeight>(weight);
        append(group.packed);
        append(group.scale);
        append(group.zero);
    }
    return all;
}

} // namespace

class QuantizersTest : public QObject {
    Q_OBJECT

private slots:
    void list() {
        std::vector<std::string> ids;
        for (const auto& quantizer : quantizers().all()) {
            ids.push_back(quantizer->info().id);
            QVERIFY(!quantizer->info().title.empty());
            const bool grid = quantizer->info().usesGroups; // two points make no grid
            QCOMPARE(quantizer->info().minimumBits, grid ? 2 : 1);
            QCOMPARE(quantizer->info().maximumBits, 8);
        }
        QCOMPARE(
            ids, (std::vector<std::string>{
                     "kmeans", "lloyd", "rtn", "rtn-sym", "squeezellm", "squeezellm-sparse",
                     "refined"}));
        QVERIFY(!quantizers().at("kmeans").info().usesGroups);
        QVERIFY(!quantizers().at("lloyd").info().usesGroups);
        QVERIFY(quantizers().at("rtn").info().usesGroups);
        QVERIFY(quantizers().at("rtn-sym").info().usesGroups);
        LATHE_VERIFY_THROWS(quantizers().at("gptq"), InputError, "kmeans, lloyd, rtn, rtn-sym");
    }

    void shapesAndFormats_data() { addEvery(); }
    void shapesAndFormats() {
        QFETCH(const QString, id);
        const std::string name = id.toStdString();
        using Sizes = std::pair<std::int64_t, std::int64_t>;
        for (const auto& [out, in] : {Sizes{1, 1}, Sizes{1, 7}, Sizes{5, 33}, Sizes{3, 257}}) {
            const std::vector<float> w = test::heavyTailed(out * in, 0.1, 1);
            for (int bits = 2; bits <= 8; ++bits) {
                const Weight weight =
                    test::quantized(name, test::matrix(out, in, w), {.bits = bits});
                QCOMPARE(outFeatures(weight), out);
                QCOMPARE(inFeatures(weight), in);
                QCOMPARE(std::holds_alternative<LutWeight>(weight), !name.starts_with("rtn"));
                QCOMPARE(test::values(weight).size(), w.size());
            }
        }
    }

    /// F16 and BF16 weights count as the numbers they hold.
    void halfWeightsAreWidened_data() { addEvery(); }
    void halfWeightsAreWidened() {
        QFETCH(const QString, id);
        for (const DType dtype : {DType::F16, DType::BF16}) {
            const Tensor half = test::matrix(4, 65, test::heavyTailed(4 * 65, 0.1, 2), dtype);
            ExecContext cpu(Device{}, {.target = Target::Scalar, .threads = 1});
            const Tensor wide = dequantize(cpu, DenseWeight{half.share()});
            for (const std::int64_t group : {0, 32}) {
                const QuantizeOptions options{.bits = 3, .groupSize = group};
                QCOMPARE(
                    bytesOf(test::quantized(id.toStdString(), half, options)),
                    bytesOf(test::quantized(id.toStdString(), wide, options)));
            }
        }
    }

    void threadsDoNotMatter_data() { addEvery(); }
    void threadsDoNotMatter() {
        QFETCH(const QString, id);
        const Tensor w = test::matrix(67, 129, test::heavyTailed(67 * 129, 0.05, 3));
        const QuantizeOptions options{.bits = 4, .groupSize = 64};
        const auto one = bytesOf(test::quantized(id.toStdString(), w, options, 1));
        for (const int threads : {2, 3, 5}) {
            QCOMPARE(bytesOf(test::quantized(id.toStdString(), w, options, threads)), one);
        }
    }

    void badWeightsAreNamed_data() { addEvery(); }
    void badWeightsAreNamed() {
        QFETCH(const QString, id);
        const std::string name = id.toStdString();
        const QuantizeOptions options{.bits = 4};
        for (const DType dtype : {DType::F32, DType::F16, DType::BF16}) {
            std::vector<float> w = test::heavyTailed(9 * 31, 1.0, 4);
            w[5 * 31 + 17] = std::numeric_limits<float>::quiet_NaN();
            LATHE_VERIFY_THROWS(
                test::quantized(name, test::matrix(9, 31, w, dtype), options), InputError,
                "layer.7.up: the weight in row 5, column 17 is NaN");
            w[5 * 31 + 17] = 0.0F;
            w[8 * 31] = -std::numeric_limits<float>::infinity();
            LATHE_VERIFY_THROWS(
                test::quantized(name, test::matrix(9, 31, w, dtype), options), InputError,
                "layer.7.up: the weight in row 8, column 0 is infinite");
        }
    }

    void refusals_data() { addEvery(); }
    void refusals() {
        QFETCH(const QString, id);
        const std::string name = id.toStdString();
        const Tensor w = test::matrix(2, 4, std::vector<float>(8, 1.0F));
        const int least = quantizers().at(name).info().minimumBits;
        LATHE_VERIFY_THROWS(
            test::quantized(name, w, {.bits = least - 1}), InputError,
            "possible are " + std::to_string(least) + " to 8");
        LATHE_VERIFY_THROWS(test::quantized(name, w, {.bits = 9}), InputError, "9 bits");
        LATHE_VERIFY_THROWS(
            test::quantized(name, w, {.bits = 4, .groupSize = -1}), InputError, "groups of -1");
        const Tensor flat = Tensor::empty({8}, DType::F32, Device{});
        LATHE_VERIFY_THROWS(test::quantized(name, flat, {}), InputError, "layer.7.up is [8]");
        const Tensor none = Tensor::empty({0, 8}, DType::F32, Device{});
        LATHE_VERIFY_THROWS(test::quantized(name, none, {}), InputError, "[0, 8]");
        const Tensor narrow = Tensor::empty({8, 0}, DType::F32, Device{});
        LATHE_VERIFY_THROWS(test::quantized(name, narrow, {}), InputError, "[8, 0]");
        const Tensor whole = Tensor::empty({2, 4}, DType::I32, Device{});
        LATHE_VERIFY_THROWS(test::quantized(name, whole, {}), InputError, "I32");
        const Tensor fisher = test::matrix(4, 2, std::vector<float>(8, 1.0F));
        LATHE_VERIFY_THROWS(
            test::quantized(name, w, {}, 1, fisher.view()), InputError, "sensitivities");
    }

    /// The largest F16 number bounds tables and scales.
    void weightsBeyondHalfPrecision_data() { addEvery(); }
    void weightsBeyondHalfPrecision() {
        QFETCH(const QString, id);
        std::vector<float> w(3 * 8, 1.0F);
        w[8] = 3e6F;
        LATHE_VERIFY_THROWS(
            test::quantized(id.toStdString(), test::matrix(3, 8, w), {.bits = 2}), InputError,
            "row 1 exceeds 65504");
    }

    void cancelled_data() { addEvery(); }
    void cancelled() {
        QFETCH(const QString, id);
        const Quantizer& quantizer = quantizers().at(id.toStdString());
        // Three reports: the stop comes with the first.
        const std::int64_t out = 768, in = 512;
        const Tensor w = test::matrix(out, in, test::heavyTailed(out * in, 0.1, 5));
        test::SilentSink sink;
        std::stop_source stop;
        RunControl run(1, sink, stop.get_token());
        ExecContext cpu(Device{}, {.target = Target::Scalar, .threads = 2});
        const Tensor fisher = test::allOnes(w.shape());
        const Tensor hessian = test::inputHessian(1, in, 2, 6);
        const LayerStatistics statistics{
            .name = "a", .sensitivity = fisher.view(), .hessian = hessian.view()};
        std::vector<double> shares;
        QuantizeOptions options{.bits = 2};
        options.onProgress = [&](double share) { shares.push_back(share); };
        static_cast<void>(quantizer.quantize(run, cpu, w.view(), statistics, options));
        QVERIFY(shares.size() >= 3);
        QVERIFY(std::ranges::is_sorted(shares));
        QVERIFY(shares.front() > 0.0 && shares.front() < 0.5);
        QCOMPARE(shares.back(), 1.0);

        shares.clear();
        options.onProgress = [&](double share) {
            shares.push_back(share);
            stop.request_stop();
        };
        bool thrown = false;
        try {
            static_cast<void>(quantizer.quantize(run, cpu, w.view(), statistics, options));
        } catch (const Cancelled&) {
            thrown = true;
        }
        QVERIFY(thrown);
        QCOMPARE(shares.size(), std::size_t{1});
    }
};

LATHE_TEST(QuantizersTest);
#include "quantizers_test.moc"
