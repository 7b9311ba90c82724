// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/model_picker.h"

#include "tests/support/lathe_test.h"
#include "tests/widgets/base/fake_context.h"

#include <QComboBox>

namespace lathe {

class ModelPickerTest : public QObject {
    Q_OBJECT
private slots:
    void takesTheFirstModel();
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
    QCOMPARE(picker.findChild<QComboBox*>()->currentText(), QStringLiteral("/models/new"));
    emit context.modelsChanged();
    QCOMPARE(picker.model(), std::string("/models/new"));
}

LATHE_TEST(ModelPickerTest);

} // namespace lathe

#include "model_picker_test.moc"
