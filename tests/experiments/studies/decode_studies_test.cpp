// SPDX-License-Identifier: Apache-2.0
#include "engine/core/decode_log.h"
#include "engine/decode/bild.h"
#include "experiments/fastest_pass.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <fstream>
#include <map>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

/// Studies of the bundled German-English pair on the bundled captions.
class DecodeStudiesTest : public QObject {
    Q_OBJECT
private slots:
    void strategiesCompare();
    void strictThresholdsGiveTheBigModelsTexts_data();
    void strictThresholdsGiveTheBigModelsTexts();
    void outputsAreWrittenOnce();
    void aLogRebuildsItsText();
    void drawsDependOnTheSeedAlone();
    void gridsShareTheirBaseline();
    void tunedPresetsAreRead();
    void alignmentDataHaveTheBigModelsOutputs();
    void theFastestPassCounts();
    void badInputIsRefused_data();
    void badInputIsRefused();

private:
    static Json pair(Json more) {
        more["big"] = "translate-big";
        more["little"] = "translate-little-aligned";
        return more;
    }
    static std::map<std::string, Json> compare(const Json& more, const Json& strategies) {
        Json params = pair(more);
        params["max_texts"] = 12;
        const auto run = runToEnd(specOf("decode.compare", params, {{"strategy", strategies}}));
        std::map<std::string, Json> found;
        for (const CellChanged& cell : run.done) {
            found[cell.params.at("strategy").get<std::string>()] = cell.metrics;
        }
        return found;
    }
    std::filesystem::path file(const std::string& name) const { return m_folder.path() / name; }
    std::filesystem::path write(const std::string& name, const std::string& text) const {
        std::ofstream(file(name), std::ios::binary) << text;
        return file(name);
    }

    test::TemporaryFolder m_folder;
};

void DecodeStudiesTest::strategiesCompare() {
    const auto found = compare({}, {"little", "bild", "lossless", "lookup", "big"});
    QCOMPARE(found.size(), std::size_t{5});
    const Json& big = found.at("big");
    QCOMPARE(big.at("agreement").get<double>(), 100.0);
    QCOMPARE(big.at("speedup").get<double>(), 1.0);
    QCOMPARE(big.at("big_calls"), big.at("tokens"));
    QCOMPARE(big.at("small_steps").get<int>(), 0);
    QVERIFY(big.at("bleu").get<double>() > 15.0);
    QVERIFY(big.at("chrf").get<double>() > 30.0);
    for (const char* exact : {"lossless", "lookup"}) {
        QCOMPARE(found.at(exact).at("output_hash"), big.at("output_hash"));
        QVERIFY(found.at(exact).at("big_calls") < big.at("big_calls"));
    }
    QCOMPARE(found.at("little").at("big_calls").get<int>(), 0);
    QCOMPARE(found.at("little").at("small_steps"), found.at("little").at("tokens"));
    const Json& bild = found.at("bild");
    QVERIFY(bild.at("big_calls") < big.at("big_calls"));
    QVERIFY(bild.at("agreement").get<double>() > found.at("little").at("agreement").get<double>());
    QCOMPARE(
        bild.at("drafts").get<int>(),
        bild.at("agreed").get<int>() + bild.at("tolerated").get<int>() +
            bild.at("rollbacks").get<int>() + bild.at("flushed").get<int>());
    for (const auto& [name, metrics] : found) {
        QVERIFY2(metrics.at("predicted_speedup").get<double>() > 0.0, name.c_str());
        QVERIFY2(metrics.at("ms_per_token").get<double>() > 0.0, name.c_str());
        QCOMPARE(metrics.at("texts").get<int>(), 12);
    }
}

void DecodeStudiesTest::strictThresholdsGiveTheBigModelsTexts_data() {
    QTest::addColumn<double>("fallback");
    QTest::addColumn<double>("rollback");
    QTest::newRow("always falls back") << 1.0 << 5.0;
    QTest::newRow("undoes every other choice") << 0.4 << 0.0;
}

/// Whatever the number of rows of a call, a row has the same bits.
void DecodeStudiesTest::strictThresholdsGiveTheBigModelsTexts() {
    QFETCH(double, fallback);
    QFETCH(double, rollback);
    const auto found = compare({{"alpha_fb", fallback}, {"alpha_rb", rollback}}, {"bild", "big"});
    QCOMPARE(found.at("bild").at("output_hash"), found.at("big").at("output_hash"));
}

