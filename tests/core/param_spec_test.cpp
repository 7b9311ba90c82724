// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/core/param_spec.h"
#include "tests/support/lathe_test.h"

namespace lathe {

class ParamSpecTest : public QObject {
    Q_OBJECT
private slots:
    void values_data();
    void values();
    void integersHaveAll64Bits();
    void badTextIsExplained();
    void jsonRoundTrip();
    void flagNames();
};

namespace {

ParamSpec bitsSpec() {
    return {
        .name = "bits",
        .kind = ParamKind::Integer,
        .defaultValue = 4,
        .help = "Bits",
        .unit = "bit",
        .minimum = 2,
        .maximum = 8};
}

} // namespace

void ParamSpecTest::values_data() {
    QTest::addColumn<int>("kind");
    QTest::addColumn<QString>("text");
    QTest::addColumn<bool>("fine");
    const auto row = [](const char* name, ParamKind kind, const char* text, bool fine) {
        QTest::newRow(name) << static_cast<int>(kind) << text << fine;
    };
    row("integer", ParamKind::Integer, "3", true);
    row("integer at its end", ParamKind::Integer, "8", true);
    row("integer too large", ParamKind::Integer, "9", false);
    row("integer too small", ParamKind::Integer, "1", false);
    row("integer with a fraction", ParamKind::Integer, "3.5", false);
    row("integer with a tail", ParamKind::Integer, "3x", false);
    row("integer beyond 64 bits", ParamKind::Integer, "99999999999999999999", false);
    row("real", ParamKind::Real, "2.5", true);
    row("real nan", ParamKind::Real, "nan", false);
    row("flag", ParamKind::Flag, "true", true);
    row("flag wrong", ParamKind::Flag, "maybe", false);
    row("choice", ParamKind::Choice, "none", true);
    row("choice wrong", ParamKind::Choice, "some", false);
    row("text", ParamKind::Text, "anything", true);
}

void ParamSpecTest::values() {
    QFETCH(int, kind);
    QFETCH(QString, text);
    QFETCH(bool, fine);
    ParamSpec spec = bitsSpec();
    spec.kind = static_cast<ParamKind>(kind);
    spec.choices = {"none", "all"};
    if (fine) {
        const Json value = parseValue(spec, text.toStdString());
        QCOMPARE(checkValue(spec, value), std::string());
        QCOMPARE(parseValue(spec, valueText(value)), value);
    } else {
        LATHE_VERIFY_THROWS(parseValue(spec, text.toStdString()), InputError, "--bits must be");
    }
}

void ParamSpecTest::integersHaveAll64Bits() {
    const ParamSpec seed{.name = "seed", .kind = ParamKind::Integer};
    QCOMPARE(parseValue(seed, "18446744073709551615"), Json(18446744073709551615ULL));
    QCOMPARE(parseValue(seed, "-9223372036854775808").get<std::int64_t>(), INT64_MIN);
}

void ParamSpecTest::badTextIsExplained() {
    LATHE_VERIFY_THROWS(parseValue(bitsSpec(), "17"), InputError, "from 2 to 8");
}

void ParamSpecTest::jsonRoundTrip() {
    ParamSpec spec = bitsSpec();
    spec.choices = {"a"};
    spec.sweep = true;
    const ParamSpec back = paramSpecFromJson(toJson(spec));
    QCOMPARE(toJson(back), toJson(spec));
    Json broken = toJson(spec);
    broken["kind"] = "colour";
    LATHE_VERIFY_THROWS(paramSpecFromJson(broken), FormatError, "colour");
    broken.erase("kind");
    LATHE_VERIFY_THROWS(paramSpecFromJson(broken), FormatError, "kind");
}

void ParamSpecTest::flagNames() {
    ParamSpec spec;
    spec.name = "max_new";
    QCOMPARE(spec.flagName(), std::string("max-new"));
    spec.flag = "methods";
    QCOMPARE(spec.flagName(), std::string("methods"));
}

LATHE_TEST(ParamSpecTest);

} // namespace lathe

#include "param_spec_test.moc"
