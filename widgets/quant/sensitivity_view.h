// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/spec.h"
#include "widgets/base/plot_view.h"
#include "widgets/base/state_view.h"
#include "widgets/base/followed_run.h"

#include <QJsonObject>

#include <span>

class QLabel;
class QProgressBar;
class QPushButton;
class QSplitter;
class QStackedWidget;
class QToolButton;

namespace lathe {

class InspectionView;
class ModuleSelection;
class PanelContext;

/// Which matrices of a model its loss hangs on: the latest run of `quant.sensitivity` of that model
/// as a map, and the button that starts such a run. Below it the matrix that is selected there or
/// in another view is looked into.
class SensitivityView : public QWidget {
    Q_OBJECT
public:
    SensitivityView(PanelContext& context, ModuleSelection& modules, QWidget* parent = nullptr);

    /// Shows the latest run of the draft's model. Its device and its calibration are those of the
    /// next run.
    void setDraft(const Spec& draft);
    void onEvents(std::span<const Event> events);
    /// Looks into the store again, for runs of other programs and an engine that has come.
    void refresh();
    /// The cancelling of a run was asked for.
    void noteCancel(qint64 runId);
    /// A run of this view has not ended.
    bool busy() const;

    qint64 runId() const { return m_run.id(); }
    const PlotView& plot() const { return *m_plot; }
    InspectionView& inspection() { return *m_inspection; }

    QJsonObject saveState() const;
    void restoreState(const QJsonObject& state);

signals:
    void busyChanged();

private:
    void showEvent(QShowEvent* event) override;
    void build();
    void takeLatest();
    void showMap(const RunRow& row);
    void markModule();
    std::string moduleOf(qint64 tile) const;
    void showPage();
    void showState(
        StateView::Kind kind, const QString& sentence, const QString& button,
        const QString& details);
    void showButtons();
    void noteBusy();
    bool computing() const; ///< a run of the map has not ended
    void compute();
    QString problem() const; ///< what keeps it from being computed

    PanelContext& m_context;
    ModuleSelection& m_modules;
    Spec m_draft;
    std::string m_model;
    qint64 m_shownId = 0;             ///< the run that the map shows
    FollowedRun m_run;                ///< the latest of the model
    QString m_problem;                ///< why the store could not be read
    QString m_headText;               ///< on the run that is shown
    std::vector<std::string> m_names; ///< of the tiles
    bool m_wasBusy = false;           ///< when that was last told

    QLabel* m_head;
    QProgressBar* m_progress;
    QPushButton* m_compute;
    QPushButton* m_stop;
    QToolButton* m_export;
    QStackedWidget* m_pages;
    StateView* m_stateView;
    PlotView* m_plot;
    QSplitter* m_split;
    InspectionView* m_inspection;
};

} // namespace lathe
