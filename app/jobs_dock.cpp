// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/jobs_dock.h"

#include "app/dock_body.h"
#include "app/job_list.h"
#include "widgets/base/state_view.h"
#include "widgets/base/theme.h"

#include <QAction>
#include <QApplication>
#include <QHBoxLayout>
#include <QHeaderView>
#include <QPainter>
#include <QPushButton>
#include <QStackedWidget>
#include <QStyledItemDelegate>
#include <QToolButton>
#include <QTreeView>
#include <QVBoxLayout>

#include <cmath>

namespace lathe {

namespace {

/// A bar with its percentage and phase as text.
class BarDelegate : public QStyledItemDelegate {
public:
    using QStyledItemDelegate::QStyledItemDelegate;

    void paint(QPainter* painter, const QStyleOptionViewItem& option, const QModelIndex& index)
        const override {
        QStyleOptionViewItem item = option;
        initStyleOption(&item, index);
        item.text.clear();
        const QStyle* style = item.widget != nullptr ? item.widget->style() : QApplication::style();
        style->drawControl(QStyle::CE_ItemViewItem, &item, painter, item.widget);
        const double fraction = index.data(JobList::FractionRole).toDouble();
        const QRect area = option.rect.adjusted(4, 4, -4, -4);
        const QPalette& palette = option.palette;
        painter->save();
        painter->setPen(palette.color(QPalette::Mid));
        painter->setBrush(palette.color(QPalette::Base));
        painter->drawRect(area.adjusted(0, 0, -1, -1));
        if (fraction > 0.0) {
            QRect bar = area.adjusted(1, 1, -1, -1);
            bar.setWidth(std::max(1, static_cast<int>(std::lround(bar.width() * fraction))));
            QColor fill = palette.color(QPalette::Highlight);
            fill.setAlphaF(0.35F);
            painter->fillRect(bar, fill);
        }
        QString text = index.data(Qt::DisplayRole).toString();
        const QString phase = index.data(JobList::PhaseRole).toString();
        if (!phase.isEmpty()) {
            text += (text.isEmpty() ? QString() : QStringLiteral(" · ")) + phase;
        }
        painter->setPen(palette.color(QPalette::Text));
        painter->drawText(
            area.adjusted(6, 0, -4, 0), Qt::AlignVCenter | Qt::AlignLeft,
            painter->fontMetrics().elidedText(text, Qt::ElideRight, area.width() - 10));
        painter->restore();
    }

