// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/core/run_service.h"
#include "engine/core/spec.h"
#include "tests/support/lathe_test.h"

namespace lathe {

class SpecTest : public QObject {
    Q_OBJECT
private slots:
    void jsonRoundTrip();
    void damageIsNamed();
    void validation();
    void defaultsAreFilledIn();
    void commandLineRepeatsTheRun();
    void engineInfoRoundTrip();
};

namespace {

StudyInfo sweepInfo() {
    StudyInfo info{.id = "quant.sweep", .title = "Sweep", .summary = "Sweeps", .params = {}};
    info.params.push_back(
        {.name = "model",
         .kind = ParamKind::Model,
         .defaultValue = nullptr,
         .help = "Model folder",
         .unit = "",
         .required = true});
    info.params.push_back(
        {.name = "bits",
         .kind = ParamKind::Integer,
         .defaultValue = 4,
         .help = "Bits",
         .unit = "bit",
         .minimum = 2,
         .maximum = 8,
         .sweep = true});
    info.params.push_back(
        {.name = "prompt",
         .kind = ParamKind::Text,
         .defaultValue = "Once",
         .help = "Prompt",
         .unit = ""});
    info.params.push_back(
        {.name = "greedy",
         .kind = ParamKind::Flag,
         .defaultValue = false,
         .help = "Greedy",
         .unit = ""});
    return info;
}

Spec sweepSpec() {
    Spec spec;
    spec.study = "quant.sweep";
    spec.params = Json{{"model", "lm-big"}};
    spec.sweep = Json{{"bits", {2, 3}}};
    return spec;
}

} // namespace

void SpecTest::jsonRoundTrip() {
    Spec spec = sweepSpec();
    spec.seed = 18446744073709551615ULL;
    spec.target = "avx2";
    spec.done = {"a", "b"};
    QCOMPARE(toJson(specFromJson(toJson(spec))), toJson(spec));
    const Spec small = specFromJson(Json{{"study", "lm.generate"}});
    QCOMPARE(small.repeat, 1);
    QCOMPARE(small.device, std::string("auto"));
}

void SpecTest::damageIsNamed() {
    LATHE_VERIFY_THROWS(specFromJson(Json::array()), FormatError, "object");
    // A number that no integer holds.
    LATHE_VERIFY_THROWS(
        specFromJson(Json{{"study", "x"}, {"threads", 4.4e32}}), FormatError,
        "'threads' has the wrong type");
    LATHE_VERIFY_THROWS(
        specFromJson(Json{{"study", "x"}, {"repeat", 4294967297}}), FormatError,
        "'repeat' has the wrong type");
    LATHE_VERIFY_THROWS(specFromJson(Json{{"seed", 1}}), FormatError, "study");
    LATHE_VERIFY_THROWS(specFromJson(Json{{"study", "x"}, {"colour", 1}}), FormatError, "colour");
    LATHE_VERIFY_THROWS(specFromJson(Json{{"study", "x"}, {"seed", -1}}), FormatError, "seed");
    LATHE_VERIFY_THROWS(specFromJson(Json{{"study", "x"}, {"seed", "1"}}), FormatError, "seed");
    LATHE_VERIFY_THROWS(specFromJson(Json{{"study", "x"}, {"params", 3}}), FormatError, "params");
    LATHE_VERIFY_THROWS(specFromJson(Json{{"study", "x"}, {"done", "k"}}), FormatError, "done");
}

void SpecTest::validation() {
    const StudyInfo info = sweepInfo();
    QVERIFY(validate(sweepSpec(), info).empty());

    Spec spec = sweepSpec();
    spec.params = Json{{"colour", "red"}, {"prompt", 3}};
    spec.sweep = Json{{"bits", {2, 99}}, {"prompt", {"a"}}};
    spec.threads = -1;
    spec.repeat = 0;
    std::vector<std::string> named;
    for (const Diagnostic& problem : validate(spec, info)) {
        QVERIFY(!problem.message.empty());
        named.push_back(problem.param);
    }
    const std::vector<std::string> expected{"threads", "repeat", "colour", "prompt",
                                            "model",   "bits",   "prompt"};
    QCOMPARE(named, expected);
}

void SpecTest::defaultsAreFilledIn() {
    const Spec spec = withDefaults(sweepSpec(), sweepInfo());
    QCOMPARE(spec.params.at("prompt"), Json("Once"));
    QVERIFY(!spec.params.contains("bits")); // swept
    QCOMPARE(spec.params.at("model"), Json("lm-big"));
}

void SpecTest::commandLineRepeatsTheRun() {
    Spec spec = sweepSpec();
    spec.params["prompt"] = "It's dark";
    spec.params["greedy"] = true;
    spec.seed = 9;
    QCOMPARE(
        commandLine(spec, sweepInfo()),
        std::string("lathe-run quant.sweep --model lm-big --bits 2,3 --prompt 'It'\\''s dark' "
                    "--greedy --seed 9"));
}

void SpecTest::engineInfoRoundTrip() {
    EngineInfo info{
        .protocol = 1,
        .build = "b",
        .device = "CPU",
        .deviceNote = "no GPU",
        .studies = {sweepInfo()},
        .models = {}};
    info.models.push_back(
        {.name = "lm-big",
         .title = "Big",
         .source = "bundled",
         .path = "/m",
         .architecture = "llama",
         .parameters = 5,
         .bytes = 10});
    QCOMPARE(toJson(engineInfoFromJson(toJson(info))), toJson(info));
    LATHE_VERIFY_THROWS(engineInfoFromJson(Json::object()), FormatError, "protocol");
}

LATHE_TEST(SpecTest);

} // namespace lathe

#include "spec_test.moc"
