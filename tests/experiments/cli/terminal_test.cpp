// SPDX-License-Identifier: Apache-2.0
#include "experiments/cli/terminal.h"
#include "tests/support/lathe_test.h"

namespace lathe {

class TerminalTest : public QObject {
    Q_OBJECT
private slots:
    void columnsTellCellsApart();
    void longObjectsAreCounted();
};

namespace {

StudyInfo sweepInfo() {
    return {
        .id = "a",
        .title = "A",
        .summary = "s",
        .params =
            {{.name = "text", .help = "goes with the method", .advanced = true},
             {.name = "tensors", .help = "does not", .advanced = true},
             {.name = "method", .help = "h", .sweep = true},
             {.name = "bits", .help = "all alike", .sweep = true}},
        .metrics = {{"loss", "Loss", "", -1, {}}, {"sums", "Sums", "", 0, {}}}};
}

std::string resultsOf(const std::vector<CellChanged>& cells) {
    Terminal terminal(sweepInfo(), true);
    int index = 0;
    for (const CellChanged& cell : cells) {
        Event event;
        event.cell = index++;
        event.payload = cell;
        terminal.post(event);
    }
    return terminal.results();
}

CellChanged cellOf(const Json& params, const Json& metrics) {
    return {CellState::Done, "", params, metrics};
}

Json paramsOf(const char* method, const char* text, const char* tensors) {
    return {{"method", method}, {"text", text}, {"tensors", tensors}, {"bits", 3}};
}

} // namespace

void TerminalTest::columnsTellCellsApart() {
    QCOMPARE(
        resultsOf(
            {cellOf(paramsOf("m", "", "all"), {{"loss", 1}}),
             cellOf(paramsOf("s", "book", "all"), {{"loss", 2}})}),
        std::string("method  loss\nm          1\ns          2\n"));
    QCOMPARE(
        resultsOf(
            {cellOf(paramsOf("m", "", "q"), {{"loss", 1}}),
             cellOf(paramsOf("m", "", "k"), {{"loss", 2}}),
             cellOf(paramsOf("s", "book", "q"), {{"loss", 3}})}),
        std::string("method  tensors  loss\nm       q           1\nm       k           2\n"
                    "s       q           3\n"));
    // Equal methods on two texts: the text tells.
    QCOMPARE(
        resultsOf(
            {cellOf(paramsOf("m", "one", "q"), {{"loss", 1}}),
             cellOf(paramsOf("m", "two", "q"), {{"loss", 2}})}),
        std::string("text  loss\none      1\ntwo      2\n"));
}

void TerminalTest::longObjectsAreCounted() {
    Json sums = Json::object();
    for (int i = 0; i < 9; ++i) {
        sums["module " + std::to_string(i)] = i;
    }
    QCOMPARE(
        resultsOf({cellOf({}, {{"loss", 1.5}, {"sums", sums}})}),
        std::string("Metric  Value      Unit\nLoss    1.5\nSums    9 entries\n"));
}

LATHE_TEST(TerminalTest);

} // namespace lathe

#include "terminal_test.moc"
