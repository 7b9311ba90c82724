// SPDX-License-Identifier: Apache-2.0
#include "engine/base/random.h"
#include "engine/io/safetensors.h"
#include "engine/quant/kmeans1d.h"
#include "kernels/core/half.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <fstream>
#include <limits>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

class QuantClusterTest : public QObject {
    Q_OBJECT
private slots:
    void oracle();
    void rowsAreThoseOfKmeans1d();
    void codesAreNearestAndLowerOnTies();
    void lloydIsComparedWithTheOptimum();
    void threadsDoNotMatter();
    void badNumbersAreNamed_data();
    void badNumbersAreNamed();
    void refusals();
};

namespace {

/// A file of rows in a folder of its own, and the results written beside it.
class Rows {
public:
    Rows(Shape shape, std::vector<float> weights, std::vector<float> sensitivity)
        : m_shape(shape), m_weights(std::move(weights)), m_sensitivity(std::move(sensitivity)) {
        std::vector<NamedTensor> tensors{{"weights", constViewOf<float>(m_weights, m_shape)}};
        if (!m_sensitivity.empty()) {
            tensors.push_back({"sensitivity", constViewOf<float>(m_sensitivity, m_shape)});
        }
        writeSafetensors(path(), tensors);
    }

    std::filesystem::path path() const { return m_folder.path() / "rows.safetensors"; }
    std::filesystem::path out() const { return m_folder.path() / "out.safetensors"; }
    Spec spec(int clusters, const std::string& method = "exact") const {
        return specOf(
            "quant.cluster", {{"rows", path().string()},
                              {"clusters", clusters},
                              {"method", method},
                              {"out", out().string()}});
    }
    /// Runs the Spec; the result, whose file is then gone.
    std::map<std::string, Tensor> results(const Spec& spec, Json& metrics) const {
        metrics = metricsOf(spec);
        const SafetensorsFile file = SafetensorsFile::open(out());
        std::map<std::string, Tensor> tensors;
        for (const auto& [name, entry] : file.entries()) {
            tensors.emplace(name, file.tensor(name));
        }
        std::filesystem::remove(out());
        return tensors;
    }
    std::span<const float> weights(std::int64_t row) const { return rowOf(m_weights, row); }
    std::span<const float> sensitivity(std::int64_t row) const { return rowOf(m_sensitivity, row); }

private:
    std::span<const float> rowOf(const std::vector<float>& all, std::int64_t row) const {
        const auto width = static_cast<std::size_t>(m_shape[1]);
        return all.empty() ? std::span<const float>{}
                           : std::span(all).subspan(static_cast<std::size_t>(row) * width, width);
    }

    test::TemporaryFolder m_folder;
    Shape m_shape;
    std::vector<float> m_weights, m_sensitivity;
};

Rows randomRows(std::int64_t rows, std::int64_t width, bool weighted) {
    Random random(9);
    std::vector<float> weights(static_cast<std::size_t>(rows * width)), sensitivity;
    for (float& weight : weights) {
        weight = static_cast<float>(0.02 * random.normal());
        if (weighted) {
            sensitivity.push_back(static_cast<float>(std::exp(2.0 * random.normal())));
        }
    }
    return {{rows, width}, weights, sensitivity};
}

template <class T>
std::vector<T> rowOf(const Tensor& tensor, std::int64_t row) {
    const auto part = tensor.view().slice(row, row + 1).as<T>();
    return {part.begin(), part.end()};
}

bool near(double got, double wanted) { return std::abs(got - wanted) <= 1e-12 * wanted; }

} // namespace

/// O1 of the specification, as the study writes it.
void QuantClusterTest::oracle() {
    const Rows rows(
        {1, 12}, {-44, -25, -22, -12, -5, -2, 1, 3, 8, 18, 23, 52},
        {1, 2, 9, 1, 4, 1, 16, 3, 2, 8, 1, 1});
    const std::vector<double> costs{671158.0 / 49, 597125.0 / 117, 121361.0 / 65, 201337.0 / 234,
                                    93601.0 / 234, 180193.0 / 990, 38293.0 / 396, 510266.0 / 9405};
    for (int k = 1; k <= 8; ++k) {
        Json metrics;
        const auto tensors = rows.results(rows.spec(k), metrics);
        const double wanted = costs[static_cast<std::size_t>(k) - 1];
        QVERIFY(near(rowOf<double>(tensors.at("cost"), 0)[0], wanted));
        QVERIFY(near(metrics.at("cost").get<double>(), wanted));
        const auto curve = rowOf<double>(tensors.at("error_curve"), 0);
        QCOMPARE(curve.size(), static_cast<std::size_t>(k));
        for (std::size_t i = 0; i < curve.size(); ++i) {
            QVERIFY(near(curve[i], costs[i]));
        }
        if (k == 4) {
            const auto centroids = rowOf<double>(tensors.at("centroids"), 0);
            const std::vector<double> exact{-304.0 / 13, 19.0 / 26, 167.0 / 9, 52.0};
            for (std::size_t i = 0; i < 4; ++i) {
                QVERIFY(std::abs(centroids[i] - exact[i]) <= 1e-12 * std::abs(exact[i]));
            }
            QCOMPARE(
                rowOf<std::uint8_t>(tensors.at("codes"), 0),
                (std::vector<std::uint8_t>{0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3}));
        }
    }
}

