// SPDX-License-Identifier: Apache-2.0
#include "engine/base/python_random.h"
#include "engine/core/error.h"
#include "tests/support/lathe_test.h"

namespace lathe {

class PythonRandomTest : public QObject {
    Q_OBJECT
private slots:
    /// Oracle O8: what Python prints after random.seed(0).
    void oracle() {
        PythonRandom raw(0);
        for (const std::uint32_t wanted : {3626764237U, 1654615998U, 3255389356U, 3823568514U}) {
            QCOMPARE(raw.next(), wanted);
        }
        PythonRandom wide(0);
        for (const std::int64_t wanted : {25247, 27562, 2653, 16968, 33506, 31845}) {
            QCOMPARE(wide.randint(0, 45575), wanted);
        }
        PythonRandom narrow(0);
        for (const std::int64_t wanted : {49, 97, 53, 5, 33, 65, 62, 51}) {
            QCOMPARE(narrow.randint(0, 99), wanted);
        }
    }
    /// What Python prints after random.seed(12345), beyond the 624 words of one state.
    void laterNumbers() {
        PythonRandom random(12345);
        for (int i = 0; i < 1496; ++i) {
            random.randint(10, 1000000);
        }
        for (const std::int64_t wanted : {115663, 685888, 734831, 419556}) {
            QCOMPARE(random.randint(10, 1000000), wanted);
        }
    }
    void ends() {
        PythonRandom random(7);
        QCOMPARE(random.randint(5, 5), std::int64_t{5});
        bool low = false, high = false;
        for (int i = 0; i < 100; ++i) {
            const std::int64_t drawn = random.randint(-1, 1);
            QVERIFY(drawn >= -1 && drawn <= 1);
            low = low || drawn == -1;
            high = high || drawn == 1;
        }
        QVERIFY(low && high);
        QVERIFY_THROWS_EXCEPTION(InternalError, random.randint(1, 0));
        QVERIFY_THROWS_EXCEPTION(InternalError, random.randint(0, std::int64_t{1} << 32));
    }
};

LATHE_TEST(PythonRandomTest);

} // namespace lathe

#include "python_random_test.moc"
