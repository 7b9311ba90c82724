// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/spec_form.h"

#include "tests/support/lathe_test.h"
#include "tests/widgets/base/fake_context.h"
#include "widgets/base/param_field.h"

#include <QApplication>
#include <QComboBox>
#include <QDir>
#include <QLabel>
#include <QLineEdit>
#include <QSignalSpy>
#include <QWheelEvent>

namespace lathe {

class SpecFormTest : public QObject {
    Q_OBJECT
private slots:
    void startsWithTheDefaults();
    void givesBackWhatItWasGiven();
    void oneValueOfASweepIsAParameter();
    void wrongInputIsShownBesideTheField();
    void hiddenParametersAreLeftToThePanel();
    void aNewStudyKeepsWhatFits();
    void everyControlHasAName();
    void whatHasNoEffectIsDisabledWithTheReason();
    void namesStandBesideFiles();

private:
    static std::vector<Diagnostic> problems(const SpecForm& form) {
        std::vector<Diagnostic> found;
        static_cast<void>(form.spec(&found));
        return found;
    }
    static ParamField* field(const SpecForm& form, const std::string& name) {
        for (ParamField* one : form.findChildren<ParamField*>()) {
            if (one->param().name == name) {
                return one;
            }
        }
        return nullptr;
    }
};

void SpecFormTest::startsWithTheDefaults() {
    test::FakeContext context;
    SpecForm form(context);
    form.setStudy(test::everyKindOfParameter());
    const Spec spec = form.spec();
    QCOMPARE(spec.study, std::string("test.study"));
    QCOMPARE(spec.params.at("model"), Json("lm-little"));
    QCOMPARE(spec.params.at("share"), Json(0.5));
    QCOMPARE(spec.params.at("bits"), Json(4));
    QVERIFY(!spec.params.contains("text"));
    QVERIFY(problems(form).empty());
}

void SpecFormTest::givesBackWhatItWasGiven() {
    test::FakeContext context;
    SpecForm form(context);
    form.setStudy(test::everyKindOfParameter());
    Spec spec{.study = "test.study"};
    spec.seed = 18446744073709551615ULL;
    spec.device = "cuda:1";
    spec.target = "avx2";
    spec.threads = 3;
    spec.repeat = 5;
    spec.params = {
        {"model", "/models/other"}, {"text", "/tmp/a b.txt"}, {"share", 0.1},     {"clean", true},
        {"bos", "window"},          {"window", 256},          {"preset", "paper"}};
    spec.sweep = {{"method", {"rtn", "kmeans"}}, {"bits", {2, 3, 8}}};
    form.setSpec(spec);
    const std::string given = dumpJson(toJson(spec));
    const std::string back = dumpJson(toJson(form.spec()));
    QVERIFY2(back == given, (back + "\ninstead of\n" + given).c_str());
}

void SpecFormTest::namesStandBesideFiles() {
    test::FakeContext context;
    SpecForm form(context);
    form.setStudy(test::everyKindOfParameter());
    auto* names = field(form, "preset")->findChild<QComboBox*>();
    QVERIFY(names != nullptr);
    QVERIFY(names->isEditable());
    QCOMPARE(names->count(), 2);
    QCOMPARE(form.spec().params.at("preset"), Json("strict"));
    QSignalSpy edited(&form, &SpecForm::edited);
    names->setCurrentIndex(1);
    emit names->activated(1);
    QCOMPARE(edited.count(), 1);
    QCOMPARE(form.spec().params.at("preset"), Json("paper"));
    Spec spec{.study = "test.study"};
    spec.params = {{"preset", "/tmp/own preset.json"}};
    form.setSpec(spec);
    QCOMPARE(form.spec().params.at("preset"), Json("/tmp/own preset.json"));
    QCOMPARE(names->currentIndex(), -1); // no name of the list
    QVERIFY(names->completer() == nullptr);
    QWheelEvent wheel(
        {5, 5}, names->mapToGlobal(QPointF(5, 5)), {}, {0, -120}, Qt::NoButton, Qt::NoModifier,
        Qt::NoScrollPhase, false);
    QApplication::sendEvent(names, &wheel);
    QCOMPARE(form.spec().params.at("preset"), Json("/tmp/own preset.json"));
    spec.params = {{"preset", "paper"}};
    form.setSpec(spec);
    QCOMPARE(names->currentIndex(), 1);
    auto* line = names->lineEdit();
    line->selectAll();
    QTest::keyClicks(line, QStringLiteral("own/../tuned.json")); // stored by its full path
    QCOMPARE(
        form.spec().params.at("preset").get<std::string>(),
        QDir::current().filePath(QStringLiteral("tuned.json")).toStdString());
}

void SpecFormTest::oneValueOfASweepIsAParameter() {
    test::FakeContext context;
    SpecForm form(context);
    form.setStudy(test::everyKindOfParameter());
    Spec spec{.study = "test.study"};
    spec.sweep = {{"bits", {3}}};
    form.setSpec(spec);
    QCOMPARE(form.spec().params.at("bits"), Json(3));
    QVERIFY(!form.spec().sweep.contains("bits"));
}

void SpecFormTest::wrongInputIsShownBesideTheField() {
    test::FakeContext context;
    SpecForm form(context);
    form.setStudy(test::everyKindOfParameter());
    QSignalSpy edited(&form, &SpecForm::edited);
    ParamField* share = field(form, "share");
    auto* line = share->findChild<QLineEdit*>();
    line->selectAll();
    QTest::keyClicks(line, QStringLiteral("7"));
    QVERIFY(edited.count() > 0);
    const std::vector<Diagnostic> found = problems(form);
    QCOMPARE(found.size(), std::size_t{1});
    QCOMPARE(found.front().param, std::string("share"));
    bool told = false;
    for (const QLabel* label : share->findChildren<QLabel*>()) {
        told = told || label->text().toStdString() == found.front().message;
    }
    QVERIFY(told);
    line->selectAll();
    QTest::keyClicks(line, QStringLiteral("x"));
    QCOMPARE(problems(form).front().param, std::string("share"));
    QTest::keyClick(line, Qt::Key_Backspace);
    QTest::keyClicks(line, QStringLiteral("0.25"));
    QVERIFY(problems(form).empty());
    QCOMPARE(form.spec().params.at("share"), Json(0.25));
}

void SpecFormTest::hiddenParametersAreLeftToThePanel() {
    test::FakeContext context;
    SpecForm form(context);
    form.setStudy(test::everyKindOfParameter(), {"model", "seed"});
    QVERIFY(field(form, "model") == nullptr);
    QVERIFY(field(form, "seed") == nullptr);
    QVERIFY(problems(form).empty()); // the required model is not missing: it is not asked for
    QVERIFY(!form.spec().params.contains("model"));
}

void SpecFormTest::aNewStudyKeepsWhatFits() {
    test::FakeContext context;
    SpecForm form(context);
    StudyInfo study = test::everyKindOfParameter();
    form.setStudy(study);
    Spec spec = form.spec();
    spec.params["share"] = 0.75;
    spec.params["clean"] = true;
    form.setSpec(spec);
    study.id = "test.other";
    std::erase_if(study.params, [](const ParamSpec& param) { return param.name == "clean"; });
    for (ParamSpec& param : study.params) {
        if (param.name == "share") {
            param.maximum = 0.6; // the old value does not fit any more
        }
    }
    form.setStudy(study);
    QCOMPARE(form.spec().study, std::string("test.other"));
    QCOMPARE(form.spec().params.at("share"), Json(0.5));
    QVERIFY(!form.spec().params.contains("clean"));
    QCOMPARE(form.spec().params.at("model"), Json("lm-little"));
}

void SpecFormTest::everyControlHasAName() {
    test::FakeContext context;
    SpecForm form(context);
    form.setStudy(test::everyKindOfParameter());
    for (const QWidget* widget : form.findChildren<QWidget*>()) {
        if ((widget->focusPolicy() & Qt::TabFocus) != 0 && widget->focusProxy() == nullptr &&
            !widget->inherits("QComboBoxListView")) {
            QVERIFY2(
                !widget->accessibleName().isEmpty(),
                qPrintable(
                    QLatin1String(widget->metaObject()->className()) + QLatin1Char(' ') +
                    widget->objectName()));
        }
    }
}

void SpecFormTest::whatHasNoEffectIsDisabledWithTheReason() {
    test::FakeContext context;
    SpecForm form(context);
    form.setStudy(test::everyKindOfParameter());
    ParamField* share = field(form, "share");
    auto* line = share->findChild<QLineEdit*>();
    const QString help = line->accessibleDescription();
    line->setText(QStringLiteral("7"));
    QVERIFY(!problems(form).empty());
    form.setUnused("share", QStringLiteral("because"));
    QVERIFY(!line->isEnabled());
    QCOMPARE(share->toolTip(), QStringLiteral("because"));
    QCOMPARE(line->accessibleDescription(), QStringLiteral("because"));
    QVERIFY(problems(form).empty()); // a value without effect is no obstacle
    form.setUnused("share", {});
    QVERIFY(line->isEnabled());
    QCOMPARE(line->accessibleDescription(), help);
    QVERIFY(!problems(form).empty());
    form.setUnused("of another study", QStringLiteral("nothing happens"));
}

LATHE_TEST(SpecFormTest);

} // namespace lathe

#include "spec_form_test.moc"
