// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDialog>
#include <QJsonObject>
#include <QString>

class QComboBox;
class QLabel;
class QLineEdit;
class QSpinBox;

namespace lathe {

class PlotView;

/// What was chosen last when a plot was written. The window keeps it with its settings.
class PlotSaveMemory : public QObject {
    Q_OBJECT
public:
    struct Choices {
        int widthMm = 160, heightMm = 100;
        QString format = QStringLiteral("png");
        QString folder{}; ///< empty or gone: the documents' folder
        bool operator==(const Choices&) const = default;
    };

    static PlotSaveMemory& instance();
    const Choices& choices() const { return m_choices; }
    void remember(const Choices& choices);
    QJsonObject toJson() const;
    /// Takes what is sound in it, defaults for the rest; does not emit.
    void restore(const QJsonObject& json);

signals:
    void changed();

private:
    Choices m_choices;
};

/// Format, size and file of an export. Asks before it replaces a file.
class PlotSaveDialog : public QDialog {
    Q_OBJECT
public:
    explicit PlotSaveDialog(PlotView& view);

private:
    void browse();
    void save();
    void write();
    void formatChanged();
    QString suffix() const;

    PlotView& m_view;
    QComboBox* m_format;
    QComboBox* m_scale;
    QSpinBox* m_width;
    QSpinBox* m_height;
    QLineEdit* m_path;
    QLabel* m_problem;
    QString m_mayReplace; ///< file whose replacement has been agreed to
};

} // namespace lathe
