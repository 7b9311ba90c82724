// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

class QToolButton;

namespace lathe {

/// A titled part of a form that folds away.
class Fold : public QWidget {
    Q_OBJECT
public:
    explicit Fold(const QString& title, QWidget* parent = nullptr);
    /// Takes over the content.
    void setContent(QWidget* content);
    void setOpen(bool open);
    bool isOpen() const;

private:
    QToolButton* m_toggle;
    QWidget* m_content = nullptr;
};

} // namespace lathe
