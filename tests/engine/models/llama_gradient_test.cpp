// SPDX-License-Identifier: Apache-2.0
#include "engine/models/gradient_statistics.h"

#include "engine/core/error.h"
#include "engine/models/gradient_memory.h"
#include "kernels/core/half.h"
#include "tests/engine/models/reference_model.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <map>

namespace lathe {

using test::tinyCheckpoint;
using test::tinyConfig;

namespace {

using Values = std::map<std::string, std::vector<float>>;

class NoSink : public EventSink {
public:
    void post(Event) noexcept override {}
};

/// What computeSensitivities or computeHessians says.
struct Outcome {
    Values values;
    std::vector<int> blocks; ///< in the order in which they came
    double loss = 0.0;
};

Outcome statistics(
    ExecContext& context, const LlamaModel& model, std::vector<std::vector<TokenId>> samples,
    std::function<bool(int)> wanted, int groups) {
    NoSink sink;
    RunControl control(1, sink, {});
    Outcome outcome;
    const GradientRequest request{
        .samples = std::move(samples), .wanted = std::move(wanted), .hessianGroups = groups};
    const OnBlock onBlock = [&](const BlockStatistics& done) {
        outcome.blocks.push_back(done.block);
        for (const auto& [name, tensor] : done.modules) {
            outcome.values[name] = test::copied(tensor.view());
        }
    };
    outcome.loss = groups == 0 ? computeSensitivities(control, context, model, request, onBlock)
                               : computeHessians(control, context, model, request, onBlock);
    return outcome;
}

Outcome sensitivities(
    ExecContext& context, const LlamaModel& model, std::vector<std::vector<TokenId>> samples,
    std::function<bool(int)> wanted = {}) {
    return statistics(context, model, std::move(samples), std::move(wanted), 0);
}

Outcome hessians(
    ExecContext& context, const LlamaModel& model, std::vector<std::vector<TokenId>> samples,
    int groups, std::function<bool(int)> wanted = {}) {
    return statistics(context, model, std::move(samples), std::move(wanted), groups);
}

Json variant(const std::string& name) {
    Json config = tinyConfig(name == "qwen2" ? "qwen2" : "llama"); // qwen2: biases on q, k, v
    if (name == "tied") {
        config["tie_word_embeddings"] = true;
    } else if (name == "biases") {
        config["attention_bias"] = true;
        config["mlp_bias"] = true;
    } else if (name == "head dim") {
        config["head_dim"] = 6;
    } else if (name == "scaled rope") {
        config["rope_scaling"] = {
            {"rope_type", "llama3"},
            {"factor", 8.0},
            {"low_freq_factor", 1.0},
            {"high_freq_factor", 4.0},
            {"original_max_position_embeddings", 16}};
    }
    return config;
}

} // namespace

class LlamaGradientTest : public QObject {
    Q_OBJECT
private slots:
    void squaresEqualThoseOfFiniteDifferences_data();
    void squaresEqualThoseOfFiniteDifferences();
    void samplesAreSquaredOneByOne();
    void whatIsShownSquaresToSensitivities();
    void hessiansEqualPlainLoops();
    void targetsAgree();
    void cudaAgrees();
    void leavingBlocksOutChangesNothing();
    void halfWeightsEqualTheirWidenedValues();
    void cancelsBetweenSamples();
    void badRequestsAreRefused();
    void memoryIsEstimatedFromAbove();
    void aModelOfABillionFitsItsBudget();

private:
    std::vector<TokenId> someIds(std::size_t count, std::uint64_t seed = 3) const {
        Random random(seed);
        return test::randomIds(count, 40, random);
    }
    ExecContext m_scalar{Device{}, {.target = Target::Scalar, .threads = 1}};
    ExecContext m_best{Device{}, {.threads = 2}};
};

void LlamaGradientTest::squaresEqualThoseOfFiniteDifferences_data() {
    QTest::addColumn<QString>("name");
    for (const char* name : {"grouped", "tied", "biases", "qwen2", "head dim", "scaled rope"}) {
        QTest::newRow(name) << name;
    }
}

void LlamaGradientTest::squaresEqualThoseOfFiniteDifferences() {
    QFETCH(QString, name);
    const auto checkpoint = tinyCheckpoint(variant(name.toStdString()));
    test::ReferenceModel reference(checkpoint);
    const std::vector<TokenId> ids = someIds(9);
    const Outcome outcome = sensitivities(m_scalar, *LlamaModel::load(checkpoint, m_scalar), {ids});
    QCOMPARE_LE(std::abs(outcome.loss - reference.loss(ids)), 1e-6);
    QCOMPARE(outcome.values.size(), 14U);
    constexpr double kStep = 1e-5;
    for (const auto& [module, values] : outcome.values) {
        std::vector<double>& weights = reference.weights(module + ".weight");
        QCOMPARE(values.size(), weights.size());
        const double largest = std::sqrt(static_cast<double>(*std::ranges::max_element(values)));
        QVERIFY(largest > 1e-4);
        for (std::size_t i = 0; i < values.size(); i += 3) {
            const double before = weights[i];
            weights[i] = before + kStep;
            const double above = reference.loss(ids);
            weights[i] = before - kStep;
            const double below = reference.loss(ids);
            weights[i] = before;
            const double wanted = std::abs(above - below) / (2.0 * kStep);
            const double got = std::sqrt(static_cast<double>(values[i]));
            QVERIFY2(
                std::abs(got - wanted) <= 1e-5 * largest,
                (module + " element " + std::to_string(i) + " is " + std::to_string(got) +
                 ", not " + std::to_string(wanted))
                    .c_str());
        }
    }
}

void LlamaGradientTest::samplesAreSquaredOneByOne() {
    const auto model = LlamaModel::load(tinyCheckpoint(tinyConfig()), m_scalar);
    const auto first = someIds(12, 4);
    const auto second = someIds(7, 5);
    const Outcome alone = sensitivities(m_scalar, *model, {first});
    const Outcome other = sensitivities(m_scalar, *model, {second});
    const Outcome both = sensitivities(m_scalar, *model, {first, second});
    QCOMPARE_LE(std::abs(both.loss - (alone.loss + other.loss) / 2.0), 1e-12);
    for (const auto& [name, values] : both.values) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            const float mean = (alone.values.at(name)[i] + other.values.at(name)[i]) / 2.0F;
            QVERIFY(std::abs(values[i] - mean) <= 1e-6F * mean);
        }
    }
}

