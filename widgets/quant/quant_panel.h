// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/panel.h"
#include "widgets/quant/sweep_run.h"

#include <set>

class QSplitter;
class QStackedWidget;
class QTabWidget;

namespace lathe {

class BudgetView;
class ModuleSelection;
class SensitivityView;
class StateView;
class SweepControls;
class SweepResults;

/// Quantization: chooses a sweep of `quant.sweep`, starts it, and shows one sweep, live or from the
/// store. At the start that is the latest one. Further pages show the sensitivities of the chosen
/// model, look into its matrices and plan it under a budget. All pages share one selected matrix.
class QuantPanel : public Panel {
    Q_OBJECT
public:
    explicit QuantPanel(PanelContext& context, QWidget* parent = nullptr);

    PanelInfo info() const override;
    void onEvents(std::span<const Event> events) override;
    QJsonObject saveState() const override;
    void restoreState(const QJsonObject& state) override;
    bool showRun(qint64 runId) override;
    bool editSpec(const Spec& spec) override;
    bool useModel(const QString& path) override;
    void triggerRun() override;
    bool busy() const override;

    const SweepRun& run() const { return m_run; }
    SweepControls& controls() { return *m_controls; }
    SweepResults& results() { return *m_results; }
    SensitivityView& sensitivities() { return *m_sensitivities; }
    ModuleSelection& modules() { return *m_modules; }
    BudgetView& budget() { return *m_budget; }

private:
    enum class Primary { None, Run, RunAgain };

    void takeStudy();
    void takeRuns();
    void noteCancel(qint64 runId);
    bool load(qint64 runId);
    void showLatest();
    void submit(const Spec& spec);
    void stop();
    void showPage();
    void showState(int kind, const QString& sentence, Primary primary, const QString& details = {});
    void primaryClicked();
    void noteActive(qint64 runId, bool active);
    QString titleOf(const Spec& spec) const;

    PanelContext& m_context;
    SweepRun m_run;
    std::set<qint64> m_active; ///< sweeps of this panel that have not ended
    bool m_fed = false;        ///< events of the shown run have arrived: the store need not be read
    bool m_studyKnown = false;
    QString m_problem; ///< why the store could not be read
    Primary m_primary = Primary::None;
    QSplitter* m_split;
    SweepControls* m_controls;
    QStackedWidget* m_pages;
    StateView* m_state;
    ModuleSelection* m_modules; ///< made before the views that share it
    SweepResults* m_results;
    SensitivityView* m_sensitivities;
    BudgetView* m_budget;
    QTabWidget* m_views; ///< the sweep; the sensitivities and the budget of the chosen model
};

} // namespace lathe
