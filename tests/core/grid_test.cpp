// SPDX-License-Identifier: Apache-2.0
#include "engine/core/grid.h"
#include "tests/support/lathe_test.h"

#include <set>

namespace lathe {

class GridTest : public QObject {
    Q_OBJECT
private slots:
    void noSweepIsOneCell();
    void everyCombinationOnce();
    void keysTellCellsApart();
};

void GridTest::noSweepIsOneCell() {
    Spec spec;
    spec.params = Json{{"model", "lm-big"}};
    QCOMPARE(expandGrid(spec), std::vector<Json>{spec.params});
}

void GridTest::everyCombinationOnce() {
    Spec spec;
    spec.params = Json{{"model", "m"}, {"bits", 8}};
    spec.sweep = Json{{"bits", {2, 3}}, {"method", {"rtn", "kmeans", "rtn-sym"}}};
    const std::vector<Json> cells = expandGrid(spec);
    QCOMPARE(cells.size(), 6U);
    QCOMPARE(cells[0], (Json{{"model", "m"}, {"bits", 2}, {"method", "rtn"}}));
    QCOMPARE(cells[5], (Json{{"model", "m"}, {"bits", 3}, {"method", "rtn-sym"}}));
    QCOMPARE(std::set<Json>(cells.begin(), cells.end()).size(), 6U);
}

void GridTest::keysTellCellsApart() {
    const Spec spec;
    const Json params{{"bits", 3}};
    const std::string key = cellKey("quant.sweep", params, spec, "hash", "build");
    QCOMPARE(key.size(), 32U);
    QCOMPARE(cellKey("quant.sweep", params, spec, "hash", "build"), key);
    Spec other = spec;
    other.seed = 2;
    QVERIFY(cellKey("quant.sweep", params, other, "hash", "build") != key);
    QVERIFY(cellKey("quant.sweep", Json{{"bits", 4}}, spec, "hash", "build") != key);
    QVERIFY(cellKey("lm.perplexity", params, spec, "hash", "build") != key);
    QVERIFY(cellKey("quant.sweep", params, spec, "other", "build") != key);
    QVERIFY(cellKey("quant.sweep", params, spec, "hash", "other") != key);
}

LATHE_TEST(GridTest);

} // namespace lathe

#include "grid_test.moc"
