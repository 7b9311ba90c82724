// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/budget_curves.h"

#include "engine/core/error.h"
#include "tests/support/lathe_test.h"
#include "tests/widgets/quant/made_curves.h"
#include "widgets/quant/budget_plots.h"
#include "widgets/quant/budget_runs.h"

#include <cmath>
#include <limits>

using namespace lathe;
using namespace lathe::test;

class BudgetCurvesTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    /// As large as a model of 7 billion weights has them.
    void plansAreWithinTheBudget() {
        const BudgetCurves curves(madeBudget(32, 4096, 6));
        QCOMPARE(curves.names().size(), std::size_t(224));
        for (const LimitUnit unit : {LimitUnit::Bytes, LimitUnit::AverageBits}) {
            const double least = curves.least(unit);
            const double most = curves.most(unit);
            QVERIFY(least < most);
            double before = std::numeric_limits<double>::infinity();
            for (const double share : {0.0, 0.2, 0.35, 0.8, 1.0}) {
                const double limit = least + share * (most - least);
                const MatrixPlan plan = curves.plan(unit, limit);
                const double size = unit == LimitUnit::Bytes ? static_cast<double>(plan.fileBytes)
                                                             : plan.averageBits;
                QVERIFY(size <= limit * (1.0 + 1e-12));
                QVERIFY(share == 0.0 || size > limit * 0.999); // and makes use of it
                QVERIFY(plan.kl < before);
                before = plan.kl;
                if (const auto uniform = curves.bestUniform(unit, limit)) {
                    QVERIFY(plan.kl <= uniform->kl);
                }
            }
            QVERIFY(curves.bestUniform(unit, most).has_value());
            QVERIFY_EXCEPTION_THROWN(curves.plan(unit, least * 0.99), InputError);
        }
    }

    void theOutlineIsOfPlans() {
        const BudgetCurves curves(madeBudget(2, 1024, 2));
        const auto outline = curves.outline();
        QCOMPARE(outline.front().first, curves.least(LimitUnit::Bytes));
        QCOMPARE(outline.back().first, curves.most(LimitUnit::Bytes));
        for (std::size_t i = 0; i < outline.size(); i += 9) {
            const MatrixPlan plan = curves.plan(LimitUnit::Bytes, outline[i].first);
            QCOMPARE(static_cast<double>(plan.fileBytes), outline[i].first);
            QVERIFY(std::abs(plan.kl - outline[i].second) <= 1e-9 * plan.kl);
        }
    }

    /// Uniform plans are those that all matrices can have.
    void uniformPlansAreOfAllMatrices() {
        Json metrics = madeBudget(1, 1024, 1);
        QCOMPARE(BudgetCurves(metrics).uniform().size(), std::size_t(13));
        Json& first = metrics["curves"]["model.layers.0.mlp.up_proj"];
        first["options"].erase(first["options"].size() - 1); // no 8 bits
        first["header_bytes"].erase(first["header_bytes"].size() - 1);
        const BudgetCurves curves(metrics);
        QCOMPARE(curves.uniform().size(), std::size_t(12));
        for (const UniformPlan& plan : curves.uniform()) {
            QVERIFY(plan.setting.bits < 8);
            const auto best =
                curves.bestUniform(LimitUnit::Bytes, static_cast<double>(plan.fileBytes));
            QVERIFY(best && best->kl <= plan.kl);
        }
    }

    void whatIsNoCurveIsRefused() {
        const auto refuses = [](const Json& metrics, const char* part) {
            LATHE_VERIFY_THROWS(BudgetCurves(metrics), FormatError, part);
        };
        refuses(Json(), "curves");
        refuses({{"curves", Json::object()}}, "no curve");
        Json metrics = madeBudget(1, 1024, 1);
        metrics.erase("fixed_bytes");
        refuses(metrics, "fixed_bytes");
        for (const auto& [index, value] :
             {std::pair{2, Json(-5)}, std::pair{3, Json()}, std::pair{2, Json(1e300)},
              std::pair{0, Json(99)}, std::pair{1, Json("x")}}) {
            metrics = madeBudget(1, 1024, 1);
            metrics["curves"]["model.layers.0.mlp.up_proj"]["options"][3]
                   [static_cast<std::size_t>(index)] = value;
            refuses(metrics, "mlp.up_proj");
        }
        metrics = madeBudget(1, 1024, 1);
        metrics["curves"]["model.layers.0.mlp.up_proj"]["header_bytes"].erase(0);
        refuses(metrics, "mlp.up_proj");
        metrics = madeBudget(1, 1024, 1);
        metrics["least_average_bits"] = 0.0;
        refuses(metrics, "without weights");
    }

    void tilesHaveTheirBits() {
        const BudgetCurves curves(madeBudget(3, 1024, 2));
        const MatrixPlan plan = curves.plan(LimitUnit::AverageBits, 4.6);
        const SensitivityMap map = budgetMap(curves, plan);
        QCOMPARE(map.series.size(), std::size_t(1));
        QCOMPARE(map.series[0].points.size(), std::size_t(21));
        QVERIFY(map.axes.isMap());
        int sparse = 0;
        for (const PlotPoint& point : map.series[0].points) {
            const auto matrix = static_cast<std::size_t>(point.id) - 1;
            const MatrixOption& option = curves.option(matrix, plan.choice[matrix]);
            QCOMPARE(point.z, static_cast<double>(option.bits));
            QCOMPARE(point.label.endsWith(QLatin1Char('+')), option.sparsity > 0.0);
            sparse += option.sparsity > 0.0 ? 1 : 0;
            const QString layer = QStringLiteral("layers.%1.").arg(point.x);
            QVERIFY(QString::fromStdString(curves.names()[matrix]).contains(layer));
        }
        QVERIFY(sparse > 0); // else the labels say nothing
    }

    void factsSayWhatIsGained() {
        const BudgetCurves curves(madeBudget(3, 1024, 2));
        const double limit = curves.uniform()[4].averageBits;
        const MatrixPlan plan = curves.plan(LimitUnit::AverageBits, limit);
        const auto facts = budgetFacts(curves, plan, LimitUnit::AverageBits, limit);
        QVERIFY(facts.back().value.contains(QStringLiteral("% below")));
        const double least = curves.least(LimitUnit::AverageBits);
        const MatrixPlan smallest = curves.plan(LimitUnit::AverageBits, least);
        QVERIFY(smallest.multiplier > 0.0);
        const double most = curves.most(LimitUnit::AverageBits);
        const MatrixPlan largest = curves.plan(LimitUnit::AverageBits, most);
        QCOMPARE(
            budgetFacts(curves, largest, LimitUnit::AverageBits, most)[3].value,
            QStringLiteral("nothing"));
        QVERIFY(factsTable(facts).contains(facts[0].value));
    }

    void limitsOfRunsAreTakenOver() {
        const BudgetCurves curves(madeBudget(1, 1024, 1));
        const auto bytes = firstLimit({{"bytes", 5000}, {"average_bits", 0.0}}, curves);
        QVERIFY(bytes == std::pair(LimitUnit::Bytes, 5000.0));
        const auto bits = firstLimit({{"bytes", 0}, {"average_bits", 3.25}}, curves);
        QVERIFY(bits == std::pair(LimitUnit::AverageBits, 3.25));
        QCOMPARE(firstLimit({{"average_bits", 32.0}}, curves).second, 4.0); // was no limit
        QCOMPARE(firstLimit(Json::object(), curves).second, 4.0);
    }
};

LATHE_TEST(BudgetCurvesTest);
#include "budget_curves_test.moc"
