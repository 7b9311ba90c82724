// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/device.h"
#include "tests/experiments/cli/command_line.h"

#include <fstream>

namespace lathe {

class CliErrorsTest : public QObject {
    Q_OBJECT
private slots:
    void badUsageIsOneReadableLine_data();
    void badUsageIsOneReadableLine();
    void badCommandsAreOneReadableLine_data();
    void badCommandsAreOneReadableLine();
    void aFlagWithoutAValueIsNamed();
    void anAbsentDeviceIsAnEngineFailure();
    void errorsGoToTheJsonFile();
    void aJsonFileThatCannotBeWritten();
    void aFullDiskIsTold();
    void namesWithControlCharactersStayOnTheLine();
    void whatNeverEndsIsNotRead();
    void aForeignFileIsNoStore();
    void refusedArgumentsAreNotStored();
    void failedRunsAreStored();

private:
    test::CommandLine m_cli;
};

namespace {

std::vector<std::string> words(const QStringList& list) {
    std::vector<std::string> all;
    for (const QString& word : list) {
        all.push_back(word.toStdString());
    }
    return all;
}

std::string contentOf(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

void CliErrorsTest::badUsageIsOneReadableLine_data() {
    QTest::addColumn<QStringList>("arguments");
    QTest::addColumn<QString>("part");
    const auto add = [](const char* name, const char* line, const char* part) {
        QTest::newRow(name) << QString(line).split(' ') << part;
    };
    add("unknown study", "quant.sweeep --model lm-little",
        "no study is called 'quant.sweeep'; there are: bench.cluster, ");
    add("unknown flag", "quant.sweep --model lm-little --bit 3", "--bit");
    add("unknown short flag", "model.check lm-little -x", "-x");
    add("flag of another study", "model.check lm-little --bits 3", "--bits");
    add("flag given twice", "bench.gemv --shape 8x8 --bits 3 --bits 4", "--bits");
    add("surplus word", "model.check lm-little lm-big", "lm-big");
    add("missing model", "quant.sweep --bits 3", "--model is missing");
    add("unknown model", "model.info lm-huge", "'lm-huge' is neither a bundled model nor");
    add("absent folder", "model.info /no/such/folder", "/no/such/folder");
    add("unknown method", "quant.sweep lm-little --methods rtn,gptq", "--methods must be one of");
    add("bits beyond", "quant.sweep lm-little --bits 9",
        "--bits must be a whole number from 1 to 8");
    add("bits in a list", "quant.sweep lm-little --bits 3,x", "not \"x\"");
    add("empty entry", "quant.sweep lm-little --bits 3,,4", "--bits must be");
    add("fraction", "lm.generate lm-little --prompt x --max-new 3.5",
        "--max-new must be a whole number");
    add("no list here", "lm.generate lm-little --prompt x --max-new 3,4", "--max-new must be");
    add("temperature", "lm.generate lm-little --prompt x --temperature 0", "--temperature must be");
    add("top-p", "lm.generate lm-little --prompt x --top-p 1.5", "--top-p must be");
    add("number as text", "lm.perplexity lm-little --window wide", "--window must be");
    add("absent text", "lm.perplexity lm-little --text /no/such.txt",
        "/no/such.txt: cannot be read");
    add("shape", "bench.gemv --shape 0x5", "--shape must be OUTxIN");
    add("shape of one number", "bench.gemv --shape 4096", "--shape must be OUTxIN");
    add("device", "model.check lm-little --device tpu", "tpu");
    add("target", "model.check lm-little --target sse", "'sse' is not one of scalar, avx2");
    add("threads", "model.check lm-little --threads -1", "--threads must be from 0 to 1024");
    add("threads as text", "model.check lm-little --threads many", "many");
    add("repeat", "model.check lm-little --repeat 0", "--repeat must be from 1");
    add("seed below 0", "model.check lm-little --seed -1", "--seed must be a whole number from 0");
    add("fraction of a seed", "model.check lm-little --seed 1.5", "--seed must be");
    add("resume what", "quant.sweep lm-little --resume soon", "--resume must be `last` or");
}

void CliErrorsTest::badUsageIsOneReadableLine() {
    QFETCH(QStringList, arguments);
    QFETCH(QString, part);
    // `--resume` needs a store that is there.
    QCOMPARE(m_cli.run({"bench.gemv", "--shape", "bad"}).status, 2);
    const test::Outcome plain = m_cli.run(words(arguments));
    QCOMPARE(plain.status, 2);
    QCOMPARE(plain.out, "");
    const std::string message = plain.message();
    QVERIFY2(!message.empty(), plain.err.c_str());
    QVERIFY2(message.find(part.toStdString()) != std::string::npos, message.c_str());

    const test::Outcome json = m_cli.json(words(arguments));
    QCOMPARE(json.status, 2);
    QCOMPARE(json.err, plain.err);
    const std::vector<Json> lines = json.lines();
    QCOMPARE(lines.size(), 1U);
    QCOMPARE(lines[0].at("error").get<std::string>(), message);
}

void CliErrorsTest::badCommandsAreOneReadableLine_data() {
    QTest::addColumn<QStringList>("arguments");
    QTest::addColumn<QString>("part");
    const auto add = [](const char* name, const char* line, const char* part) {
        QTest::newRow(name) << QString(line).split(' ') << part;
    };
    add("unknown command of runs", "runs forget 1", "runs: ");
    add("runs alone", "runs", "subcommand");
    add("run without a number", "runs show", "id");
    add("run by a word", "runs show first", "first");
    add("unknown format", "runs export 1 --format xml", "xml");
    add("no rows", "runs list --limit 0", "--limit");
    add("absent store", "runs list --store /no/such/store.db", "there is no such run store");
    add("folder as a store", "runs list --store /", "is a folder");
    add("unknown run of no store", "runs show 1", "there is no such run store");
    add("surplus for models", "models all", "models: takes --json");
    add("surplus for devices", "devices 0", "devices: takes --json");
    add("surplus for serve", "serve quickly", "serve: takes --nice N");
    add("nice", "serve --nice 20", "N from 0 to 19");
}

void CliErrorsTest::badCommandsAreOneReadableLine() {
    QFETCH(QStringList, arguments);
    QFETCH(QString, part);
    const test::CommandLine cli;
    const test::Outcome plain = cli.bare(words(arguments));
    QCOMPARE(plain.status, 2);
    QCOMPARE(plain.out, "");
    const std::string message = plain.message();
    QVERIFY2(message.find(part.toStdString()) != std::string::npos, plain.err.c_str());
    QVERIFY(std::filesystem::is_empty(cli.folder()));
}

void CliErrorsTest::aFlagWithoutAValueIsNamed() {
    for (const char* flag : {"--model", "--bits", "--seed", "--store", "--json"}) {
        const test::Outcome outcome = m_cli.bare({"quant.sweep", flag});
        QCOMPARE(outcome.status, 2);
        QVERIFY2(outcome.message().find(flag) != std::string::npos, outcome.err.c_str());
    }
}

void CliErrorsTest::anAbsentDeviceIsAnEngineFailure() {
    const int beyond = cudaDeviceCount();
    const std::string device = "cuda:" + std::to_string(beyond);
    const test::Outcome outcome = m_cli.json({"model.check", "lm-little", "--device", device});
    QCOMPARE(outcome.status, 3);
    QVERIFY2(outcome.message().find("is not there") != std::string::npos, outcome.err.c_str());
    QCOMPARE(outcome.lines().at(0).at("error").get<std::string>(), outcome.message());
}

void CliErrorsTest::errorsGoToTheJsonFile() {
    const auto path = m_cli.folder() / "lines.jsonl";
    for (const std::vector<std::string>& flag :
         {std::vector<std::string>{"--json", path.string()}, {"--json=" + path.string()}}) {
        std::vector<std::string> arguments{"quant.sweep", "lm-little", "--bits", "77"};
        arguments.insert(arguments.end(), flag.begin(), flag.end());
        const test::Outcome outcome = m_cli.run(arguments);
        QCOMPARE(outcome.status, 2);
        QCOMPARE(outcome.out, "");
        const std::vector<Json> lines = test::jsonLines(contentOf(path));
        QCOMPARE(lines.size(), 1U);
        QCOMPARE(lines[0].at("error").get<std::string>(), outcome.message());
        std::filesystem::remove(path);
    }
}

void CliErrorsTest::aJsonFileThatCannotBeWritten() {
    const test::Outcome outcome =
        m_cli.run({"model.check", "lm-little", "--json", "/no/such/folder/lines.jsonl"});
    QCOMPARE(outcome.status, 2);
    QVERIFY2(
        outcome.message().starts_with("--json /no/such/folder/lines.jsonl cannot be written"),
        outcome.err.c_str());
}

void CliErrorsTest::aFullDiskIsTold() {
    const test::Outcome outcome = m_cli.run({"model.info", "lm-little", "--json", "/dev/full"});
    QCOMPARE(outcome.status, 3);
    QVERIFY2(
        outcome.message().find("--json: the results could not be written: No space left") !=
            std::string::npos,
        outcome.err.c_str());
}

void CliErrorsTest::namesWithControlCharactersStayOnTheLine() {
    const test::Outcome outcome = m_cli.run({"model.info", "./no\nsuch\x1b[31m"});
    QCOMPARE(outcome.status, 2);
    QVERIFY2(outcome.message().find("no such [31m") != std::string::npos, outcome.err.c_str());
}

void CliErrorsTest::whatNeverEndsIsNotRead() {
    const test::Outcome outcome = m_cli.run({"lm.perplexity", "lm-little", "--text", "/dev/zero"});
    QCOMPARE(outcome.status, 2);
    QVERIFY2(outcome.message().find("no regular file") != std::string::npos, outcome.err.c_str());
}

void CliErrorsTest::aForeignFileIsNoStore() {
    const auto path = m_cli.folder() / "letter.txt";
    const std::string text = "Dear Sir,\nthis is no database.\n";
    std::ofstream(path) << text;
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"model.check", "lm-little"}, {"runs", "list"}}) {
        std::vector<std::string> all = arguments;
        all.insert(all.end(), {"--store", path.string()});
        const test::Outcome outcome = m_cli.bare(all);
        QCOMPARE(outcome.status, 2);
        QVERIFY2(
            outcome.message().find("letter.txt: is not a run store of Lathe") != std::string::npos,
            outcome.err.c_str());
        QCOMPARE(contentOf(path), text);
    }
}

void CliErrorsTest::refusedArgumentsAreNotStored() {
    const test::CommandLine cli;
    QCOMPARE(cli.json({"quant.sweep", "lm-little", "--bits", "77"}).status, 2);
    QCOMPARE(cli.json({"quant.sweep", "--bits", "3"}).status, 2);
    QVERIFY(std::filesystem::is_empty(cli.folder()));
}

void CliErrorsTest::failedRunsAreStored() {
    const test::CommandLine cli;
    const test::Outcome outcome =
        cli.json({"lm.perplexity", "lm-little", "--text", "/no/such.txt"});
    QCOMPARE(outcome.status, 2);
    const Json line = outcome.lines().at(0);
    const Json run = cli.exported(line.at("run").get<int>());
    QCOMPARE(run.at("state"), Json("failed"));
    QCOMPARE(run.at("study"), Json("lm.perplexity"));
    QCOMPARE(run.at("message"), line.at("error"));
}

LATHE_TEST(CliErrorsTest);

} // namespace lathe

#include "errors_test.moc"
