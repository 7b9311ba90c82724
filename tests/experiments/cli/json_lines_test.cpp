// SPDX-License-Identifier: Apache-2.0
#include "engine/io/safetensors.h"
#include "tests/experiments/cli/command_line.h"

#include <cmath>
#include <fstream>
#include <set>

namespace lathe {

/// The names that scripts rely on.
class CliJsonLinesTest : public QObject {
    Q_OBJECT
private slots:
    void aSweepHasOneLinePerCell();
    void fewWindowsHaveNoIntervals();
    void groupsAreNumbers();
    void perplexityOfAText();
    void generatedTextAndIds();
    void samplingFollowsTheSeed();
    void theCheckPasses();
    void aChangedReferenceFailsTheCheck();
    void timesOfAProduct();
    void linesMayGoToAFile();
    void withoutJsonThereIsATable();
    void quietPrintsNothing();
    void modelsAndDevicesAreListed();

private:
    Json one(std::vector<std::string> arguments, const std::string& study);

    test::CommandLine m_cli;
};

namespace {

/// Whether an object has the study, the run and all of these metrics.
void verifyLine(const Json& line, const std::string& study, const std::set<std::string>& metrics) {
    QCOMPARE(line.at("study").get<std::string>(), study);
    QVERIFY(line.at("run").is_number_integer());
    QVERIFY(line.at("params").is_object());
    for (const std::string& name : metrics) {
        QVERIFY2(line.at("metrics").contains(name), name.c_str());
    }
}

double number(const Json& line, const std::string& name) {
    return line.at("metrics").at(name).get<double>();
}

/// A copy of a fixture folder whose reference has one logit moved.
std::filesystem::path withChangedReference(const std::filesystem::path& folder) {
    const auto copied = folder / "model";
    std::filesystem::copy(test::fixture("qwen2"), copied);
    const auto path = copied / "reference.safetensors";
    std::filesystem::remove(path);
    const auto original = SafetensorsFile::open(test::fixture("qwen2") / "reference.safetensors");
    std::vector<std::vector<std::byte>> kept;
    std::vector<NamedTensor> tensors;
    for (const auto& [name, entry] : original.entries()) {
        const Tensor tensor = original.tensor(name);
        const ConstView view = tensor.view();
        kept.emplace_back(view.data, view.data + view.bytes());
        if (name == "logits") {
            reinterpret_cast<float*>(kept.back().data())[7] += 0.5F;
        }
        tensors.push_back({name, {kept.back().data(), view.shape, view.dtype, view.device}});
    }
    writeSafetensors(path, tensors, original.metadata());
    return copied;
}

const std::vector<std::string> kSmallSweep{
    "quant.sweep",   "--model", "lm-little",       "--window", "32",
    "--max-windows", "6",       "--sample-tokens", "4"};

std::vector<std::string> smallSweep(std::initializer_list<std::string> more) {
    std::vector<std::string> all = kSmallSweep;
    all.insert(all.end(), more);
    return all;
}

} // namespace

/// The only line of a call that succeeds and says nothing on standard error.
Json CliJsonLinesTest::one(std::vector<std::string> arguments, const std::string& study) {
    const test::Outcome outcome = m_cli.json(std::move(arguments));
    if (outcome.status != 0) {
        throw std::runtime_error("status " + std::to_string(outcome.status) + ": " + outcome.err);
    }
    const std::vector<Json> lines = outcome.lines();
    if (lines.size() != 1 || lines[0].at("study") != study) {
        throw std::runtime_error("not one line of " + study + ": " + outcome.out);
    }
    return lines[0];
}

void CliJsonLinesTest::aSweepHasOneLinePerCell() {
    const test::Outcome outcome =
        m_cli.json(smallSweep({"--methods", "rtn,kmeans", "--bits", "3,8"}));
    QCOMPARE(outcome.status, 0);
    QCOMPARE(outcome.err, ""); // no progress where nobody looks
    const std::vector<Json> lines = outcome.lines();
    QCOMPARE(lines.size(), 5U);
    const std::vector<std::pair<std::string, int>> cells{
        {"float", 16}, {"rtn", 3}, {"rtn", 8}, {"kmeans", 3}, {"kmeans", 8}};
    for (std::size_t i = 0; i < lines.size(); ++i) {
        verifyLine(
            lines[i], "quant.sweep", {"bytes", "average_bits", "seconds", "sample", "sample_ids"});
        QCOMPARE(lines[i].at("run"), lines[0].at("run"));
        QCOMPARE(lines[i].at("params").at("method").get<std::string>(), cells[i].first);
        QCOMPARE(lines[i].at("params").at("bits").get<int>(), cells[i].second);
        QCOMPARE(lines[i].at("params").at("group").get<int>(), 0);
        for (const std::string name :
             {"perplexity", "bits_per_byte", "kl_mean", "top1_agreement"}) {
            const double value = number(lines[i], name);
            QVERIFY(number(lines[i], name + "_low") <= value);
            QVERIFY(value <= number(lines[i], name + "_high"));
        }
        QVERIFY(lines[i].at("metrics").at("bytes").is_number_integer());
        QVERIFY(number(lines[i], "seconds") >= 0.0);
        QCOMPARE(lines[i].at("metrics").at("sample_ids").size(), 4U);
    }
    QCOMPARE(number(lines[0], "kl_mean"), 0.0);
    QCOMPARE(number(lines[0], "top1_agreement"), 1.0);
    QVERIFY(number(lines[1], "kl_mean") > number(lines[2], "kl_mean"));
    QVERIFY(number(lines[3], "bytes") < number(lines[4], "bytes"));
    QVERIFY(number(lines[2], "bytes") < number(lines[0], "bytes"));
    QVERIFY(number(lines[1], "average_bits") > 3.0 && number(lines[1], "average_bits") < 3.5);
}

void CliJsonLinesTest::fewWindowsHaveNoIntervals() {
    const test::Outcome four = m_cli.json(
        {"quant.sweep", "lm-little", "--window", "32", "--max-windows", "4", "--sample-tokens", "0",
         "--methods", "rtn", "--bits", "4"});
    QCOMPARE(four.status, 0);
    for (const Json& line : four.lines()) {
        for (const std::string name :
             {"perplexity", "bits_per_byte", "kl_mean", "top1_agreement"}) {
            QVERIFY(line.at("metrics").at(name).is_number());
            QVERIFY(line.at("metrics").at(name + "_low").is_null());
            QVERIFY(line.at("metrics").at(name + "_high").is_null());
        }
    }
}

void CliJsonLinesTest::groupsAreNumbers() {
    const test::Outcome outcome =
        m_cli.json(smallSweep({"--methods", "rtn,kmeans", "--bits", "4", "--group", "none,32"}));
    QCOMPARE(outcome.status, 0);
    Json cells = Json::array();
    for (const Json& line : outcome.lines()) {
        cells.push_back(
            line.at("params").at("method").get<std::string>() + " " +
            dumpJson(line.at("params").at("group")));
    }
    QCOMPARE(cells, Json({"float 0", "rtn 0", "rtn 32", "kmeans 0"}));
}

void CliJsonLinesTest::perplexityOfAText() {
    const auto path = m_cli.folder() / "my text.txt";
    std::ofstream(path) << "The rain had stopped, and the lamps along the quay were being lit.";
    const Json line =
        one({"lm.perplexity", "--model", "lm-little", "--text", "my text.txt", "--window", "32"},
            "lm.perplexity");
    verifyLine(line, "lm.perplexity", {"perplexity", "nll", "tokens", "bits_per_byte", "protocol"});
    QVERIFY(std::abs(std::log(number(line, "perplexity")) - number(line, "nll")) < 1e-9);
    QVERIFY(number(line, "tokens") > 10.0);
    // Stored by its full path: the run can be repeated from anywhere.
    QCOMPARE(line.at("params").at("text").get<std::string>(), path.string());
}

void CliJsonLinesTest::generatedTextAndIds() {
    const std::vector<std::string> call{"lm.generate", "--model",   "lm-little", "--prompt",
                                        "It was a",    "--max-new", "5",         "--greedy"};
    const Json line = one(call, "lm.generate");
    verifyLine(line, "lm.generate", {"text", "ids", "ms_per_token"});
    QCOMPARE(line.at("metrics").at("ids").size(), 5U);
    QVERIFY(!line.at("metrics").at("text").get<std::string>().empty());
    QVERIFY(number(line, "ms_per_token") > 0.0);
    QCOMPARE(line.at("params").at("prompt"), Json("It was a"));
    QCOMPARE(line.at("params").at("greedy"), Json(true));
    QCOMPARE(one(call, "lm.generate").at("metrics").at("ids"), line.at("metrics").at("ids"));
}

void CliJsonLinesTest::samplingFollowsTheSeed() {
    const auto ids = [&](const std::string& seed) {
        return one({"lm.generate", "lm-little", "--prompt", "It was a", "--max-new", "24",
                    "--temperature", "1.2", "--top-p", "0.95", "--top-k", "50", "--seed", seed},
                   "lm.generate")
            .at("metrics")
            .at("ids");
    };
    QCOMPARE(ids("5"), ids("5"));
    QVERIFY(ids("5") != ids("6"));
    QVERIFY(ids("18446744073709551615") != ids("6"));
}

void CliJsonLinesTest::theCheckPasses() {
    const Json line = one({"model.check", test::fixture("qwen2").string()}, "model.check");
    QCOMPARE(line.at("metrics").at("pass"), Json(true));
    QCOMPARE(line.at("metrics").at("greedy_equal"), Json(true));
    QVERIFY(line.at("metrics").at("outputs").size() >= 2);
    for (const Json& output : line.at("metrics").at("outputs")) {
        QVERIFY(output.at("name").is_string());
        QVERIFY(output.at("max_abs").get<double>() <= 2e-4);
        QVERIFY(output.at("max_rel").is_number());
    }
}

void CliJsonLinesTest::aChangedReferenceFailsTheCheck() {
    const test::TemporaryFolder folder;
    const std::string model = withChangedReference(folder.path()).string();
    const test::Outcome outcome = m_cli.json({"model.check", model});
    QCOMPARE(outcome.status, 1);
    const std::vector<Json> lines = outcome.lines();
    QCOMPARE(lines.size(), 1U);
    QCOMPARE(lines[0].at("metrics").at("pass"), Json(false));
    QCOMPARE(lines[0].at("metrics").at("greedy_equal"), Json(true));
    int found = 0;
    for (const Json& output : lines[0].at("metrics").at("outputs")) {
        // All at once, and one token a step.
        const bool changed = output.at("name").get<std::string>().starts_with("logits");
        found += changed ? 1 : 0;
        QCOMPARE(output.at("max_abs").get<double>() > 0.4, changed);
    }
    QCOMPARE(found, 2);
    // A failed check is a finished run, not a failed one.
    QCOMPARE(m_cli.exported(lines[0].at("run").get<int>()).at("state"), Json("done"));
    // Going on makes it again, instead of taking it for passed.
    QCOMPARE(m_cli.json({"model.check", model, "--resume", "last"}).status, 1);
}

void CliJsonLinesTest::timesOfAProduct() {
    const test::Outcome outcome =
        m_cli.json({"bench.gemv", "--shape", "32x64", "--bits", "3", "--batch", "2"});
    QCOMPARE(outcome.status, 0);
    const Json line = outcome.lines().at(0);
    verifyLine(line, "bench.gemv", {"bytes", "us", "gb_per_s", "copy_gb_per_s", "share_of_copy"});
    QCOMPARE(
        line.at("params"),
        Json({{"shape", "32x64"}, {"bits", 3}, {"batch", 2}, {"sparsity", 0.0}, {"skew", 0.0}}));
    QVERIFY(number(line, "bytes") > 32 * 64 * 3 / 8);
    for (const char* name : {"us", "gb_per_s", "copy_gb_per_s", "share_of_copy"}) {
        QVERIFY2(number(line, name) > 0.0, name);
    }
    const double rate = number(line, "bytes") / number(line, "us") / 1e3;
    QVERIFY(std::abs(rate / number(line, "gb_per_s") - 1.0) < 1e-6);
}

void CliJsonLinesTest::linesMayGoToAFile() {
    const auto path = m_cli.folder() / "sweep.jsonl";
    std::vector<std::string> call = smallSweep({"--methods", "rtn", "--bits", "4,8"});
    call.insert(call.end(), {"--json", path.string()});
    const test::Outcome outcome = m_cli.run(call);
    QCOMPARE(outcome.status, 0);
    std::ifstream file(path);
    const std::vector<Json> lines = test::jsonLines({std::istreambuf_iterator<char>(file), {}});
    QCOMPARE(lines.size(), 3U);
    verifyLine(lines[2], "quant.sweep", {"perplexity", "bytes"});
    QVERIFY(outcome.out.find("perplexity") != std::string::npos); // people get their table
    QVERIFY(outcome.out.find('{') == std::string::npos);
}

void CliJsonLinesTest::withoutJsonThereIsATable() {
    const test::Outcome sweep = m_cli.run(smallSweep({"--methods", "rtn", "--bits", "4,8"}));
    QCOMPARE(sweep.status, 0);
    const QStringList rows = QString::fromStdString(sweep.out).split('\n', Qt::SkipEmptyParts);
    QCOMPARE(rows.size(), 4);
    QVERIFY(rows[0].startsWith("method") && rows[0].contains("kl_mean"));
    QVERIFY(!rows[0].contains("_low"));
    QVERIFY(rows[1].startsWith("float") && rows[2].startsWith("rtn"));

    const test::Outcome single =
        m_cli.run({"lm.generate", "lm-little", "--prompt", "It was a", "--max-new", "5"});
    QCOMPARE(single.status, 0);
    QVERIFY(single.out.starts_with("Metric"));
}

void CliJsonLinesTest::quietPrintsNothing() {
    const test::Outcome outcome = m_cli.run({"model.check", "lm-little", "--quiet"});
    QCOMPARE(outcome.status, 0);
    QCOMPARE(outcome.out, "");
    QCOMPARE(outcome.err, "");
}

void CliJsonLinesTest::modelsAndDevicesAreListed() {
    std::set<std::string> names;
    for (const Json& model : m_cli.bare({"models", "--json", "-"}).lines()) {
        names.insert(model.at("name").get<std::string>());
    }
    QVERIFY(names.contains("lm-big") && names.contains("lm-little"));
    const std::vector<Json> devices = m_cli.bare({"devices", "--json=-"}).lines();
    QCOMPARE(devices.at(0).at("device"), Json("cpu"));
    QCOMPARE(devices.at(0).at("targets").at(0), Json("scalar"));
}

LATHE_TEST(CliJsonLinesTest);

} // namespace lathe

#include "json_lines_test.moc"
