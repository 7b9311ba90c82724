// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/pareto.h"

#include "tests/support/lathe_test.h"

#include <QRandomGenerator>

#include <cmath>
#include <limits>

using namespace lathe;

namespace {

using Points = std::vector<ParetoPoint>;
using Indices = std::vector<std::size_t>;

bool beats(const ParetoPoint& a, const ParetoPoint& b) {
    return a.x <= b.x && a.y <= b.y && (a.x < b.x || a.y < b.y);
}

} // namespace

class ParetoTest : public QObject {
    Q_OBJECT

private slots:
    void ofNothingIsNothing() { QVERIFY(paretoFront({}).empty()); }

    void keepsWhatNobodyBeats() {
        const Points points{{4, 1}, {1, 4}, {2, 2}, {3, 3}, {5, 1}};
        QCOMPARE(paretoFront(points), (Indices{1, 2, 0}));
    }

    void ofEqualCostKeepsTheBetter() {
        QCOMPARE(paretoFront(Points{{1, 5}, {1, 3}, {1, 4}}), (Indices{1}));
        QCOMPARE(paretoFront(Points{{1, 3}, {2, 3}, {3, 3}}), (Indices{0}));
    }

    void keepsEqualPointsTogether() {
        QCOMPARE(paretoFront(Points{{2, 1}, {1, 3}, {2, 1}, {1, 3}}), (Indices{1, 3, 0, 2}));
    }

    void leavesOutWhatIsNotFinite() {
        const double nan = std::nan("");
        const double infinite = std::numeric_limits<double>::infinity();
        const Points points{{nan, 1}, {1, nan}, {-infinite, 0}, {0, -infinite}, {2, 2}};
        QCOMPARE(paretoFront(points), (Indices{4}));
        QVERIFY(paretoFront(Points{{nan, nan}}).empty());
    }

    /// Against the definition, on small integers so that ties are common.
    void agreesWithTheDefinition() {
        QRandomGenerator random(7);
        for (int round = 0; round < 300; ++round) {
            Points points;
            for (int i = random.bounded(12); i > 0; --i) {
                points.push_back({double(random.bounded(6)), double(random.bounded(6))});
            }
            Indices wanted;
            for (std::size_t i = 0; i < points.size(); ++i) {
                const auto beaten = [&](const ParetoPoint& other) {
                    return beats(other, points[i]);
                };
                if (std::ranges::none_of(points, beaten)) {
                    wanted.push_back(i);
                }
            }
            Indices found = paretoFront(points);
            for (std::size_t i = 1; i < found.size(); ++i) {
                QVERIFY(points[found[i - 1]].x <= points[found[i]].x);
            }
            std::ranges::sort(found);
            QCOMPARE(found, wanted);
        }
    }
};

LATHE_TEST(ParetoTest);
#include "pareto_test.moc"
