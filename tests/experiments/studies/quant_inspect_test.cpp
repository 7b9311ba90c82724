// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/lloyd1d.h"
#include "engine/quant/quantizer.h"
#include "engine/quant/weighted_error.h"
#include "experiments/quantize_model.h"
#include "experiments/runner.h"
#include "experiments/store/run_reader.h"
#include "experiments/store/run_writer.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace lathe {

using test::runToEnd;
using test::specOf;

namespace {

constexpr const char* kTensor = "model.layers.1.mlp.gate_proj"; ///< [352, 128] in lm-little
constexpr std::size_t kRows = 352, kColumns = 128;

Spec specWith(const Json& params = Json::object()) {
    Json all{{"model", "lm-little"}, {"tensor", kTensor},        {"bits", 3},
             {"tiles", 10},          {"calibration_samples", 2}, {"calibration_length", 24}};
    all.update(params);
    return specOf("quant.inspect", std::move(all));
}

/// The values of an array, whose shape must be that.
std::vector<double> arrayOf(
    const std::vector<Event>& events, const std::string& name,
    const std::vector<std::int64_t>& shape) {
    for (const Event& event : events) {
        const auto* array = std::get_if<ArrayReady>(&event.payload);
        if (array == nullptr || array->name != name || array->shape != shape) {
            continue;
        }
        if (array->dtype == "F64") {
            std::vector<double> values(array->bytes.size() / sizeof(double));
            std::memcpy(values.data(), array->bytes.data(), array->bytes.size());
            return values;
        }
        std::vector<float> values(array->bytes.size() / sizeof(float));
        std::memcpy(values.data(), array->bytes.data(), array->bytes.size());
        return {values.begin(), values.end()};
    }
    throw std::runtime_error("no array " + name + " of that shape");
}

bool isNear(double a, double b, double relative = 1e-6) {
    return std::abs(a - b) <= relative * std::max(std::abs(a), std::abs(b));
}

/// What a study gets, without a runner.
struct RunningStudy {
    test::RecordingSink sink;
    RunControl run{1, sink, {}};
    ExecContext cpu{Device{}, {.threads = 2}};
    ModelCache models;
    RunCache cache;
    StudyContext context{run, cpu, cpu, models, cache};
};

/// The matrix and its sensitivities, found without the study.
struct Matrix {
    RunningStudy study;
    std::shared_ptr<const LoadedModel> model = study.models.load("lm-little", study.cpu, study.run);
    std::shared_ptr<const Sensitivities> all =
        sensitivitiesFor(study.context, *model, {.samples = 2, .length = 24});
    Tensor w, f;

    Matrix() : f(all->of(kTensor)) {
        for (const auto& [name, linear] : std::as_const(*model->model).modules()) {
            if (name == kTensor) {
                w = hostMatrix(name, *linear, study.cpu);
            }
        }
    }
    std::vector<float> weights(std::size_t row) {
        Tensor wide = dequantize(study.cpu, DenseWeight{w.share()});
        const auto values = wide.view().as<float>().subspan(row * kColumns, kColumns);
        return {values.begin(), values.end()};
    }
    std::span<const float> sensitivities(std::size_t row) const {
        return std::as_const(f).view().as<float>().subspan(row * kColumns, kColumns);
    }
};

double weighted(
    std::span<const float> values, std::span<const float> counts, std::span<const double> table) {
    double sum = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        double best = std::numeric_limits<double>::infinity();
        for (const double entry : table) {
            best = std::min(best, std::abs(entry - static_cast<double>(values[i])));
        }
        sum += static_cast<double>(counts[i]) * best * best;
    }
    return sum;
}

} // namespace

class QuantInspectTest : public QObject {
    Q_OBJECT
private slots:
    void init();
    void cleanup();
    void tilesSumWhatIsQuantized();
    void theStrongestRowIsTaken();
    void tablesAreThoseOfTheMethods();
    void histogramsHoldTheRow();
    void theStoreGivesItBack();
    void everyMethodIsTaken_data();
    void everyMethodIsTaken();
    void impossibleChoicesAreRefused();

private:
    std::unique_ptr<test::TemporaryFolder> m_folder;
    QByteArray m_before;
};

void QuantInspectTest::init() {
    m_folder = std::make_unique<test::TemporaryFolder>();
    m_before = qgetenv("XDG_CACHE_HOME");
    qputenv("XDG_CACHE_HOME", (m_folder->path() / "cache").c_str());
}

void QuantInspectTest::cleanup() {
    if (m_before.isNull()) {
        qunsetenv("XDG_CACHE_HOME");
    } else {
        qputenv("XDG_CACHE_HOME", m_before);
    }
}

