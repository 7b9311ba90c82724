// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/inspector_dock.h"

#include "engine/core/error.h"
#include "experiments/store/run_reader.h"
#include "widgets/base/panel.h"
#include "widgets/base/run_table_model.h"
#include "widgets/base/state_view.h"
#include "widgets/base/theme.h"

#include <QHeaderView>
#include <QLabel>
#include <QLocale>
#include <QPlainTextEdit>
#include <QSignalBlocker>
#include <QStackedWidget>
#include <QTabWidget>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace lathe {

namespace {

constexpr int kSaveMs = 1000;

QTreeWidget* makeTree(const QString& name, const QStringList& heads) {
    auto* tree = new QTreeWidget;
    tree->setHeaderLabels(heads);
    tree->setAccessibleName(name);
    tree->setAlternatingRowColors(true);
    tree->setUniformRowHeights(true);
    tree->header()->resizeSection(0, 130);
    return tree;
}

QString shortText(const Json& value) {
    return QString::fromStdString(value.is_structured() ? dumpJson(value) : valueText(value));
}

QTreeWidgetItem* addRow(QTreeWidgetItem* parent, const QString& name, const QString& value) {
    auto* item = new QTreeWidgetItem(parent, {name, value});
    item->setToolTip(1, value);
    return item;
}

void addJson(QTreeWidgetItem* parent, const QString& name, const Json& value) {
    if (!value.is_object()) {
        addRow(parent, name, shortText(value));
        return;
    }
    QTreeWidgetItem* group = addRow(parent, name, QString());
    for (const auto& [key, inner] : value.items()) {
        addJson(group, QString::fromStdString(key), inner);
    }
    group->setExpanded(true);
}

} // namespace

InspectorDock::InspectorDock(PanelContext& context, QWidget* parent)
    : QDockWidget(tr("Inspector"), parent), m_context(context), m_pages(new QStackedWidget),
      m_empty(new StateView), m_title(new QLabel), m_tabs(new QTabWidget),
      m_parameters(makeTree(tr("Parameters"), {tr("Parameter"), tr("Value")})),
      m_environment(makeTree(tr("Environment"), {tr("Item"), tr("Value")})),
      m_artifacts(makeTree(tr("Artifacts"), {tr("Name"), tr("Size")})),
      m_notes(new QPlainTextEdit) {
    setObjectName(QStringLiteral("inspectorDock"));
    m_empty->show(StateView::Kind::Empty, tr("Select a run to see its parameters and environment"));
    m_title->setWordWrap(true);
    m_title->setTextFormat(Qt::PlainText);
    m_artifacts->setRootIsDecorated(false);
    m_notes->setAccessibleName(tr("Notes"));
    m_notes->setPlaceholderText(tr("Notes on this run (Markdown)"));
    m_notes->setTabChangesFocus(true);
    m_tabs->setAccessibleName(tr("Inspector pages"));
    m_tabs->setUsesScrollButtons(true);
    m_tabs->addTab(m_parameters, tr("Parameters"));
    m_tabs->addTab(m_environment, tr("Environment"));
    m_tabs->addTab(m_artifacts, tr("Artifacts"));
    m_tabs->addTab(m_notes, tr("Notes"));
    auto* body = new QWidget;
    auto* column = new QVBoxLayout(body);
    column->setContentsMargins(4, 4, 4, 4);
    column->addWidget(m_title);
    column->addWidget(m_tabs);
    m_pages->addWidget(m_empty);
    m_pages->addWidget(body);
    setWidget(m_pages);
    m_saveTimer.setSingleShot(true);
    m_saveTimer.setInterval(kSaveMs);
    connect(&m_saveTimer, &QTimer::timeout, this, &InspectorDock::saveNotes);
    connect(m_notes, &QPlainTextEdit::textChanged, this, [this] {
        m_notesEdited = true;
        m_saveTimer.start();
    });
    connect(&context, &PanelContext::currentRunChanged, this, &InspectorDock::showRun);
    connect(&context, &PanelContext::runsChanged, this, &InspectorDock::refresh);
}

InspectorDock::~InspectorDock() { saveNotes(); }