namespace {

/// Keeps everything that goes by, by module.
class Recorder : public GradientVisitor {
public:
    struct Pair {
        std::vector<float> x, dy;
        std::size_t tokens = 0, in = 0, out = 0;
    };
    explicit Recorder(const LlamaModel& model) : m_modules(model.modules()) {}
    void begin(int block) override { m_block = static_cast<std::size_t>(block); }
    void visit(std::size_t matrix, ConstView x, ConstView dy) override {
        pairs[m_modules[m_block * 7 + matrix].first].push_back(
            {test::copied(x), test::copied(dy), static_cast<std::size_t>(x.shape[0]),
             static_cast<std::size_t>(x.shape[1]), static_cast<std::size_t>(dy.shape[1])});
    }
    void end(int, double) override {}

    std::map<std::string, std::vector<Pair>> pairs;

private:
    std::vector<std::pair<std::string, const Linear*>> m_modules;
    std::size_t m_block = 0;
};

Recorder
recorded(ExecContext& context, const LlamaModel& model, std::vector<std::vector<TokenId>> samples) {
    NoSink sink;
    RunControl control(1, sink, {});
    Recorder recorder(model);
    visitGradients(control, context, model, {.samples = std::move(samples)}, recorder);
    return recorder;
}

} // namespace

/// What visitors see is what the squares are of, and those are checked by finite differences.
void LlamaGradientTest::whatIsShownSquaresToSensitivities() {
    const auto model = LlamaModel::load(tinyCheckpoint(tinyConfig()), m_scalar);
    const std::vector<std::vector<TokenId>> samples{someIds(9), someIds(6, 8)};
    const Outcome outcome = sensitivities(m_scalar, *model, samples);
    const Recorder recorder = recorded(m_scalar, *model, samples);
    QCOMPARE(recorder.pairs.size(), 14U);
    for (const auto& [name, pairs] : recorder.pairs) {
        QCOMPARE(pairs.size(), 2U);
        std::vector<float> squares(pairs[0].out * pairs[0].in);
        for (std::size_t i = 0; i < squares.size(); ++i) {
            double sum = 0.0;
            for (const Recorder::Pair& pair : pairs) {
                double gradient = 0.0;
                for (std::size_t t = 0; t < pair.tokens; ++t) {
                    gradient += double{pair.dy[t * pair.out + i / pair.in]} *
                                double{pair.x[t * pair.in + i % pair.in]};
                }
                sum += gradient * gradient;
            }
            squares[i] = static_cast<float>(sum / 2.0);
        }
        const auto largest = static_cast<double>(*std::ranges::max_element(squares));
        QCOMPARE_LE(test::largestDifference(outcome.values.at(name), squares), 1e-6 * largest);
    }
}

