// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/spec.h"
#include "widgets/base/state_view.h"
#include "widgets/base/followed_run.h"
#include "widgets/quant/inspection.h"

#include <QJsonObject>
#include <QTimer>

#include <optional>
#include <span>

class QLabel;
class QProgressBar;
class QPushButton;
class QSplitter;
class QStackedWidget;

namespace lathe {

class PanelContext;
class RowView;
class TileView;

/// Looks into one matrix of a model by runs of `quant.inspect`: its tiles, and one of its rows.
/// What the store has is shown at once. What it lacks is computed by itself for a bundled model
/// while no run is under way, and by a button otherwise; what is on screen meanwhile is said to be
/// of other settings.
class InspectionView : public QWidget {
    Q_OBJECT
public:
    explicit InspectionView(PanelContext& context, QWidget* parent = nullptr);

    /// The model, the calibration and the device of the next run.
    void setDraft(const Spec& draft);
    /// The matrix to look into; empty: none.
    void setModule(const std::string& module);
    /// Computes what is wanted, unless that is being done or shown.
    void inspect();
    void onEvents(std::span<const Event> events);
    /// Looks into the store again.
    void refresh();
    void noteCancel(qint64 runId);
    bool busy() const; ///< a run of this view has not ended

    qint64 runId() const { return m_run.id(); }
    qint64 shownId() const { return m_shown ? m_shown->runId : 0; }
    bool isStale() const; ///< what is shown is of other settings than wanted
    TileView& tiles() { return *m_tiles; }
    RowView& row() { return *m_row; }

    QJsonObject saveState() const;
    void restoreState(const QJsonObject& state);

signals:
    void busyChanged();

private:
    void showEvent(QShowEvent* event) override;
    void build();
    QWidget* makeHead();
    Spec wanted() const;
    bool isWanted(const Spec& spec) const;
    void wantOther();
    void chooseRow(int row, bool now);
    void takeStored();
    void load(const RunRow& row);
    void startIfQuick();
    bool isQuick();
    void noteBusy();
    QString problem() const; ///< what keeps it from being computed
    QString headText() const;
    void showPage();
    void showState(
        StateView::Kind kind, const QString& sentence, const QString& button,
        const QString& details = {});

    PanelContext& m_context;
    Spec m_draft;
    std::string m_model, m_module;
    int m_wantedRow = -1; ///< -1: the one with the largest weighted error
    std::optional<MatrixInspection> m_shown;
    Spec m_shownSpec;
    Spec m_refused;    ///< what failed or was stopped is not computed again by itself
    FollowedRun m_run; ///< the latest run of this matrix
    Spec m_runSpec;
    QString m_problem;       ///< why the store could not be read
    bool m_givesWay = false; ///< was cancelled for what is wanted by now
    bool m_wasBusy = false;
    QTimer m_settle; ///< so that stepping through matrices starts no run for each

    QLabel* m_icon;
    QLabel* m_head;
    QProgressBar* m_progress;
    QPushButton* m_inspect;
    QPushButton* m_stop;
    QStackedWidget* m_pages;
    StateView* m_stateView;
    QSplitter* m_split;
    TileView* m_tiles;
    RowView* m_row;
};

} // namespace lathe