void InspectorDock::saveNotes() {
    m_saveTimer.stop();
    if (m_notesEdited && m_run != 0) {
        m_notesEdited = false;
        m_pendingNotes.put(m_run, m_notes->toPlainText());
        m_context.setNotes(m_run, m_notes->toPlainText());
    }
}

void InspectorDock::showRun(qint64 runId) {
    saveNotes();
    m_run = runId;
    refresh();
}

void InspectorDock::showEvent(QShowEvent* event) {
    QDockWidget::showEvent(event);
    if (m_stale) {
        refresh();
    }
}

void InspectorDock::refresh() {
    m_stale = !isVisible(); // what nobody sees is not read from the store
    if (m_stale) {
        return;
    }
    if (m_run == 0) {
        m_pages->setCurrentWidget(m_empty);
        return;
    }
    try {
        const auto row = m_context.reader().run(m_run);
        if (!row) {
            m_empty->show(StateView::Kind::Empty, tr("Run %1 is not in this store").arg(m_run));
            m_pages->setCurrentWidget(m_empty);
            return;
        }
        const QString title = QString::fromStdString(row->title.empty() ? row->study : row->title);
        m_title->setText(tr("Run %1 · %2 · %3").arg(m_run).arg(title, runStateText(row->state)));
        fillParameters(*row);
        fillEnvironment(*row);
        fillArtifacts(m_run);
        const QString notes = m_pendingNotes.resolve(m_run, QString::fromStdString(row->notes));
        const bool idle = !m_notesEdited && !m_notes->hasFocus();
        if ((m_notesOf != m_run || idle) && m_notes->toPlainText() != notes) {
            const QSignalBlocker quiet(m_notes);
            m_notes->setPlainText(notes);
        }
        m_notesOf = m_run;
        m_pages->setCurrentIndex(1);
    } catch (const Error& e) {
        m_empty->show(
            StateView::Kind::Error, tr("Run %1 cannot be read").arg(m_run), {},
            QString::fromUtf8(e.what()));
        m_pages->setCurrentWidget(m_empty);
    }
}

void InspectorDock::fillParameters(const RunRow& row) {
    m_parameters->clear();
    QTreeWidgetItem* root = m_parameters->invisibleRootItem();
    const StudyInfo* info = m_context.study(row.spec.study);
    const auto add = [&](const std::string& name, const Json& value, bool changed) {
        QTreeWidgetItem* item = addRow(root, QString::fromStdString(name), shortText(value));
        QFont font = item->font(1);
        font.setBold(changed);
        item->setFont(0, font);
        item->setFont(1, font);
        if (changed) {
            item->setToolTip(0, tr("Changed from its default"));
        }
    };
    add("study", row.spec.study, false);
    const Json values = info != nullptr ? withDefaults(row.spec, *info).params : row.spec.params;
    for (const auto& [name, value] : values.items()) {
        const ParamSpec* param = info != nullptr ? info->find(name) : nullptr;
        add(name, value, param != nullptr && value != param->defaultValue);
    }
    for (const auto& [name, value] : row.spec.sweep.items()) {
        add(name, value, true);
    }
    const Json head = toJson(row.spec);
    const Json plain = toJson(Spec{});
    for (const char* name : {"seed", "device", "target", "threads", "repeat"}) {
        add(name, head.at(name), head.at(name) != plain.at(name));
    }
}

void InspectorDock::fillEnvironment(const RunRow& row) {
    m_environment->clear();
    for (const auto& [name, value] : row.environment.items()) {
        addJson(m_environment->invisibleRootItem(), QString::fromStdString(name), value);
    }
    if (row.environment.empty()) {
        addRow(m_environment->invisibleRootItem(), tr("Recorded when the run starts"), {});
    }
}

void InspectorDock::fillArtifacts(qint64 runId) {
    m_artifacts->clear();
    for (const ArtifactRow& artifact : m_context.reader().artifacts(runId)) {
        addRow(
            m_artifacts->invisibleRootItem(), QString::fromStdString(artifact.name),
            QLocale().formattedDataSize(artifact.bytes));
    }
    if (m_artifacts->topLevelItemCount() == 0) {
        addRow(m_artifacts->invisibleRootItem(), tr("This run left no files"), {});
    }
}

} // namespace lathe