void QuantClusterTest::rowsAreThoseOfKmeans1d() {
    for (const bool weighted : {true, false}) {
        // More rows than one block has.
        const Rows rows = randomRows(37, 9000, weighted);
        Json metrics;
        const auto tensors = rows.results(rows.spec(5), metrics);
        double sum = 0.0;
        for (std::int64_t row = 0; row < 37; ++row) {
            std::vector<double> curve;
            const Clustering wanted =
                Kmeans1d::optimum(rows.weights(row), rows.sensitivity(row), 5, &curve);
            QCOMPARE(rowOf<double>(tensors.at("centroids"), row), wanted.centroids);
            QCOMPARE(rowOf<double>(tensors.at("cost"), row)[0], wanted.cost);
            QCOMPARE(rowOf<double>(tensors.at("error_curve"), row), curve);
            sum += wanted.cost;
        }
        QCOMPARE(metrics.at("cost").get<double>(), sum);
        QCOMPARE(metrics.at("rows").get<int>(), 37);
        QCOMPARE(metrics.at("clusters").get<int>(), 5);
        QVERIFY(metrics.at("seconds").get<double>() > 0.0);
        QVERIFY(metrics.at("rows_per_second").get<double>() > 0.0);
        QCOMPARE(metrics.at("path").get<std::string>(), rows.out().string());
        QVERIFY(!metrics.contains("excess_mean"));
        Json again;
        rows.results(rows.spec(5), again);
        QCOMPARE(again.at("output_hash"), metrics.at("output_hash"));
    }
}

void QuantClusterTest::codesAreNearestAndLowerOnTies() {
    // Centroids 0 and 4: the value 2 without sensitivity lies halfway.
    const Rows tied({1, 5}, {0, 0, 4, 4, 2}, {1, 1, 1, 1, 0});
    Json metrics;
    const auto two = tied.results(tied.spec(2), metrics);
    QCOMPARE(rowOf<std::uint8_t>(two.at("codes"), 0), (std::vector<std::uint8_t>{0, 0, 1, 1, 0}));
    // Fewer distinct values than clusters: the last centroid is repeated, its first code used.
    const auto seven = tied.results(tied.spec(7), metrics);
    QCOMPARE(rowOf<double>(seven.at("centroids"), 0), (std::vector<double>{0, 2, 4, 4, 4, 4, 4}));
    QCOMPARE(rowOf<std::uint8_t>(seven.at("codes"), 0), (std::vector<std::uint8_t>{0, 0, 2, 2, 1}));

    const Rows rows = randomRows(3, 500, true);
    const auto tensors = rows.results(rows.spec(256), metrics);
    for (std::int64_t row = 0; row < 3; ++row) {
        const auto centroids = rowOf<double>(tensors.at("centroids"), row);
        const auto codes = rowOf<std::uint8_t>(tensors.at("codes"), row);
        for (std::size_t i = 0; i < codes.size(); ++i) {
            const double value = rows.weights(row)[i];
            const auto best = std::ranges::min_element(
                centroids, {}, [value](double c) { return std::abs(value - c); });
            QCOMPARE(static_cast<std::ptrdiff_t>(codes[i]), best - centroids.begin());
        }
    }
}

void QuantClusterTest::lloydIsComparedWithTheOptimum() {
    const Rows rows = randomRows(20, 300, true);
    Json exact, lloyd, other;
    const auto best = rows.results(rows.spec(8), exact);
    const auto found = rows.results(rows.spec(8, "lloyd"), lloyd);
    QVERIFY(!found.contains("error_curve"));
    double sum = 0.0, largest = 0.0;
    for (std::int64_t row = 0; row < 20; ++row) {
        const double optimum = rowOf<double>(best.at("cost"), row)[0];
        const double excess = rowOf<double>(found.at("cost"), row)[0] / optimum - 1.0;
        QVERIFY(excess >= -1e-12);
        sum += excess;
        largest = std::max(largest, excess);
    }
    QVERIFY(largest > 0.0);
    QVERIFY(std::abs(lloyd.at("excess_mean").get<double>() - sum / 20) < 1e-12);
    QVERIFY(std::abs(lloyd.at("excess_max").get<double>() - largest) < 1e-12);
    QVERIFY(lloyd.at("cost").get<double>() > exact.at("cost").get<double>());
    Spec seeded = rows.spec(8, "lloyd");
    seeded.seed = 2;
    rows.results(seeded, other);
    QVERIFY(other.at("output_hash") != lloyd.at("output_hash"));
}

