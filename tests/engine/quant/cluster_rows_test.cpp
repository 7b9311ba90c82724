// SPDX-License-Identifier: Apache-2.0
// Clustering many rows at once: rows of different lengths, and quantizers on a GPU.
#include "engine/quant/kmeans1d.h"
#include "kernels/ops/kmeans_rows/kmeans_rows.h"
#include "tests/engine/quant/matrices.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

using namespace lathe;

namespace {

/// Some without weight.
Tensor lognormals(const Shape& shape, std::uint64_t seed) {
    Random random(seed);
    Tensor all = Tensor::empty(shape, DType::F32, Device{});
    std::ranges::generate(all.view().as<float>(), [&] {
        return random.below(9) == 0 ? 0.0F : static_cast<float>(std::exp(2.0 * random.normal()));
    });
    return all;
}

/// One weight in about 40, all of the third row and none of the fourth.
std::vector<std::int64_t> somePositions(std::int64_t out, std::int64_t in) {
    Random random(7);
    std::vector<std::int64_t> positions;
    for (std::int64_t i = 0; i < out * in; ++i) {
        const std::int64_t row = i / in;
        if (row == 2 || (row != 3 && random.below(40) == 0)) {
            positions.push_back(i);
        }
    }
    return positions;
}

bool sameBytes(const Tensor& a, const Tensor& b) {
    return a.shape() == b.shape() && a.dtype() == b.dtype() &&
           std::equal(a.view().data, a.view().data + a.bytes(), b.view().data);
}

bool same(const Weight& a, const Weight& b) {
    const auto& x = std::get<LutWeight>(a);
    const auto& y = std::get<LutWeight>(b);
    if (x.sparse.has_value() != y.sparse.has_value() || x.bits != y.bits) {
        return false;
    }
    return sameBytes(x.packed, y.packed) && sameBytes(x.table, y.table) &&
           (!x.sparse || (sameBytes(x.sparse->rowPointers, y.sparse->rowPointers) &&
                          sameBytes(x.sparse->columns, y.sparse->columns) &&
                          sameBytes(x.sparse->values, y.sparse->values)));
}

std::string messageOf(const std::function<void()>& body) {
    try {
        body();
    } catch (const InputError& error) {
        return error.what();
    }
    return "nothing thrown";
}

} // namespace

class ClusterRowsTest : public QObject {
    Q_OBJECT

    test::SilentSink m_sink;
    RunControl m_run{1, m_sink, {}};
    ExecContext m_cpu{Device{}, {.threads = 2}};
    std::unique_ptr<ExecContext> m_gpu;
    std::string m_whyNoGpu;

    Weight quantized(
        ExecContext& context, const std::string& id, const Tensor& w,
        const LayerStatistics& statistics, const QuantizeOptions& options) {
        return quantizers().at(id).quantize(m_run, context, w.view(), statistics, options);
    }

private slots:
    void initTestCase() {
        if (cudaDeviceCount(&m_whyNoGpu) > 0) {
            m_gpu = std::make_unique<ExecContext>(Device::parse("cuda"), ExecOptions{.threads = 3});
        }
    }

    void lengthsLeaveTheRestOut() {
        const std::int64_t width = 50, k = 4;
        const std::vector<std::int32_t> lengths{50, 1, 17, 3, 0, 51, -1};
        const auto rows = static_cast<std::int64_t>(lengths.size());
        const std::vector<float> values = test::heavyTailed(rows * width, 1.0, 3);
        const Tensor weights = lognormals({rows, width}, 4);
        Tensor centroids = Tensor::empty({rows, k}, DType::F64, Device{});
        Tensor cost = Tensor::empty({rows}, DType::F64, Device{});
        run(m_cpu, KmeansRows{
                       .values = constViewOf<float>(values, {rows, width}),
                       .weights = weights.view(),
                       .lengths = constViewOf<std::int32_t>(lengths, {rows}),
                       .centroids = centroids.view(),
                       .cost = cost.view()});
        for (std::size_t row = 0; row < lengths.size(); ++row) {
            const auto found = centroids.view().as<double>().subspan(row * k, k);
            if (row > 3) {
                QVERIFY(std::ranges::all_of(found, [](double c) { return std::isnan(c); }));
                QVERIFY(std::isnan(cost.view().as<double>()[row]));
                continue;
            }
            const auto length = static_cast<std::size_t>(lengths[row]);
            const std::size_t from = row * static_cast<std::size_t>(width);
            const Clustering alone = Kmeans1d::optimum(
                std::span(values).subspan(from, length),
                weights.view().as<float>().subspan(from, length), static_cast<int>(k));
            QVERIFY(std::ranges::equal(found, alone.centroids));
            QCOMPARE(cost.view().as<double>()[row], alone.cost);
        }
        LATHE_VERIFY_THROWS(
            run(m_cpu,
                KmeansRows{
                    .values = constViewOf<float>(values, {rows, width}),
                    .lengths = constViewOf<std::int32_t>(lengths, {rows}).slice(1, rows),
                    .centroids = centroids.view(),
                    .cost = cost.view()}),
            InputError, "lengths");
    }

