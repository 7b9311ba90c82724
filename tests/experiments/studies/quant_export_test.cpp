// SPDX-License-Identifier: Apache-2.0
#include "engine/io/checkpoint.h"
#include "engine/io/safetensors.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <fstream>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

class QuantExportTest : public QObject {
    Q_OBJECT
private slots:
    void theFolderScoresAsTheSweepDoes();
    void aQuantizedModelIsNotQuantizedAgain();
    void nothingIsOverwritten();
    void theReferenceLayoutGivesTheSameModel();
    void sparsePartsAndTheirOriginAreWritten();
    void theReferenceLayoutHoldsTablesOnly();
    void roundedTablesAreLogged();
};

namespace {

Spec exportOf(
    const std::string& method, int bits, const std::string& group,
    const std::filesystem::path& out) {
    return specOf(
        "quant.export", {{"model", "lm-little"},
                         {"method", method},
                         {"bits", bits},
                         {"group", group},
                         {"out", out.string()}});
}

} // namespace

void QuantExportTest::theFolderScoresAsTheSweepDoes() {
    for (const auto& [method, group] : {std::pair{"kmeans", "none"}, std::pair{"rtn", "64"}}) {
        const test::TemporaryFolder folder;
        const auto out = folder.path() / "quantized";
        const Json exported = metricsOf(exportOf(method, 3, group, out));
        QCOMPARE(exported.at("path").get<std::string>(), out.string());
        QVERIFY(exported.at("average_bits").get<double>() > 3.0);
        const auto sweep = runToEnd(specOf(
            "quant.sweep", {{"model", "lm-little"},
                            {"method", method},
                            {"bits", 3},
                            {"group", group},
                            {"max_windows", 2},
                            {"sample_tokens", 0}}));
        const Json scored = metricsOf(specOf(
            "lm.perplexity", {{"model", out.string()}, {"window", 256}, {"max_windows", 2}}));
        QCOMPARE(scored.at("nll"), sweep.done.at(1).metrics.at("nll"));
        QCOMPARE(exported.at("bytes"), sweep.done.at(1).metrics.at("bytes"));
    }
}

void QuantExportTest::aQuantizedModelIsNotQuantizedAgain() {
    const test::TemporaryFolder folder;
    const auto out = folder.path() / "quantized";
    metricsOf(exportOf("rtn", 4, "none", out));
    const auto sweep = runToEnd(specOf("quant.sweep", {{"model", out.string()}}));
    QCOMPARE(sweep.exitStatus, 2);
    QVERIFY2(
        sweep.last.message.find("quantized already") != std::string::npos,
        sweep.last.message.c_str());
}

void QuantExportTest::sparsePartsAndTheirOriginAreWritten() {
    const test::TemporaryFolder folder;
    qputenv("XDG_CACHE_HOME", (folder.path() / "cache").c_str());
    const auto out = folder.path() / "quantized";
    Spec spec = exportOf("squeezellm-sparse", 3, "none", out);
    spec.params["calibration_samples"] = 4;
    const Json exported = metricsOf(spec);
    const auto written = Checkpoint::open(out);
    QVERIFY(written->contains("model.layers.0.mlp.up_proj.row_pointers"));
    const Json provenance = parseJson(written->metadata().at("lathe.provenance"), "provenance");
    QCOMPARE(provenance.at("sparsity"), Json(0.45));
    QCOMPARE(provenance.at("calibration").at("samples"), Json(4));
    QCOMPARE(provenance.at("calibration").at("text"), Json("model"));
    QVERIFY(exported.at("verified_tokens").get<int>() > 0);
}

void QuantExportTest::nothingIsOverwritten() {
    const test::TemporaryFolder folder;
    std::ofstream(folder.path() / "notes.txt") << "mine";
    const auto run = runToEnd(exportOf("rtn", 4, "none", folder.path()));
    QCOMPARE(run.exitStatus, 2);
    QVERIFY(run.last.message.find("--out") != std::string::npos);
}

void QuantExportTest::theReferenceLayoutGivesTheSameModel() {
    const test::TemporaryFolder folder;
    Spec spec = exportOf("kmeans", 3, "none", folder.path() / "own");
    const Json own = metricsOf(spec);
    spec.params["layout"] = "reference";
    spec.params["out"] = (folder.path() / "reference").string();
    const Json reference = metricsOf(spec);
    QCOMPARE(reference.at("output_hash"), own.at("output_hash"));
    QCOMPARE(reference.at("bytes"), own.at("bytes"));
    QVERIFY(reference.at("file_bytes") > own.at("file_bytes")); // tables of 32 bits
    const auto checkpoint = Checkpoint::open(folder.path() / "reference");
    QVERIFY(checkpoint->contains("model.layers.0.mlp.up_proj.lookup_table"));
    QVERIFY(checkpoint->tokenizer() != nullptr);
    const auto score = [&](const char* name) {
        return metricsOf(specOf(
            "lm.perplexity",
            {{"model", (folder.path() / name).string()}, {"window", 256}, {"max_windows", 2}}));
    };
    QCOMPARE(score("reference").at("nll"), score("own").at("nll"));
}

void QuantExportTest::theReferenceLayoutHoldsTablesOnly() {
    const test::TemporaryFolder folder;
    Spec spec = exportOf("rtn", 4, "64", folder.path() / "quantized");
    spec.params["layout"] = "reference";
    const auto run = runToEnd(spec);
    QCOMPARE(run.exitStatus, 2);
    QVERIFY2(
        run.last.message.find("the method rtn makes scales") != std::string::npos,
        run.last.message.c_str());
    QVERIFY(std::filesystem::is_empty(folder.path()));
}

/// Tables of others are F32: what becomes of them in memory is said.
void QuantExportTest::roundedTablesAreLogged() {
    const test::TemporaryFolder folder;
    const auto out = folder.path() / "reference";
    Spec spec = exportOf("kmeans", 2, "none", out);
    spec.params["layout"] = "reference";
    metricsOf(spec);
    const auto logsOf = [&] {
        std::string text;
        for (const Event& event :
             runToEnd(specOf(
                          "lm.perplexity",
                          {{"model", out.string()}, {"window", 256}, {"max_windows", 1}}))
                 .events) {
            if (const auto* line = std::get_if<LogLine>(&event.payload)) {
                text += line->text + "\n";
            }
        }
        return text;
    };
    QVERIFY(logsOf().find("rounded to F16") == std::string::npos);

    const auto saved = SafetensorsFile::open(out / "model.safetensors");
    std::vector<Tensor> kept;
    std::vector<NamedTensor> tensors;
    std::vector<float> table;
    for (const auto& [name, entry] : saved.entries()) {
        const Tensor& tensor = kept.emplace_back(saved.tensor(name));
        tensors.push_back({name, tensor.view()});
        if (name == "model.layers.0.mlp.up_proj.lookup_table") {
            const std::span<const float> values = tensor.view().as<float>();
            table.assign(values.begin(), values.end());
            table[1] = std::nextafter(table[1], 1.0F);
            tensors.back().view = constViewOf(std::span<const float>(table), entry.shape);
        }
    }
    writeSafetensors(out / "model.safetensors", tensors);
    const std::string logs = logsOf();
    QVERIFY2(
        logs.find("1 table entries were rounded to F16, by at most ") != std::string::npos,
        logs.c_str());
}

LATHE_TEST(QuantExportTest);

} // namespace lathe

#include "quant_export_test.moc"
