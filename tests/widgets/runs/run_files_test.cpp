// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_files.h"

#include "engine/core/error.h"
#include "tests/widgets/quant/fake_context.h"
#include "widgets/base/table_csv.h"
#include "widgets/runs/store_worker.h"

#include <QFile>
#include <QStandardItemModel>

using namespace lathe;
using namespace lathe::test;

namespace {

QByteArray contentOf(const QString& path) {
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

} // namespace

class RunFilesTest : public QObject {
    Q_OBJECT

private slots:
    void writesAWholeRun() {
        FakeContext context;
        const qint64 id = context.addSweep();
        StoreWorker worker(context.storePath().toStdString());
        TemporaryFolder folder;
        const QString path = QString::fromStdString((folder.path() / "run.json").string());
        QString problem = QStringLiteral("not yet");
        writeRunJson(
            worker, this, id, path, [&](const QString&, const QString& p) { problem = p; });
        QTRY_COMPARE(problem, QString());
        const Json json = parseJson(contentOf(path).toStdString(), "run.json");
        QVERIFY(json == exportRun(context.reader(), id));
        QCOMPARE(json.at("events").size(), context.recorded.events.size());
    }

    void saysWhatWentWrong() {
        FakeContext context;
        StoreWorker worker(context.storePath().toStdString());
        QStringList problems;
        const auto done = [&](const QString&, const QString& p) { problems << p; };
        writeRunJson(worker, this, 41, QStringLiteral("/nowhere/x.json"), done);
        writeRunsCsv(worker, this, QString(), QStringLiteral("/nowhere/x.csv"), done);
        writeRunsCsv(
            worker, this, QStringLiteral("bits<<3"), QStringLiteral("/nowhere/x.csv"), done);
        QTRY_COMPARE(problems.size(), 3);
        QVERIFY(problems[0].contains(QStringLiteral("41")));
        QVERIFY(problems[1].contains(QStringLiteral("/nowhere/x.csv")));
        QVERIFY(!problems[2].isEmpty());
    }

    void writesEveryRunOfAQuery() {
        FakeContext context;
        for (int i = 0; i < 300; ++i) { // more than a page
            context.writer().insertRun(
                context.recorded.spec, i % 2 == 0 ? "even, \"said\"" : "odd");
        }
        const QByteArray all = runsCsv(context.reader(), QString());
        QCOMPARE(all.count("\r\n"), 301);
        QVERIFY(all.startsWith("id,uuid,"));
        QVERIFY(all.contains("\"even, \"\"said\"\"\""));
        QCOMPARE(runsCsv(context.reader(), QStringLiteral("odd")).count("\r\n"), 151);
    }

    void answersOnlyToTheLiving() {
        FakeContext context;
        StoreWorker worker(context.storePath().toStdString());
        auto receiver = std::make_unique<QObject>();
        int answers = 0;
        worker.ask(receiver.get(), [&](RunReader&) { return [&] { ++answers; }; });
        worker.ask(this, [&](RunReader&) { return [&] { answers += 10; }; });
        receiver.reset();
        QTRY_COMPARE(answers, 10);
    }

    void tablesPreferBareNumbers() {
        QLocale::setDefault(QLocale(QLocale::German));
        QStandardItemModel model(1, 2);
        model.setHorizontalHeaderLabels({QStringLiteral("a;b"), QStringLiteral("c,d")});
        model.setData(model.index(0, 0), 1234.5);
        model.setData(model.index(0, 1), QStringLiteral("line\nbreak"));
        QCOMPARE(tableCsv(model), QByteArray("a;b,\"c,d\"\r\n1234.5,\"line\nbreak\"\r\n"));
    }
};

LATHE_TEST(RunFilesTest);
#include "run_files_test.moc"