void DecodeStudiesTest::outputsAreWrittenOnce() {
    const std::string out = file("outputs.jsonl").string();
    QCOMPARE(compare({{"outputs", out}}, {"bild", "little"}).size(), std::size_t{2});
    std::ifstream lines(out);
    std::string line;
    std::map<std::string, int> seen;
    while (std::getline(lines, line)) {
        const Json record = parseJson(line, "outputs");
        QVERIFY(!record.at("output").get<std::string>().empty());
        ++seen[record.at("strategy").get<std::string>()];
    }
    QCOMPARE(seen, (std::map<std::string, int>{{"big", 12}, {"bild", 12}, {"little", 12}}));
    const auto again = runToEnd(specOf("decode.compare", pair({{"outputs", out}})));
    QCOMPARE(again.exitStatus, 2);
    QVERIFY(again.last.message.find("exists") != std::string::npos);
}

void DecodeStudiesTest::aLogRebuildsItsText() {
    const std::string source = "Ein Mann mit einem roten Hut spielt Gitarre auf der Straße.";
    const std::string out = file("log.csv").string();
    const Json metrics =
        metricsOf(specOf("decode.once", pair({{"source", source}, {"alpha_rb", 2}, {"out", out}})));
    const DecodeLog log =
        decodeLogFromJson({{"prompt", metrics.at("prompt")}, {"events", metrics.at("events")}});
    const ReplayedText text = replay(log);
    QCOMPARE(text.tokens.size() - log.prompt.size(), metrics.at("tokens").get<std::size_t>());
    QVERIFY(text.ended);
    QCOMPARE(text.counts.bigCalls, metrics.at("big_calls").get<std::int64_t>());
    // A text takes 2 ms: whatever else the machine does between two calls would show in one run.
    double missing = 1.0;
    for (int run = 0; run < 5 && missing > 0.02; ++run) {
        const Json timed =
            metricsOf(specOf("decode.once", pair({{"source", source}, {"alpha_rb", 2}})));
        const double wall = timed.at("wall_ms").get<double>();
        const std::int64_t calls =
            replay(
                decodeLogFromJson({{"prompt", timed.at("prompt")}, {"events", timed.at("events")}}))
                .callNs;
        missing = std::min(missing, std::abs(static_cast<double>(calls) / 1e6 - wall) / wall);
    }
    QVERIFY2(missing <= 0.02, std::to_string(missing).c_str());
    QVERIFY(metrics.at("text").get<std::string>().find("guitar") != std::string::npos);
    std::ifstream file(out);
    std::string line;
    std::size_t lines = 0;
    while (std::getline(file, line)) {
        ++lines;
    }
    QCOMPARE(lines, log.events.size() + 1);
}

void DecodeStudiesTest::drawsDependOnTheSeedAlone() {
    Spec spec = specOf(
        "decode.once",
        pair({{"source", "Zwei Hunde laufen."}, {"strategy", "lossless"}, {"temperature", 1.5}}));
    const Json first = metricsOf(spec).at("output_hash");
    QCOMPARE(metricsOf(spec).at("output_hash"), first);
    spec.seed = 12;
    QVERIFY(metricsOf(spec).at("output_hash") != first);
}

void DecodeStudiesTest::gridsShareTheirBaseline() {
    const auto run = runToEnd(specOf(
        "decode.pareto", pair({{"max_texts", 6}}),
        {{"alpha_fb", {0.5, 0.9}}, {"alpha_rb", {0, 5}}}));
    QCOMPARE(run.exitStatus, 0);
    QCOMPARE(run.done.size(), std::size_t{4});
    bool anyOnFront = false;
    for (const CellChanged& cell : run.done) {
        QCOMPARE(cell.metrics.at("big_bleu"), run.done.front().metrics.at("big_bleu"));
        anyOnFront = anyOnFront || cell.metrics.at("on_front").get<bool>();
        if (cell.params.at("alpha_rb").get<double>() == 0.0) {
            QCOMPARE(cell.metrics.at("bleu"), cell.metrics.at("big_bleu"));
        }
    }
    QVERIFY(anyOnFront);
}

