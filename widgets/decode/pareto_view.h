// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/spec.h"
#include "engine/core/study_info.h"
#include "widgets/base/followed_run.h"
#include "widgets/base/state_view.h"
#include "widgets/decode/threshold_grid.h"

#include <QJsonObject>

#include <optional>

class QComboBox;
class QLabel;
class QProgressBar;
class QPushButton;
class QStackedWidget;

namespace lathe {

class PanelContext;
class SpecForm;

/// Quality against speed over pairs of thresholds: what the store has of the present pair of
/// models, and runs of decode.pareto that measure more. A point's thresholds can be taken over.
class ParetoView : public QWidget {
    Q_OBJECT
public:
    explicit ParetoView(PanelContext& context, QWidget* parent = nullptr);

    void setStudy(const StudyInfo* info); ///< of decode.pareto; null: there is none
    /// The models, the present thresholds and all else that the studies have in common.
    void setDraft(const Spec& decodeOnce);
    /// The thresholds that the present text was decoded or replayed with.
    void setThresholds(double fallback, double rollback);
    void onEvents(std::span<const Event> events);
    void refresh(); ///< looks into the store again
    bool showRun(qint64 runId);
    bool editSpec(const Spec& spec);
    /// A Spec of decode.once that decodes as one of decode.pareto does: its pair, in its place.
    Spec sharedBack(const Spec& grid, Spec decodeOnce) const;
    void noteCancel(qint64 runId);
    bool busy() const { return m_run.busy(); }
    void measureGrid();

    const ThresholdGrid& grid() const { return m_grid; }
    PlotView& plot() { return *m_plot; }
    QJsonObject saveState() const;
    void restoreState(const QJsonObject& state);

signals:
    void thresholdsChosen(double fallback, double rollback);
    void busyChanged();

private:
    void showEvent(QShowEvent* event) override;
    QWidget* makeHead();
    QWidget* makeChoices();
    const StudyInfo* study() const { return m_study ? &*m_study : nullptr; }
    Spec shared(const Spec& decodeOnce) const;
    Spec wanted() const;
    void measurePresent();
    void submit(const Spec& spec);
    void noteBusy();
    void select(qint64 id);
    void showPlot();
    void showPage();
    QString problem() const;

    PanelContext& m_context;
    Spec m_draft;
    std::optional<StudyInfo> m_study; ///< its engine may have been replaced
    GridPair m_pair;                  ///< of the draft
    ThresholdGrid m_grid;
    qint64 m_asked = 0; ///< the run whose grid is wanted; 0: the latest of the present pair
    double m_fallback = -1.0, m_rollback = -1.0; ///< below 0: not known
    FollowedRun m_run;
    QString m_problem;
    bool m_wasBusy = false;

    QLabel* m_head;
    QProgressBar* m_progress;
    QPushButton* m_measure;
    QPushButton* m_measurePresent;
    QPushButton* m_stop;
    SpecForm* m_form;
    QComboBox* m_quality;
    QComboBox* m_time;
    QLabel* m_facts;
    QPushButton* m_take;
    QStackedWidget* m_pages;
    StateView* m_stateView;
    PlotView* m_plot;
    QWidget* m_plotPage;
    qint64 m_selected = 0;
};

} // namespace lathe