/// Against a plain loop over the matrix as the quantizer leaves it: 10 tiles of 352 rows and of 128
/// columns are of different sizes.
void QuantInspectTest::tilesSumWhatIsQuantized() {
    const auto run = runToEnd(specWith());
    const Json& metrics = run.done.front().metrics;
    const auto tiles = arrayOf(run.events, "tiles", {3, 10, 10});
    Matrix matrix;
    const Weight quantized = quantizers()
                                 .at("squeezellm")
                                 .quantize(
                                     matrix.study.run, matrix.study.cpu, matrix.w.view(),
                                     {kTensor, matrix.f.view()}, {.bits = 3});
    const Tensor stored = dequantize(matrix.study.cpu, quantized);
    std::vector<double> wanted(300, 0.0);
    for (std::size_t row = 0; row < kRows; ++row) {
        const std::vector<float> exact = matrix.weights(row);
        std::size_t down = 0;
        while ((down + 1) * kRows / 10 <= row) {
            ++down;
        }
        for (std::size_t j = 0; j < kColumns; ++j) {
            std::size_t across = 0;
            while ((across + 1) * kColumns / 10 <= j) {
                ++across;
            }
            const auto f = static_cast<double>(matrix.sensitivities(row)[j]);
            const double away = static_cast<double>(stored.view().as<float>()[row * kColumns + j]) -
                                static_cast<double>(exact[j]);
            wanted[down * 10 + across] += f;
            wanted[100 + down * 10 + across] += away * away;
            wanted[200 + down * 10 + across] += f * away * away;
        }
    }
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        QVERIFY2(isNear(tiles[i], wanted[i]), std::to_string(i).c_str());
    }
    const double error =
        weightedError(matrix.study.cpu, matrix.w.view(), quantized, matrix.f.view());
    QVERIFY(isNear(metrics.at("weighted_error").get<double>(), error, 1e-9));
    QVERIFY(isNear(metrics.at("predicted_kl").get<double>(), 0.5 * 23.0 * error, 1e-9));
    QVERIFY(isNear(metrics.at("sensitivity").get<double>(), matrix.all->total(kTensor), 1e-9));
}

void QuantInspectTest::theStrongestRowIsTaken() {
    const auto run = runToEnd(specWith());
    const Json& metrics = run.done.front().metrics;
    const auto rows = arrayOf(run.events, "rows", {3, kRows});
    const auto most = std::max_element(rows.begin() + 2 * kRows, rows.end());
    QCOMPARE(
        metrics.at("row").get<std::ptrdiff_t>(), most - rows.begin() - 2 * std::ptrdiff_t{kRows});
    const double sum = std::accumulate(rows.begin() + 2 * kRows, rows.end(), 0.0);
    QVERIFY(isNear(sum, metrics.at("weighted_error").get<double>(), 1e-5));
    QVERIFY(isNear(*most / sum, metrics.at("row_share").get<double>(), 1e-5));
    const auto other = runToEnd(specWith({{"row", 351}}));
    QCOMPARE(other.done.front().metrics.at("row").get<int>(), 351);
    QVERIFY(
        arrayOf(other.events, "tiles", {3, 10, 10}) == arrayOf(run.events, "tiles", {3, 10, 10}));
    QVERIFY(other.done.front().metrics.at("output_hash") != metrics.at("output_hash"));
}

void QuantInspectTest::tablesAreThoseOfTheMethods() {
    constexpr std::size_t kRow = 77, kEntries = 510;
    const auto run = runToEnd(specWith({{"row", kRow}}));
    const Json& metrics = run.done.front().metrics;
    const auto tables = arrayOf(run.events, "tables", {3, kEntries});
    Matrix matrix;
    const std::vector<float> values = matrix.weights(kRow);
    const auto counts = matrix.sensitivities(kRow);
    for (int bits = 1; bits <= 8; ++bits) {
        const std::size_t size = std::size_t{1} << bits;
        const auto tableOf = [&](std::size_t method) {
            return std::span(tables).subspan(method * kEntries + size - 2, size);
        };
        const auto b = static_cast<std::size_t>(bits) - 1;
        const Clustering optimum = Kmeans1d::optimum(values, counts, 1 << bits);
        const double exact = metrics.at("errors").at(b).at("exact").get<double>();
        QVERIFY(std::abs(exact - optimum.cost) <= 1e-9 * (exact + 1e-12));
        QVERIFY(isNear(weighted(values, counts, tableOf(2)), exact) || exact < 1e-15);
        Random random = rowRandom(0, kRow);
        const Clustering lloyd = Lloyd1d(values, counts).clustering(1 << bits, random);
        const double found = metrics.at("errors").at(b).at("lloyd").get<double>();
        QVERIFY(std::ranges::equal(tableOf(1), lloyd.centroids));
        QCOMPARE(found, lloyd.cost);
        QVERIFY(found >= exact * (1.0 - 1e-9));
        if (bits == 1) {
            QVERIFY(metrics.at("errors").at(0).at("rtn").is_null());
            QVERIFY(std::isnan(tableOf(0).front()));
            continue;
        }
        // A grid of equal steps that has zero, and what nearest entries of it make of the row.
        const auto grid = tableOf(0);
        QVERIFY(std::ranges::find(grid, 0.0) != grid.end());
        QVERIFY(isNear(grid[1] - grid[0], grid[size - 1] - grid[size - 2]));
        const double rtn = metrics.at("errors").at(b).at("rtn").get<double>();
        QVERIFY(isNear(weighted(values, counts, grid), rtn, 1e-5));
        const Json& excess = metrics.at("errors").at(b).at("rtn_excess");
        QVERIFY(
            exact > 0.0 ? isNear(excess.get<double>(), (rtn - exact) / exact) : excess.is_null());
    }
}

