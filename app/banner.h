// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QWidget>

#include <functional>
#include <vector>

class QHBoxLayout;
class QLabel;

namespace lathe {

/// One line above the panel: icon, text, a few buttons and a cross. One at a time; a weightier one
/// waits for nobody, a lighter one waits until the present one is gone.
class Banner : public QWidget {
    Q_OBJECT
public:
    enum class Kind { Info, Warning, Error };
    struct Button {
        QString text;
        std::function<void()> action; ///< the banner goes away first
    };
    struct Message {
        QString id; ///< a new message with the same id replaces the old one
        Kind kind = Kind::Info;
        QString text;
        std::vector<Button> buttons{};
        std::function<void()> dismissed{};
    };

    explicit Banner(QWidget* parent = nullptr);

    void post(Message message);
    void withdraw(const QString& id);
    QString currentId() const;
    QString text() const;

private:
    void present();
    void changeEvent(QEvent* event) override;
    void paintEvent(QPaintEvent* event) override;
    QColor colour() const;

    std::vector<Message> m_messages; ///< the weightiest first
    QLabel* m_icon;
    QLabel* m_text;
    QHBoxLayout* m_buttons;
};

} // namespace lathe
