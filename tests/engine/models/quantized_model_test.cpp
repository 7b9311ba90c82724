// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/io/safetensors.h"
#include "engine/models/quantized_format.h"
#include "engine/quant/quantizer.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <fstream>

namespace lathe {

using test::dequantized;
using test::inMemory;
using test::largestDifference;
using test::logitsOf;
using test::MemoryCheckpoint;

/// Quantized, saved and loaded again.
class QuantizedModelTest : public QObject {
    Q_OBJECT
private slots:
    void savedModelsLoadToTheBit_data();
    void savedModelsLoadToTheBit();
    void mixedModelsLoadToTheBit();
    void aBundledModelKeepsItsVocabulary();
    void everyTargetAgreesWithTheDequantizedModel_data();
    void everyTargetAgreesWithTheDequantizedModel();
    void moreBitsComeNearer_data();
    void moreBitsComeNearer();
    void onlyNewFoldersAreWritten();
    void damagedRecordsAreRefused_data();
    void damagedRecordsAreRefused();
    void damagedCodesAreNamed();

private:
    class SilentSink : public EventSink {
    public:
        void post(Event) noexcept override {}
    };

    /// Hidden 64, intermediate 96: groups of 32 leave none over, those of 64 half a one.
    static MemoryCheckpoint source() {
        Json config = test::tinyConfig("qwen2");
        config["hidden_size"] = 64;
        config["intermediate_size"] = 96;
        return test::tinyCheckpoint(config);
    }
    std::unique_ptr<LlamaModel>
    quantized(const LlamaModel& model, const std::string& method, int bits, std::int64_t group) {
        SilentSink sink;
        RunControl run(1, sink, {});
        auto result = model.share();
        for (const LlamaModel::Module& module : result->modules()) {
            const auto& dense = std::get<DenseWeight>(module.linear->weight);
            module.linear->weight = quantizers().at(method).quantize(
                run, m_context, dense.w.view(), {.name = module.name},
                {.bits = bits, .groupSize = group});
        }
        return result;
    }
    std::unique_ptr<LlamaModel> load(const std::filesystem::path& folder) {
        return LlamaModel::load(*Checkpoint::open(folder), m_context);
    }
    static std::vector<TokenId> someIds() {
        Random random(4);
        return test::randomIds(12, 40, random);
    }
    static void addMethods() {
        QTest::addColumn<QString>("method");
        QTest::addColumn<int>("bits");
        QTest::addColumn<int>("group");
        for (const char* method : {"rtn", "rtn-sym", "kmeans"}) {
            for (const int bits : {2, 3, 4, 8}) {
                for (const int group : {0, 32, 64}) {
                    if (group == 0 || std::string(method) != "kmeans") {
                        QTest::addRow("%s %d bit, group %d", method, bits, group)
                            << method << bits << group;
                    }
                }
            }
        }
    }

