// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDockWidget>

class QComboBox;
class QLineEdit;
class QSortFilterProxyModel;
class QStackedWidget;
class QToolButton;
class QTreeView;

namespace lathe {

class LogList;

/// What program, engine and runs said, filtered by level and text.
class LogDock : public QDockWidget {
    Q_OBJECT
public:
    explicit LogDock(LogList& log, QWidget* parent = nullptr);

private:
    QString shownText() const;
    void save();
    void refresh();

    LogList& m_log;
    QSortFilterProxyModel* m_filtered;
    QStackedWidget* m_pages;
    QTreeView* m_view;
    QComboBox* m_level;
    QLineEdit* m_filter;
    QToolButton* m_pause;
};

} // namespace lathe
