// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/live_view.h"

#include "engine/core/error.h"
#include "widgets/base/followed_run.h"
#include "widgets/base/theme.h"
#include "widgets/decode/decode_histograms.h"
#include "widgets/decode/fate_style.h"
#include "widgets/decode/replay_bar.h"
#include "widgets/decode/swim_lanes.h"
#include "widgets/decode/threshold_strip.h"
#include "widgets/decode/token_ribbon.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QShortcut>
#include <QSplitter>
#include <QTabWidget>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace lathe {

namespace {

const Json kNothing = Json::object();

/// Pieces and probabilities of one model at a prefix.
Candidates candidatesOf(const DecodeStory& story, const Json& row) {
    Candidates candidates;
    for (const Json& one : row) {
        if (one.is_array() && one.size() == 2 && one[0].is_number_integer() && one[1].is_number()) {
            candidates.emplace_back(story.piece(one[0].get<TokenId>()), one[1].get<double>());
        }
    }
    return candidates;
}

} // namespace

LiveView::LiveView(QWidget* parent)
    : QWidget(parent), m_facts(new QLabel), m_note(new QLabel), m_measured(new QPushButton),
      m_runThis(new QPushButton), m_text(new QLabel), m_aloneText(new QLabel),
      m_ribbon(new TokenRibbon), m_lanes(new SwimLanes),
      m_confidence(new ThresholdStrip(StripKind::Confidence)),
      m_distance(new ThresholdStrip(StripKind::Distance)), m_histograms(new DecodeHistograms),
      m_replay(new ReplayBar) {
    auto* column = new QVBoxLayout(this);
    column->addWidget(makeHead());
    column->addWidget(m_facts);
    m_split = new QSplitter(Qt::Vertical);
    m_split->addWidget(m_ribbon);
    m_split->addWidget(makePlots());
    m_split->setChildrenCollapsible(false);
    m_split->setStretchFactor(0, 2);
    m_split->setStretchFactor(1, 3);
    column->addWidget(new FateLegend);
    column->addWidget(m_split, 1);
    column->addWidget(m_replay);
    setFocusProxy(m_ribbon);
    makeKeys();

    connect(&m_replay->clock(), &ReplayClock::moved, this, &LiveView::showCursor);
    connect(m_replay, &ReplayBar::tokenStepped, this, &LiveView::stepTokens);
    connect(m_replay, &ReplayBar::turnStepped, this, &LiveView::stepTurns);
    connect(m_ribbon, &TokenRibbon::lifeSelected, this, &LiveView::selectLife);
    connect(m_ribbon, &TokenRibbon::lifeHovered, this, &LiveView::offerCandidates);
    for (ThresholdStrip* strip : {m_confidence, m_distance}) {
        connect(strip, &ThresholdStrip::lifeSelected, this, &LiveView::selectLife);
    }
    connect(m_lanes, &SwimLanes::cursorChosen, this, &LiveView::jump);
    connect(m_lanes, &SwimLanes::lifeHovered, this, &LiveView::offerCandidates);
    connect(m_confidence, &PaintedChart::rangeChanged, m_distance, &PaintedChart::setRange);
    connect(m_distance, &PaintedChart::rangeChanged, m_confidence, &PaintedChart::setRange);
    const auto moves = [this](ThresholdStrip* strip, double Thresholds::*which) {
        const auto move = [this, which](bool done) {
            return [this, which, done](double value) {
                Thresholds moved = m_thresholds;
                moved.*which = value;
                moveLine(moved, done);
            };
        };
        connect(strip, &ThresholdStrip::thresholdMoved, this, move(false));
        connect(strip, &ThresholdStrip::thresholdChosen, this, move(true));
    };
    moves(m_confidence, &Thresholds::fallback);
    moves(m_distance, &Thresholds::rollback);
    connect(m_measured, &QPushButton::clicked, this, &LiveView::measuredWanted);
    connect(m_runThis, &QPushButton::clicked, this, &LiveView::runWanted);
    takeStory(false);
}

LiveView::~LiveView() = default;

