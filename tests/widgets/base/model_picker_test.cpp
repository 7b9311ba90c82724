// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/model_picker.h"

#include "widgets/base/model_name.h"

#include "tests/support/lathe_test.h"
#include "tests/widgets/base/fake_context.h"

#include <QComboBox>

namespace lathe {

class ModelPickerTest : public QObject {
    Q_OBJECT
private slots:
    void cachedModelsHaveTheirNames();
    void takesTheFirstModel();
    void takesNoneWhereNoneIsNeeded();
    void waitsForTheEngine();
    void tellsWhyAModelCannotBeUsed();
    void keepsAModelThatIsNotListedYet();
};

void ModelPickerTest::takesTheFirstModel() {
    test::FakeContext context;
    const ModelPicker picker(context);
    QCOMPARE(picker.model(), std::string("lm-little"));
    QVERIFY(picker.problem().isEmpty());
    const auto* box = picker.findChild<QComboBox*>();
    QVERIFY(box->currentText().contains(QStringLiteral("bundled")));
    QVERIFY(box->findText(QStringLiteral("Open folder…")) >= 0);
    QVERIFY(box->findText(QStringLiteral("Open GGUF file…")) >= 0);
}

void ModelPickerTest::takesNoneWhereNoneIsNeeded() {
    test::FakeContext context;
    ModelPicker picker(context, ModelPicker::Kinds::Any, ModelPicker::Need::OneOrNone);
    QVERIFY(picker.model().empty());
    QVERIFY(picker.problem().isEmpty());
    auto* box = picker.findChild<QComboBox*>();
    QCOMPARE(box->currentText(), QStringLiteral("None"));
    picker.setModel("lm-little");
    QCOMPARE(box->currentData().toString(), QStringLiteral("lm-little"));
    box->setCurrentIndex(0);
    emit box->activated(0);
    QVERIFY(picker.model().empty());
    emit context.modelsChanged(); // filled again
    QVERIFY(picker.model().empty());
}

void ModelPickerTest::waitsForTheEngine() {
    test::FakeContext context;
    context.running = false;
    const ModelPicker picker(context);
    QVERIFY(picker.model().empty());
    QVERIFY(!picker.problem().isEmpty());
    context.running = true;
    emit context.modelsChanged();
    QCOMPARE(picker.model(), std::string("lm-little"));
}

void ModelPickerTest::tellsWhyAModelCannotBeUsed() {
    test::FakeContext context;
    ModelPicker picker(context);
    picker.setModel("/models/too-big.gguf");
    QCOMPARE(picker.model(), std::string("/models/too-big.gguf"));
    QVERIFY(picker.problem().contains(QStringLiteral("280 GB")));
    QVERIFY(picker.findChild<QComboBox*>()->toolTip().contains(QStringLiteral("280 GB")));
}

void ModelPickerTest::keepsAModelThatIsNotListedYet() {
    test::FakeContext context;
    ModelPicker picker(context);
    picker.setModel("/models/new");
    QCOMPARE(picker.findChild<QComboBox*>()->currentText(), QStringLiteral("new"));
    QCOMPARE(picker.findChild<QComboBox*>()->toolTip(), QStringLiteral("/models/new"));
    emit context.modelsChanged();
    QCOMPARE(picker.model(), std::string("/models/new"));
}

void ModelPickerTest::cachedModelsHaveTheirNames() {
    const QString hash = QStringLiteral("12fd25f77366fa6b3b4b768ec3050bf629380bac");
    const QString path =
        QStringLiteral("/home/u/.cache/huggingface/hub/models--org--tiny-llama/snapshots/") + hash;
    QCOMPARE(shortModelName(path), QStringLiteral("org/tiny-llama"));
    QCOMPARE(
        shortModelName(path + QStringLiteral("/weights.gguf")), QStringLiteral("weights.gguf"));
    QCOMPARE(shortModelName(QStringLiteral("/data/mine")), QStringLiteral("mine"));
    QCOMPARE(shortModelName(QStringLiteral("lm-big")), QStringLiteral("lm-big"));
    test::FakeContext context;
    context.info.models = {
        {.name = path.toStdString(),
         .title = "org/tiny-llama",
         .source = "hf-cache",
         .path = path.toStdString(),
         .architecture = "llama"}};
    ModelPicker picker(context);
    const QString text = picker.findChild<QComboBox*>()->itemText(0);
    QVERIFY2(text.startsWith(QStringLiteral("org/tiny-llama")), qPrintable(text));
    QVERIFY2(!text.contains(hash), qPrintable(text));
}

LATHE_TEST(ModelPickerTest);

} // namespace lathe

#include "model_picker_test.moc"
