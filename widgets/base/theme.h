// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QColor>
#include <QIcon>
#include <QObject>
#include <QPalette>
#include <QString>

namespace lathe {

/// Colours of the program: Fusion with own palettes, light and dark, switched live. `System`
/// follows the desktop (palette lightness; Qt 6.4 has no colour-scheme hint).
class Theme : public QObject {
    Q_OBJECT
public:
    enum class Choice { System, Light, Dark };

    /// Installs style and palette on the application; one per program, made in main.
    explicit Theme(QObject* parent = nullptr);

    void setChoice(Choice choice);
    Choice choice() const { return m_choice; }
    /// Size of all text, 1: the desktop's. Followed at once by every widget and by
    /// QApplication::font().
    void setFontScale(double scale);
    /// The desktop's scheme where it is known better than by the platform's palette.
    void setSystemDark(bool dark);
    static bool isDark();                       ///< by the application's palette
    static QPalette palette(bool dark);         ///< the program's own, every role set
    static QColor series(int index, bool dark); ///< plot palette, cycled with marks and dashes
    static QColor series(int index) { return series(index, isDark()); }
    static QColor success();
    static QColor warning();
    static QColor error();
    static QColor muted();         ///< secondary text, contrast >= 4.5:1
    static QColor edge(bool dark); ///< outline of fields and check boxes, contrast >= 3:1
    static QColor success(bool dark);
    static QColor warning(bool dark);
    static QColor error(bool dark);
    static QColor muted(bool dark);
    /// WCAG 2 contrast ratio of two opaque colours, 1 to 21.
    static double contrast(const QColor& a, const QColor& b);
    /// Monochrome SVG from the resources recoloured from the palette, all states. The icon repaints
    /// itself after a switch of theme.
    static QIcon icon(const QString& name);
    /// The same in one colour, for labels.
    static QPixmap pixmap(const QString& name, const QColor& colour, int size, double ratio);

signals:
    void changed();

private:
    bool eventFilter(QObject* object, QEvent* event) override;
    bool readSystemDark() const;
    void apply();
    void applyFont();
    Choice m_choice = Choice::System;
    double m_basePointSize; ///< the desktop's; not positive: sized in pixels, left alone
    double m_fontScale = 1.0;
    bool m_systemDark = false;
    bool m_applying = false;
};

} // namespace lathe