QWidget* LiveView::makeHead() {
    m_facts->setTextFormat(Qt::RichText);
    m_facts->setSizePolicy(
        QSizePolicy::Ignored, QSizePolicy::Preferred); // no reason to move others
    m_facts->setAccessibleName(tr("Numbers up to the place of the replay"));
    m_note->setTextFormat(Qt::PlainText);
    m_note->setWordWrap(true);
    m_measured->setText(tr("Back to measured"));
    m_measured->setIcon(Theme::icon(QStringLiteral("reset")));
    m_measured->setToolTip(tr("Show the run as it was measured (W)"));
    m_runThis->setText(tr("Measure this"));
    m_runThis->setIcon(Theme::icon(QStringLiteral("run")));
    m_runThis->setToolTip(tr("Run the text with these thresholds"));
    for (QLabel* label : {m_text, m_aloneText}) {
        label->setTextFormat(Qt::PlainText);
        label->setWordWrap(true);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    }
    m_text->setAccessibleName(tr("Text so far"));
    m_aloneText->setAccessibleName(tr("Text of the big model alone"));
    auto* part = new QWidget;
    auto* row = new QHBoxLayout(part);
    row->setContentsMargins(0, 0, 0, 0);
    auto* texts = new QVBoxLayout;
    for (QLabel* label : {m_note, m_text, m_aloneText}) {
        texts->addWidget(label);
    }
    texts->addStretch(1);
    row->addLayout(texts, 1);
    for (QWidget* button :
         {static_cast<QWidget*>(m_measured), static_cast<QWidget*>(m_runThis), makeExports()}) {
        row->addWidget(button, 0, Qt::AlignTop);
    }
    return part;
}

QWidget* LiveView::makePlots() {
    auto* strips = new QWidget;
    auto* column = new QVBoxLayout(strips);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(2);
    column->addWidget(m_lanes, 4);
    column->addWidget(m_confidence, 3);
    column->addWidget(m_distance, 3);
    auto* tabs = new QTabWidget;
    tabs->setDocumentMode(true);
    tabs->addTab(strips, tr("Lanes and thresholds"));
    tabs->addTab(m_histograms, tr("Statistics"));
    return tabs;
}

void LiveView::makeKeys() {
    const auto key = [this](const QKeySequence& keys, const std::function<void()>& handler) {
        auto* shortcut = new QShortcut(keys, this);
        shortcut->setContext(Qt::WidgetWithChildrenShortcut);
        connect(shortcut, &QShortcut::activated, this, handler);
    };
    key(Qt::Key_P, [this] { m_replay->togglePlay(); });
    key(Qt::Key_Period, [this] { stepTokens(1); });
    key(Qt::Key_Comma, [this] { stepTokens(-1); });
    key(Qt::Key_Greater, [this] { stepTurns(1); });
    key(Qt::Key_Less, [this] { stepTurns(-1); });
    key(Qt::Key_W, [this] {
        if (m_isWhatIf) {
            emit measuredWanted();
        }
    });
}

const DecodeStory& LiveView::story() const {
    static const DecodeStory kEmpty;
    return m_isWhatIf ? m_answerStory : m_run != nullptr ? m_run->story() : kEmpty;
}

void LiveView::showRun(const DecodeRun& run, bool play) {
    m_run = &run;
    m_isWhatIf = false;
    m_answer = kNothing;
    m_answerStory = {};
    m_noCandidates.clear();
    if (const auto used = thresholdsOf(run.metrics())) {
        setThresholds(*used);
    }
    takeStory(play);
    setNote({}, false);
}

void LiveView::update(const DecodeRun& run, int changes) {
    if (m_run != &run || m_isWhatIf) {
        return;
    }
    if ((changes & DecodeRun::Whole) != 0) {
        const bool playing = m_replay->clock().isPlaying();
        if (const auto used = thresholdsOf(run.metrics())) {
            setThresholds(*used);
        }
        const qint64 at = m_replay->clock().position();
        takeStory(playing);
        if (playing) {
            m_replay->clock().setPosition(at);
        }
    } else if ((changes & DecodeRun::Steps) != 0) {
        m_replay->setLength(story().endNs(), run.isActive());
        m_cursor = -1;
        showCursor(m_replay->clock().position());
        m_replay->clock().play();
    } else if (!run.isActive()) {
        m_replay->setLength(story().endNs(), false);
    }
}

