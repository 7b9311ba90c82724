// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/theme.h"

#include <QApplication>
#include <QEvent>
#include <QFile>
#include <QIconEngine>
#include <QPainter>
#include <QProxyStyle>
#include <QStyleOption>
#include <QSvgRenderer>

#include <algorithm>
#include <array>
#include <cmath>

/// Outside the namespace, as the macro demands. The resources live in a static library: without
/// this call the linker would drop them.
static void loadResources() { Q_INIT_RESOURCE(workbench); }

namespace lathe {

namespace {

// Contrast on white is at least 3:1 for each, minimal CIE distance of the first five under
// simulated colour blindness 12; those beyond lean on their shapes too.
constexpr std::array<QRgb, 10> kSeriesLight{0xFF0072B2, 0xFFD55E00, 0xFF009E73, 0xFFCC79A7,
                                            0xFF000000, 0xFF8A6D00, 0xFF6A3D9A, 0xFFB0003A,
                                            0xFF0B7A8C, 0xFF6B7075};
// On #232629 at least 3.9:1, minimal distance of the first six 11.
constexpr std::array<QRgb, 10> kSeriesDark{0xFF56B4E9, 0xFFE69F00, 0xFF009E73, 0xFFF0E442,
                                           0xFFCC79A7, 0xFFD55E00, 0xFFB79CFF, 0xFFFF8A94,
                                           0xFF9CCC65, 0xFFA9B1B8};

QPalette lightPalette() {
    QPalette p;
    p.setColor(QPalette::Window, 0xF3F4F6);
    p.setColor(QPalette::WindowText, 0x1B1E21);
    p.setColor(QPalette::Base, 0xFFFFFF);
    p.setColor(QPalette::AlternateBase, 0xF5F7F9);
    p.setColor(QPalette::Text, 0x1B1E21);
    p.setColor(QPalette::PlaceholderText, 0x5A6269);
    p.setColor(QPalette::Button, 0xEBEDF0);
    p.setColor(QPalette::ButtonText, 0x1B1E21);
    p.setColor(QPalette::BrightText, 0xFFFFFF);
    p.setColor(QPalette::Light, 0xFFFFFF);
    p.setColor(QPalette::Midlight, 0xE0E4E8);
    p.setColor(QPalette::Mid, 0xB9C0C7);
    p.setColor(QPalette::Dark, 0x8E979F);
    p.setColor(QPalette::Shadow, 0x5A6269);
    p.setColor(QPalette::Highlight, 0x0B63A5);
    p.setColor(QPalette::HighlightedText, 0xFFFFFF);
    p.setColor(QPalette::Link, 0x0B63A5);
    p.setColor(QPalette::LinkVisited, 0x6B3FA0);
    p.setColor(QPalette::ToolTipBase, 0xFFFFFF);
    p.setColor(QPalette::ToolTipText, 0x1B1E21);
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText}) {
        p.setColor(QPalette::Disabled, role, 0x7C858D);
    }
    p.setColor(QPalette::Disabled, QPalette::Highlight, 0xB9C0C7);
    p.setColor(QPalette::Disabled, QPalette::HighlightedText, 0x1B1E21);
    return p;
}

QPalette darkPalette() {
    QPalette p;
    p.setColor(QPalette::Window, 0x2B2F33);
    p.setColor(QPalette::WindowText, 0xE8EAED);
    p.setColor(QPalette::Base, 0x232629);
    p.setColor(QPalette::AlternateBase, 0x282C30);
    p.setColor(QPalette::Text, 0xE8EAED);
    p.setColor(QPalette::PlaceholderText, 0xA9B1B8);
    p.setColor(QPalette::Button, 0x373C41);
    p.setColor(QPalette::ButtonText, 0xE8EAED);
    p.setColor(QPalette::BrightText, 0xFFFFFF);
    p.setColor(QPalette::Light, 0x4C535A);
    p.setColor(QPalette::Midlight, 0x3E444A);
    p.setColor(QPalette::Mid, 0x565E66);
    p.setColor(QPalette::Dark, 0x1B1E20);
    p.setColor(QPalette::Shadow, 0x101214);
    // Light, with dark text: a colour that carries white text is lost on dark buttons.
    p.setColor(QPalette::Highlight, 0x5C9FE0);
    p.setColor(QPalette::HighlightedText, 0x0E1317);
    p.setColor(QPalette::Link, 0x6CB6F5);
    p.setColor(QPalette::LinkVisited, 0xC3A6F0);
    p.setColor(QPalette::ToolTipBase, 0x373C41);
    p.setColor(QPalette::ToolTipText, 0xE8EAED);
    for (const auto role : {QPalette::WindowText, QPalette::Text, QPalette::ButtonText}) {
        p.setColor(QPalette::Disabled, role, 0x8A939B);
    }
    p.setColor(QPalette::Disabled, QPalette::Highlight, 0x565E66);
    p.setColor(QPalette::Disabled, QPalette::HighlightedText, 0xE8EAED);
    return p;
}