    QSize sizeHint(const QStyleOptionViewItem& option, const QModelIndex& index) const override {
        return QStyledItemDelegate::sizeHint(option, index).expandedTo(QSize(160, 28));
    }
};

} // namespace

JobsDock::JobsDock(JobList& jobs, QWidget* parent)
    : QDockWidget(tr("Jobs"), parent), m_jobs(jobs), m_pages(new QStackedWidget),
      m_empty(new StateView), m_view(new QTreeView) {
    setObjectName(QStringLiteral("jobsDock"));
    m_empty->show(
        StateView::Kind::Empty, tr("No jobs in this session. Start one in a panel with Run."));
    m_view->setModel(&jobs);
    m_view->setRootIsDecorated(false);
    m_view->setUniformRowHeights(true);
    m_view->setAlternatingRowColors(true);
    m_view->setAllColumnsShowFocus(true);
    m_view->setAccessibleName(tr("Jobs"));
    m_view->setItemDelegateForColumn(JobList::BarColumn, new BarDelegate(m_view));
    QHeaderView* header = m_view->header();
    header->setStretchLastSection(false);
    header->setSectionResizeMode(JobList::BarColumn, QHeaderView::Stretch);
    header->resizeSection(JobList::RunColumn, 220);
    header->resizeSection(JobList::LeftColumn, 140);
    header->resizeSection(JobList::StateColumn, 110);
    header->setSectionResizeMode(JobList::CancelColumn, QHeaderView::Fixed);
    header->resizeSection(JobList::CancelColumn, 36);
    m_pages->addWidget(m_empty);
    m_pages->addWidget(m_view);

    auto* body = new DockBody;
    auto* row = new QHBoxLayout(body);
    row->setContentsMargins(4, 4, 4, 4);
    row->addWidget(m_pages, 1);
    row->addWidget(makeButtons());
    setWidget(body);

    auto* remove = new QAction(tr("Cancel the selected job"), m_view);
    remove->setShortcut(QKeySequence::Delete);
    remove->setShortcutContext(Qt::WidgetShortcut);
    m_view->addAction(remove);
    connect(remove, &QAction::triggered, m_cancel, &QPushButton::click);
    connect(m_view, &QTreeView::activated, this, [this](const QModelIndex& index) {
        emit openRequested(index.data(JobList::RunIdRole).toLongLong());
    });
    connect(
        m_view->selectionModel(), &QItemSelectionModel::selectionChanged, this, &JobsDock::refresh);
    connect(&jobs, &JobList::activeChanged, this, &JobsDock::refresh);
    connect(&jobs, &QAbstractItemModel::rowsInserted, this, &JobsDock::placeButtons);
    connect(&jobs, &QAbstractItemModel::modelReset, this, &JobsDock::placeButtons);
    connect(&jobs, &QAbstractItemModel::dataChanged, this, &JobsDock::refresh);
    placeButtons();
}

QWidget* JobsDock::makeButtons() {
    const auto make = [this](const QString& icon, const QString& text, const QString& tip) {
        auto* button = new QPushButton(Theme::icon(icon), text);
        button->setToolTip(tip);
        button->setAccessibleName(text);
        return button;
    };
    m_cancel = make(
        QStringLiteral("cancel"), tr("Cancel"),
        tr("Stop the selected job (Del); what is done stays stored"));
    m_cancelAll =
        make(QStringLiteral("stop"), tr("Cancel all"), tr("Stop everything that waits or runs"));
    m_open = make(QStringLiteral("open"), tr("Show"), tr("Show the selected run in its panel"));
    m_clear = make(
        QStringLiteral("close"), tr("Clear ended"),
        tr("Take ended jobs off this list; they stay in the store"));
    auto* column = new QWidget;
    auto* layout = new QVBoxLayout(column);
    layout->setContentsMargins(0, 0, 0, 0);
    for (QPushButton* button : {m_cancel, m_cancelAll, m_open, m_clear}) {
        layout->addWidget(button);
    }
    layout->addStretch();
    connect(m_cancel, &QPushButton::clicked, this, [this] {
        const qint64 id = selected() != 0 ? selected() : m_jobs.stoppableId();
        if (id != 0) {
            emit cancelRequested(id);
        }
    });
    connect(m_cancelAll, &QPushButton::clicked, this, &JobsDock::cancelAllRequested);
    connect(m_open, &QPushButton::clicked, this, [this] { emit openRequested(selected()); });
    connect(m_clear, &QPushButton::clicked, &m_jobs, &JobList::clearFinished);
    return column;
}

void JobsDock::placeButtons() {
    for (int row = 0; row < m_jobs.rowCount(); ++row) {
        const QModelIndex index = m_jobs.index(row, JobList::CancelColumn);
        if (m_view->indexWidget(index) != nullptr) {
            continue;
        }
        const qint64 id = index.data(JobList::RunIdRole).toLongLong();
        auto* button = new QToolButton;
        button->setIcon(Theme::icon(QStringLiteral("cancel")));
        button->setAutoRaise(true);
        button->setToolTip(tr("Cancel run %1").arg(id));
        button->setAccessibleName(tr("Cancel run %1").arg(id));
        connect(button, &QToolButton::clicked, this, [this, id] { emit cancelRequested(id); });
        m_view->setIndexWidget(index, button);
    }
    refresh();
}

qint64 JobsDock::selected() const {
    const QModelIndex index = m_view->currentIndex();
    return index.isValid() ? index.data(JobList::RunIdRole).toLongLong() : 0;
}

void JobsDock::refresh() {
    m_pages->setCurrentWidget(m_jobs.rowCount() > 0 ? static_cast<QWidget*>(m_view) : m_empty);
    const qint64 id = selected() != 0 ? selected() : m_jobs.runningId();
    m_cancel->setEnabled(m_jobs.isActive(id));
    m_cancelAll->setEnabled(m_jobs.activeCount() > 0);
    m_open->setEnabled(selected() != 0);
    m_clear->setEnabled(m_jobs.rowCount() > m_jobs.activeCount());
    for (int row = 0; row < m_jobs.rowCount(); ++row) {
        const QModelIndex index = m_jobs.index(row, JobList::CancelColumn);
        if (QWidget* button = m_view->indexWidget(index)) {
            button->setEnabled(index.data(JobList::ActiveRole).toBool());
        }
    }
}

} // namespace lathe
