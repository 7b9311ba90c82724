// SPDX-License-Identifier: Apache-2.0
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

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

void QuantExportTest::nothingIsOverwritten() {
    const test::TemporaryFolder folder;
    std::ofstream(folder.path() / "notes.txt") << "mine";
    const auto run = runToEnd(exportOf("rtn", 4, "none", folder.path()));
    QCOMPARE(run.exitStatus, 2);
    QVERIFY(run.last.message.find("--out") != std::string::npos);
}

LATHE_TEST(QuantExportTest);

} // namespace lathe

#include "quant_export_test.moc"
