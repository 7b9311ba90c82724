// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/decode/bild.h"
#include "tests/support/lathe_test.h"

namespace lathe {

class BildOptionsTest : public QObject {
    Q_OBJECT
private slots:
    void presets();
    void jsonAndBack();
    void presetFiles();
    void badFilesAreRefused_data();
    void badFilesAreRefused();
};

void BildOptionsTest::presets() {
    const BildOptions strict = bildPreset("strict");
    QCOMPARE(strict.fallback, 0.6);
    QCOMPARE(strict.rollback, 5.0);
    QCOMPARE(strict.maxRun, 10);
    QVERIFY(strict.verifyTail && !strict.maskedSearch);
    QVERIFY(strict.startWith == Mover::Little && strict.afterRollback == Mover::Little);
    BildOptions expected = strict;
    expected.verifyTail = false;
    QVERIFY(bildPreset("paper") == expected);
    expected.startWith = expected.afterRollback = Mover::Big;
    expected.maskedSearch = true;
    QVERIFY(bildPreset("reference") == expected);
    LATHE_VERIFY_THROWS(bildPreset("fast"), InputError, "strict, paper and reference");
}

void BildOptionsTest::jsonAndBack() {
    BildOptions options{
        .fallback = 0.0, // literal, not the default
        .rollback = std::numeric_limits<double>::infinity(),
        .maxRun = kUnlimitedRun,
        .startWith = Mover::Big,
        .afterRollback = Mover::Big,
        .verifyTail = false,
        .maskedSearch = true,
        .metric = RollbackMetric::Relative,
        .overshootGuard = true};
    QVERIFY(bildFromJson(parseJson(dumpJson(toJson(options)), "x"), {}) == options);
    options = {.rollback = 0.0, .maxRun = 0};
    QVERIFY(bildFromJson(toJson(options), bildPreset("reference")) == options);
    const BildOptions part = bildFromJson({{"alpha_rb", 0}}, bildPreset("paper"));
    QCOMPARE(part.rollback, 0.0);
    QVERIFY(!part.verifyTail);
}

void BildOptionsTest::presetFiles() {
    const BildPreset preset{
        .name = "paper",
        .options = {.fallback = 0.45, .rollback = 2.5, .maxRun = 6, .verifyTail = false},
        .provenance = {{"big", "abc"}, {"bleu_loss", 0.3}}};
    const BildPreset back = bildPresetFromText(dumpJson(toJson(preset)), "tuned.json");
    QVERIFY(back.options == preset.options);
    QCOMPARE(back.name, "paper");
    QVERIFY(back.provenance == preset.provenance);
}

void BildOptionsTest::badFilesAreRefused_data() {
    QTest::addColumn<QString>("text");
    QTest::addColumn<QString>("message");
    QTest::addRow("no object") << "[1]"
                               << "tuned.json";
    QTest::addRow("no values") << R"({"preset": "strict"})"
                               << "'bild'";
    QTest::addRow("unknown member") << R"({"preset": "strict", "bild": {"alpha": 1}})"
                                    << "'alpha'";
    QTest::addRow("text") << R"({"preset": "strict", "bild": {"alpha_fb": "x"}})"
                          << "'alpha_fb'";
    QTest::addRow("null") << R"({"preset": "strict", "bild": {"alpha_rb": null}})"
                          << "'alpha_rb'";
    QTest::addRow("run") << R"({"preset": "strict", "bild": {"max_run": -1}})"
                         << "'max_run'";
    QTest::addRow("half a run") << R"({"preset": "strict", "bild": {"max_run": 1.5}})"
                                << "whole";
    QTest::addRow("flag") << R"({"preset": "strict", "bild": {"verify_tail": 1}})"
                          << "true or";
    QTest::addRow("mover") << R"({"preset": "strict", "bild": {"start_with": "L"}})"
                           << "small";
    QTest::addRow("metric") << R"({"preset": "strict", "bild": {"metric": "x"}})"
                            << "relative";
}

void BildOptionsTest::badFilesAreRefused() {
    QFETCH(QString, text);
    QFETCH(QString, message);
    LATHE_VERIFY_THROWS(
        bildPresetFromText(text.toStdString(), "tuned.json"), FormatError,
        message.toStdString().c_str());
    LATHE_VERIFY_THROWS(
        bildPresetFromText(R"({"preset": "fast", "bild": {}})", "tuned.json"), InputError,
        "tuned.json");
}

LATHE_TEST(BildOptionsTest);

} // namespace lathe

#include "bild_options_test.moc"
