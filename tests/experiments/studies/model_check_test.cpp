// SPDX-License-Identifier: Apache-2.0
#include "engine/io/safetensors.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <fstream>

namespace lathe {

using test::runToEnd;
using test::specOf;

class ModelCheckTest : public QObject {
    Q_OBJECT
private slots:
    void passesOnEveryReference_data();
    void passesOnEveryReference();
    void failsOnATamperedReference();
    void failsOnOtherGreedyIds();
    void aMissingReferenceIsBadInput();
    void referencesOfAnotherKindAreBadInput();

private:
    /// lm-little's reference with one tensor changed by `change`.
    std::filesystem::path tampered(
        const std::filesystem::path& folder, const std::string& name,
        const std::function<void(std::span<std::byte>)>& change);
};

void ModelCheckTest::passesOnEveryReference_data() {
    QTest::addColumn<QString>("model");
    QTest::addColumn<double>("bound");
    for (const char* name : {"lm-big", "lm-little"}) {
        QTest::newRow(name) << QString(name) << 2e-4;
    }
    for (const char* name :
         {"llama-gqa-untied", "llama3-rope-scaling", "mistral-head-dim", "mt5-untied", "qwen2",
          "t5-gated-tied-unscaled", "t5-relu-tied"}) {
        QTest::newRow(name) << QString::fromStdString(test::fixture(name).string()) << 2e-4;
    }
    for (const char* name : {"lm-little-f16", "lm-little-q8_0", "qwen2-f16"}) {
        QTest::newRow(name) << QString::fromStdString(
                                   test::fixture(std::string("gguf/") + name + ".gguf").string())
                            << 1e-3;
    }
}

void ModelCheckTest::passesOnEveryReference() {
    QFETCH(QString, model);
    QFETCH(double, bound);
    const auto run = runToEnd(specOf("model.check", {{"model", model.toStdString()}}));
    QVERIFY2(run.last.state == RunState::Done, run.last.message.c_str());
    const Json& metrics = run.done.at(0).metrics;
    QVERIFY2(metrics.at("pass").get<bool>(), dumpJson(metrics.at("outputs")).c_str());
    QVERIFY(metrics.at("greedy_equal").get<bool>());
    QVERIFY(!metrics.at("outputs").empty());
    for (const Json& output : metrics.at("outputs")) {
        QCOMPARE(output.at("bound").get<double>(), bound);
        QVERIFY(output.at("max_abs").get<double>() <= bound);
        QVERIFY(output.at("max_rel").is_number());
    }
    QCOMPARE(run.exitStatus, 0);
}

std::filesystem::path ModelCheckTest::tampered(
    const std::filesystem::path& folder, const std::string& name,
    const std::function<void(std::span<std::byte>)>& change) {
    const auto original =
        SafetensorsFile::open(test::bundledModel("lm-little") / "reference.safetensors");
    std::vector<std::vector<std::byte>> kept;
    std::vector<NamedTensor> tensors;
    for (const auto& [key, entry] : original.entries()) {
        const Tensor tensor = original.tensor(key);
        const ConstView view = tensor.view();
        kept.emplace_back(view.data, view.data + view.bytes());
        if (key == name) {
            change(kept.back());
        }
        tensors.push_back({key, {kept.back().data(), view.shape, view.dtype, view.device}});
    }
    const auto path = folder / "tampered.safetensors";
    writeSafetensors(path, tensors);
    return path;
}

void ModelCheckTest::failsOnATamperedReference() {
    const test::TemporaryFolder folder;
    const auto path = tampered(folder.path(), "logits", [](std::span<std::byte> bytes) {
        auto* values = reinterpret_cast<float*>(bytes.data());
        values[1000] += 0.01F;
    });
    const auto run =
        runToEnd(specOf("model.check", {{"model", "lm-little"}, {"reference", path.string()}}));
    QCOMPARE(run.last.state, RunState::Done);
    QCOMPARE(run.exitStatus, 1);
    const Json& metrics = run.done.at(0).metrics;
    QVERIFY(!metrics.at("pass").get<bool>());
    QVERIFY(metrics.at("greedy_equal").get<bool>());
    for (const Json& output : metrics.at("outputs")) {
        const bool changed = output.at("name").get<std::string>().starts_with("logits");
        QCOMPARE(output.at("pass").get<bool>(), !changed);
        QVERIFY(!changed || std::abs(output.at("max_abs").get<double>() - 0.01) < 1e-3);
    }
}

void ModelCheckTest::failsOnOtherGreedyIds() {
    const test::TemporaryFolder folder;
    const auto path = tampered(folder.path(), "greedy_ids", [](std::span<std::byte> bytes) {
        auto* ids = reinterpret_cast<std::int32_t*>(bytes.data());
        ids[bytes.size() / sizeof(std::int32_t) - 1] += 1;
    });
    const auto run =
        runToEnd(specOf("model.check", {{"model", "lm-little"}, {"reference", path.string()}}));
    QCOMPARE(run.exitStatus, 1);
    QVERIFY(!run.done.at(0).metrics.at("greedy_equal").get<bool>());
}

void ModelCheckTest::aMissingReferenceIsBadInput() {
    const test::TemporaryFolder folder;
    const auto absent = (folder.path() / "absent.safetensors").string();
    const auto run =
        runToEnd(specOf("model.check", {{"model", "lm-little"}, {"reference", absent}}));
    QCOMPARE(run.last.state, RunState::Failed);
    QCOMPARE(run.exitStatus, 2);
    QVERIFY(run.last.message.find("absent.safetensors") != std::string::npos);
}

void ModelCheckTest::referencesOfAnotherKindAreBadInput() {
    const std::string translator = test::fixture("mt5-untied").string();
    const auto check = [](const std::string& model, const std::string& of) {
        return runToEnd(specOf(
            "model.check", {{"model", model}, {"reference", of + "/reference.safetensors"}}));
    };
    const auto continuer = check("lm-little", translator);
    QCOMPARE(continuer.exitStatus, 2);
    QVERIFY(continuer.last.message.find("reference of an encoder-decoder") != std::string::npos);
    const auto other = check(translator, test::bundledModel("lm-little").string());
    QCOMPARE(other.exitStatus, 2);
    QVERIFY(other.last.message.find("is an encoder-decoder (mt5)") != std::string::npos);
}

LATHE_TEST(ModelCheckTest);

} // namespace lathe

#include "model_check_test.moc"
