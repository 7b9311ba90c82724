// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QPushButton;

namespace lathe {

class Workbench;

/// What the status bar says at all times, as buttons with text: device, engine, store, jobs.
class StatusChips : public QWidget {
    Q_OBJECT
public:
    explicit StatusChips(Workbench& workbench, QWidget* parent = nullptr);
    void refresh();

signals:
    void jobsClicked();
    void logClicked();
    void diagnosticsClicked();

private:
    void changeEvent(QEvent* event) override;
    void refreshDevice();
    void refreshEngine();
    void refreshStore();
    void refreshJobs();

    Workbench& m_workbench;
    QString m_storeFailure;
    QPushButton* m_device;
    QPushButton* m_engine;
    QPushButton* m_store;
    QPushButton* m_jobs;
};

} // namespace lathe
