// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/sweep_cells.h"

#include "engine/core/error.h"
#include "experiments/study.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

namespace lathe {

namespace {

/// A Spec as the runner hands it on: with every default.
Spec complete(const std::string& study, Json params, Json sweep = Json::object()) {
    return withDefaults(
        test::specOf(study, std::move(params), std::move(sweep)), studies().at(study).info());
}

} // namespace

class SweepCellsTest : public QObject {
    Q_OBJECT
private slots:
    void cellsAreTheGridAfterFloat();
    void methodsWithoutGroupsGetOneCell();
    void skippedCellsAreLeftOut();
    void skippedCellsMustBeCells();
    void unusedParametersAreDropped();
    void sharesAreChecked();
    void comparisonsNeedTheirBaseline();
    void eachMatrixGetsACell();
    void filesGetOneCell();
};

void SweepCellsTest::cellsAreTheGridAfterFloat() {
    const auto cells = sweepCells(
        complete(
            "quant.sweep", {{"model", "m"}, {"group", "none"}},
            {{"method", {"rtn", "rtn-sym"}}, {"bits", {3, 4}}}),
        {.floatBits = 16});
    QCOMPARE(cells.size(), 5U);
    QCOMPARE(cells[0].at("method"), Json("float"));
    QCOMPARE(cells[0].at("bits"), Json(16));
    QCOMPARE(cells[1].at("method"), Json("rtn"));
    QCOMPARE(cells[1].at("bits"), Json(3));
    QCOMPARE(cells[4].at("method"), Json("rtn-sym"));
    for (const Json& cell : cells) {
        QCOMPARE(cell.at("group"), Json(0));
        QVERIFY(!cell.contains("skip"));
    }
}

void SweepCellsTest::methodsWithoutGroupsGetOneCell() {
    const auto cells = sweepCells(
        complete(
            "quant.sweep", {{"bits", 4}},
            {{"method", {"rtn", "kmeans"}}, {"group", {"none", "64", "128"}}}),
        {.floatBits = 32});
    QCOMPARE(cells.size(), 5U);
    QCOMPARE(cells[2].at("group"), Json(64));
    QCOMPARE(cells[2].at("kmeans_baseline"), Json(true));
    QCOMPARE(cells[4].at("method"), Json("kmeans"));
    QCOMPARE(cells[4].at("group"), Json(0));
    QCOMPARE(cells[4].at("kmeans_baseline"), Json(false));
    QCOMPARE(cells[0].at("kmeans_baseline"), Json(false));
}

void SweepCellsTest::skippedCellsAreLeftOut() {
    Spec spec = complete(
        "quant.sweep", {{"group", "none"}, {"skip", "kmeans:8, rtn:2:0,rtn:4:64"}},
        {{"method", {"rtn", "kmeans"}}, {"bits", {2, 4, 8}}});
    const auto cells = sweepCells(spec, {});
    QCOMPARE(cells.size(), 1U + 6U - 2U);
    for (const Json& cell : cells) {
        QVERIFY(!(cell.at("method") == "kmeans" && cell.at("bits") == 8));
        QVERIFY(!(cell.at("method") == "rtn" && cell.at("bits") == 2));
    }
}

void SweepCellsTest::skippedCellsMustBeCells() {
    for (const char* skip :
         {"garbage", "kmeans", "kmeans:", "kmeans:eight", "round:4", "rtn:2,x"}) {
        const Spec spec = complete(
            "quant.sweep", {{"method", "rtn"}, {"bits", 2}, {"group", "none"}, {"skip", skip}});
        LATHE_VERIFY_THROWS(sweepCells(spec, {}), InputError, "--skip");
    }
}

/// Only what a method uses tells its cells apart.
void SweepCellsTest::unusedParametersAreDropped() {
    const auto cells = sweepCells(
        complete(
            "quant.sweep", {{"model", "m"}, {"bits", 3}, {"calibration", "/some/text"}},
            {{"method", {"kmeans", "squeezellm", "squeezellm-sparse"}},
             {"sparsity", {0.05, 0.45}}}),
        {});
    QCOMPARE(cells.size(), 1U + 1U + 1U + 2U);
    QCOMPARE(cells[1].at("sparsity"), Json(0));
    QCOMPARE(cells[1].at("calibration"), Json(""));
    QCOMPARE(cells[2].at("sparsity"), Json(0));
    QCOMPARE(cells[2].at("calibration"), Json("/some/text"));
    QCOMPARE(cells[3].at("sparsity"), Json(0.05));
    QCOMPARE(cells[3].at("sensitive"), Json(0.05));
    QCOMPARE(cells[4].at("sparsity"), Json(0.45));
    const auto predicted = sweepCells(
        complete(
            "quant.sweep", {{"method", "rtn"}, {"calibration", "/some/text"}, {"predict", true}}),
        {});
    QCOMPARE(predicted[0].at("calibration"), Json(""));
    QCOMPARE(predicted[1].at("calibration"), Json("/some/text"));
}

/// A sparse share of 0 is the dense method; one below the sensitive share is refused at once.
void SweepCellsTest::sharesAreChecked() {
    const auto cells = sweepCells(
        complete("quant.sweep", {{"method", "squeezellm-sparse"}}, {{"sparsity", {0.0, 0.05}}}),
        {});
    QCOMPARE(cells.size(), 3U);
    QCOMPARE(cells[1].at("sensitive"), Json(0));
    QCOMPARE(cells[2].at("sensitive"), Json(0.05));
    LATHE_VERIFY_THROWS(
        sweepCells(
            complete("quant.sweep", {{"method", "squeezellm-sparse"}, {"sparsity", 0.01}}), {}),
        InputError, "--sparsity 0.01 is less than the --sensitive 0.05");
}

/// Without plain k-means of the same bits and matrices there is nothing to compare with.
void SweepCellsTest::comparisonsNeedTheirBaseline() {
    const auto cells =
        sweepCells(complete("quant.sweep", {{"bits", 3}}, {{"method", {"rtn", "squeezellm"}}}), {});
    QCOMPARE(cells[1].at("kmeans_baseline"), Json(false));
    const auto skipped = sweepCells(
        complete(
            "quant.sweep", {{"skip", "kmeans:2"}},
            {{"method", {"rtn", "kmeans"}}, {"bits", {2, 3}}}),
        {});
    QCOMPARE(skipped.size(), 4U);
    QCOMPARE(skipped[1].at("kmeans_baseline"), Json(false)); // rtn, 2 bits
    QCOMPARE(skipped[2].at("kmeans_baseline"), Json(true));  // rtn, 3 bits
    const auto off = sweepCells(
        complete("quant.sweep", {{"kmeans_baseline", false}}, {{"method", {"kmeans", "rtn"}}}), {});
    QCOMPARE(off[2].at("kmeans_baseline"), Json(false));
}

void SweepCellsTest::eachMatrixGetsACell() {
    const SweepFacts facts{.modules = {"a", "b"}};
    const auto cells = sweepCells(
        complete("quant.sweep", {{"method", "rtn"}, {"tensors", "each"}}, {{"bits", {2, 3}}}),
        facts);
    QCOMPARE(cells.size(), 1U + 4U);
    QCOMPARE(cells[0].at("tensors"), Json("all"));
    QCOMPARE(cells[2].at("tensors"), Json("b"));
    QCOMPARE(cells[2].at("bits"), Json(2));
}

void SweepCellsTest::filesGetOneCell() {
    QCOMPARE(sweepFile("gguf:/a/b.gguf"), "/a/b.gguf");
    QCOMPARE(sweepFile("kmeans"), "");
    const SweepFacts facts{.fileBits = {{"gguf:/a/b.gguf", 5}}};
    const auto cells = sweepCells(
        complete(
            "quant.sweep", {{"group", "64"}},
            {{"method", {"rtn", "gguf:/a/b.gguf"}}, {"bits", {2, 3}}}),
        facts);
    QCOMPARE(cells.size(), 1U + 2U + 1U);
    QCOMPARE(cells[3].at("method"), Json("gguf:/a/b.gguf"));
    QCOMPARE(cells[3].at("bits"), Json(5));
    QCOMPARE(cells[3].at("group"), Json(0));
}

LATHE_TEST(SweepCellsTest);

} // namespace lathe

#include "sweep_cells_test.moc"
