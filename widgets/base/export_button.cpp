// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/export_button.h"

#include "widgets/base/theme.h"

#include <QToolButton>

namespace lathe {

QToolButton* makeExportButton(const QString& text, const QString& tip, const QString& name) {
    auto* button = new QToolButton;
    button->setIcon(Theme::icon(QStringLiteral("export")));
    button->setText(text);
    button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    button->setToolTip(tip);
    button->setAccessibleName(name.isEmpty() ? text : name);
    button->setFocusPolicy(Qt::StrongFocus);
    return button;
}

} // namespace lathe
