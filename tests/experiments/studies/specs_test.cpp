// SPDX-License-Identifier: Apache-2.0
#include "engine/io/mapped_file.h"
#include "experiments/study.h"
#include "tests/support/lathe_test.h"

#include <set>

namespace lathe {

/// The shipped examples and the declarations that forms, flags and help texts are made from.
class SpecsTest : public QObject {
    Q_OBJECT
private slots:
    void everyShippedSpecIsValid();
    void everyStudyHasAnExample();
    void theFirstStartIsItsEightCells();
    void declarationsAreComplete();
    void defaultsAreValid();
    void declarationsCrossTheProtocol();

private:
    static std::vector<std::pair<std::string, Spec>> shipped();
};

std::vector<std::pair<std::string, Spec>> SpecsTest::shipped() {
    std::vector<std::pair<std::string, Spec>> specs;
    for (const auto& entry :
         std::filesystem::directory_iterator(test::sourceFolder() / "experiments" / "specs")) {
        const std::string name = entry.path().filename().string();
        specs.emplace_back(
            name, specFromJson(parseJson(readTextFile(entry.path(), 1 << 20), name)));
    }
    return specs;
}

void SpecsTest::everyShippedSpecIsValid() {
    for (const auto& [name, spec] : shipped()) {
        const Study& study = studies().at(spec.study);
        for (const Diagnostic& diagnostic : validate(spec, study.info())) {
            QFAIL((name + ": " + diagnostic.param + " " + diagnostic.message).c_str());
        }
        QVERIFY2(!study.cells(withDefaults(spec, study.info())).empty(), name.c_str());
    }
}

void SpecsTest::everyStudyHasAnExample() {
    std::set<std::string> named;
    for (const auto& [name, spec] : shipped()) {
        named.insert(name == "first_start.json" ? "" : name);
    }
    for (const auto& study : studies().all()) {
        QVERIFY2(named.contains(study->info().id + ".json"), study->info().id.c_str());
    }
}

void SpecsTest::theFirstStartIsItsEightCells() {
    for (const auto& [name, spec] : shipped()) {
        if (name != "first_start.json") {
            continue;
        }
        const Study& study = studies().at(spec.study);
        std::set<std::string> cells;
        for (const Json& cell : study.cells(withDefaults(spec, study.info()))) {
            cells.insert(cell.at("method").get<std::string>() + dumpJson(cell.at("bits")));
        }
        const std::set<std::string> wanted{"float16", "rtn2",    "rtn3",    "rtn4",
                                           "rtn8",    "kmeans2", "kmeans3", "kmeans4"};
        QCOMPARE(cells, wanted);
        return;
    }
    QFAIL("first_start.json is not shipped");
}

void SpecsTest::declarationsAreComplete() {
    for (const auto& study : studies().all()) {
        const StudyInfo& info = study->info();
        QVERIFY(!info.title.empty() && !info.summary.empty());
        QVERIFY(!info.metrics.empty());
        std::set<std::string> flags;
        for (const ParamSpec& param : info.params) {
            const std::string where = info.id + "." + param.name;
            QVERIFY2(!param.help.empty() && !param.help.ends_with('.'), where.c_str());
            QVERIFY2(flags.insert(param.flagName()).second, where.c_str());
            QVERIFY2(param.kind != ParamKind::Choice || !param.choices.empty(), where.c_str());
        }
        for (const MetricInfo& metric : info.metrics) {
            QVERIFY2(!metric.title.empty(), (info.id + "." + metric.name).c_str());
        }
        QVERIFY2(
            info.find("model") == nullptr || info.params.front().name == "model", info.id.c_str());
    }
}

void SpecsTest::defaultsAreValid() {
    for (const auto& study : studies().all()) {
        for (const ParamSpec& param : study->info().params) {
            if (!param.defaultValue.is_null()) {
                const std::string problem = checkValue(param, param.defaultValue);
                QVERIFY2(problem.empty(), (study->info().id + "." + param.name + problem).c_str());
            }
        }
    }
}

void SpecsTest::declarationsCrossTheProtocol() {
    for (const auto& study : studies().all()) {
        const Json json = toJson(study->info());
        QCOMPARE(toJson(studyInfoFromJson(json)), json);
    }
}

LATHE_TEST(SpecsTest);

} // namespace lathe

#include "specs_test.moc"