    ExecContext m_context{Device{}, {.target = Target::Scalar, .threads = 2}};
    std::vector<TokenId> m_ids = someIds();
};

namespace {

std::size_t filesIn(const std::filesystem::path& folder) {
    return static_cast<std::size_t>(std::distance(
        std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator()));
}

} // namespace

void QuantizedModelTest::savedModelsLoadToTheBit_data() { addMethods(); }

void QuantizedModelTest::savedModelsLoadToTheBit() {
    QFETCH(QString, method);
    QFETCH(int, bits);
    QFETCH(int, group);
    const test::TemporaryFolder folder;
    const MemoryCheckpoint checkpoint = source();
    const auto model =
        quantized(*LlamaModel::load(checkpoint, m_context), method.toStdString(), bits, group);
    const auto path = folder.path() / "saved";
    saveQuantized(*model, checkpoint, {{"method", method.toStdString()}}, path);
    QCOMPARE(filesIn(folder.path()), 1U);

    const auto again = load(path);
    QVERIFY(logitsOf(m_context, *again, m_ids) == logitsOf(m_context, *model, m_ids));
    QCOMPARE(again->weightBytes(), model->weightBytes());
    QCOMPARE(again->averageQuantizedBits(), model->averageQuantizedBits());
    QVERIFY(again->averageQuantizedBits() > bits);
    const auto before = std::as_const(*model).modules();
    const auto after = std::as_const(*again).modules();
    QCOMPARE(after.size(), before.size());
    for (std::size_t i = 0; i < after.size(); ++i) {
        QCOMPARE(after[i].first, before[i].first);
        QCOMPARE(describe(after[i].second->weight), describe(before[i].second->weight));
    }
    const auto saved = Checkpoint::open(path);
    QCOMPARE(saved->config().at("quantization_config").at("quant_method"), Json("lathe"));
    QCOMPARE(
        parseJson(saved->metadata().at(kProvenanceKey), "provenance").at("method"),
        Json(method.toStdString()));
}

void QuantizedModelTest::mixedModelsLoadToTheBit() {
    const test::TemporaryFolder folder;
    const MemoryCheckpoint checkpoint = source();
    const auto model = LlamaModel::load(checkpoint, m_context);
    Random random(8);
    model->modules().at(0).linear->weight = test::randomLut(64, 64, 3, random);
    model->modules().at(4).linear->weight = test::randomGroup(96, 64, 5, 32, random);
    model->modules().at(13).linear->weight = test::randomLut(64, 96, 8, random);
    saveQuantized(*model, checkpoint, Json::object(), folder.path() / "saved");
    const auto again = load(folder.path() / "saved");
    QVERIFY(logitsOf(m_context, *again, m_ids) == logitsOf(m_context, *model, m_ids));
    QCOMPARE(describe(again->modules().at(4).linear->weight), "group 5 bit / 32");
    QVERIFY(std::holds_alternative<DenseWeight>(again->modules().at(1).linear->weight));
}

void QuantizedModelTest::aBundledModelKeepsItsVocabulary() {
    const test::TemporaryFolder folder;
    const auto checkpoint = Checkpoint::open(test::bundledModel("lm-little"));
    const auto model = quantized(*LlamaModel::load(*checkpoint, m_context), "rtn", 4, 64);
    const auto path = folder.path() / "saved";
    saveQuantized(*model, *checkpoint, Json::object(), path);
    const auto saved = Checkpoint::open(path);
    QVERIFY(saved->tokenizer() != nullptr);
    QCOMPARE(saved->tokenizer()->fingerprint(), checkpoint->tokenizer()->fingerprint());
    QVERIFY(std::filesystem::exists(path / "training.json"));
    QVERIFY(saved->fileBytes() < checkpoint->fileBytes());
    QVERIFY(logitsOf(m_context, *load(path), m_ids) == logitsOf(m_context, *model, m_ids));
}

void QuantizedModelTest::everyTargetAgreesWithTheDequantizedModel_data() {
    QTest::addColumn<QString>("method");
    QTest::addColumn<int>("bits");
    QTest::addColumn<int>("group");
    QTest::addColumn<int>("target");
    for (const Target target : availableTargets()) {
        if (target != Target::Cuda) {
            const std::string name(nameOf(target));
            const auto add = [&](const char* method, int bits, int group) {
                QTest::addRow("%s %d bit, group %d, %s", method, bits, group, name.c_str())
                    << method << bits << group << static_cast<int>(target);
            };
            for (int bits = 2; bits <= 8; ++bits) {
                add("kmeans", bits, 0);
                add("rtn", bits, 0);
                add("rtn", bits, 64);
            }
            add("rtn-sym", 4, 32);
        }
    }
}

void QuantizedModelTest::everyTargetAgreesWithTheDequantizedModel() {
    QFETCH(QString, method);
    QFETCH(int, bits);
    QFETCH(int, group);
    QFETCH(int, target);
    const auto model =
        quantized(*LlamaModel::load(source(), m_context), method.toStdString(), bits, group);
    const std::vector<float> expected = logitsOf(m_context, *dequantized(m_context, *model), m_ids);
    const auto [least, most] = std::ranges::minmax(expected);
    const double bound = 2e-5 * static_cast<double>(most - least);
    ExecContext context(Device{}, {.target = static_cast<Target>(target), .threads = 2});
    for (const std::size_t chunk : {1U, 3U, 12U}) { // products of one, few and many rows
        QCOMPARE_LE(largestDifference(logitsOf(context, *model, m_ids, chunk), expected), bound);
    }
}

void QuantizedModelTest::moreBitsComeNearer_data() {
    QTest::addColumn<QString>("method");
    for (const char* method : {"rtn", "rtn-sym", "kmeans"}) {
        QTest::newRow(method) << method;
    }
}

void QuantizedModelTest::moreBitsComeNearer() {
    QFETCH(QString, method);
    const auto model = LlamaModel::load(source(), m_context);
    const std::vector<float> exact = logitsOf(m_context, *model, m_ids);
    double before = std::numeric_limits<double>::infinity();
    for (const int bits : {2, 4, 6, 8}) {
        const auto coarse = quantized(*model, method.toStdString(), bits, 0);
        const std::vector<float> rows = logitsOf(m_context, *coarse, m_ids);
        double squares = 0.0;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const double off = static_cast<double>(rows[i]) - static_cast<double>(exact[i]);
            squares += off * off;
        }
        QVERIFY(squares > 0.0);
        QVERIFY(squares < 0.5 * before);
        before = squares;
    }
}

