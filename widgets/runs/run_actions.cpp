// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/run_actions.h"

#include "engine/core/error.h"
#include "widgets/base/panel.h"
#include "widgets/base/resume.h"
#include "widgets/base/theme.h"
#include "widgets/runs/run_files.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QFileDialog>
#include <QWidget>

namespace lathe {

RunActions::RunActions(PanelContext& context, StoreWorker& worker, QWidget* owner)
    : QObject(owner), m_context(context), m_worker(worker), m_owner(owner) {
    m_again =
        add(tr("Run again"), QStringLiteral("run"), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_R),
            tr("Starts a new run of the same Spec"));
    m_resume =
        add(tr("Resume"), QStringLiteral("refresh"), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_U),
            tr("Goes on with a sweep that was stopped; finished cells are kept"));
    m_duplicate =
        add(tr("Duplicate"), QStringLiteral("duplicate"),
            QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_D),
            tr("Opens the run's Spec for editing before it is run"));
    m_stop =
        add(tr("Stop"), QStringLiteral("stop"), QKeySequence(),
            tr("Stops the run; what is done stays"));
    m_copy =
        add(tr("Copy as command"), QStringLiteral("copy"),
            QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_C),
            tr("Copies the lathe-run command that does the same"));
    m_json =
        add(tr("Export as JSON"), QStringLiteral("export"),
            QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_S),
            tr("Writes the whole run: Spec, environment, cells and events"));
    m_show =
        add(tr("Show in its panel"), QStringLiteral("plot"),
            QKeySequence(Qt::CTRL | Qt::Key_Return), tr("Opens the panel that draws this run"));
    m_tag =
        add(tr("Tag"), QStringLiteral("tag"), QKeySequence(Qt::CTRL | Qt::Key_T),
            tr("Edits the run's tags"));
    m_note =
        add(tr("Note"), QStringLiteral("note"), QKeySequence(Qt::CTRL | Qt::SHIFT | Qt::Key_N),
            tr("Edits the run's notes"));
    connect(m_again, &QAction::triggered, this, [this] {
        const RunRow row = m_rows.front();
        if (const qint64 id = m_context.submit(freshSpec(row), QString::fromStdString(row.title))) {
            emit submitted(id);
        }
    });
    connect(m_duplicate, &QAction::triggered, this, [this] {
        m_context.editSpec(freshSpec(m_rows.front()));
    });
    connect(m_resume, &QAction::triggered, this, &RunActions::resumeRun);
    connect(m_stop, &QAction::triggered, this, [this] { m_context.cancel(m_rows.front().id); });
    connect(m_copy, &QAction::triggered, this, &RunActions::copy);
    connect(m_json, &QAction::triggered, this, &RunActions::saveJson);
    connect(m_show, &QAction::triggered, this, [this] { m_context.showRun(m_rows.front().id); });
    connect(m_tag, &QAction::triggered, this, &RunActions::tagRequested);
    connect(m_note, &QAction::triggered, this, &RunActions::noteRequested);
    connect(&context, &PanelContext::engineChanged, this, &RunActions::refresh);
    refresh();
}

QAction* RunActions::add(
    const QString& text, const QString& icon, const QKeySequence& key, const QString& tip) {
    auto* action = new QAction(Theme::icon(icon), text, this);
    action->setShortcut(key);
    action->setShortcutContext(Qt::WidgetWithChildrenShortcut);
    action->setStatusTip(tip);
    m_owner->addAction(action);
    m_all.push_back(action);
    return action;
}

void RunActions::allow(QAction* action, const QString& reason) {
    action->setEnabled(reason.isEmpty());
    const QString key = action->shortcut().toString(QKeySequence::NativeText);
    const QString tip =
        key.isEmpty() ? action->statusTip() : tr("%1 (%2)").arg(action->statusTip(), key);
    action->setToolTip(reason.isEmpty() ? tip : tr("%1: %2").arg(action->text(), reason));
}

void RunActions::setSelected(std::vector<RunRow> rows) {
    m_rows = std::move(rows);
    refresh();
}

void RunActions::refresh() {
    const QString one = m_rows.size() == 1 ? QString()
                        : m_rows.empty()   ? tr("no run is selected")
                                           : tr("select one run alone");
    for (QAction* action : m_all) {
        allow(action, one);
    }
    if (!one.isEmpty()) {
        return;
    }
    const RunRow& row = m_rows.front();
    if (m_context.study(row.study) == nullptr) {
        const QString why =
            m_context.engine() == nullptr
                ? tr("the engine has not started yet")
                : tr("this engine has no study %1").arg(QString::fromStdString(row.study));
        allow(m_again, why);
        allow(m_resume, why);
        allow(m_duplicate, why);
        allow(m_copy, why);
    }
    if (!canResume(row)) {
        allow(m_resume, tr("only a sweep that was stopped before its end can go on"));
    }
    if (isFinal(row.state)) {
        allow(m_stop, tr("the run has ended"));
    }
}

void RunActions::resumeRun() {
    const RunRow row = m_rows.front();
    try {
        const Spec spec = resumedSpec(m_context.reader(), row);
        if (const qint64 id = m_context.submit(spec, QString::fromStdString(row.title))) {
            emit submitted(id);
        }
    } catch (const Error& e) {
        m_context.showMessage(QString::fromUtf8(e.what()));
    }
}

void RunActions::copy() {
    const RunRow& row = m_rows.front();
    const StudyInfo* study = m_context.study(row.study);
    if (study != nullptr) {
        const QString command = QString::fromStdString(commandLine(row.spec, *study));
        QApplication::clipboard()->setText(command);
        m_context.showMessage(tr("Copied: %1").arg(command));
    }
}

void RunActions::saveJson() {
    const qint64 id = m_rows.front().id;
    auto* dialog = new QFileDialog(m_owner, tr("Export run %1").arg(id));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setAcceptMode(QFileDialog::AcceptSave);
    dialog->setNameFilters({tr("JSON (*.json)")});
    dialog->setDefaultSuffix(QStringLiteral("json"));
    dialog->selectFile(tr("run-%1").arg(id) + QStringLiteral(".json"));
    connect(dialog, &QFileDialog::fileSelected, this, [this, id](const QString& path) {
        writeRunJson(m_worker, this, id, path, [this](const QString& file, const QString& problem) {
            m_context.showMessage(problem.isEmpty() ? tr("Written: %1").arg(file) : problem);
        });
    });
    dialog->open();
}

} // namespace lathe
