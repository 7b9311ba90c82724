// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>
#include <QIcon>
#include <QObject>
#include <QPalette>
#include <QString>

namespace lathe {

/// Colours of the program: Fusion with own palettes, light and dark, switched live. `System` follows
/// the desktop (palette lightness; Qt 6.4 has no colour-scheme hint).
class Theme : public QObject {
    Q_OBJECT
public:
    enum class Choice { System, Light, Dark };

    /// Installs style and palette on the application; one per program, made in main.
    explicit Theme(QObject* parent = nullptr);

    void setChoice(Choice choice);
    Choice choice() const { return m_choice; }
    static bool isDark();                        ///< by the application's palette
    static QColor series(int index, bool dark);  ///< plot palette, cycled with marks and dashes
    static QColor series(int index) { return series(index, isDark()); }
    static QColor success();
    static QColor warning();
    static QColor error();
    static QColor muted();                        ///< secondary text, contrast >= 4.5:1
    /// Monochrome SVG from the resources recoloured from the palette, all states.
    static QIcon icon(const QString& name);

signals:
    void changed();

private:
    bool eventFilter(QObject* object, QEvent* event) override;
    void apply();
    Choice m_choice = Choice::System;
    bool m_systemDark = false;
};

} // namespace lathe
