// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/row_table.h"

#include <QEvent>
#include <QHeaderView>
#include <QTableView>

#include <algorithm>

namespace lathe {

namespace {

constexpr int kLeast = 24; ///< pixels: easy to hit
constexpr int kMargin = 8;

class RowFitter : public QObject {
public:
    explicit RowFitter(QTableView& table) : QObject(&table), m_table(table) {
        table.installEventFilter(this);
        fit();
    }

private:
    void fit() {
        m_table.verticalHeader()->setDefaultSectionSize(
            std::max(kLeast, m_table.fontMetrics().height() + kMargin));
    }
    bool eventFilter(QObject* object, QEvent* event) override {
        if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange) {
            fit();
        }
        return QObject::eventFilter(object, event);
    }
    QTableView& m_table;
};

} // namespace

void styleRowTable(QTableView& table) {
    table.setSelectionBehavior(QAbstractItemView::SelectRows);
    table.setAlternatingRowColors(true);
    table.setWordWrap(false);
    table.setShowGrid(false);
    table.setTabKeyNavigation(false);
    table.verticalHeader()->hide();
    table.horizontalHeader()->setHighlightSections(false);
    table.horizontalHeader()->setStretchLastSection(true);
    new RowFitter(table);
}

} // namespace lathe