void QuantizedModelTest::onlyNewFoldersAreWritten() {
    const test::TemporaryFolder folder;
    const MemoryCheckpoint checkpoint = source();
    const auto model = quantized(*LlamaModel::load(checkpoint, m_context), "rtn", 4, 0);
    const auto taken = folder.path() / "taken";
    std::filesystem::create_directory(taken);
    std::ofstream(taken / "mine.txt") << "mine";
    LATHE_VERIFY_THROWS(
        saveQuantized(*model, checkpoint, Json::object(), taken), InputError, taken.string());
    QCOMPARE(filesIn(taken), 1U);
    QCOMPARE(filesIn(folder.path()), 1U); // nothing half written beside it
    LATHE_VERIFY_THROWS(
        saveQuantized(*model, checkpoint, Json::object(), taken / "mine.txt" / "model"), InputError,
        "mine.txt");
    QCOMPARE(filesIn(folder.path()), 1U);

    const auto deep = folder.path() / "new" / "deep" / "model";
    saveQuantized(*model, checkpoint, Json::object(), deep / ""); // as a shell completes it
    QVERIFY(std::filesystem::exists(deep / "model.safetensors"));
    QCOMPARE(filesIn(deep.parent_path()), 1U);
}

void QuantizedModelTest::damagedRecordsAreRefused_data() {
    QTest::addColumn<QByteArray>("record");
    QTest::addColumn<QString>("part");
    const auto add = [](const char* name, const char* record, const char* part) {
        QTest::newRow(name) << QByteArray(record) << part;
    };
    add("no JSON", "{", "lathe.format");
    add("a list", "[]", "is not a JSON object");
    add("no version", R"({"modules": {}})", "'version' is missing");
    add("newer version", R"({"version": 3, "modules": {}})", "version 3 of the format");
    add("no checksum of the record", R"({"version": 2, "modules": {}})",
        "lathe.provenance: the record is missing");
    add("no modules", R"({"version": 1})", "'modules' is missing");
    add("modules are a list", R"({"version": 1, "modules": []})", "'modules' is missing or not");
    add("unknown kind", R"({"version": 1, "modules": {"m": {"kind": "vq", "bits": 4, "in": 64}}})",
        "'m': the weight format 'vq' is not known");
    add("raw kind",
        R"({"version": 1, "modules": {"m\u0007": {"kind": "\u001bc", "bits": 4, "in": 64}}})",
        R"('m\x07': the weight format '\x1Bc' is not known)");
    add("absurd bits", R"({"version": 1, "modules": {"m": {"kind": "lut", "bits": 64, "in": 64}}})",
        "'bits' is 64");
    add("absurd width",
        R"({"version": 1, "modules": {"m":
        {"kind": "lut", "bits": 4, "in": 4611686018427387904}}})",
        "'in' is 4611686018427387904");
    add("negative group",
        R"({"version": 1, "modules": {"m": {"kind": "group", "bits": 4, "group": -1, "in": 64}}})",
        "'group' is -1");
    add("sparse groups",
        R"({"version": 1, "modules": {"m":
        {"kind": "group", "bits": 4, "in": 64, "sparse": 1}}})",
        "only look-up tables");
    add("too wide for sparse",
        R"({"version": 1, "modules": {"m":
        {"kind": "lut", "bits": 4, "in": 65537, "sparse": 1}}})",
        "at most 65536 columns");
    add("sparse values of another type",
        R"({"version": 1, "modules": {"m":
        {"kind": "lut", "bits": 4, "in": 64, "sparse": 1, "sparse_values": "F8"}}})",
        "sparse values of type 'F8'");
    add("unknown module",
        R"({"version": 1, "modules": {"model.layers.9.mlp.up_proj":
        {"kind": "lut", "bits": 4, "in": 64}}})",
        "names 'model.layers.9.mlp.up_proj', which is not part");
    add("another width",
        R"({"version": 1, "modules": {"model.layers.0.mlp.up_proj":
        {"kind": "lut", "bits": 4, "in": 60}}})",
        "'model.layers.0.mlp.up_proj' was quantized with 60 inputs, config.json implies 64");
}

