// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/chips_editor.h"

#include "tests/support/lathe_test.h"

#include <QLineEdit>
#include <QSignalSpy>
#include <QToolButton>

namespace lathe {

class ChipsEditorTest : public QObject {
    Q_OBJECT
private slots:
    void fewPossibleValuesAreAllThere();
    void typedValuesBecomeChips();
    void wrongTextIsReported();
    void chipsAreRemovedByTheirButton();
    void filesAreChipsWithTheirName();

private:
    static ParamSpec integers(double low, double high) {
        ParamSpec param{
            .name = "bits", .kind = ParamKind::Integer, .minimum = low, .maximum = high};
        param.sweep = true;
        return param;
    }
};

void ChipsEditorTest::fewPossibleValuesAreAllThere() {
    ChipsEditor editor(integers(2, 8));
    const auto chips = editor.findChildren<QToolButton*>();
    QCOMPARE(chips.size(), 7);
    for (const QToolButton* chip : chips) {
        QVERIFY(chip->accessibleName().startsWith(QStringLiteral("bits ")));
        QVERIFY(chip->focusPolicy() & Qt::TabFocus);
    }
    editor.setValues({3, 8, 99}); // one that is not possible is left out
    QCOMPARE(editor.values(), (std::vector<Json>{3, 8}));
    QSignalSpy edited(&editor, &ChipsEditor::edited);
    chips[0]->click();
    QCOMPARE(edited.count(), 1);
    QCOMPARE(editor.values(), (std::vector<Json>{2, 3, 8}));
}

void ChipsEditorTest::typedValuesBecomeChips() {
    ChipsEditor editor(integers(0, 4096));
    auto* line = editor.findChild<QLineEdit*>();
    QVERIFY(line != nullptr);
    QTest::keyClicks(line, QStringLiteral("32, 64,32"));
    QTest::keyClick(line, Qt::Key_Return);
    QTest::keyClicks(line, QStringLiteral("64,128"));
    QTest::keyClick(line, Qt::Key_Return);
    QCOMPARE(editor.values().front(), Json(32));
    QCOMPARE(editor.values().back(), Json(128));
    QVERIFY(editor.problem().isEmpty());
    QVERIFY(line->text().isEmpty());
}

void ChipsEditorTest::wrongTextIsReported() {
    ChipsEditor editor(integers(0, 4096));
    auto* line = editor.findChild<QLineEdit*>();
    QTest::keyClicks(line, QStringLiteral("32,many"));
    QTest::keyClick(line, Qt::Key_Return);
    QVERIFY(editor.problem().contains(QStringLiteral("many")));
    QVERIFY(editor.values().empty());
    QVERIFY(!line->text().isEmpty()); // to be corrected
}

void ChipsEditorTest::chipsAreRemovedByTheirButton() {
    ChipsEditor editor(integers(0, 4096));
    editor.setValues({32, 64});
    editor.findChildren<QToolButton*>().constFirst()->click();
    QCOMPARE(editor.values(), (std::vector<Json>{64}));
}

void ChipsEditorTest::filesAreChipsWithTheirName() {
    ParamSpec param{.name = "method", .kind = ParamKind::Choice};
    param.choices = {"rtn", "gguf:FILE"};
    ChipsEditor editor(param);
    QSignalSpy edited(&editor, &ChipsEditor::edited);
    editor.addFile("gguf:FILE", QStringLiteral("/models/a b.gguf"));
    editor.addFile("gguf:FILE", QStringLiteral("/models/a b.gguf")); // no second time
    QCOMPARE(edited.count(), 1);
    QCOMPARE(editor.values(), (std::vector<Json>{"gguf:/models/a b.gguf"}));
    const QToolButton* chip = editor.findChildren<QToolButton*>().constLast();
    QCOMPARE(chip->text(), QStringLiteral("a b.gguf"));
    QCOMPARE(chip->toolTip(), QStringLiteral("/models/a b.gguf"));
    editor.setValues({"rtn", "gguf:/other.gguf", "gguf:FILE", "gguf:", "nonsense"});
    for (const Json& value : editor.values()) {
        QVERIFY2(checkValue(param, value).empty(), dumpJson(value).c_str());
    }
    QCOMPARE(editor.values().front(), Json("rtn"));
    QCOMPARE(editor.values()[1], Json("gguf:/other.gguf"));
    editor.setValues({"rtn"});
    QCOMPARE(editor.values(), (std::vector<Json>{"rtn"}));
}

LATHE_TEST(ChipsEditorTest);

} // namespace lathe

#include "chips_editor_test.moc"
