// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/banner.h"

#include "widgets/base/theme.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QPushButton>
#include <QToolButton>

#include <algorithm>

namespace lathe {

namespace {
constexpr int kIcon = 18;
constexpr int kStripe = 4;
} // namespace

Banner::Banner(QWidget* parent)
    : QWidget(parent), m_icon(new QLabel), m_text(new QLabel), m_buttons(new QHBoxLayout) {
    setObjectName(QStringLiteral("banner"));
    m_text->setWordWrap(true);
    m_text->setTextFormat(Qt::PlainText);
    auto* cross = new QToolButton;
    cross->setIcon(Theme::icon(QStringLiteral("close")));
    cross->setAutoRaise(true);
    cross->setToolTip(tr("Dismiss"));
    cross->setAccessibleName(tr("Dismiss this message"));
    cross->setFocusPolicy(Qt::StrongFocus);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(kStripe + 8, 5, 8, 5);
    row->addWidget(m_icon);
    row->addWidget(m_text, 1);
    row->addLayout(m_buttons);
    row->addWidget(cross);
    connect(cross, &QToolButton::clicked, this, [this] {
        if (!m_messages.empty()) {
            const Message gone = m_messages.front();
            m_messages.erase(m_messages.begin());
            present();
            if (gone.dismissed) {
                gone.dismissed();
            }
        }
    });
    hide();
}

void Banner::post(Message message) {
    std::erase_if(m_messages, [&](const Message& other) { return other.id == message.id; });
    const auto place = std::ranges::find_if(
        m_messages, [&](const Message& other) { return other.kind < message.kind; });
    m_messages.insert(place, std::move(message));
    present();
}

void Banner::withdraw(const QString& id) {
    if (std::erase_if(m_messages, [&id](const Message& other) { return other.id == id; }) > 0) {
        present();
    }
}

QString Banner::currentId() const { return m_messages.empty() ? QString() : m_messages.front().id; }
QString Banner::text() const { return m_messages.empty() ? QString() : m_messages.front().text; }

QColor Banner::colour() const {
    switch (m_messages.empty() ? Kind::Info : m_messages.front().kind) {
    case Kind::Error:
        return Theme::error();
    case Kind::Warning:
        return Theme::warning();
    case Kind::Info:
        break;
    }
    return palette().color(QPalette::Link);
}

void Banner::present() {
    while (QLayoutItem* item = m_buttons->takeAt(0)) {
        item->widget()->hide();
        item->widget()->deleteLater(); // one of them may be the sender
        delete item;
    }
    setVisible(!m_messages.empty());
    if (m_messages.empty()) {
        return;
    }
    const Message& message = m_messages.front();
    const QString icon = message.kind == Kind::Error     ? QStringLiteral("error")
                         : message.kind == Kind::Warning ? QStringLiteral("warning")
                                                         : QStringLiteral("info");
    m_icon->setPixmap(Theme::pixmap(icon, colour(), kIcon, devicePixelRatioF()));
    m_text->setText(message.text);
    setAccessibleName(message.text);
    for (const Button& button : message.buttons) {
        auto* push = new QPushButton(button.text);
        push->setAccessibleName(button.text);
        m_buttons->addWidget(push);
        connect(push, &QPushButton::clicked, this, [this, id = message.id, action = button.action] {
            withdraw(id);
            action();
        });
    }
    update();
}

void Banner::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange && !m_messages.empty()) {
        present();
    }
}

void Banner::paintEvent(QPaintEvent*) {
    QPainter painter(this);
    painter.fillRect(rect(), palette().color(QPalette::Base));
    painter.fillRect(QRect(0, 0, kStripe, height()), colour());
    painter.fillRect(QRect(0, height() - 1, width(), 1), palette().color(QPalette::Mid));
}

} // namespace lathe