    void gpuMakesTheSameWeights_data() {
        QTest::addColumn<QString>("id");
        QTest::addColumn<int>("bits");
        for (const QString id : {"kmeans", "squeezellm", "squeezellm-sparse", "lloyd"}) {
            for (const int bits : {1, 3, 8}) {
                QTest::addRow("%s %d", qPrintable(id), bits) << id << bits;
            }
        }
    }
    void gpuMakesTheSameWeights() {
        QFETCH(const QString, id);
        QFETCH(const int, bits);
        if (!m_gpu) {
            QSKIP(m_whyNoGpu.c_str());
        }
        for (const DType dtype : {DType::F32, DType::F16, DType::BF16}) {
            const std::int64_t out = 70, in = 433;
            const Tensor w = test::matrix(out, in, test::heavyTailed(out * in, 0.1, 5), dtype);
            Tensor fisher = lognormals(w.shape(), 6);
            std::ranges::fill(fisher.view().slice(1, 2).as<float>(), 0.0F);
            const std::vector<std::int64_t> positions = somePositions(out, in);
            const LayerStatistics statistics{
                .name = "m", .sensitivity = fisher.view(), .sparse = positions};
            std::vector<double> shares;
            const QuantizeOptions options{
                .bits = bits, .onProgress = [&](double share) { shares.push_back(share); }};
            const Weight there = quantized(*m_gpu, id.toStdString(), w, statistics, options);
            QCOMPARE(shares.back(), 1.0);
            QVERIFY(same(there, quantized(m_cpu, id.toStdString(), w, statistics, options)));
        }
    }

    void gpuRefusesTheSame() {
        if (!m_gpu) {
            QSKIP(m_whyNoGpu.c_str());
        }
        const std::int64_t out = 9, in = 64;
        std::vector<float> values = test::heavyTailed(out * in, 0.1, 5);
        Tensor fisher = test::allOnes({out, in});
        const auto refused = [&] {
            const Tensor w = test::matrix(out, in, values);
            const auto message = [&](ExecContext& context) {
                return messageOf([&] {
                    static_cast<void>(quantized(
                        context, "squeezellm", w, {.name = "m", .sensitivity = fisher.view()},
                        {.bits = 2}));
                });
            };
            const std::string here = message(m_cpu);
            return here == message(*m_gpu) ? here : "another message on the GPU";
        };
        QCOMPARE(refused(), std::string("nothing thrown"));
        values[5 * 64 + 7] = std::numeric_limits<float>::quiet_NaN();
        QVERIFY(QString::fromStdString(refused()).contains("row 5, column 7 is NaN"));
        values[5 * 64 + 7] = 3e6F;
        fisher.view().as<float>()[8 * 64 + 9] = 0.0F;
        QVERIFY(QString::fromStdString(refused()).contains("row 5 exceeds 65504"));
        values[5 * 64 + 7] = 0.0F;
        fisher.view().as<float>()[8 * 64 + 9] = -1.0F;
        QVERIFY(QString::fromStdString(refused()).contains("weight 9"));
    }

    void gpuStopsBetweenBatches() {
        if (!m_gpu) {
            QSKIP(m_whyNoGpu.c_str());
        }
        const std::int64_t out = 4200, in = 8192; // more than one batch takes
        const Tensor w = Tensor::zeros({out, in}, DType::BF16, m_cpu);
        std::stop_source stop;
        RunControl run(1, m_sink, stop.get_token());
        std::vector<double> shares;
        QuantizeOptions options{.bits = 2};
        options.onProgress = [&](double share) {
            shares.push_back(share);
            stop.request_stop();
        };
        bool cancelled = false;
        try {
            static_cast<void>(
                quantizers().at("kmeans").quantize(run, *m_gpu, w.view(), {.name = "m"}, options));
        } catch (const Cancelled&) {
            cancelled = true;
        }
        QVERIFY(cancelled);
        QCOMPARE(shares.size(), std::size_t{1});
        QVERIFY(shares.front() < 1.0);

        const Tensor wide = Tensor::zeros({1, 65536}, DType::BF16, m_cpu);
        LATHE_VERIFY_THROWS(
            quantized(*m_gpu, "kmeans", wide, {.name = "m"}, {.bits = 2}), Unsupported,
            "a GPU clusters up to 65535");
    }
};

LATHE_TEST(ClusterRowsTest);
#include "cluster_rows_test.moc"