void LlamaGradientTest::hessiansEqualPlainLoops() {
    const auto model = LlamaModel::load(tinyCheckpoint(tinyConfig()), m_scalar);
    const std::vector<std::vector<TokenId>> samples{someIds(9), someIds(6, 8)};
    const Recorder recorder = recorded(m_scalar, *model, samples);
    for (const std::size_t groups : {1U, 3U}) {
        const Outcome outcome = hessians(m_scalar, *model, samples, static_cast<int>(groups));
        for (const auto& [name, pairs] : recorder.pairs) {
            const std::size_t in = pairs[0].in, out = pairs[0].out;
            std::vector<float> wanted(groups * in * in);
            for (std::size_t at = 0; at < wanted.size(); ++at) {
                const std::size_t g = at / (in * in), i = at / in % in, j = at % in;
                const std::size_t from = g * out / groups, to = (g + 1) * out / groups;
                double sum = 0.0;
                for (const Recorder::Pair& pair : pairs) {
                    for (std::size_t t = 0; t < pair.tokens; ++t) {
                        for (std::size_t o = from; o < to; ++o) {
                            const double dy = double{pair.dy[t * out + o]};
                            sum += dy * dy * double{pair.x[t * in + i]} *
                                   double{pair.x[t * in + j]} / static_cast<double>(to - from);
                        }
                    }
                }
                wanted[at] = static_cast<float>(sum / 2.0);
            }
            const std::vector<float>& got = outcome.values.at(name);
            QCOMPARE(got.size(), wanted.size());
            const auto largest = static_cast<double>(*std::ranges::max_element(wanted));
            QVERIFY(largest > 0.0);
            QCOMPARE_LE(test::largestDifference(got, wanted), 1e-6 * largest);
            for (std::size_t at = 0; at < got.size(); ++at) {
                const std::size_t square = at / (in * in) * in * in;
                QCOMPARE(got[at], got[square + at % in * in + at / in % in]);
            }
        }
    }
    const Outcome part =
        hessians(m_scalar, *model, samples, 2, [](int block) { return block == 0; });
    QCOMPARE(part.blocks, std::vector<int>{0});
    LATHE_VERIFY_THROWS(hessians(m_scalar, *model, samples, -1), InputError, "-1 groups");
}

namespace {

/// The loss, squares and Hessians of a context are those of the scalar target.
void compareWithScalar(ExecContext& scalar, ExecContext& context, double bound) {
    const auto checkpoint = tinyCheckpoint(tinyConfig());
    Random random(3);
    const std::vector<std::vector<TokenId>> samples{
        test::randomIds(33, 40, random), test::randomIds(20, 40, random)};
    const auto exact = LlamaModel::load(checkpoint, scalar);
    const auto model = LlamaModel::load(checkpoint, context);
    for (const int groups : {0, 3}) {
        const Outcome wanted = statistics(scalar, *exact, samples, {}, groups);
        const Outcome got = statistics(context, *model, samples, {}, groups);
        QCOMPARE_LE(std::abs(got.loss - wanted.loss), 1e-6);
        QCOMPARE(got.values.size(), wanted.values.size());
        for (const auto& [name, values] : wanted.values) {
            const auto largest = static_cast<double>(*std::ranges::max_element(values));
            QCOMPARE_LE(test::largestDifference(got.values.at(name), values), bound * largest);
        }
    }
}

} // namespace

