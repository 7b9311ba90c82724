// SPDX-License-Identifier: Apache-2.0
#include "engine/models/t5.h"
#include "engine/quant/quantizer.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <set>

namespace lathe {

using test::copied;
using test::largestDifference;

namespace {

constexpr std::array kFixtures{"t5-relu-tied", "t5-gated-tied-unscaled", "mt5-untied"};

class SilentSink : public EventSink {
public:
    void post(Event) noexcept override {}
};

/// Rows of logits of the ids behind a source, `chunk` of them a call.
std::vector<float> logitsOf(
    ExecContext& context, const Decoder& model, const EncoderOutput& encoded,
    std::span<const TokenId> ids, std::size_t chunk) {
    const auto state = model.begin(context, static_cast<std::int64_t>(ids.size()), &encoded);
    std::vector<float> all;
    for (std::size_t from = 0; from < ids.size(); from += chunk) {
        const DecodeSlot slot{*state, ids.subspan(from, std::min(chunk, ids.size() - from))};
        const std::vector<float> rows = copied(model.forward(context, std::span(&slot, 1)));
        all.insert(all.end(), rows.begin(), rows.end());
    }
    return all;
}

Weight rounded(ExecContext& context, const NamedLinear& module) {
    SilentSink sink;
    RunControl run(1, sink, {});
    const Tensor& matrix = std::get<DenseWeight>(module.linear->weight).w;
    return quantizers().at("rtn").quantize(
        run, context, matrix.view(), {.name = module.name}, {.bits = 4});
}

} // namespace

/// Models that share the weights of another one: quantized copies and first layers.
class PartsOfModelsTest : public QObject {
    Q_OBJECT
private slots:
    void modulesAreTheMatricesOfTheBlocks();
    void aQuantizedCopyIsWhatItsMatricesStandFor();
    void firstLayersAreAModelOfFewer();
    void firstLayersOfLlama();
    void badExitsAreRefused();

private:
    ExecContext m_context{Device{}, {.target = Target::Scalar, .threads = 1}};
    std::vector<TokenId> m_source{17, 42, 5, 88, 3, 61, 9, 30, 77, 1};
    std::vector<TokenId> m_ids{0, 31, 7, 7, 55, 90, 12};
};

void PartsOfModelsTest::modulesAreTheMatricesOfTheBlocks() {
    for (const char* fixture : kFixtures) {
        const auto checkpoint = Checkpoint::open(test::fixture(fixture));
        const auto model = T5Model::load(*checkpoint, m_context);
        std::set<std::string> wanted;
        for (const auto& [name, entry] : checkpoint->entries()) {
            if (entry.shape.rank() == 2 && name.find(".block.") != std::string::npos &&
                name.find("relative_attention_bias") == std::string::npos) {
                wanted.insert(name);
            }
        }
        std::set<std::string> found;
        for (const auto& [name, linear] : std::as_const(*model).modules()) {
            QCOMPARE(
                Shape({outFeatures(linear->weight), inFeatures(linear->weight)}),
                checkpoint->entries().at(name + ".weight").shape);
            found.insert(name + ".weight");
        }
        QVERIFY2(found == wanted, fixture);
    }
}

/// Steps of one row, where products are laid together, and of more.
void PartsOfModelsTest::aQuantizedCopyIsWhatItsMatricesStandFor() {
    for (const char* fixture : kFixtures) {
        test::MemoryCheckpoint checkpoint = test::inMemory(test::fixture(fixture));
        const auto model = T5Model::load(checkpoint, m_context);
        const EncoderOutput encoded = model->encode(m_context, m_source);
        const std::vector<float> before = logitsOf(m_context, *model, encoded, m_ids, 1);
        const auto copy = model->share();
        QCOMPARE(copy->weightBytes(), model->weightBytes());
        QVERIFY(logitsOf(m_context, *copy, encoded, m_ids, 1) == before);
        for (const NamedLinear& module : copy->modules()) {
            module.linear->weight = rounded(m_context, module);
            checkpoint.tensors.at(module.name + ".weight") =
                dequantize(m_context, module.linear->weight);
        }
        checkpoint.seal();
        QVERIFY(copy->stepBytes() < model->stepBytes());
        const auto wanted = T5Model::load(checkpoint, m_context);
        const EncoderOutput wantedSource = wanted->encode(m_context, m_source);
        const EncoderOutput source = copy->encode(m_context, m_source);
        QCOMPARE_LE(
            largestDifference(copied(source.hidden.view()), copied(wantedSource.hidden.view())),
            1e-4);
        const std::vector<float> rows = logitsOf(m_context, *wanted, wantedSource, m_ids, 1);
        QVERIFY(largestDifference(rows, before) > 1e-2);
        for (const bool fused : {false, true}) {
            if (fused) {
                copy->fuseProducts(m_context);
            }
            for (const std::size_t chunk : {1U, 3U}) {
                QCOMPARE_LE(
                    largestDifference(logitsOf(m_context, *copy, wantedSource, m_ids, chunk), rows),
                    1e-4);
            }
        }
        QVERIFY(logitsOf(m_context, *model, encoded, m_ids, 1) == before);
    }
}

void PartsOfModelsTest::firstLayersAreAModelOfFewer() {
    for (const char* fixture : {"t5-relu-tied", "t5-gated-tied-unscaled"}) {
        test::MemoryCheckpoint checkpoint = test::inMemory(test::fixture(fixture));
        const auto model = T5Model::load(checkpoint, m_context);
        QCOMPARE(model->layers(), 2);
        const std::unique_ptr<Decoder> exit = model->firstLayers(1);
        checkpoint.json["num_decoder_layers"] = 1;
        std::erase_if(checkpoint.tensors, [](const auto& entry) {
            return entry.first.starts_with("decoder.block.1.");
        });
        checkpoint.seal();
        const auto wanted = T5Model::load(checkpoint, m_context);
        const EncoderOutput encoded = model->encode(m_context, m_source);
        const auto rows = logitsOf(m_context, *exit, encoded, m_ids, 2);
        QVERIFY(rows == logitsOf(m_context, *wanted, encoded, m_ids, 2));
        QVERIFY(rows != logitsOf(m_context, *model, encoded, m_ids, 2));
        QCOMPARE(dynamic_cast<const T5Model&>(*exit).weightBytes(), wanted->weightBytes());
    }
}

void PartsOfModelsTest::firstLayersOfLlama() {
    test::MemoryCheckpoint checkpoint = test::tinyCheckpoint(test::tinyConfig());
    const auto model = LlamaModel::load(checkpoint, m_context);
    QCOMPARE(model->layers(), 2);
    const std::unique_ptr<Decoder> exit = model->firstLayers(1);
    checkpoint.json["num_hidden_layers"] = 1;
    std::erase_if(checkpoint.tensors, [](const auto& entry) {
        return entry.first.starts_with("model.layers.1.");
    });
    checkpoint.seal();
    const auto wanted = LlamaModel::load(checkpoint, m_context);
    const auto& first = dynamic_cast<const LlamaModel&>(*exit);
    const std::vector<TokenId> ids{7, 1, 30, 12, 5};
    QVERIFY(test::logitsOf(m_context, first, ids) == test::logitsOf(m_context, *wanted, ids));
    QVERIFY(test::logitsOf(m_context, first, ids) != test::logitsOf(m_context, *model, ids));
    QCOMPARE(first.weightBytes(), wanted->weightBytes());
}

void PartsOfModelsTest::badExitsAreRefused() {
    const auto llama = LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), m_context);
    const auto t5 = T5Model::load(*Checkpoint::open(test::fixture("t5-relu-tied")), m_context);
    for (const EarlyExitDecoder* model :
         {static_cast<const EarlyExitDecoder*>(llama.get()),
          static_cast<const EarlyExitDecoder*>(t5.get())}) {
        LATHE_VERIFY_THROWS(model->firstLayers(0), InputError, "1 to 1");
        LATHE_VERIFY_THROWS(model->firstLayers(2), InputError, "behind layer 2");
    }
}

LATHE_TEST(PartsOfModelsTest);

} // namespace lathe

#include "parts_of_models_test.moc"
