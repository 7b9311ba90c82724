// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/spec.h"
#include "widgets/base/state_view.h"
#include "widgets/quant/budget_plots.h"
#include "widgets/base/followed_run.h"

#include <QJsonObject>
#include <QTimer>

#include <map>
#include <optional>
#include <span>

class QLabel;
class QProgressBar;
class QPushButton;
class QStackedWidget;

namespace lathe {

class BudgetLimitEdit;
class PanelContext;
class PlotView;

/// Mixed precision under a budget: plans from the error curves of the model's latest run of
/// `quant.budget` while the limit is moved, and starts the runs that compute such curves, measure a
/// plan or write the model.
class BudgetView : public QWidget {
    Q_OBJECT
public:
    explicit BudgetView(PanelContext& context, QWidget* parent = nullptr);

    /// Shows the latest curves of the draft's model. Its device, calibration and scored text are
    /// those of the next run.
    void setDraft(const Spec& draft);
    void onEvents(std::span<const Event> events);
    /// Looks into the store again, for runs of other programs and an engine that has come.
    void refresh();
    /// The cancelling of a run was asked for.
    void noteCancel(qint64 runId);
    /// A run of this view has not ended.
    bool busy() const;
    QJsonObject saveState() const;
    void restoreState(const QJsonObject& state);

    /// Highlights a matrix by its name; an empty or unknown one: none.
    void selectModule(const std::string& name);
    /// Writes the planned model into a folder that does not exist yet.
    void exportTo(const QString& folder);

    qint64 runId() const { return m_run.id(); }
    const BudgetCurves& curves() const { return m_curves; }
    const MatrixPlan& plan() const { return m_plan; }
    BudgetLimitEdit& limit() { return *m_limit; }
    PlotView& map() { return *m_map; }
    PlotView& plot() { return *m_plot; }

signals:
    void busyChanged();
    void moduleSelected(const std::string& name); ///< by the user; empty: none

private:
    void showEvent(QShowEvent* event) override;
    void changeEvent(QEvent* event) override;
    void build();
    QWidget* makePlanPart();
    QWidget* makePlotPart(PlotView* plot, const QString& name);
    void takeRuns();
    /// Curves and measured plans of a finished run.
    void takeDone(const RunRow& row);
    void keepPlan();
    void replan();
    void showSelected();
    void showPage();
    void showState(
        StateView::Kind kind, const QString& sentence, const QString& button,
        const QString& details);
    void showButtons();
    void noteBusy();
    void submit(const Spec& spec, const QString& title);
    void compute();
    void measure();
    void chooseFolder();
    QString problem() const; ///< what keeps a run from being started

    PanelContext& m_context;
    Spec m_draft;
    std::string m_model;
    Spec m_shownSpec; ///< of the run whose curves are shown
    qint64 m_shownId = 0;
    FollowedRun m_run;      ///< the latest of the model
    QString m_problem;      ///< why the store could not be read
    qint64 m_damagedId = 0; ///< the latest run whose curves could not be read
    QString m_damage;       ///< and why
    QString m_headText;     ///< on the run whose curves are shown
    bool m_wasBusy = false; ///< when that was last told
    BudgetCurves m_curves;
    MatrixPlan m_plan;
    std::map<qint64, std::vector<MeasuredPlan>> m_measured; ///< by run, each read once
    std::string m_selected;
    std::optional<std::pair<LimitUnit, double>> m_stored; ///< limit of the last session
    QTimer m_frame; ///< moves of the limit within one frame make one plan

    QLabel* m_head;
    QLabel* m_stale;
    QLabel* m_facts;
    QLabel* m_matrix;
    QProgressBar* m_progress;
    QPushButton* m_compute;
    QPushButton* m_stop;
    QPushButton* m_measure;
    QPushButton* m_export;
    BudgetLimitEdit* m_limit;
    QStackedWidget* m_pages;
    StateView* m_stateView;
    PlotView* m_map;
    PlotView* m_plot;
};

} // namespace lathe