void LlamaGradientTest::targetsAgree() {
    for (const Target target : availableTargets()) {
        if (target == Target::Cuda || target == Target::Scalar) {
            continue;
        }
        ExecContext context(Device{}, {.target = target, .threads = 3});
        compareWithScalar(m_scalar, context, 2e-5);
    }
}

void LlamaGradientTest::cudaAgrees() {
    std::string whyNot;
    if (cudaDeviceCount(&whyNot) == 0) {
        QSKIP(whyNot.c_str());
    }
    ExecContext context(Device{Device::Kind::Cuda, 0});
    compareWithScalar(m_scalar, context, 5e-5);
}

void LlamaGradientTest::leavingBlocksOutChangesNothing() {
    Json config = tinyConfig();
    config["num_hidden_layers"] = 3;
    const auto model = LlamaModel::load(tinyCheckpoint(config), m_best);
    const std::vector<std::vector<TokenId>> samples{someIds(20), someIds(31, 8)};
    const Outcome all = sensitivities(m_best, *model, samples);
    QCOMPARE(all.blocks, (std::vector<int>{2, 1, 0}));
    const Outcome again = sensitivities(m_best, *model, samples);
    QVERIFY(again.values == all.values);
    const Outcome middle =
        sensitivities(m_best, *model, samples, [](int block) { return block == 1; });
    QCOMPARE(middle.blocks, std::vector<int>{1});
    QCOMPARE(middle.values.size(), 7U);
    const Outcome ends =
        sensitivities(m_best, *model, samples, [](int block) { return block != 1; });
    QCOMPARE(ends.blocks, (std::vector<int>{2, 0}));
    Values joined = middle.values;
    joined.insert(ends.values.begin(), ends.values.end());
    QVERIFY(joined == all.values);
}

void LlamaGradientTest::halfWeightsEqualTheirWidenedValues() {
    auto wide = tinyCheckpoint(tinyConfig());
    auto narrow = tinyCheckpoint(tinyConfig());
    for (auto& [name, tensor] : wide.tensors) {
        if (tensor.shape().rank() != 2) {
            continue;
        }
        Tensor half = Tensor::empty(tensor.shape(), DType::BF16, Device{});
        const std::span<float> values = tensor.view().as<float>();
        for (std::size_t i = 0; i < values.size(); ++i) {
            half.view().as<BFloat16>()[i] = toBFloat16(values[i]);
            values[i] = toFloat(half.view().as<BFloat16>()[i]);
        }
        narrow.tensors.insert_or_assign(name, std::move(half));
    }
    narrow.seal();
    const auto ids = someIds(15);
    const Outcome a = sensitivities(m_best, *LlamaModel::load(wide, m_best), {ids});
    const Outcome b = sensitivities(m_best, *LlamaModel::load(narrow, m_best), {ids});
    QVERIFY(a.values == b.values);
}

void LlamaGradientTest::cancelsBetweenSamples() {
    const auto model = LlamaModel::load(tinyCheckpoint(tinyConfig()), m_scalar);
    NoSink sink;
    std::stop_source stop;
    RunControl control(1, sink, stop.get_token());
    std::vector<int> blocks;
    const GradientRequest request{
        .samples = {someIds(9), someIds(9)},
        .onProgress = [](double share, const std::string& what) {
            QVERIFY(share >= 0.0 && share < 1.0 && !what.empty());
        }};
    bool cancelled = false;
    try {
        computeSensitivities(control, m_scalar, *model, request, [&](const BlockStatistics& done) {
            blocks.push_back(done.block);
            stop.request_stop();
        });
    } catch (const Cancelled&) {
        cancelled = true;
    }
    QVERIFY(cancelled);
    QCOMPARE(blocks, std::vector<int>{1});
}

