// SPDX-License-Identifier: Apache-2.0
#include "experiments/scoring.h"
#include "tests/support/lathe_test.h"

#include <array>
#include <cmath>

namespace lathe {

class ScoringTest : public QObject {
    Q_OBJECT
private slots:
    void distanceKeepsEveryToken() {
        // Row 0: p = (1/4, 3/4) against q = (1/2, 1/2), where q's tie goes to the first entry;
        // row 1: equal; row 2: p = (1/2, 1/2) against q = (4/5, 1/5).
        const float ln2 = std::log(2.0F);
        const std::array p{0.0F, std::log(3.0F), 5.0F, 1.0F, 0.0F, 0.0F};
        const std::array q{0.0F, 0.0F, 5.0F, 1.0F, 2.0F * ln2, 0.0F};
        ExecContext exec(Device{}, {.threads = 1});
        const WindowDistance away = distance(
            exec, constViewOf(std::span<const float>(p), {3, 2}),
            constViewOf(std::span<const float>(q), {3, 2}));
        const std::array expected{
            0.25 * std::log(0.5) + 0.75 * std::log(1.5), 0.0,
            0.5 * std::log(0.5 / 0.8) + 0.5 * std::log(0.5 / 0.2)};
        QCOMPARE(away.tokenKl.size(), expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            // Logits and sums are in F32.
            QVERIFY(std::fabs(static_cast<double>(away.tokenKl[i]) - expected[i]) < 1e-6);
        }
        QVERIFY(std::fabs(away.kl - (expected[0] + expected[2])) < 2e-6);
        QCOMPARE(away.agreement, 2.0);
    }
};

LATHE_TEST(ScoringTest);

} // namespace lathe

#include "scoring_test.moc"
