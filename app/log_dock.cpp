// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/log_dock.h"

#include "app/dock_body.h"
#include "app/log_list.h"
#include "widgets/base/state_view.h"
#include "widgets/base/theme.h"

#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QLineEdit>
#include <QSaveFile>
#include <QScrollBar>
#include <QSortFilterProxyModel>
#include <QStackedWidget>
#include <QToolButton>
#include <QTreeView>
#include <QVBoxLayout>

namespace lathe {

namespace {

class LogFilter : public QSortFilterProxyModel {
public:
    using QSortFilterProxyModel::QSortFilterProxyModel;

    void setWanted(int level, const QString& text) {
        m_level = level;
        m_text = text;
        invalidateFilter();
    }

protected:
    bool filterAcceptsRow(int row, const QModelIndex& parent) const override {
        const QAbstractItemModel* source = sourceModel();
        if (source->index(row, 0, parent).data(LogList::LevelRole).toInt() < m_level) {
            return false;
        }
        if (m_text.isEmpty()) {
            return true;
        }
        for (const int column : {LogList::SourceColumn, LogList::TextColumn}) {
            if (source->index(row, column, parent)
                    .data()
                    .toString()
                    .contains(m_text, Qt::CaseInsensitive)) {
                return true;
            }
        }
        return false;
    }

private:
    int m_level = 0;
    QString m_text;
};

QToolButton* button(const QString& icon, const QString& text) {
    auto* made = new QToolButton;
    made->setIcon(Theme::icon(icon));
    made->setText(text);
    made->setToolTip(text);
    made->setAccessibleName(text);
    made->setFocusPolicy(Qt::StrongFocus);
    return made;
}

} // namespace

LogDock::LogDock(LogList& log, QWidget* parent)
    : QDockWidget(tr("Log"), parent), m_log(log), m_filtered(new LogFilter(this)),
      m_pages(new QStackedWidget), m_view(new QTreeView), m_level(new QComboBox),
      m_filter(new QLineEdit), m_pause(button(QStringLiteral("pause"), tr("Pause scrolling"))) {
    setObjectName(QStringLiteral("logDock"));
    m_filtered->setSourceModel(&log);
    m_view->setModel(m_filtered);
    m_view->setRootIsDecorated(false);
    m_view->setUniformRowHeights(true);
    m_view->setSelectionMode(QAbstractItemView::ExtendedSelection);
    m_view->setAccessibleName(tr("Log lines"));
    m_view->header()->resizeSection(LogList::TimeColumn, 110);
    m_view->header()->resizeSection(LogList::LevelColumn, 80);
    m_view->header()->resizeSection(LogList::SourceColumn, 90);
    auto* empty = new StateView;
    empty->show(StateView::Kind::Empty, tr("No log line fits the filter"));
    m_pages->addWidget(empty);
    m_pages->addWidget(m_view);

    m_level->addItem(tr("All levels"), static_cast<int>(LogLevel::Debug));
    m_level->addItem(tr("Info and above"), static_cast<int>(LogLevel::Info));
    m_level->addItem(tr("Warnings and errors"), static_cast<int>(LogLevel::Warning));
    m_level->addItem(tr("Errors"), static_cast<int>(LogLevel::Error));
    m_level->setAccessibleName(tr("Log level"));
    m_filter->setPlaceholderText(tr("Filter"));
    m_filter->setClearButtonEnabled(true);
    m_filter->setAccessibleName(tr("Filter log lines"));
    m_pause->setCheckable(true);
    QToolButton* copy = button(QStringLiteral("copy"), tr("Copy the lines shown"));
    QToolButton* store = button(QStringLiteral("export"), tr("Save the lines shown…"));

    auto* bar = new QHBoxLayout;
    bar->addWidget(m_level);
    bar->addWidget(m_filter, 1);
    bar->addWidget(m_pause);
    bar->addWidget(copy);
    bar->addWidget(store);
    auto* body = new DockBody;
    auto* column = new QVBoxLayout(body);
    column->setContentsMargins(4, 4, 4, 4);
    column->addLayout(bar);
    column->addWidget(m_pages);
    setWidget(body);

    const auto filter = [this] {
        static_cast<LogFilter*>(m_filtered)
            ->setWanted(m_level->currentData().toInt(), m_filter->text());
        refresh();
    };
    connect(m_level, &QComboBox::currentIndexChanged, this, filter);
    connect(m_filter, &QLineEdit::textChanged, this, filter);
    connect(copy, &QToolButton::clicked, this, [this] {
        QApplication::clipboard()->setText(shownText());
    });
    connect(store, &QToolButton::clicked, this, &LogDock::save);
    connect(m_filtered, &QAbstractItemModel::rowsInserted, this, &LogDock::refresh);
    connect(m_filtered, &QAbstractItemModel::rowsRemoved, this, &LogDock::refresh);
    refresh();
}

void LogDock::refresh() {
    m_pages->setCurrentIndex(m_filtered->rowCount() > 0 ? 1 : 0);
    if (!m_pause->isChecked()) {
        m_view->scrollToBottom();
    }
}

QString LogDock::shownText() const {
    QString text;
    for (int row = 0; row < m_filtered->rowCount(); ++row) {
        text += m_log.lineText(m_filtered->mapToSource(m_filtered->index(row, 0)).row()) +
                QLatin1Char('\n');
    }
    return text;
}

void LogDock::save() {
    auto* dialog =
        new QFileDialog(this, tr("Save the log"), QString(), tr("Text files (*.txt *.log)"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setAcceptMode(QFileDialog::AcceptSave);
    dialog->setDefaultSuffix(QStringLiteral("txt"));
    connect(dialog, &QFileDialog::fileSelected, this, [this](const QString& path) {
        QSaveFile file(path);
        if (!file.open(QIODevice::WriteOnly) || file.write(shownText().toUtf8()) < 0 ||
            !file.commit()) {
            m_log.add(LogLevel::Error, tr("log"), tr("%1: %2").arg(path, file.errorString()));
        }
    });
    dialog->open();
}

} // namespace lathe
