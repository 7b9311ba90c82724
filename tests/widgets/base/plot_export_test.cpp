// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/lathe_test.h"
#include "widgets/base/plot_data.h"
#include "widgets/base/plot_save_dialog.h"
#include "widgets/base/plot_view.h"
#include "widgets/base/theme.h"

#include <QApplication>
#include <QClipboard>
#include <QDialogButtonBox>
#include <QDir>
#include <QFile>
#include <QImage>
#include <QMessageBox>
#include <QMimeData>
#include <QPushButton>
#include <QSvgRenderer>
#include <QXmlStreamReader>

#include <memory>

namespace lathe {

/// Every kind of file that a plot can be written as, read back by something else.
class PlotExportTest : public QObject {
    Q_OBJECT
private slots:
    void init();
    void png();
    void svgKeepsTextAsText();
    void pdf();
    void csv();
    void json();
    void looksTheSameInBothThemes();
    void leavesTheSelectionOut();
    void asksBeforeItReplaces();
    void refusesOtherEndings();
    void tellsWhyAFileCannotBeWritten();
    void clipboardHoldsThreeForms();

private:
    QString path(const QString& name) const {
        return QDir(QString::fromStdString(m_folder->path().string())).filePath(name);
    }
    QByteArray written(const QString& name, QSize size = {640, 400}, double scale = 1.0) {
        QString error;
        if (!m_view->exportTo(path(name), size, scale, &error)) {
            qWarning("%s", qPrintable(error));
            return {};
        }
        QFile file(path(name));
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    }
    std::unique_ptr<test::TemporaryFolder> m_folder;
    std::unique_ptr<PlotView> m_view;
};

void PlotExportTest::init() {
    m_folder = std::make_unique<test::TemporaryFolder>();
    m_view = std::make_unique<PlotView>();
    m_view->setAxes({"Cost of bits", "Size (byte)", "Perplexity (1)", true, false});
    m_view->setSeries(
        {{"kmeans",
          {{1000, 60, 55, 65, 1, "2 bit"}, {2000, 50, 48, 52, 2, "3 bit"}},
          true,
          false,
          true,
          0},
         {"rtn", {{1000, 90, 80, 99, 3, "2 bit"}}, false, false, true, 1}});
    m_view->setProvenance(QStringLiteral("run 17"));
    m_view->resize(500, 300);
}

void PlotExportTest::png() {
    const QByteArray bytes = written(QStringLiteral("a.png"), {640, 400}, 2.0);
    const QImage image = QImage::fromData(bytes, "PNG");
    QCOMPARE(image.size(), QSize(1280, 800));
    QVERIFY(image.text(QStringLiteral("Description")).contains(QStringLiteral("run 17")));
    QCOMPARE(image.pixelColor(3, 3), QColor(Qt::white));
    int coloured = 0;
    for (int y = 0; y < image.height(); ++y) {
        for (int x = 0; x < image.width(); ++x) {
            coloured += image.pixelColor(x, y).saturation() > 120 ? 1 : 0;
        }
    }
    QVERIFY(coloured > 200); // the points
}

void PlotExportTest::svgKeepsTextAsText() {
    const QByteArray bytes = written(QStringLiteral("a.svg"));
    QSvgRenderer renderer(bytes);
    QVERIFY(renderer.isValid());
    QCOMPARE(renderer.viewBox(), QRect(0, 0, 640, 400));
    QXmlStreamReader xml(bytes);
    QString text;
    while (!xml.atEnd()) {
        if (xml.readNext() == QXmlStreamReader::StartElement &&
            xml.name() == QLatin1String("text")) {
            text += xml.readElementText(QXmlStreamReader::IncludeChildElements) + QLatin1Char('|');
        }
    }
    QVERIFY2(!xml.hasError(), qPrintable(xml.errorString()));
    for (const char* expected :
         {"Size (byte)", "Perplexity (1)", "Cost of bits", "kmeans", "rtn"}) {
        QVERIFY2(text.contains(QLatin1String(expected)), qPrintable(text));
    }
    QVERIFY(bytes.contains("run 17"));
}

void PlotExportTest::pdf() {
    const QByteArray bytes = written(QStringLiteral("a.pdf"));
    QVERIFY(bytes.startsWith("%PDF-"));
    QVERIFY(bytes.trimmed().endsWith("%%EOF"));
    QVERIFY(bytes.size() > 2000);
    QVERIFY(bytes.contains("data.json")); // the numbers are attached
    QVERIFY(bytes.contains("/MediaBox [0 0 480"));
}

void PlotExportTest::csv() {
    const QByteArray bytes = written(QStringLiteral("a.csv"));
    const QList<QByteArray> lines = bytes.trimmed().split('\n');
    QCOMPARE(lines.size(), 5); // provenance, head, three points
    QVERIFY(lines[0].contains("run 17"));
    QVERIFY(lines[2].startsWith("kmeans,1000,60,55,65,2 bit,1"));
}

void PlotExportTest::json() {
    const Json json = parseJson(written(QStringLiteral("a.json")).toStdString(), "exported plot");
    QCOMPARE(json.at("series").size(), std::size_t{2});
    QCOMPARE(json.at("series").at(1).at("points").at(0).at("y").get<double>(), 90.0);
}

void PlotExportTest::looksTheSameInBothThemes() {
    Theme theme;
    theme.setChoice(Theme::Choice::Light);
    const QByteArray light = written(QStringLiteral("light.svg"));
    theme.setChoice(Theme::Choice::Dark);
    const QByteArray dark = written(QStringLiteral("dark.svg"));
    QCOMPARE(light, dark);
    theme.setChoice(Theme::Choice::Light);
}

void PlotExportTest::leavesTheSelectionOut() {
    const QByteArray plain = written(QStringLiteral("plain.svg"));
    m_view->setSelection({1});
    QVERIFY(!plain.isEmpty());
    QCOMPARE(written(QStringLiteral("selected.svg")), plain);
}

void PlotExportTest::asksBeforeItReplaces() {
    PlotSaveMemory::instance().restore(
        {{QStringLiteral("folder"), QString::fromStdString(m_folder->path().string())},
         {QStringLiteral("format"), QStringLiteral("csv")},
         {QStringLiteral("width_mm"), 5}});
    QCOMPARE(PlotSaveMemory::instance().choices().widthMm, 40);
    m_view->setProvenance(QStringLiteral("run 12"));
    const QString file = path(QStringLiteral("run-12-cost-of-bits.csv"));
    QFile old(file);
    QVERIFY(old.open(QIODevice::WriteOnly) && old.write("mine") == 4);
    old.close();
    const auto content = [&file] {
        QFile now(file);
        return now.open(QIODevice::ReadOnly) ? now.readAll() : QByteArray();
    };
    PlotSaveDialog dialog(*m_view);
    dialog.show();
    dialog.findChild<QDialogButtonBox*>()->button(QDialogButtonBox::Save)->click();
    auto* box = dialog.findChild<QMessageBox*>();
    QVERIFY(box != nullptr && box->isVisible());
    QCOMPARE(content(), QByteArray("mine"));
    for (QAbstractButton* button : box->buttons()) {
        if (box->buttonRole(button) == QMessageBox::AcceptRole) {
            button->click();
            break;
        }
    }
    QVERIFY(content().contains("kmeans"));
    QCOMPARE(dialog.result(), int(QDialog::Accepted));
}

void PlotExportTest::refusesOtherEndings() {
    QString error;
    QVERIFY(!m_view->exportTo(path(QStringLiteral("a.bmp")), {640, 400}, 1.0, &error));
    QVERIFY(error.contains(QStringLiteral(".png")));
    QVERIFY(!QFile::exists(path(QStringLiteral("a.bmp"))));
}

void PlotExportTest::tellsWhyAFileCannotBeWritten() {
    QString error;
    const QString nowhere = path(QStringLiteral("no/such/folder/a.csv"));
    QVERIFY(!m_view->exportTo(nowhere, {640, 400}, 1.0, &error));
    QVERIFY(error.contains(nowhere));
}

void PlotExportTest::clipboardHoldsThreeForms() {
    QTest::keyClick(m_view->focusProxy(), Qt::Key_C);
    const QMimeData* mime = QApplication::clipboard()->mimeData();
    QVERIFY(mime->hasImage());
    QVERIFY(mime->data(QStringLiteral("image/svg+xml")).contains("<svg"));
    QVERIFY(mime->text().contains(QStringLiteral("kmeans\t1000\t60")));
}

LATHE_TEST(PlotExportTest);

} // namespace lathe

#include "plot_export_test.moc"
