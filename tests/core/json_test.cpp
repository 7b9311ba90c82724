// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/core/json.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

class JsonTest : public QObject {
    Q_OBJECT
private slots:
    void keysAreSorted() {
        QCOMPARE(dumpJson(Json{{"b", 1}, {"a", 2}}), std::string("{\"a\":2,\"b\":1}"));
    }
    void damageNamesItsSource() {
        LATHE_VERIFY_THROWS(parseJson("{", "config.json"), FormatError, "config.json");
    }
    void deepNestingIsRefused() {
        LATHE_VERIFY_THROWS(parseJson(std::string(100000, '['), "x"), FormatError, "nested deeper");
        const std::string text = "\"" + std::string(1000, '[') + "\"";
        QCOMPARE(parseJson(text, "x").get<std::string>().size(), 1000U);
        const std::string escaped = "[\"\\\"[[[[\", {\"a\\\\\": [1]}]";
        QCOMPARE(parseJson(escaped, "x").size(), 2U);
    }
    void numbers() {
        const Json json{{"a", 2}, {"b", nullptr}};
        QCOMPARE(numberOrNan(json, "a"), 2.0);
        QVERIFY(std::isnan(numberOrNan(json, "b")));
        QVERIFY(std::isnan(numberOrNan(json, "c")));
        QVERIFY(jsonNumber(std::nan("")).is_null());
    }
    void utf8() {
        QCOMPARE(validUtf8("Lücke"), std::string("Lücke"));
        QCOMPARE(validUtf8("\xE2\x82"), std::string("\xEF\xBF\xBD"));
        QCOMPARE(validUtf8(std::string("a\0b", 3)), std::string("a\0b", 3));
    }
};

LATHE_TEST(JsonTest);

} // namespace lathe

#include "json_test.moc"
