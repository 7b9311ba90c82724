// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QTimer>
#include <QWidget>

class QLabel;
class QLineEdit;
class QToolButton;

namespace lathe {

/// The filter of the run table: a line in the store's query language, its help, and what is wrong
/// with it.
class QueryBar : public QWidget {
    Q_OBJECT
public:
    explicit QueryBar(QWidget* parent = nullptr);

    QString query() const;
    void setQuery(const QString& text); ///< takes effect at once
    void setProblem(const QString& problem);
    void setCount(qint64 shown, qint64 total); ///< total -1: not known yet
    void focusQuery();

signals:
    void queryChanged(const QString& text); ///< a moment after the last key
    void exportRequested();

private:
    void showHelp();
    void changeEvent(QEvent* event) override;

    QLineEdit* m_edit;
    QToolButton* m_help;
    QToolButton* m_export;
    QLabel* m_count;
    QLabel* m_problem;
    QTimer m_timer;
};

} // namespace lathe