void DecodeStudiesTest::tunedPresetsAreRead() {
    const std::string out = file("tuned.json").string();
    const Json tuned = metricsOf(specOf(
        "decode.tune", pair(
                           {{"max_texts", 8},
                            {"fallbacks", "0.5,1"},
                            {"rollbacks", "0,5"},
                            {"budget", 0},
                            {"out", out}})));
    QCOMPARE(tuned.at("candidates").size(), std::size_t{4});
    QVERIFY(tuned.at("loss").get<double>() <= 0.0);
    QVERIFY(tuned.at("loss_high").get<double>() <= 0.0);
    const auto found = compare({{"preset", out}}, {"bild"});
    QCOMPARE(found.size(), std::size_t{1});
    const auto refused = runToEnd(specOf("decode.tune", pair({{"rollbacks", "1,x"}})));
    QCOMPARE(refused.exitStatus, 2);
    QVERIFY(refused.last.message.find("--rollbacks") != std::string::npos);
}

void DecodeStudiesTest::alignmentDataHaveTheBigModelsOutputs() {
    const std::string source = write("in.de", "Ein Hund schläft.\nZwei Kinder spielen.\n").string();
    const std::string out = file("align.jsonl").string();
    const Json metrics = metricsOf(
        specOf("decode.align-data", {{"big", "translate-big"}, {"source", source}, {"out", out}}));
    QCOMPARE(metrics.at("texts").get<int>(), 2);
    std::ifstream lines(out);
    std::string line;
    std::getline(lines, line);
    QVERIFY(!parseJson(line, "line").at("provenance").at("model_hash").get<std::string>().empty());
    for (const char* text : {"Ein Hund schläft.", "Zwei Kinder spielen."}) {
        QVERIFY(std::getline(lines, line));
        const Json record = parseJson(line, "line");
        QCOMPARE(record.at("src").get<std::string>(), std::string(text));
        const Json alone =
            metricsOf(specOf("decode.once", pair({{"source", text}, {"strategy", "big"}})));
        QCOMPARE(record.at("tgt"), alone.at("text"));
    }
    QVERIFY(!std::filesystem::exists(out + ".part"));
}

void DecodeStudiesTest::theFastestPassCounts() {
    const auto pass = [](std::int64_t ns, TokenId first) {
        PairText text;
        text.decoded.tokens = {first};
        text.decoded.wallNs = ns;
        return text;
    };
    FastestPass fastest(pass(30, 1));
    QCOMPARE(fastest.add(pass(20, 2)), std::int64_t(20));
    QCOMPARE(fastest.add(pass(40, 3)), std::int64_t(40));
    QCOMPARE(fastest.get().decoded.wallNs, std::int64_t(20));
    QCOMPARE(fastest.get().decoded.tokens, std::vector<TokenId>{2});
}

void DecodeStudiesTest::badInputIsRefused_data() {
    QTest::addColumn<QString>("study");
    QTest::addColumn<QString>("params");
    QTest::addColumn<QString>("message");
    const std::string two = write("two.de", "a\nb\n").string();
    const std::string one = write("one.en", "a\n").string();
    std::string words;
    for (int i = 0; i < 5000; ++i) {
        words += "Hund ";
    }
    const auto row = [](const char* name, const char* study, const Json& params,
                        const char* message) {
        QTest::newRow(name) << QString(study) << QString::fromStdString(params.dump())
                            << QString(message);
    };
    row("line counts", "decode.compare", {{"source", two}, {"reference", one}}, "lines");
    row("reference alone", "decode.compare", {{"reference", one}}, "--source");
    row("empty source", "decode.once", {{"source", ""}}, "source");
    row("long source", "decode.once", {{"source", words}}, "tokens");
    row("preset", "decode.once", {{"source", "x"}, {"preset", "loose"}}, "--preset loose");
    row("no preset", "decode.once", {{"source", "x"}, {"preset", ""}}, "preset");
    row("long preset", "decode.once", {{"source", "x"}, {"preset", std::string(300, 'p')}},
        "none of strict");
    row("long name", "decode.compare", {{"source", std::string(300, 's')}, {"reference", one}},
        "--source");
    row("kinds", "decode.once", {{"source", "x"}, {"little", "lm-little"}}, "lm-little");
    row("out", "decode.once", {{"source", "x"}, {"out", file("log.txt").string()}}, ".csv");
}

void DecodeStudiesTest::badInputIsRefused() {
    QFETCH(QString, study);
    QFETCH(QString, params);
    QFETCH(QString, message);
    Json all = pair(Json::object());
    all.update(parseJson(params.toStdString(), "params"));
    const auto run = runToEnd(specOf(study.toStdString(), all));
    QCOMPARE(run.exitStatus, 2);
    QVERIFY2(
        run.last.message.find(message.toStdString()) != std::string::npos,
        run.last.message.c_str());
}

LATHE_TEST(DecodeStudiesTest);

} // namespace lathe

#include "decode_studies_test.moc"
