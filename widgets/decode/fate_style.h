// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/base/painted_chart.h"
#include "widgets/decode/decode_story.h"

#include <QColor>
#include <QString>

class QFontMetricsF;
class QPainter;

namespace lathe {

/// How a fate looks: colour, outline, lines and a letter, so that none hangs on colour alone.
struct FateStyle {
    QColor ink;
    Qt::PenStyle outline = Qt::SolidLine; ///< NoPen: lines below alone
    bool filled = true;
    bool struck = false;
    int underlines = 0;
    QString mark{}; ///< one small letter behind the piece
};
FateStyle fateStyle(TokenFate fate, bool dark);

/// What a chip says.
struct ChipText {
    QString piece;
    QString below{}; ///< a second, smaller line
};

/// Sizes of chips, all from the font.
struct ChipMetrics {
    explicit ChipMetrics(const QFont& font, bool twoLines = false);

    QFont font, small;
    double lineHeight = 0.0, smallHeight = 0.0;
    double height = 0.0; ///< of a chip
    double gap = 0.0, wordGap = 0.0;
    double side = 0.0; ///< within a chip, left and right of the text
    double bar = 0.0;  ///< width of the bar of the confidence
    double markWidth = 0.0;
};

/// @param confidence height of the bar, NaN: none
void paintChip(
    QPainter& painter, const QRectF& rect, const ChipText& text, TokenFate fate, double confidence,
    const ChipMetrics& metrics, const PaintLook& look);

/// All fates with their names, wrapped into the width. @return the height
double paintFateLegend(QPainter* painter, const QRectF& rect, const PaintLook& look);

/// The legend as a widget of its own.
class FateLegend : public QWidget {
    Q_OBJECT
public:
    explicit FateLegend(QWidget* parent = nullptr);
    bool hasHeightForWidth() const override { return true; }
    int heightForWidth(int width) const override;
    QSize sizeHint() const override;

private:
    void paintEvent(QPaintEvent* event) override;
    void changeEvent(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
};

} // namespace lathe
