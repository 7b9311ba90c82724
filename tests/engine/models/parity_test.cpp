// SPDX-License-Identifier: Apache-2.0
#include "engine/decode/generate.h"
#include "engine/io/safetensors.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

using namespace lathe;

namespace {

class SilentSink : public EventSink {
public:
    void post(Event) noexcept override {}
};

std::vector<TokenId> idsOf(const SafetensorsFile& file, const std::string& name) {
    const Tensor tensor = file.tensor(name);
    const auto values = tensor.view().as<std::int32_t>();
    return {values.begin(), values.end()};
}

std::vector<TokenId> greedy(
    ExecContext& context, const LlamaModel& model, std::span<const TokenId> prompt,
    std::size_t total) {
    SilentSink sink;
    RunControl control(1, sink, {});
    Random random(1);
    GenerateOptions options;
    options.maxNew = static_cast<int>(total - prompt.size());
    options.stopAtEos = false;
    return generate(control, context, model, prompt, std::nullopt, options, random, {});
}

void addTargets(const std::vector<std::string>& names) {
    QTest::addColumn<QString>("name");
    QTest::addColumn<int>("target");
    for (const std::string& name : names) {
        for (const Target target : availableTargets()) {
            if (target != Target::Cuda) {
                const std::string row = name + " " + std::string(nameOf(target));
                QTest::newRow(row.c_str())
                    << QString::fromStdString(name) << static_cast<int>(target);
            }
        }
    }
}

} // namespace

/// Against outputs of transformers (F32, CPU) and of llama.cpp: every target, within 2e-4.
class LlamaParityTest : public QObject {
    Q_OBJECT

private slots:
    void matchesTransformers_data() {
        addTargets(
            {"lm-big", "lm-little", "llama-gqa-untied", "llama3-rope-scaling", "mistral-head-dim",
             "qwen2"});
    }
    void matchesTransformers() {
        QFETCH(QString, name);
        QFETCH(int, target);
        const std::string folder = name.toStdString();
        const std::filesystem::path path =
            folder.starts_with("lm-") ? test::bundledModel(folder) : test::fixture(folder);
        ExecContext context(Device{}, {.target = static_cast<Target>(target), .threads = 2});
        const auto model = LlamaModel::load(*Checkpoint::open(path), context);
        const SafetensorsFile reference = SafetensorsFile::open(path / "reference.safetensors");

        const std::vector<TokenId> ids = idsOf(reference, "input_ids");
        const auto state = model->begin(context, static_cast<std::int64_t>(ids.size()));
        const DecodeSlot slot{*state, ids};
        std::vector<float> hidden;
        const ConstView logits =
            model->forwardObserved(context, std::span(&slot, 1), [&](int layer, ConstView view) {
                if (layer == 0) {
                    hidden = test::copied(view);
                }
            });
        const Tensor expectedLogits = reference.tensor("logits");
        const Tensor expectedHidden = reference.tensor("hidden_after_layer_0");
        QCOMPARE_LE(test::largestDifference(hidden, expectedHidden.view().as<float>()), 2e-4);
        QCOMPARE_LE(
            test::largestDifference(logits.as<float>(), expectedLogits.view().as<float>()), 2e-4);

        const std::vector<TokenId> expected = idsOf(reference, "greedy_ids");
        QCOMPARE(
            greedy(context, *model, idsOf(reference, "prompt_ids"), expected.size()), expected);
    }

    void matchesLlamaCpp_data() { addTargets({"lm-little-f16", "lm-little-q8_0", "qwen2-f16"}); }
    void matchesLlamaCpp() {
        QFETCH(QString, name);
        QFETCH(int, target);
        const std::filesystem::path base = test::fixture("gguf") / name.toStdString();
        ExecContext context(Device{}, {.target = static_cast<Target>(target), .threads = 2});
        const auto model = LlamaModel::load(*Checkpoint::open(base.string() + ".gguf"), context);
        const SafetensorsFile reference =
            SafetensorsFile::open(base.string() + ".reference.safetensors");

        const std::vector<float> logits =
            test::logitsOf(context, *model, idsOf(reference, "input_ids"));
        const auto vocabulary = static_cast<std::size_t>(model->vocabularySize());
        std::vector<float> rows;
        for (const TokenId position : idsOf(reference, "positions")) {
            const auto first =
                logits.begin() +
                static_cast<std::ptrdiff_t>(static_cast<std::size_t>(position) * vocabulary);
            rows.insert(rows.end(), first, first + static_cast<std::ptrdiff_t>(vocabulary));
        }
        const Tensor expectedLogits = reference.tensor("logits_dequantized");
        QCOMPARE_LE(test::largestDifference(rows, expectedLogits.view().as<float>()), 1e-3);

        const std::vector<TokenId> expected = idsOf(reference, "greedy_ids_dequantized");
        QCOMPARE(
            greedy(context, *model, idsOf(reference, "prompt_ids"), expected.size()), expected);
    }
};

LATHE_TEST(LlamaParityTest);
#include "parity_test.moc"
