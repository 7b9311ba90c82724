// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/panel.h"
#include "widgets/decode/decode_facts.h"
#include "widgets/decode/decode_run.h"

#include <set>

class QComboBox;
class QLabel;
class QSplitter;
class QStackedWidget;
class QTabWidget;

namespace lathe {

class DecodeControls;
class LiveView;
class ParetoView;
class StateView;
class WhatIfLink;

/// Decoding with two models: decodes one text with `decode.once` and shows the life of every token,
/// live or replayed; what other thresholds would make of it is asked of the engine as the lines
/// are dragged. A second page has quality against speed over whole sets of texts.
class DecodePanel : public Panel {
    Q_OBJECT
public:
    explicit DecodePanel(PanelContext& context, QWidget* parent = nullptr);

    PanelInfo info() const override;
    void onEvents(std::span<const Event> events) override;
    QJsonObject saveState() const override;
    void restoreState(const QJsonObject& state) override;
    bool showRun(qint64 runId) override;
    bool editSpec(const Spec& spec) override;
    void triggerRun() override;
    bool busy() const override;

    const DecodeRun& run() const { return m_run; }
    DecodeControls& controls() { return *m_controls; }
    LiveView& live() { return *m_live; }
    ParetoView& pareto() { return *m_pareto; }
    WhatIfLink& whatIf() { return *m_whatIf; }

private:
    void showEvent(QShowEvent* event) override;
    QWidget* makeLivePage();
    void takeStudy();
    void takeRuns();
    void fillRecent();
    bool load(qint64 runId, bool play);
    void showLatest();
    void demonstrate();
    void setDraft(const Spec& spec);
    void submit(const Spec& spec);
    void stop();
    void noteCancel(qint64 runId);
    void noteActive(qint64 runId, bool active);
    Spec withThresholds(const Thresholds& thresholds) const;
    void moveThresholds(const Thresholds& thresholds, bool done);
    void askCandidates();
    void takeAnswer(const Spec& spec, const Json& result);
    void showMeasured();
    void showPage();
    void showState(int kind, const QString& sentence, bool canRun, const QString& details = {});

    PanelContext& m_context;
    DecodeRun m_run;
    std::set<qint64> m_active; ///< runs of this panel that have not ended
    bool m_fed = false;        ///< events of the shown run have arrived: the store need not be read
    bool m_studyKnown = false;
    bool m_demonstrated = false;
    QString m_problem; ///< why the store could not be read
    QSplitter* m_split;
    DecodeControls* m_controls;
    QLabel* m_head;
    QComboBox* m_recent;
    QStackedWidget* m_pages;
    StateView* m_state;
    LiveView* m_live;
    ParetoView* m_pareto;
    QTabWidget* m_views;
    WhatIfLink* m_whatIf;
};

} // namespace lathe
