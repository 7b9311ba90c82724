// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QLabel;
class QPushButton;

namespace lathe {

/// The left column of a panel: what can be set, scrolling; below it one line about the draft, what
/// is wrong with it, and the buttons that run, stop and copy it.
class ControlsColumn : public QWidget {
    Q_OBJECT
public:
    explicit ControlsColumn(QWidget* content, QWidget* parent = nullptr);

    void setBadge(const QString& text);
    QString badge() const;
    /// What keeps the draft from being run; empty: nothing. It is shown unless `quiet`.
    void setProblem(const QString& why, const QString& runTip, bool quiet = false);
    void setStop(bool possible, const QString& tip);

signals:
    void runRequested();
    void stopRequested();
    void copyRequested();

private:
    void changeEvent(QEvent* event) override;

    QLabel* m_badge;
    QLabel* m_problem;
    QPushButton* m_run;
    QPushButton* m_stop;
    QPushButton* m_copy;
};

} // namespace lathe