void QuantizedModelTest::damagedRecordsAreRefused() {
    QFETCH(QByteArray, record);
    QFETCH(QString, part);
    MemoryCheckpoint checkpoint = source();
    checkpoint.json["quantization_config"] = {{"quant_method", "lathe"}};
    LATHE_VERIFY_THROWS(
        LlamaModel::load(checkpoint, m_context), FormatError, "the record is missing");
    checkpoint.records[kFormatKey] = record.toStdString();
    LATHE_VERIFY_THROWS(LlamaModel::load(checkpoint, m_context), Error, part.toStdString());
}

void QuantizedModelTest::damagedCodesAreNamed() {
    const test::TemporaryFolder folder;
    const MemoryCheckpoint checkpoint = source();
    const auto path = folder.path() / "saved";
    const auto model = LlamaModel::load(checkpoint, m_context);
    Random random(8);
    const std::string lut = "model.layers.0.self_attn.q_proj";
    const std::string group = "model.layers.0.mlp.gate_proj";
    model->modules().at(0).linear->weight = test::randomLut(64, 64, 3, random);
    model->modules().at(4).linear->weight = test::randomGroup(96, 64, 5, 32, random);
    saveQuantized(*model, checkpoint, Json::object(), path);
    const auto refusal = [&](const std::string& name, std::optional<Tensor> instead) {
        MemoryCheckpoint damaged = inMemory(path);
        damaged.tensors.erase(name);
        if (instead) {
            damaged.tensors.emplace(name, std::move(*instead));
        }
        damaged.seal();
        try {
            LlamaModel::load(damaged, m_context);
        } catch (const FormatError& e) {
            return std::string(e.what());
        }
        return std::string("no error");
    };
    const auto says = [](const std::string& text, const std::string& part) {
        const bool found = text.find(part) != std::string::npos;
        if (!found) {
            qWarning("%s", text.c_str());
        }
        return found;
    };
    // 64 codes of 3 bits are 6 words; of 5 bits 10.
    QVERIFY(says(
        refusal(lut + ".packed", Tensor::empty({64, 5}, DType::I32, Device{})),
        "'" + lut + ".packed' is [64, 5], config.json implies [64, 6]"));
    QVERIFY(says(
        refusal(lut + ".table", Tensor::empty({64, 16}, DType::F16, Device{})),
        "'" + lut + ".table' is [64, 16], config.json implies [64, 8]"));
    QVERIFY(
        says(refusal(lut + ".table", Tensor::empty({64, 8}, DType::F32, Device{})), "must be F16"));
    QVERIFY(says(refusal(lut + ".table", {}), "'" + lut + ".table' is missing"));
    QVERIFY(says(
        refusal(group + ".packed", Tensor::empty({95, 10}, DType::I32, Device{})),
        "is [95, 10], config.json implies [96, 10]"));
    QVERIFY(says(
        refusal(group + ".scale", Tensor::empty({96, 1}, DType::F16, Device{})),
        "'" + group + ".scale' is [96, 1], config.json implies [96, 2]"));
    QVERIFY(
        says(refusal(group + ".zero", Tensor::empty({96, 2}, DType::F16, Device{})), "must be U8"));
    QVERIFY(says(refusal(group + ".weight", {}), "no error"));
    QVERIFY(says(
        refusal(group + ".weight", Tensor::empty({96, 64}, DType::F32, Device{})),
        "'" + group + ".weight' [96, 64] is not part"));
}

LATHE_TEST(QuantizedModelTest);

} // namespace lathe

#include "quantized_model_test.moc"