double channel(int value) {
    const double c = value / 255.0;
    return c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
}

double luminance(const QColor& colour) {
    return 0.2126 * channel(colour.red()) + 0.7152 * channel(colour.green()) +
           0.0722 * channel(colour.blue());
}

bool isDarkPalette(const QPalette& palette) {
    return luminance(palette.color(QPalette::Window)) <
           luminance(palette.color(QPalette::WindowText));
}

QString iconPath(const QString& name) {
    return name.startsWith(QLatin1Char(':')) ? name : QStringLiteral(":/icons/%1.svg").arg(name);
}

/// Fusion draws outlines darker than the window, which dark windows swallow.
class OutlinedStyle : public QProxyStyle {
public:
    OutlinedStyle() : QProxyStyle(QStringLiteral("Fusion")) {}

    void drawPrimitive(
        PrimitiveElement element, const QStyleOption* option, QPainter* painter,
        const QWidget* widget) const override {
        QProxyStyle::drawPrimitive(element, option, painter, widget);
        const bool field = element == PE_FrameLineEdit && !option->state.testFlag(State_HasFocus);
        if (field || element == PE_IndicatorCheckBox || element == PE_IndicatorRadioButton) {
            outline(*option, *painter, element == PE_IndicatorRadioButton);
        }
    }

    void drawComplexControl(
        ComplexControl control, const QStyleOptionComplex* option, QPainter* painter,
        const QWidget* widget) const override {
        QProxyStyle::drawComplexControl(control, option, painter, widget);
        const bool field = control == CC_ComboBox || control == CC_SpinBox;
        if (field && !option->state.testFlag(State_HasFocus)) {
            outline(*option, *painter, false);
        }
    }

private:
    static void outline(const QStyleOption& option, QPainter& painter, bool round) {
        QColor colour = Theme::edge(isDarkPalette(option.palette));
        if (!option.state.testFlag(State_Enabled)) {
            colour.setAlphaF(0.5F);
        }
        const QRectF frame = QRectF(option.rect).adjusted(0.5, 0.5, -0.5, -0.5);
        const double radius = round ? frame.width() / 2.0 : 2.0;
        painter.save();
        painter.setRenderHint(QPainter::Antialiasing);
        painter.setPen(colour);
        painter.setBrush(Qt::NoBrush);
        painter.drawRoundedRect(frame, radius, radius);
        painter.restore();
    }
};

/// Draws the SVG in the palette's text colour of the moment, so that a switch of theme needs no new
/// icons.
class PaletteIconEngine : public QIconEngine {
public:
    explicit PaletteIconEngine(QString name) : m_name(std::move(name)) {}

    void paint(QPainter* painter, const QRect& rect, QIcon::Mode mode, QIcon::State) override {
        const double ratio =
            painter->device() != nullptr ? painter->device()->devicePixelRatioF() : 1.0;
        painter->drawPixmap(rect, Theme::pixmap(m_name, colour(mode), rect.width(), ratio));
    }
    QPixmap pixmap(const QSize& size, QIcon::Mode mode, QIcon::State) override {
        return Theme::pixmap(m_name, colour(mode), std::min(size.width(), size.height()), 1.0);
    }
    QPixmap scaledPixmap(const QSize& size, QIcon::Mode mode, QIcon::State state, qreal) override {
        return pixmap(size, mode, state);
    }
    QIconEngine* clone() const override { return new PaletteIconEngine(*this); }

private:
    static QColor colour(QIcon::Mode mode) {
        const QPalette p = QApplication::palette();
        switch (mode) {
        case QIcon::Disabled:
            return p.color(QPalette::Disabled, QPalette::ButtonText);
        case QIcon::Selected:
            return p.color(QPalette::HighlightedText);
        default:
            return p.color(QPalette::ButtonText);
        }
    }
    QString m_name;
};

} // namespace

Theme::Theme(QObject* parent)
    : QObject(parent), m_basePointSize(QApplication::font().pointSizeF()) {
    loadResources();
    m_systemDark = isDarkPalette(QApplication::palette());
    QApplication::setStyle(new OutlinedStyle);
    apply();
    qApp->installEventFilter(this);
}

