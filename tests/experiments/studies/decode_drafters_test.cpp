// SPDX-License-Identifier: Apache-2.0
#include "engine/core/decode_log.h"
#include "engine/core/error.h"
#include "engine/decode/bild.h"
#include "engine/io/mapped_file.h"
#include "experiments/model_cache.h"
#include "experiments/quantize_model.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace lathe {

using test::metricsOf;
using test::runToEnd;
using test::specOf;

namespace {

constexpr const char* kSource = "Ein Mann mit einem roten Hut spielt Gitarre auf der Straße.";

Json pair(Json more) {
    Json all{{"big", "translate-big"}, {"little", "translate-little-aligned"}};
    all.update(more);
    return all;
}

/// Metrics of the strategies, by name, over some captions.
std::map<std::string, Json>
compare(const Json& params, const Json& strategies, std::uint64_t seed = 1) {
    Spec spec = specOf("decode.compare", params, {{"strategy", strategies}});
    spec.params["max_texts"] = 10;
    spec.seed = seed;
    const auto run = runToEnd(spec);
    std::map<std::string, Json> found;
    for (const CellChanged& cell : run.done) {
        found[cell.params.at("strategy").get<std::string>()] = cell.metrics;
    }
    return found;
}

std::int64_t eventsOf(const Json& metrics, const std::string& kind) {
    return std::ranges::count_if(metrics.at("events"), [&](const Json& event) {
        return event.at("kind").get<std::string>() == kind;
    });
}

} // namespace

/// Who drafts for the big model, with which thresholds, draws and rules.
class DecodeDraftersTest : public QObject {
    Q_OBJECT
private slots:
    void theBigModelDraftsForItself();
    void modelsThatContinueTextDraftForThemselves();
    void oneEncoderReadsOnce();
    void methodsWithSensitivitiesAreRefused();
    void theTunedPresetOfThePair();
    void boundsOfManyAreWider();
    void presetsOfOtherPairsAreRefused_data();
    void presetsOfOtherPairsAreRefused();
    void drawsAreReproducible();
    void rulesHoldForAllStrategies();
};

void DecodeDraftersTest::theBigModelDraftsForItself() {
    const Json big{{"big", "translate-big"}}; // no little model
    const auto found = compare(big, {"self", "early-exit", "lookup", "big"});
    QCOMPARE(found.size(), std::size_t{4});
    for (const char* name : {"self", "early-exit"}) {
        const Json& metrics = found.at(name);
        QVERIFY(metrics.at("small_steps").get<int>() > 0);
        QVERIFY(metrics.at("big_calls") < found.at("big").at("big_calls"));
    }
    QVERIFY(found.at("self").at("agreement").get<double>() > 90.0);
    QVERIFY(
        found.at("self").at("rollback_rate").get<double>() <
        found.at("early-exit").at("rollback_rate").get<double>());
    Json exact = big;
    exact.update({{"alpha_rb", 0}, {"alpha_fb", 0.3}, {"self_bits", 2}, {"exit_layer", 1}});
    const auto same = compare(exact, {"self", "early-exit", "big"});
    for (const char* name : {"self", "early-exit"}) {
        QCOMPARE(same.at(name).at("output_hash"), same.at("big").at("output_hash"));
        QVERIFY(same.at(name).at("rollbacks").get<int>() > 0);
    }
}

void DecodeDraftersTest::modelsThatContinueTextDraftForThemselves() {
    const auto decode = [](const char* strategy) {
        return metricsOf(specOf(
            "decode.once", {{"big", "lm-big"},
                            {"source", "It was a dark"},
                            {"strategy", strategy},
                            {"alpha_fb", 0.1},
                            {"alpha_rb", 0},
                            {"max_new", 24}}));
    };
    const Json big = decode("big");
    for (const char* strategy : {"self", "early-exit"}) {
        const Json metrics = decode(strategy);
        QCOMPARE(metrics.at("output_hash"), big.at("output_hash"));
        QVERIFY(metrics.at("drafts").get<int>() > 0);
    }
}