void QuantInspectTest::histogramsHoldTheRow() {
    const auto run = runToEnd(specWith({{"row", 5}}));
    const Json& metrics = run.done.front().metrics;
    const auto bins = arrayOf(run.events, "histogram", {2, 256});
    Matrix matrix;
    const std::vector<float> values = matrix.weights(5);
    const auto low = static_cast<double>(std::ranges::min(values));
    const auto high = static_cast<double>(std::ranges::max(values));
    QCOMPARE(metrics.at("row_low").get<double>(), low);
    QCOMPARE(metrics.at("row_high").get<double>(), high);
    QCOMPARE(std::accumulate(bins.begin(), bins.begin() + 256, 0.0), double(kColumns));
    QVERIFY(bins[0] >= 1.0 && bins[255] >= 1.0); // the least and the largest weight
    QVERIFY(isNear(
        std::accumulate(bins.begin() + 256, bins.end(), 0.0),
        metrics.at("row_sensitivity").get<double>(), 1e-5));
    const auto above = std::ranges::count_if(
        values, [&](float v) { return static_cast<double>(v) >= low + 0.5 * (high - low); });
    QCOMPARE(std::accumulate(bins.begin() + 128, bins.begin() + 256, 0.0), double(above));
}

/// The window has nothing but the store.
void QuantInspectTest::theStoreGivesItBack() {
    const auto path = m_folder->path() / "runs.db";
    const auto run = runToEnd(specWith());
    RunWriter writer(path, {});
    const std::int64_t id = writer.insertRun(specWith(), "inspection");
    for (Event event : run.events) {
        event.runId = id;
        writer.post(std::move(event));
    }
    writer.flush();
    RunReader reader(path);
    const std::vector<Event> events = reader.events(id);
    for (const auto& [name, shape] :
         {std::pair{"tiles", std::vector<std::int64_t>{3, 10, 10}},
          std::pair{"rows", std::vector<std::int64_t>{3, kRows}},
          std::pair{"histogram", std::vector<std::int64_t>{2, 256}}}) {
        QVERIFY(arrayOf(events, name, shape) == arrayOf(run.events, name, shape));
    }
    QCOMPARE(reader.cells(id).front().metrics, run.done.front().metrics);
}

void QuantInspectTest::everyMethodIsTaken_data() {
    QTest::addColumn<QString>("method");
    for (const char* method : {"lloyd", "kmeans", "rtn"}) {
        QTest::newRow(method) << method;
    }
}

void QuantInspectTest::everyMethodIsTaken() {
    QFETCH(QString, method);
    const auto errorOf = [](const test::FinishedRun& run) {
        return run.done.front().metrics.at("weighted_error").get<double>();
    };
    const double other = errorOf(runToEnd(specWith({{"method", method.toStdString()}})));
    QVERIFY(other > errorOf(runToEnd(specWith())));
    QVERIFY(other > errorOf(runToEnd(specWith({{"method", method.toStdString()}, {"bits", 5}}))));
}

void QuantInspectTest::impossibleChoicesAreRefused() {
    const auto refused = [](const Json& params, const std::string& part) {
        const auto run = runToEnd(specWith(params));
        QVERIFY2(run.last.message.find(part) != std::string::npos, run.last.message.c_str());
        QCOMPARE(run.exitStatus, 2);
    };
    refused({{"tensor", "model.layers.9.mlp.up_proj"}}, "is no matrix of lm-little; it has model.");
    refused({{"tensor", "model.layers.9.mlp.up_proj"}}, "14 in all");
    refused({{"row", 352}}, "has the rows 0 to 351");
    refused({{"row", -2}}, "--row");
    refused({{"bits", 9}}, "--bits");
    refused({{"bits", 1}, {"method", "rtn"}}, "possible are 2 to 8");
    refused({{"method", "squeezellm-sparse"}}, "--method");
}

LATHE_TEST(QuantInspectTest);

} // namespace lathe

#include "quant_inspect_test.moc"
