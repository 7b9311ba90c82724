// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "experiments/cli/arguments.h"
#include "tests/support/lathe_test.h"

namespace lathe {

/// How a command line becomes a Spec, for a study that exists only here.
class ArgumentsTest : public QObject {
    Q_OBJECT
private slots:
    void onlyWhatIsGivenIsInTheSpec();
    void listsBecomeAxes();
    void theFirstRequiredParameterMayStandAlone();
    void valuesHaveTheirKind();
    void generalFlagsAreRead();
    void filesAreStoredByTheirFullPath();
    void modelsAreNamesOrPaths();
    void theJsonTargetIsFoundInAnyLine();

private:
    static StudyInfo info() {
        StudyInfo study;
        study.id = "test.study";
        study.summary = "Tests";
        study.params = {
            {.name = "model", .kind = ParamKind::Model, .required = true},
            {.name = "bits",
             .kind = ParamKind::Integer,
             .defaultValue = 4,
             .minimum = 2,
             .maximum = 8,
             .sweep = true},
            {.name = "method",
             .kind = ParamKind::Choice,
             .defaultValue = "a",
             .choices = {"a", "b"},
             .flag = "methods",
             .sweep = true},
            {.name = "max_new", .kind = ParamKind::Integer, .defaultValue = 1},
            {.name = "heat", .kind = ParamKind::Real, .defaultValue = 1.0},
            {.name = "greedy", .kind = ParamKind::Flag, .defaultValue = false},
            {.name = "prompt", .kind = ParamKind::Text, .defaultValue = ""},
            {.name = "text", .kind = ParamKind::File},
            {.name = "preset", .kind = ParamKind::File, .choices = {"strict", "paper"}}};
        return study;
    }
    static StudyCommand parse(const std::vector<std::string>& arguments) {
        return parseStudyCommand(info(), arguments).value();
    }
};

void ArgumentsTest::onlyWhatIsGivenIsInTheSpec() {
    const StudyCommand nothing = parse({});
    QCOMPARE(nothing.spec.study, "test.study");
    QCOMPARE(nothing.spec.params, Json::object());
    QCOMPARE(nothing.spec.sweep, Json::object());
    QCOMPARE(nothing.spec.seed, 1U);
    QVERIFY(!nothing.specGiven && !nothing.quiet && nothing.json.empty());
    QVERIFY(!parse({"--store", "s.db", "--quiet", "--title", "t", "--json", "-"}).specGiven);
    QVERIFY(parse({"--bits", "3"}).specGiven);
    QVERIFY(parse({"--seed", "3"}).specGiven);
    QVERIFY(!parseStudyCommand(info(), {"--bits", "99", "--help"}).has_value());
}

void ArgumentsTest::listsBecomeAxes() {
    const StudyCommand command =
        parse({"--bits", "2,3,4", "--methods=a,b", "--prompt", "one, two"});
    QCOMPARE(command.spec.sweep, Json({{"bits", {2, 3, 4}}, {"method", {"a", "b"}}}));
    QCOMPARE(command.spec.params, Json({{"prompt", "one, two"}}));
    QCOMPARE(parse({"--bits", "3"}).spec.params, Json({{"bits", 3}}));
    LATHE_VERIFY_THROWS(parse({"--bits", "2,"}), InputError, "--bits");
    LATHE_VERIFY_THROWS(parse({"--bits", "2,9"}), InputError, "from 2 to 8");
    LATHE_VERIFY_THROWS(parse({"--max-new", "2,3"}), InputError, "--max-new");
}

void ArgumentsTest::theFirstRequiredParameterMayStandAlone() {
    QCOMPARE(positionalParam(info())->name, "model");
    QCOMPARE(parse({"lm"}).spec.params, Json({{"model", "lm"}}));
    QCOMPARE(parse({"--bits", "3", "lm"}).spec.params, Json({{"model", "lm"}, {"bits", 3}}));
    QCOMPARE(parse({"--model", "lm"}).spec.params, Json({{"model", "lm"}}));
    LATHE_VERIFY_THROWS(parse({"lm", "other"}), InputError, "other");
    LATHE_VERIFY_THROWS(parse({"lm", "--nope", "3"}), InputError, "'--nope'");
    LATHE_VERIFY_THROWS(parse({"lm", "--nope", "3"}), InputError, "test.study --help");
    StudyInfo free = info();
    free.params[0].required = false;
    QVERIFY(positionalParam(free) == nullptr);
    LATHE_VERIFY_THROWS(parseStudyCommand(free, {"lm"}), InputError, "lm");
}

void ArgumentsTest::valuesHaveTheirKind() {
    const Json params =
        parse({"--max-new", "-7", "--heat", "2", "--greedy", "--prompt", "12"}).spec.params;
    QVERIFY(params.at("max_new").is_number_integer());
    QCOMPARE(params.at("max_new"), Json(-7));
    QVERIFY(params.at("heat").is_number_float());
    QCOMPARE(params.at("greedy"), Json(true));
    QCOMPARE(params.at("prompt"), Json("12"));
    QCOMPARE(parse({"--greedy=false"}).spec.params.at("greedy"), Json(false));
    LATHE_VERIFY_THROWS(parse({"--max-new", "1.5"}), InputError, "--max-new");
    LATHE_VERIFY_THROWS(parse({"--heat", "warm"}), InputError, "--heat");
    LATHE_VERIFY_THROWS(parse({"--methods", "c"}), InputError, "--methods");
    LATHE_VERIFY_THROWS(parse({"--greedy=maybe"}), InputError, "--greedy");
}

void ArgumentsTest::generalFlagsAreRead() {
    const StudyCommand command = parse(
        {"--device", "cpu", "--target", "scalar", "--threads", "3", "--seed",
         "18446744073709551615", "--repeat", "5", "--store", "a b.db", "--json=out.jsonl",
         "--title", "My run", "--resume", "last", "--quiet"});
    QCOMPARE(command.spec.device, "cpu");
    QCOMPARE(command.spec.target, "scalar");
    QCOMPARE(command.spec.threads, 3);
    QCOMPARE(command.spec.seed, std::numeric_limits<std::uint64_t>::max());
    QCOMPARE(command.spec.repeat, 5);
    QCOMPARE(command.store, "a b.db");
    QCOMPARE(command.json, "out.jsonl");
    QCOMPARE(command.title, "My run");
    QCOMPARE(command.resume, "last");
    QVERIFY(command.quiet);
    for (const char* seed : {"-1", "1.5", "18446744073709551616", "x", "", " 1", "0x10"}) {
        LATHE_VERIFY_THROWS(parse({std::string("--seed=") + seed}), InputError, "--seed");
    }
}

void ArgumentsTest::filesAreStoredByTheirFullPath() {
    const auto here = std::filesystem::current_path();
    QCOMPARE(
        parse({"--text", "sub/../book.txt"}).spec.params.at("text").get<std::string>(),
        (here / "book.txt").string());
    QCOMPARE(parse({"--text", "/a/b.txt"}).spec.params.at("text"), Json("/a/b.txt"));
    QCOMPARE(parse({"--preset", "paper"}).spec.params.at("preset"), Json("paper"));
    QCOMPARE(
        parse({"--preset", "papers"}).spec.params.at("preset").get<std::string>(),
        (here / "papers").string());
}

void ArgumentsTest::modelsAreNamesOrPaths() {
    const auto here = std::filesystem::current_path();
    const auto model = [](const std::string& text) {
        return parse({text}).spec.params.at("model").get<std::string>();
    };
    QCOMPARE(model("lm-little"), "lm-little");
    QCOMPARE(model("./models/x/"), (here / "models" / "x").string());
    QCOMPARE(model("models/x"), (here / "models" / "x").string());
    QCOMPARE(model("x.gguf"), (here / "x.gguf").string());
    QCOMPARE(model("no-such-model"), "no-such-model");
}

void ArgumentsTest::theJsonTargetIsFoundInAnyLine() {
    QCOMPARE(jsonTarget({"nope", "--json", "-"}), "-");
    QCOMPARE(jsonTarget({"--json=a.jsonl", "--bad"}), "a.jsonl");
    QCOMPARE(jsonTarget({"--json"}), "");
    QCOMPARE(jsonTarget({"--jsonx", "-"}), "");
    QCOMPARE(jsonTarget({}), "");
}

LATHE_TEST(ArgumentsTest);

} // namespace lathe

#include "arguments_test.moc"
