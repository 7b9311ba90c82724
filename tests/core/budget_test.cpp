// SPDX-License-Identifier: Apache-2.0
#include "engine/core/budget.h"

#include "engine/base/random.h"
#include "engine/core/error.h"
#include "tests/support/lathe_test.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace lathe {

namespace {

using Tensors = std::vector<std::vector<BudgetOption>>;
using Choice = std::vector<std::size_t>;

/// Oracle O10: 2, 3 or 4 bits for 100, 200 and 50 weights.
Tensors oracle() {
    return {
        {{200, 40}, {300, 10}, {400, 3}},
        {{400, 30}, {600, 9}, {800, 2}},
        {{100, 90}, {150, 20}, {200, 5}}};
}

/// Every plan is looked at.
std::optional<double> leastError(const Tensors& tensors, std::int64_t limit) {
    std::vector<BudgetOption> sums{{0, 0.0}};
    for (const std::vector<BudgetOption>& options : tensors) {
        std::vector<BudgetOption> next;
        for (const BudgetOption& sum : sums) {
            for (const BudgetOption& option : options) {
                next.push_back({sum.cost + option.cost, sum.error + option.error});
            }
        }
        sums = std::move(next);
    }
    std::optional<double> least;
    for (const BudgetOption& sum : sums) {
        if (sum.cost <= limit && (!least || sum.error < *least)) {
            least = sum.error;
        }
    }
    return least;
}

/// The plan is what it says of itself.
void verifyConsistent(const Tensors& tensors, const BudgetPlan& plan, std::int64_t limit) {
    QCOMPARE(plan.choice.size(), tensors.size());
    BudgetOption sum;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const BudgetOption& option = tensors[i].at(plan.choice[i]);
        sum.cost += option.cost;
        sum.error += option.error;
    }
    QCOMPARE(plan.cost, sum.cost);
    QCOMPARE(plan.error, sum.error);
    QVERIFY(plan.cost <= limit);
}

/// Curves such as matrices have: about a quarter of the error per bit, several forms of each.
Tensors modelOf(std::size_t count, std::size_t options, std::uint64_t seed) {
    Random random(seed);
    Tensors tensors(count);
    for (std::vector<BudgetOption>& tensor : tensors) {
        const double size = std::exp(2.0 * random.normal());
        const auto rows = static_cast<std::int64_t>(1024 + random.below(15000));
        for (std::size_t i = 0; i < options; ++i) {
            const double bits = 1.0 + 7.0 * static_cast<double>(i) / static_cast<double>(options);
            tensor.push_back(
                {static_cast<std::int64_t>(bits * 512.0) * rows + 4 * (rows + 1),
                 size * std::exp(-1.4 * bits + 0.1 * random.normal())});
        }
    }
    return tensors;
}

} // namespace

class BudgetTest : public QObject {
    Q_OBJECT
private slots:
    void oracleO10_data();
    void oracleO10();
    void smallCasesAreExact();
    void tiesAndDominatedOptions();
    void everythingFits();
    void onlyTheLeastFits();
    void manyTensors();
    void theCurveIsOfPlans();
    void impossibleLimitsNameTheLeast();
    void badOptionsAreRefused();
};

void BudgetTest::oracleO10_data() {
    QTest::addColumn<int>("limit");
    QTest::addColumn<std::vector<int>>("bits");
    QTest::addColumn<double>("error");
    QTest::newRow("900") << 900 << std::vector<int>{3, 2, 4} << 45.0;
    QTest::newRow("1050") << 1050 << std::vector<int>{4, 2, 4} << 38.0;
    QTest::newRow("1100") << 1100 << std::vector<int>{3, 3, 4} << 24.0;
    QTest::newRow("1200") << 1200 << std::vector<int>{4, 3, 4} << 17.0;
}

void BudgetTest::oracleO10() {
    QFETCH(int, limit);
    QFETCH(std::vector<int>, bits);
    QFETCH(double, error);
    const BudgetPlan plan = planBudget(oracle(), limit);
    verifyConsistent(oracle(), plan, limit);
    QCOMPARE(plan.error, error);
    QVERIFY(plan.exact);
    QVERIFY(plan.multiplier > 0.0);
    for (std::size_t i = 0; i < bits.size(); ++i) {
        QCOMPARE(static_cast<int>(plan.choice[i]) + 2, bits[i]);
    }
}