void QuantClusterTest::threadsDoNotMatter() {
    const Rows rows = randomRows(25, 200, true);
    for (const char* method : {"exact", "lloyd"}) {
        Json metrics;
        Spec spec = rows.spec(6, method);
        spec.threads = 1;
        rows.results(spec, metrics);
        const Json one = metrics.at("output_hash");
        spec.threads = 3;
        rows.results(spec, metrics);
        QCOMPARE(metrics.at("output_hash"), one);
    }
}

void QuantClusterTest::badNumbersAreNamed_data() {
    QTest::addColumn<bool>("sensitivity");
    QTest::addColumn<float>("value");
    QTest::addColumn<QString>("word");
    const float infinite = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    QTest::newRow("weight NaN") << false << nan << "weight in row 2, column 3 is NaN";
    QTest::newRow("weight Inf") << false << -infinite << "weight in row 2, column 3 is infinite";
    QTest::newRow("NaN") << true << nan << "sensitivity in row 2, column 3 is NaN";
    QTest::newRow("Inf") << true << infinite << "sensitivity in row 2, column 3 is infinite";
    QTest::newRow("negative") << true << -1e-30F << "sensitivity in row 2, column 3 is negative";
}

void QuantClusterTest::badNumbersAreNamed() {
    QFETCH(const bool, sensitivity);
    QFETCH(const float, value);
    QFETCH(const QString, word);
    std::vector<float> weights(4 * 5, 1.0F), fisher(4 * 5, 1.0F);
    (sensitivity ? fisher : weights)[2 * 5 + 3] = value;
    const Rows rows({4, 5}, weights, fisher);
    for (const char* method : {"exact", "lloyd"}) {
        const auto run = runToEnd(rows.spec(2, method));
        QCOMPARE(run.exitStatus, 2);
        QVERIFY2(
            run.last.message.find(word.toStdString()) != std::string::npos,
            run.last.message.c_str());
        QVERIFY(!std::filesystem::exists(rows.out()));
    }
}

void QuantClusterTest::refusals() {
    const Rows rows = randomRows(2, 6, true);
    const auto refuses = [](const Spec& spec, const std::string& word) {
        const auto run = runToEnd(spec);
        return run.exitStatus == 2 && run.last.message.find(word) != std::string::npos;
    };
    QVERIFY(refuses(rows.spec(0), "--clusters"));
    QVERIFY(refuses(rows.spec(257), "--clusters"));
    QVERIFY(refuses(rows.spec(4, "elkan"), "--method"));
    std::ofstream(rows.out()) << "mine";
    QVERIFY(refuses(rows.spec(4), "exists"));
    std::filesystem::remove(rows.out());
    Spec nowhere = rows.spec(4);
    nowhere.params["out"] = "/nowhere/out.safetensors";
    QVERIFY(refuses(nowhere, "/nowhere is no folder"));

    const std::vector<float> numbers(12, 1.0F);
    const auto with = [&](const std::vector<NamedTensor>& tensors) {
        writeSafetensors(rows.path(), tensors);
        return rows.spec(4);
    };
    QVERIFY(refuses(with({{"w", constViewOf<float>(numbers, {2, 6})}}), "weights"));
    QVERIFY(refuses(with({{"weights", constViewOf<float>(numbers, {12})}}), "[12]"));
    QVERIFY(refuses(with({{"weights", constViewOf<float>({}, {0, 6})}}), "[0, 6]"));
    QVERIFY(refuses(
        with(
            {{"weights", constViewOf<float>(numbers, {2, 6})},
             {"sensitivity", constViewOf<float>(numbers, {3, 4})}}),
        "sensitivity is [3, 4]"));
    std::ofstream(rows.path()) << "damaged";
    QVERIFY(refuses(rows.spec(4), "rows.safetensors"));
    QVERIFY(!std::filesystem::exists(rows.out()));
}

LATHE_TEST(QuantClusterTest);

} // namespace lathe

#include "quant_cluster_test.moc"
