// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QWidget>

class QLabel;
class QProgressBar;
class QPushButton;
class QToolButton;

namespace lathe {

/// Empty, loading and error as distinct pages: icon, one sentence, one primary button, details.
/// Nothing in the program is ever a blank grey area.
class StateView : public QWidget {
    Q_OBJECT
public:
    enum class Kind { Empty, Loading, Error };
    explicit StateView(QWidget* parent = nullptr);

    void show(
        Kind kind, const QString& sentence, const QString& button = {},
        const QString& details = {});
    using QWidget::show;
    Kind kind() const { return m_kind; }
    QString sentence() const;

signals:
    void primaryClicked();

private:
    void changeEvent(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void paintIcon();
    void fitText();

    Kind m_kind = Kind::Empty;
    QLabel* m_icon;
    QLabel* m_sentence;
    QProgressBar* m_busy;
    QPushButton* m_button;
    QToolButton* m_detailsToggle;
    QLabel* m_details;
};

} // namespace lathe
