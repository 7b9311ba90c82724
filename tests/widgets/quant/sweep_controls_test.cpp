// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/sweep_controls.h"

#include "tests/widgets/quant/fake_context.h"
#include "widgets/base/chips_editor.h"
#include "widgets/base/param_field.h"

using namespace lathe;
using namespace lathe::test;

namespace {

/// quant.sweep as engines with sensitivities declare it.
StudyInfo newSweep() {
    StudyInfo study = RecordedSweep::load().study;
    for (ParamSpec& param : study.params) {
        if (param.name == "method") {
            param.choices = {"kmeans",     "lloyd",   "rtn",
                             "squeezellm", "refined", "squeezellm-sparse",
                             "gguf:FILE"};
        }
    }
    study.params.push_back(
        {.name = "sparsity",
         .kind = ParamKind::Real,
         .defaultValue = 0.45,
         .unit = "%",
         .minimum = 0,
         .maximum = 20,
         .sweep = true});
    study.params.push_back(
        {.name = "calibration_samples",
         .kind = ParamKind::Integer,
         .defaultValue = 100,
         .minimum = 1,
         .maximum = 65536,
         .advanced = true});
    study.params.push_back(
        {.name = "predict", .kind = ParamKind::Flag, .defaultValue = false, .advanced = true});
    return study;
}

ParamField* field(const SweepControls& controls, const char* name) {
    for (ParamField* one : controls.findChildren<ParamField*>()) {
        if (one->param().name == name) {
            return one;
        }
    }
    return nullptr;
}

Spec sweepOf(const Json& methods) {
    Spec spec{.study = "quant.sweep", .params = {{"model", "lm-little"}}};
    spec.sweep = {{"method", methods}, {"bits", {2, 3, 4}}};
    return spec;
}

} // namespace

class SweepControlsTest : public QObject {
    Q_OBJECT

private slots:
    void init() { QLocale::setDefault(QLocale::c()); }

    void sparsityNeedsItsMethod() {
        FakeContext context;
        SweepControls controls(context);
        const StudyInfo study = newSweep();
        controls.setStudy(&study);
        ParamField* sparsity = field(controls, "sparsity");
        QVERIFY(sparsity != nullptr);
        QVERIFY(!sparsity->isEnabled());
        QVERIFY(sparsity->toolTip().contains(QStringLiteral("squeezellm-sparse")));
        controls.setDraft(sweepOf({"kmeans", "squeezellm-sparse"}));
        QVERIFY(sparsity->isEnabled());
        QVERIFY(sparsity->toolTip().isEmpty());
        controls.setDraft(sweepOf({"kmeans", "squeezellm"}));
        QVERIFY(!sparsity->isEnabled());
        QVERIFY(controls.problem().isEmpty());
    }

    void calibrationNeedsSensitivities() {
        FakeContext context;
        SweepControls controls(context);
        const StudyInfo study = newSweep();
        controls.setStudy(&study);
        controls.setDraft(sweepOf({"kmeans", "rtn"}));
        ParamField* samples = field(controls, "calibration_samples");
        QVERIFY(!samples->isEnabled());
        Spec spec = sweepOf({"kmeans", "rtn"});
        spec.params["predict"] = true;
        controls.setDraft(spec);
        QVERIFY(samples->isEnabled());
        for (const char* method : {"squeezellm", "lloyd", "refined"}) {
            controls.setDraft(sweepOf({"kmeans", method}));
            QVERIFY(samples->isEnabled());
        }
    }

    /// What the form gives back is what the engine takes: several files and several sparsities.
    void filesAndSparsitiesAreAxes() {
        FakeContext context;
        SweepControls controls(context);
        const StudyInfo study = newSweep();
        controls.setStudy(&study);
        Spec spec = sweepOf({"squeezellm-sparse", "gguf:/models/a b.gguf"});
        spec.sweep["sparsity"] = {0.05, 0.45};
        controls.setDraft(spec);
        auto* chips = field(controls, "method")->findChild<ChipsEditor*>();
        QVERIFY(chips != nullptr);
        chips->addFile("gguf:FILE", QStringLiteral("/models/c.gguf"));
        const Spec draft = controls.draft();
        QCOMPARE(
            draft.sweep.at("method"),
            Json::array({"squeezellm-sparse", "gguf:/models/a b.gguf", "gguf:/models/c.gguf"}));
        QCOMPARE(draft.sweep.at("sparsity"), Json::array({0.05, 0.45}));
        QVERIFY(controls.problem().isEmpty());
        // 3 bit widths, 3 more for the second sparsity, 2 files, float.
        QCOMPARE(
            controls.badge(),
            QStringLiteral("1 method × 3 bit widths + 3 for further sparsities + 2 files + float "
                           "= 9 cells"));
    }

    void countsSparsitiesOfTheSparseMethodOnly() {
        Spec spec = sweepOf({"kmeans", "squeezellm"});
        spec.sweep["sparsity"] = {0.05, 0.45};
        QVERIFY(cellCountText(spec).endsWith(QStringLiteral("= 7 cells")));
        spec.sweep["method"] = {"kmeans", "squeezellm-sparse"};
        QVERIFY(cellCountText(spec).endsWith(QStringLiteral("= 10 cells")));
        spec.params["tensors"] = "each";
        QVERIFY(cellCountText(spec).contains(QStringLiteral("every matrix")));
        Spec file{.study = "quant.sweep", .params = {{"method", "gguf:/m.gguf"}, {"bits", 3}}};
        QCOMPARE(cellCountText(file), QStringLiteral("1 file + float = 2 cells"));
    }
};

LATHE_TEST(SweepControlsTest);
#include "sweep_controls_test.moc"
