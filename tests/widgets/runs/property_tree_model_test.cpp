// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/property_tree_model.h"

#include "tests/widgets/quant/fake_context.h"

#include <QAbstractItemModelTester>
#include <QFont>

using namespace lathe;
using namespace lathe::test;

namespace {

/// The value beside a name anywhere in the tree, and whether it is bold.
std::pair<QString, bool>
find(const QAbstractItemModel& model, const QString& name, const QModelIndex& parent = {}) {
    for (int row = 0; row < model.rowCount(parent); ++row) {
        const QModelIndex index = model.index(row, 0, parent);
        if (index.data().toString() == name) {
            return {
                index.siblingAtColumn(1).data().toString(),
                index.data(Qt::FontRole).value<QFont>().bold()};
        }
        if (const auto below = find(model, name, index); !below.first.isNull()) {
            return below;
        }
    }
    return {};
}

} // namespace

class PropertyTreeModelTest : public QObject {
    Q_OBJECT

private slots:
    void changedParametersAreBold() {
        const RecordedSweep recorded = RecordedSweep::load();
        PropertyTreeModel model;
        QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        Spec spec = recorded.spec;
        spec.seed = 7;
        model.setNodes(parameterNodes(spec, &recorded.study));
        QCOMPARE(find(model, QStringLiteral("bits")).first, QStringLiteral("2, 4 bit"));
        QVERIFY(find(model, QStringLiteral("bits")).second);
        QCOMPARE(find(model, QStringLiteral("max_windows")).first, QStringLiteral("6 window"));
        QVERIFY(find(model, QStringLiteral("max_windows")).second);
        QCOMPARE(find(model, QStringLiteral("bos")).first, QStringLiteral("document"));
        QVERIFY(!find(model, QStringLiteral("bos")).second);
        QVERIFY(find(model, QStringLiteral("seed")).second);
        QVERIFY(!find(model, QStringLiteral("repeat")).second);
        QCOMPARE(find(model, QStringLiteral("study")).first, QStringLiteral("quant.sweep"));
    }

    void unknownStudiesAndParametersAreShown() {
        PropertyTreeModel model;
        Spec spec{.study = "old.study", .params = {{"depth", 3}}, .sweep = {{"width", {1, 2}}}};
        model.setNodes(parameterNodes(spec, nullptr));
        QCOMPARE(find(model, QStringLiteral("depth")).first, QStringLiteral("3"));
        QCOMPARE(find(model, QStringLiteral("width")).first, QStringLiteral("1, 2"));
        QVERIFY(!find(model, QStringLiteral("depth")).second);
    }

    void nestsJson() {
        PropertyTreeModel model;
        QAbstractItemModelTester tester(
            &model, QAbstractItemModelTester::FailureReportingMode::QtTest);
        model.setNodes(
            jsonNodes({{"cpu", {{"name", "X"}, {"isa", {"avx2", "avx512"}}}}, {"gpu", nullptr}}));
        QCOMPARE(model.rowCount(), 2);
        QCOMPARE(find(model, QStringLiteral("isa")).first, QStringLiteral("avx2, avx512"));
        QCOMPARE(find(model, QStringLiteral("name")).first, QStringLiteral("X"));
        model.setNodes(jsonNodes(Json("no object")));
        QCOMPARE(model.rowCount(), 0);
    }
};

LATHE_TEST(PropertyTreeModelTest);
#include "property_tree_model_test.moc"
