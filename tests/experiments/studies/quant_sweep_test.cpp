// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "experiments/studies/quant_sweep.h"
#include "tests/experiments/studies/recording_sink.h"
#include "tests/support/lathe_test.h"

#include <cmath>

namespace lathe {

using test::FinishedRun;
using test::runToEnd;
using test::specOf;

class QuantSweepTest : public QObject {
    Q_OBJECT
private slots:
    void initTestCase();
    void cellsAreTheGridAfterFloat();
    void methodsWithoutGroupsGetOneCell();
    void skippedCellsAreLeftOut();
    void skippedCellsMustBeCells();
    void metricsAreComplete();
    void kmeansBeatsRoundToNearest();
    void eightBitsAreCloseToFloat();
    void sizesAreCounted();
    void sameSeedSameNumbers();
    void resumesWithoutTheFloatCell();
    void fewWindowsHaveNoInterval();

private:
    const Json& cell(const std::string& method, int bits) const;
    static Spec smallSweep();
    FinishedRun m_run;
};

Spec QuantSweepTest::smallSweep() {
    return specOf(
        "quant.sweep", {{"model", "lm-little"}, {"max_windows", 6}, {"sample_tokens", 8}},
        {{"method", {"rtn", "kmeans"}}, {"bits", {3, 8}}});
}

void QuantSweepTest::initTestCase() {
    m_run = runToEnd(smallSweep());
    QVERIFY2(m_run.last.state == RunState::Done, m_run.last.message.c_str());
    QCOMPARE(m_run.done.size(), 5U);
}

const Json& QuantSweepTest::cell(const std::string& method, int bits) const {
    for (const CellChanged& cell : m_run.done) {
        if (cell.params.at("method") == method && cell.params.at("bits") == bits) {
            return cell.metrics;
        }
    }
    throw std::runtime_error("no such cell");
}

void QuantSweepTest::cellsAreTheGridAfterFloat() {
    const auto cells = sweepCells(
        specOf(
            "quant.sweep", {{"model", "m"}, {"group", "none"}},
            {{"method", {"rtn", "rtn-sym"}}, {"bits", {3, 4}}}),
        16);
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

void QuantSweepTest::methodsWithoutGroupsGetOneCell() {
    const auto cells = sweepCells(
        specOf(
            "quant.sweep", {{"bits", 4}},
            {{"method", {"rtn", "kmeans"}}, {"group", {"none", "64", "128"}}}),
        32);
    QCOMPARE(cells.size(), 5U);
    QCOMPARE(cells[2].at("group"), Json(64));
    QCOMPARE(cells[4].at("method"), Json("kmeans"));
    QCOMPARE(cells[4].at("group"), Json(0));
}

void QuantSweepTest::skippedCellsAreLeftOut() {
    Spec spec = specOf(
        "quant.sweep", {{"group", "none"}, {"skip", "kmeans:8, rtn:2:0,rtn:4:64"}},
        {{"method", {"rtn", "kmeans"}}, {"bits", {2, 4, 8}}});
    const auto cells = sweepCells(spec, 16);
    QCOMPARE(cells.size(), 1U + 6U - 2U);
    for (const Json& cell : cells) {
        QVERIFY(!(cell.at("method") == "kmeans" && cell.at("bits") == 8));
        QVERIFY(!(cell.at("method") == "rtn" && cell.at("bits") == 2));
    }
}

void QuantSweepTest::skippedCellsMustBeCells() {
    for (const char* skip :
         {"garbage", "kmeans", "kmeans:", "kmeans:eight", "round:4", "rtn:2,x"}) {
        const Spec spec = specOf(
            "quant.sweep", {{"method", "rtn"}, {"bits", 2}, {"group", "none"}, {"skip", skip}});
        LATHE_VERIFY_THROWS(sweepCells(spec, 16), InputError, "--skip");
    }
}

void QuantSweepTest::metricsAreComplete() {
    for (const CellChanged& cell : m_run.done) {
        for (const char* name : {"perplexity", "bits_per_byte", "kl_mean", "top1_agreement"}) {
            const double value = cell.metrics.at(name).get<double>();
            const double low = cell.metrics.at(std::string(name) + "_low").get<double>();
            const double high = cell.metrics.at(std::string(name) + "_high").get<double>();
            QVERIFY2(low <= value && value <= high, name);
        }
        QCOMPARE(cell.metrics.at("windows").get<int>(), 6);
        QCOMPARE(cell.metrics.at("tokens").get<int>(), 6 * 255);
        QCOMPARE(cell.metrics.at("sample_ids").size(), 8U);
        QVERIFY(!cell.metrics.at("sample").get<std::string>().empty());
        QVERIFY(cell.metrics.at("seconds").get<double>() > 0.0);
        QCOMPARE(
            cell.metrics.at("protocol"),
            Json("window 256, stride 256, bos document, tail drop, clean none, first 6 windows"));
    }
    QCOMPARE(cell("float", 16).at("kl_mean").get<double>(), 0.0);
    QCOMPARE(cell("float", 16).at("top1_agreement").get<double>(), 1.0);
}

void QuantSweepTest::kmeansBeatsRoundToNearest() {
    QVERIFY(cell("kmeans", 3).at("kl_mean") < cell("rtn", 3).at("kl_mean"));
    QVERIFY(cell("kmeans", 3).at("perplexity") < cell("rtn", 3).at("perplexity"));
    QVERIFY(cell("kmeans", 3).at("top1_agreement") > cell("rtn", 3).at("top1_agreement"));
}

void QuantSweepTest::eightBitsAreCloseToFloat() {
    const double wanted = cell("float", 16).at("perplexity").get<double>();
    for (const char* method : {"rtn", "kmeans"}) {
        const double got = cell(method, 8).at("perplexity").get<double>();
        QVERIFY2(std::fabs(got / wanted - 1.0) < 0.005, method);
        QVERIFY(cell(method, 8).at("kl_mean").get<double>() > 0.0);
    }
}

void QuantSweepTest::sizesAreCounted() {
    // A row of 128 or 352 weights carries a table of 8 F16 entries: between 3.36 and 4.00 bits.
    const double table = cell("kmeans", 3).at("average_bits").get<double>();
    QVERIFY2(table > 3.0 && table < 4.01, std::to_string(table).c_str());
    QVERIFY(cell("rtn", 3).at("average_bits") < cell("rtn", 8).at("average_bits"));
    QVERIFY(cell("rtn", 3).at("bytes") < cell("rtn", 8).at("bytes"));
    QVERIFY(cell("rtn", 8).at("bytes") < cell("float", 16).at("bytes"));
    QCOMPARE(cell("float", 16).at("average_bits").get<double>(), 16.0);
}

void QuantSweepTest::sameSeedSameNumbers() {
    const FinishedRun again = runToEnd(smallSweep());
    for (std::size_t i = 0; i < m_run.done.size(); ++i) {
        Json first = m_run.done[i].metrics;
        Json second = again.done.at(i).metrics;
        for (const char* timing : {"seconds", "quantize_seconds"}) {
            first.erase(timing);
            second.erase(timing);
        }
        QCOMPARE(dumpJson(second), dumpJson(first));
    }
}

void QuantSweepTest::resumesWithoutTheFloatCell() {
    Spec spec = smallSweep();
    for (std::size_t i = 0; i + 1 < m_run.done.size(); ++i) {
        spec.done.push_back(m_run.done[i].key);
    }
    const FinishedRun rest = runToEnd(spec);
    QCOMPARE(rest.done.size(), 1U);
    QCOMPARE(rest.done[0].metrics.at("kl_mean"), m_run.done.back().metrics.at("kl_mean"));
}

void QuantSweepTest::fewWindowsHaveNoInterval() {
    Spec spec = specOf(
        "quant.sweep", {{"model", "lm-little"},
                        {"max_windows", 4},
                        {"method", "rtn"},
                        {"bits", 4},
                        {"sample_tokens", 0}});
    for (const CellChanged& cell : runToEnd(spec).done) {
        QVERIFY(cell.metrics.at("perplexity").is_number());
        QVERIFY(cell.metrics.at("perplexity_low").is_null());
        QVERIFY(cell.metrics.at("kl_mean_high").is_null());
    }
}

LATHE_TEST(QuantSweepTest);

} // namespace lathe

#include "quant_sweep_test.moc"