void LiveView::takeStory(bool play) {
    const DecodeStory& now = story();
    const Json& metrics = m_isWhatIf ? m_answer : m_run != nullptr ? m_run->metrics() : kNothing;
    m_alone = aloneTimes(metrics);
    for (ThresholdStrip* strip : {m_confidence, m_distance}) {
        strip->setStory(&now);
    }
    m_ribbon->setStory(&now);
    m_lanes->setStory(&now);
    m_lanes->setAlone(m_alone);
    m_histograms->setStory(&now);
    fitFacts();
    m_cursor = -1;
    m_replay->setLength(now.endNs(), m_run != nullptr && m_run->isActive() && !m_isWhatIf);
    if (play) {
        m_replay->clock().pause();
        m_replay->clock().setPosition(0);
        m_replay->clock().play();
    } else {
        m_replay->clock().pause();
        m_replay->clock().setPosition(now.endNs());
    }
    showCursor(m_replay->clock().position());
    m_measured->setVisible(m_isWhatIf);
    m_runThis->setVisible(m_isWhatIf);
    m_export->setEnabled(!now.isEmpty());
    const QString provenance = m_run != nullptr ? tr("Run %1").arg(m_run->id()) : QString();
    m_ribbon->setProvenance(provenance);
    m_lanes->setProvenance(provenance);
    m_confidence->setProvenance(provenance);
    m_distance->setProvenance(provenance);
    m_histograms->setProvenance(provenance);
}

void LiveView::showCursor(qint64 ns) {
    setCursor(ns >= story().endNs() ? story().events() : story().eventsAt(ns));
}

void LiveView::setCursor(int events) {
    if (events == m_cursor) {
        return;
    }
    m_cursor = events;
    m_ribbon->setCursor(events);
    m_lanes->setCursor(events);
    m_confidence->setCursor(events);
    m_distance->setCursor(events);
    showFacts();
    showTexts();
}

void LiveView::showFacts() {
    m_facts->setText(
        story().isEmpty() ? QString()
                          : factsText(story(), m_cursor, m_alone, m_isWhatIf, m_factRows));
}

void LiveView::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fitFacts();
    showFacts();
}

void LiveView::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::FontChange) {
        fitFacts();
        showFacts();
    }
}

void LiveView::fitFacts() { m_factRows = factRows(story(), m_alone, m_isWhatIf, m_facts->width()); }

void LiveView::showTexts() {
    const Json& metrics = m_isWhatIf ? m_answer : m_run != nullptr ? m_run->metrics() : kNothing;
    const QString text = story().textAt(m_cursor).trimmed();
    m_text->setText(tr("Both: %1").arg(text.isEmpty() ? QStringLiteral("…") : text));
    const auto alone = metrics.find("alone");
    const bool known = alone != metrics.end() && alone->is_object();
    m_aloneText->setVisible(known);
    if (known) {
        const QString aloneText = QString::fromStdString(textOf(*alone, "text"));
        m_aloneText->setText(
            m_cursor == story().events() && aloneText == text ? tr("Big alone: the same")
                                                              : tr("Big alone: %1").arg(aloneText));
    }
}

void LiveView::stepTokens(int direction) {
    // To the next event that writes, judges or undoes a token.
    const std::vector<DecodeEvent>& events = story().log().events;
    int at = m_cursor;
    const auto shows = [&events](int count) {
        return count == 0 || events[static_cast<std::size_t>(count) - 1].token >= 0;
    };
    do {
        at += direction;
    } while (at > 0 && at < story().events() && !shows(at));
    jump(at);
}

/// Several events happen at one time: those of one call.
void LiveView::jump(int events) {
    const int at = std::clamp(events, 0, story().events());
    m_replay->clock().pause();
    m_replay->clock().setPosition(story().timeOf(at));
    setCursor(at);
}