void DecodeDraftersTest::oneEncoderReadsOnce() {
    for (const char* strategy : {"self", "early-exit", "bild"}) {
        const Json metrics =
            metricsOf(specOf("decode.once", pair({{"source", kSource}, {"strategy", strategy}})));
        QCOMPARE(eventsOf(metrics, "ENCODE_LARGE"), 1);
        QCOMPARE(eventsOf(metrics, "ENCODE_SMALL"), std::string(strategy) == "bild" ? 1 : 0);
        QCOMPARE(eventsOf(metrics, "PREFILL_SMALL"), 1);
    }
}

void DecodeDraftersTest::methodsWithSensitivitiesAreRefused() {
    const auto run = runToEnd(specOf(
        "decode.once", {{"big", "translate-big"},
                        {"source", "x"},
                        {"strategy", "self"},
                        {"self_method", "squeezellm"}}));
    QCOMPARE(run.exitStatus, 2);
    test::RecordingSink sink;
    RunControl control(1, sink, {});
    ExecContext cpu{Device{}, {.threads = 1}};
    ModelCache models;
    RunCache cache;
    StudyContext context{control, cpu, cpu, models, cache};
    const auto model = models.loadAny("translate-little", cpu, control);
    const auto quantize = [&](QuantizeChoice choice) {
        return quantizeModel(context, *model, choice, [](double, const std::string&) {});
    };
    LATHE_VERIFY_THROWS(
        quantize({.method = "squeezellm"}), Unsupported, "translate-little is an encoder-decoder");
    const QuantizedModel half = quantize({.method = "kmeans", .bits = 3, .encoder = false});
    QVERIFY(half.model == nullptr);
    for (const auto& [name, linear] : std::as_const(*half.translator).modules()) {
        QCOMPARE(std::holds_alternative<DenseWeight>(linear->weight), name.starts_with("encoder."));
    }
}

/// What is shipped was made for the models that are shipped.
void DecodeDraftersTest::theTunedPresetOfThePair() {
    const std::filesystem::path file =
        test::bundledModel("translate-little-aligned") / "tuned.json";
    const BildPreset preset = bildPresetFromText(readTextFile(file, 1 << 16), "tuned.json");
    QVERIFY(preset.options.verifyTail);
    const Json byName =
        metricsOf(specOf("decode.once", pair({{"source", kSource}, {"preset", "tuned"}})));
    const Json byValue = metricsOf(specOf(
        "decode.once", pair(
                           {{"source", kSource},
                            {"alpha_fb", preset.options.fallback},
                            {"alpha_rb", preset.options.rollback}})));
    for (const char* name : {"output_hash", "small_steps", "big_rows", "fallback_rate"}) {
        QCOMPARE(byName.at(name), byValue.at(name));
    }
    const auto found = compare(pair({{"preset", "tuned"}}), {"bild", "self"});
    QVERIFY(found.at("bild").at("agreement").get<double>() > 85.0);
    const auto grid = runToEnd(specOf(
        "decode.pareto", pair({{"preset", "tuned"}, {"max_texts", 4}, {"drafter", "early-exit"}}),
        {{"alpha_fb", {0.5}}, {"alpha_rb", {0}}}));
    QCOMPARE(grid.done.size(), std::size_t{1});
    QCOMPARE(grid.done.front().metrics.at("agreement").get<double>(), 100.0);
}

