// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/decode/decode_facts.h"
#include "widgets/decode/decode_run.h"

#include <QJsonObject>
#include <QWidget>

#include <functional>

class QLabel;
class QPushButton;
class QSplitter;
class QToolButton;

namespace lathe {

class DecodeHistograms;
class ReplayBar;
class SwimLanes;
class ThresholdStrip;
class TokenRibbon;

/// One decoding: the ribbon of its tokens, the lanes of its calls, confidence and distance with the
/// thresholds as lines that can be dragged, and a replay that moves all of them. It shows either a
/// run as it was measured, or what it would be under other thresholds.
class LiveView : public QWidget {
    Q_OBJECT
public:
    explicit LiveView(QWidget* parent = nullptr);
    ~LiveView() override;

    /// Shows a run; `play` from its beginning, else as it ended. The run outlives the view, or
    /// another is shown first.
    void showRun(const DecodeRun& run, bool play);
    /// The run that is shown has grown or ended.
    void update(const DecodeRun& run, int changes);
    /// What the run would be under other thresholds: an answer of the engine.
    /// @throws FormatError for an answer without a log
    void showWhatIf(const Json& result);
    void showMeasured(); ///< back from it
    /// The same, of the thresholds that were measured: what both models would have written.
    void takeCandidates(const Json& result);
    bool isWhatIf() const { return m_isWhatIf; }
    /// One line on how the replay of other thresholds stands; empty: nothing to say.
    void setNote(const QString& text, bool waiting);
    const DecodeStory& story() const;
    Thresholds thresholds() const { return m_thresholds; }
    /// Where the lines stand, and nothing else.
    void setThresholds(const Thresholds& thresholds);

    TokenRibbon& ribbon() { return *m_ribbon; }
    SwimLanes& lanes() { return *m_lanes; }
    ThresholdStrip& confidence() { return *m_confidence; }
    ThresholdStrip& distance() { return *m_distance; }
    DecodeHistograms& histograms() { return *m_histograms; }
    ReplayBar& replay() { return *m_replay; }
    int cursor() const { return m_cursor; }

    QJsonObject saveState() const;
    void restoreState(const QJsonObject& state);

signals:
    /// A line was moved; `done` when it was let go.
    void thresholdsMoved(const lathe::Thresholds& thresholds, bool done);
    void measuredWanted();
    void runWanted(); ///< measure what is shown

private:
    QWidget* makeHead();
    QWidget* makePlots();
    QWidget* makeExports();
    void makeKeys();
    void takeStory(bool play);
    void showCursor(qint64 ns);
    void setCursor(int events);
    void jump(int events);
    void stepTokens(int direction);
    void stepTurns(int direction);
    void resizeEvent(QResizeEvent* event) override;
    void changeEvent(QEvent* event) override;
    void fitFacts();
    void showFacts();
    void showTexts();
    void selectLife(int life);
    void offerCandidates(int life);
    void moveLine(const Thresholds& thresholds, bool done);
    void
    exportChart(const QString& name, const std::function<bool(const QString&, QString*)>& write);
    void exportLog();

    const DecodeRun* m_run = nullptr;
    DecodeStory m_answerStory; ///< of the latest answer; candidates are of its lives
    Json m_answer;
    QString m_noCandidates; ///< why there are none
    bool m_isWhatIf = false;
    Thresholds m_thresholds;
    std::vector<double> m_alone;
    int m_cursor = -1;
    int m_factRows = 1; ///< of the numbers, where the view is narrow

    QLabel* m_facts;
    QLabel* m_note;
    QPushButton* m_measured;
    QPushButton* m_runThis;
    QLabel* m_text;
    QLabel* m_aloneText;
    TokenRibbon* m_ribbon;
    SwimLanes* m_lanes;
    ThresholdStrip* m_confidence;
    ThresholdStrip* m_distance;
    DecodeHistograms* m_histograms;
    ReplayBar* m_replay;
    QSplitter* m_split = nullptr;
    QToolButton* m_export = nullptr;
};

} // namespace lathe