void LiveView::stepTurns(int direction) {
    const std::vector<ModelCall>& calls = story().calls();
    std::vector<int> ends{0, story().events()};
    for (std::size_t i = 0; i + 1 < calls.size(); ++i) {
        if (calls[i].big != calls[i + 1].big) {
            ends.push_back(calls[i + 1].event); // before the other model's call
        }
    }
    std::ranges::sort(ends);
    int at = m_cursor;
    if (direction > 0) {
        const auto next = std::ranges::upper_bound(ends, at);
        at = next == ends.end() ? story().events() : *next;
    } else {
        const auto next = std::ranges::lower_bound(ends, at);
        at = next == ends.begin() ? 0 : *std::prev(next);
    }
    jump(at);
}

void LiveView::selectLife(int life) {
    m_ribbon->setSelected(life);
    m_confidence->setSelected(life);
    m_distance->setSelected(life);
    m_lanes->setSelected(life);
    offerCandidates(life);
}

/// The answer's story may lack the encoders' events; positions and attempts are the same.
void LiveView::offerCandidates(int life) {
    if (life < 0 || life >= static_cast<int>(story().lives().size())) {
        return;
    }
    const TokenLife& shown = story().lives()[static_cast<std::size_t>(life)];
    const int known = m_answerStory.find(shown.pos, shown.attempt);
    if (known < 0 || !m_answer.contains("at") || !m_answer.contains("candidates")) {
        m_ribbon->setCandidates(life, {}, {}, m_noCandidates);
        return;
    }
    const auto born =
        static_cast<std::size_t>(m_answerStory.lives()[static_cast<std::size_t>(known)].born);
    const Json& at = m_answer.at("at");
    const Json& rows = m_answer.at("candidates");
    const auto row = at.is_array() && born < at.size() && at[born].is_number_integer()
                         ? at[born].get<std::int64_t>()
                         : -1;
    if (row < 0 || !rows.is_array() || row >= static_cast<std::int64_t>(rows.size())) {
        return;
    }
    const Json& both = rows[static_cast<std::size_t>(row)];
    m_ribbon->setCandidates(
        life, candidatesOf(m_answerStory, both.value("little", Json::array())),
        candidatesOf(m_answerStory, both.value("big", Json::array())), {});
}

void LiveView::takeCandidates(const Json& result) {
    m_answerStory = storyOf(result);
    m_answer = result;
    offerCandidates(m_ribbon->selected());
}

void LiveView::showWhatIf(const Json& result) {
    DecodeStory answered = storyOf(result);
    m_isWhatIf = true;
    m_answerStory = std::move(answered);
    m_answer = result;
    takeStory(false);
}

void LiveView::showMeasured() {
    m_isWhatIf = false;
    if (m_run != nullptr) {
        if (const auto used = thresholdsOf(m_run->metrics())) {
            setThresholds(*used);
        }
    }
    takeStory(false);
    setNote({}, false);
}

void LiveView::setNote(const QString& text, bool waiting) {
    m_note->setText(text);
    m_note->setVisible(!text.isEmpty());
    if (!waiting && !text.isEmpty() && m_answer.empty()) {
        m_noCandidates = text;
    }
}

void LiveView::setThresholds(const Thresholds& thresholds) {
    m_thresholds = thresholds;
    m_confidence->setThreshold(thresholds.fallback);
    m_distance->setThreshold(thresholds.rollback);
}

void LiveView::moveLine(const Thresholds& thresholds, bool done) {
    setThresholds(thresholds);
    emit thresholdsMoved(thresholds, done);
}

QJsonObject LiveView::saveState() const {
    return {
        {QStringLiteral("speed"), m_replay->speed()},
        {QStringLiteral("split"), QString::fromLatin1(m_split->saveState().toBase64())}};
}

void LiveView::restoreState(const QJsonObject& state) {
    m_replay->setSpeed(state[QStringLiteral("speed")].toInt(0));
    m_split->restoreState(
        QByteArray::fromBase64(state[QStringLiteral("split")].toString().toLatin1()));
}

} // namespace lathe
