// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/replay_bar.h"

#include "widgets/base/theme.h"

#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLocale>
#include <QSignalBlocker>
#include <QSlider>
#include <QToolButton>

#include <algorithm>
#include <array>

namespace lathe {

namespace {

constexpr int kSteps = 1000; ///< of the slider
constexpr double kWholeSeconds = 6.0;
/// 0: so that the whole takes kWholeSeconds.
constexpr std::array<double, 6> kSlowdowns{0.0, 1.0, 10.0, 100.0, 1000.0, 10000.0};

QString speedText(double slowdown) {
    if (slowdown == 0.0) {
        return ReplayBar::tr("All in %1 s").arg(kWholeSeconds);
    }
    return slowdown == 1.0 ? ReplayBar::tr("True time")
                           : ReplayBar::tr("%1 × slower").arg(QLocale().toString(slowdown));
}

QString milliseconds(qint64 ns) {
    return QLocale().toString(static_cast<double>(ns) / 1e6, 'f', 2);
}

} // namespace

ReplayBar::ReplayBar(QWidget* parent)
    : QWidget(parent), m_slider(new QSlider(Qt::Horizontal)), m_time(new QLabel),
      m_speed(new QComboBox) {
    for (const double slowdown : kSlowdowns) {
        m_speed->addItem(speedText(slowdown));
    }
    m_speed->setAccessibleName(tr("Speed of the replay"));
    m_speed->setToolTip(tr("The engine ran at full speed; only the replay is slowed down"));
    m_slider->setRange(0, kSteps);
    m_slider->setAccessibleName(tr("Place in the replay"));
    m_time->setAccessibleName(tr("Time in the replay"));
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->addWidget(
        makeButton(QStringLiteral("turn-back"), tr("Back by a turn"), QStringLiteral("<"), [this] {
            emit turnStepped(-1);
        }));
    row->addWidget(
        makeButton(QStringLiteral("step-back"), tr("Back by a token"), QStringLiteral(","), [this] {
            emit tokenStepped(-1);
        }));
    m_play = makeButton(
        QStringLiteral("play"), tr("Play"), QStringLiteral("P"), [this] { togglePlay(); });
    row->addWidget(m_play);
    row->addWidget(
        makeButton(QStringLiteral("step"), tr("On by a token"), QStringLiteral("."), [this] {
            emit tokenStepped(1);
        }));
    row->addWidget(
        makeButton(QStringLiteral("turn"), tr("On by a turn"), QStringLiteral(">"), [this] {
            emit turnStepped(1);
        }));
    row->addWidget(m_slider, 1);
    row->addWidget(m_time);
    row->addWidget(m_speed);
    connect(&m_clock, &ReplayClock::moved, this, &ReplayBar::showPosition);
    connect(&m_clock, &ReplayClock::playingChanged, this, &ReplayBar::showPlaying);
    connect(m_speed, &QComboBox::currentIndexChanged, this, &ReplayBar::applySpeed);
    connect(m_slider, &QSlider::valueChanged, this, [this](int value) {
        m_clock.pause();
        m_clock.setPosition(m_clock.end() * value / kSteps);
    });
    setLength(0, false);
}

QToolButton* ReplayBar::makeButton(
    const QString& icon, const QString& name, const QString& keys,
    const std::function<void()>& handler) {
    auto* button = new QToolButton;
    button->setIcon(Theme::icon(icon));
    button->setAutoRaise(true);
    button->setAccessibleName(name);
    button->setToolTip(tr("%1 (%2)").arg(name, keys));
    button->setFocusPolicy(Qt::StrongFocus);
    connect(button, &QToolButton::clicked, this, handler);
    return button;
}

void ReplayBar::setLength(qint64 ns, bool growing) {
    m_clock.setEnd(ns);
    m_clock.setOpenEnded(growing);
    applySpeed();
    setEnabled(ns > 0 || growing);
    showPosition();
}

int ReplayBar::speed() const { return m_speed->currentIndex(); }

void ReplayBar::setSpeed(int index) {
    m_speed->setCurrentIndex(index >= 0 && index < m_speed->count() ? index : 0);
}

void ReplayBar::togglePlay() {
    if (m_clock.isPlaying()) {
        m_clock.pause();
    } else {
        m_clock.play();
    }
}

void ReplayBar::applySpeed() {
    const double chosen = kSlowdowns.at(static_cast<std::size_t>(std::max(0, speed())));
    const double whole = kWholeSeconds * 1e9 / std::max(1.0, static_cast<double>(m_clock.end()));
    m_clock.setSlowdown(chosen > 0.0 ? chosen : whole);
}

void ReplayBar::showPosition() {
    const QSignalBlocker quiet(m_slider);
    const qint64 end = std::max<qint64>(1, m_clock.end());
    m_slider->setValue(static_cast<int>(m_clock.position() * kSteps / end));
    const QString text =
        tr("%1 of %2 ms").arg(milliseconds(m_clock.position()), milliseconds(m_clock.end()));
    // As wide as it can become: the row must not jerk while it plays.
    const QString widest =
        tr("%1 of %2 ms").arg(milliseconds(m_clock.end()), milliseconds(m_clock.end()));
    m_time->setMinimumWidth(m_time->fontMetrics().horizontalAdvance(widest) + 4);
    m_time->setText(text);
}

void ReplayBar::showPlaying() {
    const bool playing = m_clock.isPlaying();
    m_play->setIcon(Theme::icon(playing ? QStringLiteral("pause") : QStringLiteral("play")));
    m_play->setAccessibleName(playing ? tr("Pause") : tr("Play"));
    m_play->setToolTip(playing ? tr("Pause (P)") : tr("Play (P)"));
}

} // namespace lathe
