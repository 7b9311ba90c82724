// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/fold.h"

#include <QToolButton>
#include <QVBoxLayout>

namespace lathe {

Fold::Fold(const QString& title, QWidget* parent) : QWidget(parent), m_toggle(new QToolButton) {
    m_toggle->setObjectName(QStringLiteral("foldToggle"));
    m_toggle->setText(title);
    m_toggle->setAccessibleName(title);
    m_toggle->setCheckable(true);
    m_toggle->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_toggle->setArrowType(Qt::RightArrow);
    m_toggle->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    m_toggle->setFocusPolicy(Qt::StrongFocus);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(4);
    column->addWidget(m_toggle);
    connect(m_toggle, &QToolButton::toggled, this, [this](bool open) {
        m_toggle->setArrowType(open ? Qt::DownArrow : Qt::RightArrow);
        if (m_content != nullptr) {
            m_content->setVisible(open);
        }
    });
}

void Fold::setContent(QWidget* content) {
    delete m_content;
    m_content = content;
    layout()->addWidget(content);
    content->setVisible(m_toggle->isChecked());
}

void Fold::setOpen(bool open) { m_toggle->setChecked(open); }
bool Fold::isOpen() const { return m_toggle->isChecked(); }

} // namespace lathe