QPalette Theme::palette(bool dark) { return dark ? darkPalette() : lightPalette(); }

void Theme::setChoice(Choice choice) {
    if (choice != m_choice) {
        m_choice = choice;
        apply();
    }
}

void Theme::setSystemDark(bool dark) {
    if (dark != m_systemDark) {
        m_systemDark = dark;
        if (m_choice == Choice::System) {
            apply();
        }
    }
}

void Theme::setFontScale(double scale) {
    if (scale > 0.0 && !qFuzzyCompare(scale, m_fontScale)) {
        m_fontScale = scale;
        apply();
    }
}

void Theme::applyFont() {
    const double size = m_basePointSize * m_fontScale;
    QFont font = QApplication::font();
    if (m_basePointSize > 0.0 && !qFuzzyCompare(font.pointSizeF(), size)) {
        font.setPointSizeF(size);
        QApplication::setFont(font); // what is drawn without a widget: plots
    }
}

void Theme::apply() {
    const bool dark = m_choice == Choice::Dark || (m_choice == Choice::System && m_systemDark);
    m_applying = true;
    QApplication::setPalette(palette(dark));
    applyFont();
    QFile style(QStringLiteral(":/styles/workbench.qss"));
    if (style.open(QIODevice::ReadOnly)) {
        // Set anew on each switch: style sheets keep the colours of the palette they were read
        // with. The size stands in it because widgets under a style sheet do not follow the
        // application's font.
        const double size = m_basePointSize * m_fontScale;
        const QString text = size > 0.0
                                 ? QStringLiteral("* { font-size: %1pt; }\n").arg(size, 0, 'f', 2)
                                 : QString();
        qApp->setStyleSheet(text + QString::fromUtf8(style.readAll()));
    }
    m_applying = false;
    emit changed();
}

bool Theme::readSystemDark() const {
    const QPalette own = QApplication::palette();
    QApplication::setPalette(QPalette());
    const bool dark = isDarkPalette(QApplication::palette());
    QApplication::setPalette(own);
    return dark;
}

bool Theme::eventFilter(QObject* object, QEvent* event) {
    // The platform tells each window of a changed desktop theme; the program's own palette hides
    // it.
    if (event->type() == QEvent::ThemeChange && !m_applying) {
        m_applying = true;
        const bool dark = readSystemDark();
        m_applying = false;
        setSystemDark(dark);
    }
    return QObject::eventFilter(object, event);
}

bool Theme::isDark() { return isDarkPalette(QApplication::palette()); }

QColor Theme::series(int index, bool dark) {
    const auto position = static_cast<std::size_t>(std::max(index, 0));
    return dark ? QColor(kSeriesDark[position % kSeriesDark.size()])
                : QColor(kSeriesLight[position % kSeriesLight.size()]);
}

QColor Theme::edge(bool dark) { return dark ? QColor(0x8A939B) : QColor(0x7C858D); }
QColor Theme::success(bool dark) { return dark ? QColor(0x6FCF97) : QColor(0x17743A); }
QColor Theme::warning(bool dark) { return dark ? QColor(0xF5C04A) : QColor(0x855400); }
QColor Theme::error(bool dark) { return dark ? QColor(0xFF8F86) : QColor(0xB3261E); }
QColor Theme::muted(bool dark) { return dark ? QColor(0xA9B1B8) : QColor(0x5A6269); }
QColor Theme::success() { return success(isDark()); }
QColor Theme::warning() { return warning(isDark()); }
QColor Theme::error() { return error(isDark()); }
QColor Theme::muted() { return muted(isDark()); }

double Theme::contrast(const QColor& a, const QColor& b) {
    const double first = luminance(a);
    const double second = luminance(b);
    return (std::max(first, second) + 0.05) / (std::min(first, second) + 0.05);
}

QIcon Theme::icon(const QString& name) {
    return QFile::exists(iconPath(name)) ? QIcon(new PaletteIconEngine(name)) : QIcon();
}

QPixmap Theme::pixmap(const QString& name, const QColor& colour, int size, double ratio) {
    const int pixels = std::max(1, static_cast<int>(std::lround(size * ratio)));
    QPixmap pixmap(pixels, pixels);
    pixmap.fill(Qt::transparent);
    QSvgRenderer renderer(iconPath(name));
    if (renderer.isValid()) {
        QPainter painter(&pixmap);
        renderer.render(&painter);
        painter.setCompositionMode(QPainter::CompositionMode_SourceIn);
        painter.fillRect(pixmap.rect(), colour);
    }
    pixmap.setDevicePixelRatio(ratio);
    return pixmap;
}

} // namespace lathe
