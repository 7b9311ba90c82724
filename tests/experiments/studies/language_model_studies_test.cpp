// SPDX-License-Identifier: Apache-2.0
#include "engine/io/safetensors.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <cmath>
#include <fstream>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

/// lm.generate, lm.perplexity and model.info on the bundled model.
class LanguageModelStudiesTest : public QObject {
    Q_OBJECT
private slots:
    void generatesGreedily();
    void samplingHangsOnTheSeed();
    void everyTokenIsLive();
    void refusesATooLongPrompt();
    void perplexityOfABundledText();
    void perplexityWithOverlapIsLower();
    void perplexityOfAShortText();
    void bitsPerByteCountEveryByteOnce();
    void perplexityOfDrawnWindows();
    void repeatingGivesTheSameNumbers();
    void perplexityOfAFileOfTheUser();
    void refusesAWindowBeyondThePositions();
    void describesAModel();
};

namespace {

Spec greedySpec() {
    return specOf(
        "lm.generate", {{"model", "lm-little"},
                        {"prompt", "The ship was old, and"},
                        {"max_new", 12},
                        {"greedy", true}});
}

} // namespace

void LanguageModelStudiesTest::generatesGreedily() {
    const Json metrics = metricsOf(greedySpec());
    QCOMPARE(metrics.at("ids").size(), 12U);
    QCOMPARE(metrics.at("tokens").get<int>(), 12);
    QVERIFY(!metrics.at("text").get<std::string>().empty());
    QVERIFY(metrics.at("ms_per_token").get<double>() > 0.0);
    QVERIFY(metrics.at("ms_per_token_min") <= metrics.at("ms_per_token"));
    // Twice the same ids, whatever the seed.
    Spec again = greedySpec();
    again.seed = 99;
    QCOMPARE(metricsOf(again).at("ids"), metrics.at("ids"));
}

void LanguageModelStudiesTest::samplingHangsOnTheSeed() {
    Spec spec =
        specOf("lm.generate", {{"model", "lm-little"}, {"max_new", 24}, {"temperature", 1.5}});
    const Json first = metricsOf(spec);
    QCOMPARE(metricsOf(spec).at("ids"), first.at("ids"));
    spec.seed = 2;
    QVERIFY(metricsOf(spec).at("ids") != first.at("ids"));
}

void LanguageModelStudiesTest::everyTokenIsLive() {
    const auto run = runToEnd(greedySpec());
    const Json& metrics = run.done.at(0).metrics;
    std::string text;
    std::vector<std::int32_t> ids;
    for (const Event& event : run.events) {
        if (const auto* token = std::get_if<TokenDecoded>(&event.payload)) {
            text += token->text;
            ids.push_back(token->token);
            QCOMPARE(token->origin, std::string("greedy"));
            QVERIFY(token->probability > 0.0 && token->probability <= 1.0);
        }
    }
    QCOMPARE(Json(ids), metrics.at("ids"));
    QVERIFY(metrics.at("text").get<std::string>().starts_with(text));
}

void LanguageModelStudiesTest::refusesATooLongPrompt() {
    Spec spec = greedySpec();
    std::string longPrompt;
    for (int i = 0; i < 2000; ++i) {
        longPrompt += "word ";
    }
    spec.params["prompt"] = longPrompt;
    const auto run = runToEnd(spec);
    QCOMPARE(run.exitStatus, 2);
    QVERIFY(run.last.message.find("1024 positions") != std::string::npos);
}

void LanguageModelStudiesTest::perplexityOfABundledText() {
    const auto run =
        runToEnd(specOf("lm.perplexity", {{"model", "lm-little"}, {"max_windows", 8}}));
    const Json& metrics = run.done.at(0).metrics;
    const double perplexity = metrics.at("perplexity").get<double>();
    // In the manner of the novels that it learned from, where it scores 55 to 61.
    QVERIFY2(perplexity > 20.0 && perplexity < 150.0, std::to_string(perplexity).c_str());
    QVERIFY(std::fabs(std::exp(metrics.at("nll").get<double>()) - perplexity) < 1e-9);
    QCOMPARE(metrics.at("tokens").get<int>(), 8 * 255);
    QVERIFY(metrics.at("perplexity_low") < metrics.at("perplexity"));
    const double bits = metrics.at("bits_per_byte").get<double>();
    QVERIFY2(bits > 1.0 && bits < 2.5, std::to_string(bits).c_str());
    int curve = 0;
    for (const Event& event : run.events) {
        curve += std::holds_alternative<Metric>(event.payload) ? 1 : 0;
    }
    QCOMPARE(curve, 8);
}

void LanguageModelStudiesTest::perplexityWithOverlapIsLower() {
    Spec spec =
        specOf("lm.perplexity", {{"model", "lm-little"}, {"window", 64}, {"max_windows", 40}});
    const double without = metricsOf(spec).at("perplexity").get<double>();
    spec.params["stride"] = 16;
    spec.params["max_windows"] = 157; // the same end of the text
    const double with = metricsOf(spec).at("perplexity").get<double>();
    QVERIFY2(with < without, (std::to_string(with) + " " + std::to_string(without)).c_str());
}

