// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/decode/replay_clock.h"

#include <QWidget>

#include <functional>

class QComboBox;
class QLabel;
class QSlider;
class QToolButton;

namespace lathe {

/// Plays, steps and scrubs through a decoding.
class ReplayBar : public QWidget {
    Q_OBJECT
public:
    explicit ReplayBar(QWidget* parent = nullptr);

    /// What is replayed: its length, and whether it is still growing.
    void setLength(qint64 ns, bool growing);
    ReplayClock& clock() { return m_clock; }
    /// The choice of the list of speeds.
    int speed() const;
    void setSpeed(int index);
    void togglePlay();

signals:
    void tokenStepped(int direction); ///< -1, 1
    void turnStepped(int direction);

private:
    QToolButton* makeButton(
        const QString& icon, const QString& name, const QString& keys,
        const std::function<void()>& handler);
    void applySpeed();
    void showPosition();
    void showPlaying();

    ReplayClock m_clock;
    QToolButton* m_play = nullptr;
    QSlider* m_slider;
    QLabel* m_time;
    QComboBox* m_speed;
};

} // namespace lathe