void LlamaGradientTest::badRequestsAreRefused() {
    const auto model = LlamaModel::load(tinyCheckpoint(tinyConfig()), m_scalar);
    LATHE_VERIFY_THROWS(sensitivities(m_scalar, *model, {}), InputError, "at least one sample");
    LATHE_VERIFY_THROWS(sensitivities(m_scalar, *model, {{1}}), InputError, "1 tokens");
    LATHE_VERIFY_THROWS(sensitivities(m_scalar, *model, {someIds(65)}), InputError, "64 positions");
    LATHE_VERIFY_THROWS(
        sensitivities(m_scalar, *model, {someIds(5)}, [](int) { return false; }), InputError,
        "no block");
    LATHE_VERIFY_THROWS(sensitivities(m_scalar, *model, {{3, 1, 40}}), InputError, "token 40");
    LATHE_VERIFY_THROWS(sensitivities(m_scalar, *model, {{-1, 1}}), InputError, "token -1");

    auto damaged = tinyCheckpoint(tinyConfig());
    damaged.tensors.at("model.layers.0.mlp.up_proj.weight").view().as<float>()[5] =
        std::numeric_limits<float>::quiet_NaN();
    LATHE_VERIFY_THROWS(
        sensitivities(m_scalar, *LlamaModel::load(damaged, m_scalar), {someIds(5)}), InputError,
        "not finite");

    Random random(1);
    const auto quantized = model->share();
    quantized->modules()[3].linear->weight = test::randomLut(16, 16, 4, random);
    LATHE_VERIFY_THROWS(
        sensitivities(m_scalar, *quantized, {someIds(5)}), InputError,
        "model.layers.0.self_attn.o_proj is quantized already");
}

void LlamaGradientTest::memoryIsEstimatedFromAbove() {
    Json config = tinyConfig();
    config["hidden_size"] = 128;
    config["intermediate_size"] = 352;
    config["num_attention_heads"] = 8;
    config["num_key_value_heads"] = 4;
    config["vocab_size"] = 2048;
    config["max_position_embeddings"] = 512;
    const auto model = LlamaModel::load(tinyCheckpoint(config), m_best);
    ExecContext context(Device{}, {.threads = 2});
    sensitivities(context, *model, {someIds(400)});
    const GradientMemory memory = gradientMemory(model->config(), Device{}, 1, 400);
    QCOMPARE_LE(context.scratch().reservedBytes(), static_cast<std::size_t>(memory.working));
    QCOMPARE(memory.checkpoints, 4 * 399 * 128 * 3);
    ExecContext other(Device{}, {.threads = 2});
    hessians(other, *model, {someIds(400)}, 4);
    const GradientMemory more = gradientMemory(model->config(), Device{}, 1, 400, 4);
    QCOMPARE_LE(other.scratch().reservedBytes(), static_cast<std::size_t>(more.working));
    QCOMPARE(blockHessianElements(model->config(), 4), 4 * (6 * 128 * 128 + 352 * 352));
    const std::int64_t many = gradientMemory(model->config(), Device{}, 1, 400, 64).working;
    QCOMPARE_GE(many, 4 * blockHessianElements(model->config(), 64));
    const GradientMemory impossible{.working = std::int64_t{1} << 50, .checkpoints = 1};
    LATHE_VERIFY_THROWS(
        checkpointDevice(impossible, Device{}), DeviceError, "1048576.00 GiB to work");
}

/// Ten samples of 512 tokens on a model of 1.1 billion parameters in half precision, on a GPU.
void LlamaGradientTest::aModelOfABillionFitsItsBudget() {
    LlamaConfig config;
    config.hiddenSize = 2048;
    config.intermediateSize = 5632;
    config.vocabularySize = 32000;
    config.layers = 22;
    config.heads = 32;
    config.kvHeads = 4;
    config.headDim = 64;
    const GradientMemory memory = gradientMemory(config, Device{Device::Kind::Cuda, 0}, 10, 512);
    const std::int64_t weights = std::int64_t{2} * 1'100'048'384;
    QCOMPARE_LE(weights + memory.working + memory.checkpoints, std::int64_t{24} << 30);
}

LATHE_TEST(LlamaGradientTest);

} // namespace lathe

#include "llama_gradient_test.moc"