/// Whole numbers, so that sums are exact and ties are frequent; and real ones.
void BudgetTest::smallCasesAreExact() {
    Random random(17);
    int possible = 0, impossible = 0;
    for (int turn = 0; turn < 3000; ++turn) {
        Tensors tensors(1 + random.below(5));
        for (std::vector<BudgetOption>& options : tensors) {
            options.resize(1 + random.below(6));
            for (BudgetOption& option : options) {
                option.cost = static_cast<std::int64_t>(random.below(turn % 3 == 0 ? 8 : 1000));
                option.error = turn % 2 == 0 ? static_cast<double>(random.below(50))
                                             : std::exp(3.0 * random.normal());
            }
        }
        const BudgetRange range = budgetRange(tensors);
        const std::int64_t limit = std::max<std::int64_t>(
            0, range.least - 3 +
                   static_cast<std::int64_t>(
                       random.below(static_cast<std::uint32_t>(range.most - range.least + 8))));
        const std::optional<double> least = leastError(tensors, limit);
        if (!least) {
            ++impossible;
            LATHE_VERIFY_THROWS(
                planBudget(tensors, limit), InputError, std::to_string(range.least));
            continue;
        }
        ++possible;
        const BudgetPlan plan = planBudget(tensors, limit);
        verifyConsistent(tensors, plan, limit);
        QVERIFY(plan.exact);
        QVERIFY2(
            plan.error <= *least * (1.0 + 1e-12),
            (std::to_string(plan.error) + " against " + std::to_string(*least)).c_str());
    }
    QVERIFY(possible > 2000 && impossible > 20);
}

void BudgetTest::tiesAndDominatedOptions() {
    const Tensors tensors{{{5, 3.0}, {5, 2.0}, {6, 2.0}, {7, 9.0}, {5, 2.0}}};
    const BudgetPlan plan = planBudget(tensors, 100);
    QCOMPARE(plan.choice, (Choice{1}));
    QCOMPARE(plan.cost, 5);
    QCOMPARE(budgetRange(tensors).most, 5);
}

void BudgetTest::everythingFits() {
    const BudgetPlan plan = planBudget(oracle(), std::numeric_limits<std::int64_t>::max());
    QCOMPARE(plan.choice, (Choice{2, 2, 2}));
    QCOMPARE(plan.error, 10.0);
    QCOMPARE(plan.multiplier, 0.0);
    QCOMPARE(budgetRange(oracle()).most, plan.cost);
}

void BudgetTest::onlyTheLeastFits() {
    const BudgetPlan plan = planBudget(oracle(), 700);
    QCOMPARE(plan.choice, (Choice{0, 0, 0}));
    QCOMPARE(plan.cost, 700);
    QVERIFY(plan.exact);
}

/// More states than are kept: no longer exact, but not far from what no plan can be below.
void BudgetTest::manyTensors() {
    const Tensors tensors = modelOf(224, 50, 3);
    const BudgetRange range = budgetRange(tensors);
    double before = std::numeric_limits<double>::infinity();
    for (const double share : {0.0, 0.1, 0.3, 0.5, 0.9, 1.0}) {
        const auto limit = range.least + static_cast<std::int64_t>(
                                             share * static_cast<double>(range.most - range.least));
        const BudgetPlan plan = planBudget(tensors, limit);
        verifyConsistent(tensors, plan, limit);
        QVERIFY(plan.error < before);
        QVERIFY(plan.slack <= 1e-4 * plan.error);
        QVERIFY(plan.exact || plan.slack > 0.0);
        before = plan.error;
    }
}

/// Each of its points is the best plan of that cost, and with each what is saved becomes less.
void BudgetTest::theCurveIsOfPlans() {
    const Tensors tensors = modelOf(12, 9, 5);
    const std::vector<BudgetOption> curve = budgetCurve(tensors);
    const BudgetRange range = budgetRange(tensors);
    QCOMPARE(curve.front().cost, range.least);
    QCOMPARE(curve.back().cost, range.most);
    double before = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < curve.size(); ++i) {
        const BudgetPlan plan = planBudget(tensors, curve[i].cost);
        QVERIFY(std::abs(plan.error - curve[i].error) <= 1e-9 * curve[i].error);
        if (i > 0) {
            const double rate = (curve[i - 1].error - curve[i].error) /
                                static_cast<double>(curve[i].cost - curve[i - 1].cost);
            QVERIFY(rate > 0.0 && rate <= before * (1.0 + 1e-9));
            before = rate;
        }
    }
}

void BudgetTest::impossibleLimitsNameTheLeast() {
    LATHE_VERIFY_THROWS(planBudget(oracle(), 699), InputError, "the least is 700");
    LATHE_VERIFY_THROWS(planBudget(oracle(), -1), InputError, "the least is 700");
    QCOMPARE(planBudget({}, 0).cost, 0);
}

void BudgetTest::badOptionsAreRefused() {
    LATHE_VERIFY_THROWS(planBudget({{}}, 1), InputError, "tensor 0 has no options");
    LATHE_VERIFY_THROWS(planBudget({{{1, 1.0}}, {{-1, 1.0}}}, 1), InputError, "tensor 1");
    LATHE_VERIFY_THROWS(planBudget({{{1, std::nan("")}}}, 1), InputError, "not finite");
    const std::int64_t huge = std::int64_t{1} << 53;
    LATHE_VERIFY_THROWS(planBudget({{{huge, 1.0}}, {{1, 1.0}}}, 1), InputError, "2^53");
}

LATHE_TEST(BudgetTest);

} // namespace lathe

#include "budget_test.moc"