void DecodeDraftersTest::boundsOfManyAreWider() {
    const auto tune = [](const char* bound, const char* fallbacks) {
        return metricsOf(specOf(
            "decode.tune", pair(
                               {{"max_texts", 10},
                                {"fallbacks", fallbacks},
                                {"rollbacks", "6"},
                                {"budget", 100},
                                {"bound", bound}})));
    };
    const auto number = [](const Json& json, const char* name) {
        return json.at(name).get<double>();
    };
    const Json one = tune("simultaneous", "0.4");
    QVERIFY(number(one, "loss_high") > number(one, "loss"));
    QVERIFY(std::abs(number(one, "loss_bound") - number(one, "loss_high")) < 1e-9);
    const Json many = tune("simultaneous", "0.2,0.4,0.6,0.8");
    int wider = 0;
    for (const Json& candidate : many.at("candidates")) {
        QVERIFY(number(candidate, "loss_bound") >= number(candidate, "loss_high") - 1e-9);
        wider += number(candidate, "loss_bound") > number(candidate, "loss_high") + 1e-9 ? 1 : 0;
    }
    QVERIFY(wider >= 2);
    const Json upper = tune("upper", "0.2,0.4,0.6,0.8");
    QCOMPARE(upper.at("loss_bound"), upper.at("loss_high"));
    QCOMPARE(tune("mean", "0.4").at("loss_bound"), one.at("loss"));
}

void DecodeDraftersTest::presetsOfOtherPairsAreRefused_data() {
    QTest::addColumn<QString>("params");
    QTest::addColumn<QString>("message");
    const auto row = [](const char* name, const Json& params, const char* message) {
        QTest::newRow(name) << QString::fromStdString(params.dump()) << QString(message);
    };
    row("none", {{"little", "translate-little"}}, "no tuned preset for translate-little");
    row("another big model", {{"big", "translate-little"}}, "another big model than");
    row("no pair", {{"little", nullptr}, {"strategy", "self"}}, "name its --little");
    row("no little model", {{"little", nullptr}, {"preset", "strict"}}, "--little");
}

void DecodeDraftersTest::presetsOfOtherPairsAreRefused() {
    QFETCH(QString, params);
    QFETCH(QString, message);
    Json all = pair({{"source", kSource}, {"preset", "tuned"}});
    const Json given = parseJson(params.toStdString(), "params");
    for (const auto& [name, value] : given.items()) {
        all[name] = value;
    }
    std::erase_if(
        all.get_ref<Json::object_t&>(), [](const auto& entry) { return entry.second.is_null(); });
    const auto run = runToEnd(specOf("decode.once", all));
    QCOMPARE(run.exitStatus, 2);
    QVERIFY2(
        run.last.message.find(message.toStdString()) != std::string::npos,
        run.last.message.c_str());
}

void DecodeDraftersTest::drawsAreReproducible() {
    const Json params = pair({{"temperature", 0.8}, {"alpha_fb", 0.5}, {"alpha_rb", 3}});
    const auto first = compare(params, {"bild", "lossless"}, 3);
    const auto again = compare(params, {"bild", "lossless"}, 3);
    const auto other = compare(params, {"bild", "lossless"}, 4);
    for (const char* name : {"bild", "lossless"}) {
        QCOMPARE(first.at(name).at("output_hash"), again.at(name).at("output_hash"));
        QVERIFY(first.at(name).at("output_hash") != other.at(name).at("output_hash"));
    }
    const Json& bild = first.at("bild");
    QVERIFY(bild.at("rollbacks").get<int>() > 0);
    QVERIFY(bild.at("tolerated").get<int>() > 0);
}

void DecodeDraftersTest::rulesHoldForAllStrategies() {
    const auto decode = [](const Json& more) {
        Json params = pair({{"source", kSource}});
        params.update(more);
        return metricsOf(specOf("decode.once", params)).at("text").get<std::string>();
    };
    QVERIFY(decode({{"strategy", "big"}}).find("guitar") != std::string::npos);
    for (const char* strategy : {"big", "little", "bild", "lossless", "lookup", "self"}) {
        const std::string text = decode({{"strategy", strategy}, {"ban", "guitar"}});
        QVERIFY2(!text.empty() && text.find("guitar") == std::string::npos, text.c_str());
    }
    const Json rules{{"ban", "guitar"}, {"repetition_penalty", 1.3}, {"alpha_rb", 0}};
    Json big = rules;
    big["strategy"] = "big";
    QCOMPARE(decode(rules), decode(big));
}

LATHE_TEST(DecodeDraftersTest);

} // namespace lathe

#include "decode_drafters_test.moc"
