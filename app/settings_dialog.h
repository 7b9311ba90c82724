// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDialog>

class QComboBox;
class QSpinBox;

namespace lathe {

class Settings;

/// Appearance and engine; every change holds at once.
class SettingsDialog : public QDialog {
    Q_OBJECT
public:
    explicit SettingsDialog(Settings& settings, QWidget* parent = nullptr);

private:
    void load();

    Settings& m_settings;
    QComboBox* m_theme;
    QSpinBox* m_fontScale;
    QSpinBox* m_nice;
};

} // namespace lathe