void LanguageModelStudiesTest::perplexityOfAShortText() {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "short.txt";
    std::ofstream(path) << "The lamp went out.";
    const Json metrics =
        metricsOf(specOf("lm.perplexity", {{"model", "lm-little"}, {"text", path.string()}}));
    QCOMPARE(metrics.at("windows").get<int>(), 1);
    QVERIFY(metrics.at("perplexity_low").is_null());
    // The whole sentence is scored: bits per byte count its 18 bytes.
    const double nats = metrics.at("nll").get<double>() * metrics.at("tokens").get<double>();
    QVERIFY(
        std::fabs(metrics.at("bits_per_byte").get<double>() - nats / std::log(2.0) / 18.0) < 1e-9);
}

void LanguageModelStudiesTest::bitsPerByteCountEveryByteOnce() {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "long.txt";
    std::string text;
    for (int i = 0; i < 20; ++i) {
        text += text.empty() ? "" : " ";
        text += "The lamp went out, and nobody spoke for a while.";
    }
    std::ofstream(path) << text;
    // Windows that are led by a token of their own score every token of the text.
    const Json metrics = metricsOf(specOf(
        "lm.perplexity", {{"model", "lm-little"},
                          {"text", path.string()},
                          {"window", 16},
                          {"bos", "window"},
                          {"tail", "keep"}}));
    QVERIFY(metrics.at("windows").get<int>() > 5);
    const double nats = metrics.at("nll").get<double>() * metrics.at("tokens").get<double>();
    const double bytes = nats / std::log(2.0) / metrics.at("bits_per_byte").get<double>();
    const auto wanted = static_cast<double>(text.size());
    QVERIFY2(std::fabs(bytes - wanted) < 1e-6 * wanted, std::to_string(bytes).c_str());
}

void LanguageModelStudiesTest::perplexityOfDrawnWindows() {
    const test::TemporaryFolder folder;
    const auto path = folder.path() / "documents.jsonl";
    std::ofstream lines(path);
    for (const char* word : {"lamp", "kite", "door"}) {
        lines << R"({"text": ")";
        for (int i = 0; i < 20; ++i) {
            lines << "The " << word << " went out, and nobody spoke for a while. ";
        }
        lines << "\"}\n";
    }
    lines.close();
    Spec spec = specOf(
        "lm.perplexity", {{"model", "lm-little"},
                          {"text", path.string()},
                          {"window", 32},
                          {"draw", "documents"},
                          {"max_windows", 5}});
    const Json metrics = metricsOf(spec);
    QCOMPARE(metrics.at("windows").get<int>(), 5);
    QCOMPARE(metrics.at("tokens").get<int>(), 5 * 31);
    QVERIFY(metrics.at("protocol").get<std::string>().find("5 windows drawn") != std::string::npos);
    spec.params["draw_seed"] = 1;
    QVERIFY(metricsOf(spec).at("nll") != metrics.at("nll"));
    spec.params["stride"] = 16;
    const auto refused = runToEnd(spec);
    QCOMPARE(refused.exitStatus, 2);
    QVERIFY(refused.last.message.find("--stride") != std::string::npos);
}

void LanguageModelStudiesTest::repeatingGivesTheSameNumbers() {
    Spec spec =
        specOf("lm.perplexity", {{"model", "lm-little"}, {"window", 32}, {"max_windows", 6}});
    const Json once = metricsOf(spec);
    spec.repeat = 3;
    const Json thrice = metricsOf(spec);
    QCOMPARE(thrice.at("output_hash"), once.at("output_hash"));
    QCOMPARE(thrice.at("windows"), once.at("windows"));
}

void LanguageModelStudiesTest::perplexityOfAFileOfTheUser() {
    const auto run =
        runToEnd(specOf("lm.perplexity", {{"model", "lm-little"}, {"text", "/no/such/file.txt"}}));
    QCOMPARE(run.exitStatus, 2);
    QVERIFY(run.last.message.find("/no/such/file.txt") != std::string::npos);
}

void LanguageModelStudiesTest::refusesAWindowBeyondThePositions() {
    const auto run = runToEnd(specOf("lm.perplexity", {{"model", "lm-little"}, {"window", 2000}}));
    QCOMPARE(run.exitStatus, 2);
    QVERIFY(run.last.message.find("1024 positions") != std::string::npos);
}

void LanguageModelStudiesTest::describesAModel() {
    const Json metrics = metricsOf(specOf("model.info", {{"model", "lm-big"}}));
    QCOMPARE(metrics.at("architecture"), Json("llama"));
    QCOMPARE(metrics.at("parameters"), Json(5065472));
    QCOMPARE(metrics.at("dtype"), Json("F16"));
    QCOMPARE(metrics.at("config").at("layers"), Json(5));
    QCOMPARE(metrics.at("tokenizer").at("size"), Json(4096));
    QCOMPARE(metrics.at("tokenizer").at("bos"), Json(1));
    QCOMPARE(metrics.at("modules").size(), 5U * 9U + 2U);
    const Json gguf = metricsOf(
        specOf("model.info", {{"model", test::fixture("gguf/lm-little-q8_0.gguf").string()}}));
    QCOMPARE(gguf.at("container"), Json("gguf"));
}

LATHE_TEST(LanguageModelStudiesTest);

} // namespace lathe

#include "language_model_studies_test.moc"
