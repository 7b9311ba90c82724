// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/keys_dialog.h"

#include <QDialogButtonBox>
#include <QHeaderView>
#include <QTreeWidget>
#include <QVBoxLayout>

namespace lathe {

namespace {

constexpr QSize kSize{520, 560};

QTreeWidgetItem* addGroup(QTreeWidget* list, const QString& title) {
    auto* group = new QTreeWidgetItem(list, {title});
    QFont font = group->font(0);
    font.setBold(true);
    group->setFont(0, font);
    group->setFirstColumnSpanned(true);
    return group;
}

} // namespace

KeysDialog::KeysDialog(const QList<QAction*>& actions, QWidget* parent) : QDialog(parent) {
    setWindowTitle(tr("Keys"));
    resize(kSize);
    auto* list = new QTreeWidget(this);
    list->setAccessibleName(tr("Actions and their keys"));
    list->setHeaderLabels({tr("Action"), tr("Key")});
    list->setAlternatingRowColors(true);
    list->setUniformRowHeights(true);
    QTreeWidgetItem* window = addGroup(list, tr("Everywhere"));
    for (const QAction* action : actions) {
        if (!action->shortcut().isEmpty()) {
            new QTreeWidgetItem(
                window, {QString(action->text()).remove(QLatin1Char('&')),
                         action->shortcut().toString(QKeySequence::NativeText)});
        }
    }
    QTreeWidgetItem* plot = addGroup(list, tr("In a plot"));
    const auto add = [plot](const QString& what, const QString& keys) {
        new QTreeWidgetItem(plot, {what, keys});
    };
    add(tr("Move"), tr("Arrows"));
    add(tr("Zoom in, zoom out, fit"), tr("+, -, 0"));
    add(tr("Zoom to a box"), tr("Z, or drag with the right button"));
    add(tr("Earlier, later view"), tr("Alt+Left, Alt+Right"));
    add(tr("Logarithmic y axis, x axis"), tr("L, Shift+L"));
    add(tr("Grid"), tr("G"));
    add(tr("Next, previous point"), tr("N, Shift+N"));
    add(tr("Open the point"), tr("Enter"));
    add(tr("Clear the selection"), tr("Esc"));
    add(tr("Copy image, copy data, export"), tr("C, D, E"));
    QTreeWidgetItem* table = addGroup(list, tr("In the list of jobs"));
    new QTreeWidgetItem(table, {tr("Cancel the selected job"), tr("Del")});
    new QTreeWidgetItem(table, {tr("Show the run"), tr("Enter")});
    list->expandAll();
    list->header()->setStretchLastSection(false);
    list->header()->setSectionResizeMode(0, QHeaderView::Stretch);
    list->header()->setSectionResizeMode(1, QHeaderView::ResizeToContents);

    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    auto* column = new QVBoxLayout(this);
    column->addWidget(list);
    column->addWidget(buttons);
}

} // namespace lathe
