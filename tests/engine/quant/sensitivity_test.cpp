// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/sensitivity.h"

#include "engine/core/error.h"
#include "tests/engine/models/tiny_model.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <limits>

namespace lathe {

/// The file: what is written is read, and what cannot be right is refused.
class SensitivityTest : public QObject {
    Q_OBJECT
private slots:
    void init();
    void roundTrip();
    void valuesThatCannotBeAreRefused_data();
    void valuesThatCannotBeAreRefused();
    void anotherModelIsRefused();
    void otherShapesAreRefused();
    void otherFilesAreRefused();

private:
    using Modules = std::vector<std::pair<std::string, Tensor>>;

    /// A value of its own for every weight of the model.
    Modules values() const {
        Modules modules;
        float next = 0.0F;
        for (const auto& [name, linear] : std::as_const(*m_model).modules()) {
            Tensor tensor = Tensor::empty(
                {outFeatures(linear->weight), inFeatures(linear->weight)}, DType::F32, Device{});
            for (float& value : tensor.view().as<float>()) {
                value = next++ * 1e-6F;
            }
            modules.emplace_back(name, std::move(tensor));
        }
        return modules;
    }
    std::filesystem::path file() const { return m_folder.path() / "f.safetensors"; }

    test::TemporaryFolder m_folder;
    ExecContext m_context{Device{}, {.target = Target::Scalar, .threads = 1}};
    std::unique_ptr<LlamaModel> m_model =
        LlamaModel::load(test::tinyCheckpoint(test::tinyConfig()), m_context);
    SensitivityRecord m_record{
        .modelHash = "0123",
        .text = "book.txt",
        .textHash = "4567",
        .samples = 10,
        .length = 512,
        .seed = std::numeric_limits<std::uint64_t>::max(),
        .loss = 3.25,
        .device = "cuda:0",
        .build = "1.0"};
};

void SensitivityTest::init() { writeSensitivities(file(), m_record, values()); }

void SensitivityTest::roundTrip() {
    const Sensitivities read = Sensitivities::open(file());
    QVERIFY(read.record() == m_record);
    QCOMPARE(read.modules().size(), 14U);
    read.requireFor(*m_model, "0123");
    for (const auto& [name, tensor] : values()) {
        QCOMPARE(read.of(name).shape().text(), tensor.shape().text());
        QVERIFY(test::copied(read.of(name).view()) == test::copied(tensor.view()));
        double sum = 0.0;
        for (const float value : test::copied(tensor.view())) {
            sum += static_cast<double>(value);
        }
        QCOMPARE(read.total(name), sum);
    }
    LATHE_VERIFY_THROWS(read.of("model.layers.2.mlp.up_proj"), FormatError, "has no tensor");
}

void SensitivityTest::valuesThatCannotBeAreRefused_data() {
    QTest::addColumn<float>("value");
    QTest::addColumn<QString>("spelled");
    QTest::newRow("negative") << -1e-3F << "-0.001";
    QTest::newRow("infinite") << std::numeric_limits<float>::infinity() << "inf";
    QTest::newRow("NaN") << std::numeric_limits<float>::quiet_NaN() << "nan";
}

void SensitivityTest::valuesThatCannotBeAreRefused() {
    QFETCH(float, value);
    QFETCH(QString, spelled);
    Modules modules = values();
    modules[4].second.view().as<float>()[16 * 3 + 7] = value;
    writeSensitivities(file(), m_record, modules);
    const Sensitivities read = Sensitivities::open(file());
    read.of(modules[3].first);
    const std::string where = "model.layers.0.mlp.gate_proj in row 3, column 7 is ";
    LATHE_VERIFY_THROWS(read.of(modules[4].first), FormatError, where + spelled.toStdString());
    LATHE_VERIFY_THROWS(read.total(modules[4].first), FormatError, where);
}

void SensitivityTest::anotherModelIsRefused() {
    const Sensitivities read = Sensitivities::open(file());
    LATHE_VERIFY_THROWS(
        read.requireFor(*m_model, "89ab"), InputError,
        "the sensitivities of another model (hash 0123, not 89ab)");
}

void SensitivityTest::otherShapesAreRefused() {
    Modules modules = values();
    Tensor turned = Tensor::zeros({16, 8}, DType::F32, m_context);
    modules[1].second = std::move(turned);
    writeSensitivities(file(), m_record, modules);
    LATHE_VERIFY_THROWS(
        Sensitivities::open(file()).requireFor(*m_model, "0123"), FormatError,
        "model.layers.0.self_attn.k_proj is [16, 8], the model has [8, 16]");
    modules = values();
    modules.pop_back();
    writeSensitivities(file(), m_record, modules);
    LATHE_VERIFY_THROWS(
        Sensitivities::open(file()).requireFor(*m_model, "0123"), FormatError,
        "model.layers.1.mlp.down_proj is absent");
    modules = values();
    modules.emplace_back("lm_head", Tensor::zeros({2, 2}, DType::F32, m_context));
    writeSensitivities(file(), m_record, modules);
    LATHE_VERIFY_THROWS(
        Sensitivities::open(file()).requireFor(*m_model, "0123"), FormatError,
        "holds 15 modules, the model has 14");
}

void SensitivityTest::otherFilesAreRefused() {
    const Tensor tensor = Tensor::zeros({2, 2}, DType::F32, m_context);
    const auto write = [&](const std::string& name, const std::string& record) {
        std::map<std::string, std::string> metadata{{"format", "pt"}};
        if (!record.empty()) {
            metadata["lathe.sensitivity"] = record;
        }
        writeSafetensors(file(), {{name, tensor.view()}}, metadata);
    };
    LATHE_VERIFY_THROWS(Sensitivities::open(m_folder.path() / "none"), InputError, "none");
    write("a.sensitivity", "");
    LATHE_VERIFY_THROWS(Sensitivities::open(file()), FormatError, "no file of sensitivities");
    write("a.sensitivity", "[1");
    LATHE_VERIFY_THROWS(Sensitivities::open(file()), FormatError, "lathe.sensitivity");
    write("a.sensitivity", "[1]");
    LATHE_VERIFY_THROWS(Sensitivities::open(file()), FormatError, "not a JSON object");
    write("a.sensitivity", R"({"version": 2})");
    LATHE_VERIFY_THROWS(Sensitivities::open(file()), Unsupported, "version 2");
    write("a.sensitivity", R"({"version": 1, "model_hash": 5})");
    LATHE_VERIFY_THROWS(Sensitivities::open(file()), FormatError, "'model_hash'");
    write(
        "a.weight",
        R"({"version": 1, "model_hash": "", "text": "", "text_hash": "", "samples": 1,
            "length": 2, "seed": 1, "loss": 1, "device": "", "build": ""})");
    LATHE_VERIFY_THROWS(Sensitivities::open(file()), FormatError, "tensor 'a.weight'");
}

LATHE_TEST(SensitivityTest);

} // namespace lathe

#include "sensitivity_test.moc"
