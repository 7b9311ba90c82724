// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/heartbeat.h"

#include "tests/support/lathe_test.h"

#include <QFile>

namespace lathe {

class HeartbeatTest : public QObject {
    Q_OBJECT
private slots:
    void countsByLateness();
    void keepsTheFirstOfAMark();
    void writesJson();
    void beatsByItself();
};

void HeartbeatTest::countsByLateness() {
    Heartbeat heartbeat;
    for (const double late : {0.0, 0.5, 1.5, 49.0, 51.0, 120.0, 900.0}) {
        heartbeat.record(late);
    }
    const Json report = heartbeat.report();
    QCOMPARE(report.at("beats").get<int>(), 7);
    QCOMPARE(report.at("over_50_ms").get<int>(), 3);
    QCOMPARE(report.at("max_ms").get<double>(), 900.0);
    int sum = 0;
    for (const Json& bucket : report.at("histogram")) {
        sum += bucket.at("count").get<int>();
    }
    QCOMPARE(sum, 7);
    QCOMPARE(report.at("histogram").front().at("count").get<int>(), 2);
    QVERIFY(report.at("histogram").back().at("up_to_ms").is_null());
}

void HeartbeatTest::keepsTheFirstOfAMark() {
    Heartbeat heartbeat;
    heartbeat.mark(QStringLiteral("window"));
    const Json first = heartbeat.report().at("marks").at("window");
    heartbeat.mark(QStringLiteral("window"));
    QCOMPARE(heartbeat.report().at("marks").at("window"), first);
    QVERIFY(first.get<double>() > 0.0);
}

void HeartbeatTest::writesJson() {
    const test::TemporaryFolder folder;
    Heartbeat heartbeat;
    heartbeat.record(3.0);
    const QString path = QString::fromStdString((folder.path() / "beat.json").string());
    QCOMPARE(heartbeat.writeTo(path), QString());
    QFile file(path);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QCOMPARE(parseJson(file.readAll().toStdString(), "beat").at("beats").get<int>(), 1);
    QVERIFY(!heartbeat.writeTo(QStringLiteral("/no/such/folder/beat.json")).isEmpty());
}

void HeartbeatTest::beatsByItself() {
    Heartbeat heartbeat;
    heartbeat.start();
    QTRY_VERIFY(heartbeat.report().at("beats").get<int>() > 3);
}

LATHE_TEST(HeartbeatTest);

} // namespace lathe

#include "heartbeat_test.moc"
