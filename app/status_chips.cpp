// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/status_chips.h"

#include "app/workbench.h"
#include "widgets/base/theme.h"

#include <QDesktopServices>
#include <QEvent>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLocale>
#include <QPushButton>
#include <QUrl>

namespace lathe {

namespace {

constexpr int kDeviceWidth = 420; ///< pixels of its text, which may be long

QPushButton* makeChip(QWidget* parent, const QString& icon) {
    auto* chip = new QPushButton(Theme::icon(icon), {}, parent);
    chip->setFlat(true);
    chip->setMinimumHeight(24);
    chip->setFocusPolicy(Qt::TabFocus);
    return chip;
}

/// Text, accessible name and tool tip at once; problems in the error colour and in words.
void setChip(
    QPushButton* chip, const QString& kind, const QString& text, const QString& tip, bool bad) {
    chip->setText(text);
    chip->setAccessibleName(QStringLiteral("%1: %2").arg(kind, text));
    chip->setToolTip(tip);
    QPalette palette; // without a role of its own it follows the theme
    if (bad) {
        palette.setColor(QPalette::ButtonText, Theme::error());
    }
    chip->setPalette(palette);
}

} // namespace

StatusChips::StatusChips(Workbench& workbench, QWidget* parent)
    : QWidget(parent), m_workbench(workbench), m_device(makeChip(this, QStringLiteral("device"))),
      m_engine(makeChip(this, QStringLiteral("refresh"))),
      m_store(makeChip(this, QStringLiteral("database"))),
      m_jobs(makeChip(this, QStringLiteral("jobs"))) {
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(2);
    for (QPushButton* chip : {m_device, m_engine, m_store, m_jobs}) {
        row->addWidget(chip);
    }
    connect(m_device, &QPushButton::clicked, this, &StatusChips::diagnosticsClicked);
    connect(m_engine, &QPushButton::clicked, this, &StatusChips::logClicked);
    connect(m_jobs, &QPushButton::clicked, this, &StatusChips::jobsClicked);
    connect(m_store, &QPushButton::clicked, this, [this] {
        QDesktopServices::openUrl(
            QUrl::fromLocalFile(QFileInfo(m_workbench.storePath()).absolutePath()));
    });
    connect(&m_workbench, &PanelContext::engineChanged, this, &StatusChips::refresh);
    connect(&m_workbench, &Workbench::storeChecked, this, &StatusChips::refreshStore);
    connect(&m_workbench, &Workbench::storeOpened, this, [this] {
        m_storeFailure.clear();
        refreshStore();
    });
    connect(&m_workbench, &Workbench::storeFailed, this, [this](const QString& why) {
        m_storeFailure = why;
        refreshStore();
    });
    JobList& jobs = m_workbench.jobs();
    connect(&jobs, &JobList::activeChanged, this, &StatusChips::refreshJobs);
    connect(&jobs, &QAbstractItemModel::dataChanged, this, &StatusChips::refreshJobs);
    refresh();
}

void StatusChips::refresh() {
    refreshDevice();
    refreshEngine();
    refreshStore();
    refreshJobs();
}

void StatusChips::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) {
        refresh();
    }
}

void StatusChips::refreshDevice() {
    const EngineInfo* info = m_workbench.engine();
    if (info == nullptr) {
        setChip(m_device, tr("Device"), tr("asking the engine…"), {}, false);
        return;
    }
    const QString note = QString::fromStdString(info->deviceNote);
    QString text = QString::fromStdString(info->device);
    QString tip = text;
    if (!note.isEmpty()) {
        text = tr("%1 · no GPU").arg(text);
        tip = tr("%1\nNo GPU: %2").arg(tip, note);
    }
    const QString shown = fontMetrics().elidedText(text, Qt::ElideMiddle, kDeviceWidth);
    setChip(m_device, tr("Device"), shown, tr("%1\nClick for diagnostics").arg(tip), false);
}

void StatusChips::refreshEngine() {
    QString text;
    QString icon = QStringLiteral("refresh");
    bool bad = false;
    switch (m_workbench.engineState()) {
    case EngineState::Starting:
        text = tr("Engine starts");
        break;
    case EngineState::Ready:
        text = tr("Engine ready");
        icon = QStringLiteral("check");
        break;
    case EngineState::Restarting:
        text = tr("Engine restarts");
        bad = true;
        break;
    case EngineState::Refused:
        text = tr("Engine refused");
        icon = QStringLiteral("error");
        bad = true;
        break;
    case EngineState::Stopped:
        text = tr("Engine stopped");
        icon = QStringLiteral("error");
        bad = true;
        break;
    }
    m_engine->setIcon(Theme::icon(icon));
    QString tip = m_workbench.engineMessage();
    if (const int pid = m_workbench.enginePid(); pid != 0) {
        tip += (tip.isEmpty() ? QString() : QStringLiteral("\n")) + tr("Process %1").arg(pid);
    }
    setChip(m_engine, tr("Engine"), text, tr("%1\nClick for the log").arg(tip).trimmed(), bad);
}

void StatusChips::refreshStore() {
    const QString path = m_workbench.storePath();
    const QString problem = m_storeFailure.isEmpty() ? m_workbench.storeProblem() : m_storeFailure;
    if (!problem.isEmpty()) {
        setChip(m_store, tr("Run store"), tr("Store: problem"), problem, true);
        return;
    }
    QString text = QFileInfo(path).fileName();
    if (!m_workbench.isOpen()) {
        text = tr("%1 opens").arg(text);
    } else if (const qint64 bytes = m_workbench.storeBytes(); bytes > 0) {
        text += QStringLiteral(" · ") + QLocale().formattedDataSize(bytes, 1);
    }
    setChip(m_store, tr("Run store"), text, tr("%1\nClick to open its folder").arg(path), false);
}

void StatusChips::refreshJobs() {
    JobList& jobs = m_workbench.jobs();
    QString text = jobs.activeCount() == 0 ? tr("No jobs") : tr("Jobs: %1").arg(jobs.activeCount());
    QString tip = tr("Click for the jobs");
    for (int row = 0; row < jobs.rowCount(); ++row) {
        const QModelIndex index = jobs.index(row, JobList::BarColumn);
        if (index.data(JobList::RunIdRole).toLongLong() != jobs.runningId() ||
            jobs.runningId() == 0) {
            continue;
        }
        const double fraction = index.data(JobList::FractionRole).toDouble();
        if (fraction >= 0.0) {
            text += QStringLiteral(" · ") + QLocale().toString(fraction * 100.0, 'f', 0) + tr(" %");
        }
        tip = index.data(JobList::PhaseRole).toString();
    }
    setChip(m_jobs, tr("Jobs"), text, tip, false);
}

} // namespace lathe
