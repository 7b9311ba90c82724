// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/token_ribbon.h"

#include "widgets/base/picture_file.h"
#include "widgets/base/plot_export.h"
#include "widgets/base/theme.h"

#include <QAccessible>
#include <QKeyEvent>
#include <QMouseEvent>
#include <QPainter>
#include <QScrollBar>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {
constexpr int kCardDelayMs = 250;
}

TokenRibbon::TokenRibbon(QWidget* parent)
    : QAbstractScrollArea(parent), m_card(new TokenCard(this)) {
    setFocusPolicy(Qt::StrongFocus);
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOn); // its coming would wrap all lines anew
    viewport()->setMouseTracking(true);
    setAccessibleName(tr("Tokens of the text"));
    m_cardTimer.setSingleShot(true);
    m_cardTimer.setInterval(kCardDelayMs);
    connect(&m_cardTimer, &QTimer::timeout, this, [this] {
        if (m_hovered >= 0 && m_hovered < static_cast<int>(m_layout.items().size())) {
            showCard(m_layout.items()[static_cast<std::size_t>(m_hovered)].life, m_hovered);
        }
    });
    describe();
}

TokenRibbon::~TokenRibbon() = default;

void TokenRibbon::setStory(const DecodeStory* story) {
    hideCard();
    m_hovered = -1;
    m_selectedPos = -1;
    m_layout.setStory(story);
    updateScroll(false);
    verticalScrollBar()->setValue(0);
    describe();
}

void TokenRibbon::setCursor(int events) {
    const bool atEnd = verticalScrollBar()->value() >= verticalScrollBar()->maximum() - 1;
    const std::int64_t before = m_layout.laidOut();
    const int cursor = m_layout.cursor();
    m_layout.setCursor(events);
    if (m_layout.laidOut() == before && m_layout.cursor() == cursor) {
        return;
    }
    m_hovered = -1;
    hideCard(); // what is under the pointer may be another token now
    updateScroll(atEnd);
    describe();
}

int TokenRibbon::selected() const {
    const DecodeStory* story = m_layout.story();
    return story == nullptr ? -1 : story->find(m_selectedPos, m_selectedAttempt);
}

void TokenRibbon::setSelected(int life) {
    const DecodeStory* story = m_layout.story();
    if (story == nullptr || life < 0 || life >= static_cast<int>(story->lives().size())) {
        m_selectedPos = -1;
    } else {
        m_selectedPos = story->lives()[static_cast<std::size_t>(life)].pos;
        m_selectedAttempt = story->lives()[static_cast<std::size_t>(life)].attempt;
        reveal(m_layout.itemOf(life));
    }
    describe();
    viewport()->update();
}

void TokenRibbon::setCandidates(
    int life, const Candidates& little, const Candidates& big, const QString& note) {
    if (m_card->life() == life) {
        m_card->setCandidates(little, big, note);
    }
}

void TokenRibbon::setOptions(const RibbonOptions& options) {
    m_options = options;
    relayout();
}
void TokenRibbon::setWhitespaceShown(bool shown) {
    RibbonOptions options = m_options;
    options.whitespace = shown;
    setOptions(options);
}
void TokenRibbon::setIdsShown(bool shown) {
    RibbonOptions options = m_options;
    options.ids = shown;
    setOptions(options);
}
void TokenRibbon::setProbabilitiesShown(bool shown) {
    RibbonOptions options = m_options;
    options.probabilities = shown;
    setOptions(options);
}
void TokenRibbon::setAllShown(bool shown) {
    RibbonOptions options = m_options;
    options.unfolded = shown;
    setOptions(options);
}

void TokenRibbon::relayout() {
    m_hovered = -1;
    m_cache.clear();
    m_layout.setLook(font(), viewport()->width(), m_options);
    updateScroll(false);
}

void TokenRibbon::updateScroll(bool follow) {
    const int height = viewport()->height();
    QScrollBar* bar = verticalScrollBar();
    bar->setPageStep(height);
    bar->setSingleStep(qRound(m_layout.rowHeight()));
    bar->setRange(0, std::max(0, qCeil(m_layout.height()) - height));
    if (follow) {
        bar->setValue(bar->maximum());
    }
    viewport()->update();
}

QPointF TokenRibbon::toContent(const QPointF& at) const {
    return at + QPointF(0, verticalScrollBar()->value());
}

QRect TokenRibbon::itemOnScreen(int item) const {
    const QRectF rect = m_layout.rectOf(item).translated(0, -verticalScrollBar()->value());
    return {viewport()->mapToGlobal(rect.topLeft().toPoint()), rect.size().toSize()};
}

void TokenRibbon::reveal(int item) {
    if (item < 0) {
        return;
    }
    const QRectF rect = m_layout.rectOf(item);
    const double margin = m_layout.rowHeight() * 0.5;
    QScrollBar* bar = verticalScrollBar();
    if (rect.top() - margin < bar->value()) {
        bar->setValue(qFloor(rect.top() - margin));
    } else if (rect.bottom() + margin > bar->value() + viewport()->height()) {
        bar->setValue(qCeil(rect.bottom() + margin - viewport()->height()));
    }
}

/// The selection for those who do not see it.
void TokenRibbon::describe() {
    const DecodeStory* story = m_layout.story();
    const int life = selected();
    QString text = tr("No text yet");
    if (story != nullptr && life >= 0) {
        text = lifeText(*story, life, m_layout.cursor());
    } else if (story != nullptr && !story->isEmpty()) {
        const auto tokens = story->lengthAt(m_layout.cursor()) -
                            static_cast<std::int64_t>(story->log().prompt.size());
        text = tr(
            "%n token(s); arrow keys go from one to the next", nullptr, static_cast<int>(tokens));
    }
    if (text != accessibleDescription()) {
        setAccessibleDescription(text);
        QAccessibleEvent event(this, QAccessible::DescriptionChanged);
        QAccessible::updateAccessibility(&event);
    }
}

void TokenRibbon::paint(
    QPainter& painter, const RibbonLayout& layout, const PaintLook& look) const {
    painter.setFont(look.font);
    const QRectF all(0, 0, 1, std::max(1.0, layout.height()));
    paintRibbon(painter, layout, all, {}, look);
}

void TokenRibbon::paintEvent(QPaintEvent*) {
    QPainter painter(viewport());
    const PaintLook look = PaintLook::ofScreen(*this);
    painter.fillRect(viewport()->rect(), look.base());
    const double top = verticalScrollBar()->value();
    painter.translate(0, -top);
    const RibbonMarks marks{m_layout.itemOf(selected()), m_hovered};
    m_painted = paintRibbon(
        painter, m_layout, QRectF(0, top, viewport()->width(), viewport()->height()), marks, look,
        &m_cache);
    painter.translate(0, top);
    if (hasFocus()) {
        paintFocusRing(painter, viewport()->rect(), look);
    }
}

bool TokenRibbon::exportTo(const QString& path, QSize pixels, QString* error, double scale) const {
    const PaintLook look = PaintLook::ofPaper();
    RibbonLayout layout = m_layout;
    layout.setLook(look.font, pixels.width(), m_options);
    const QRectF legend(8, layout.height() + 10, pixels.width() - 16, 0);
    const double needed = legend.top() + paintFateLegend(nullptr, legend, look) + 8;
    const auto draw = [&](QPaintDevice& device, QSize size) {
        QPainter painter(&device);
        painter.fillRect(QRect(QPoint(0, 0), size), look.base());
        paint(painter, layout, look);
        paintFateLegend(&painter, legend, look);
    };
    const QSize size(pixels.width(), std::max(pixels.height(), qCeil(needed)));
    const QString problem =
        writePicture({tr("Tokens"), provenanceLine(m_provenance), draw}, path, size, scale);
    if (error != nullptr) {
        *error = problem;
    }
    return problem.isEmpty();
}

void TokenRibbon::resizeEvent(QResizeEvent*) { relayout(); }

void TokenRibbon::scrollContentsBy(int, int) {
    hideCard();
    viewport()->update();
}

void TokenRibbon::changeEvent(QEvent* event) {
    QAbstractScrollArea::changeEvent(event);
    if (event->type() == QEvent::FontChange) {
        relayout();
    } else if (event->type() == QEvent::PaletteChange) {
        m_cache.clear();
        viewport()->update();
    }
}

void TokenRibbon::showCard(int life, int item) {
    m_card->setLife(*m_layout.story(), life, m_layout.cursor());
    m_card->showBeside(itemOnScreen(item));
}

void TokenRibbon::hideCard() {
    m_cardTimer.stop();
    m_card->hide();
}

void TokenRibbon::hover(int item, const QPoint& global) {
    if (item == m_hovered) {
        return;
    }
    m_hovered = item;
    hideCard();
    const bool chip = item >= 0 && !m_layout.items()[static_cast<std::size_t>(item)].isMark();
    viewport()->setCursor(item >= 0 ? Qt::PointingHandCursor : Qt::ArrowCursor);
    if (chip) {
        const int life = m_layout.items()[static_cast<std::size_t>(item)].life;
        m_card->setLife(*m_layout.story(), life, m_layout.cursor());
        m_cardTimer.start();
        emit lifeHovered(life, global);
    } else {
        emit lifeHovered(-1, global);
    }
    viewport()->update();
}

void TokenRibbon::mouseMoveEvent(QMouseEvent* event) {
    hover(m_layout.itemAt(toContent(event->position())), event->globalPosition().toPoint());
}

bool TokenRibbon::viewportEvent(QEvent* event) {
    if (event->type() == QEvent::Leave) {
        hover(-1, QCursor::pos());
    }
    return QAbstractScrollArea::viewportEvent(event);
}

void TokenRibbon::mousePressEvent(QMouseEvent* event) {
    const int item = m_layout.itemAt(toContent(event->position()));
    if (event->button() != Qt::LeftButton || item < 0) {
        return;
    }
    m_layout.items()[static_cast<std::size_t>(item)].isMark() ? toggle(item) : choose(item);
}

void TokenRibbon::toggle(int item) {
    m_hovered = -1;
    m_layout.toggle(item);
    updateScroll(false);
    reveal(m_layout.itemOf(selected()));
}

void TokenRibbon::choose(int item) {
    if (item < 0 || item >= static_cast<int>(m_layout.items().size())) {
        return;
    }
    const int life = m_layout.items()[static_cast<std::size_t>(item)].life;
    const bool another = life != selected();
    setSelected(life);
    if (another) {
        emit lifeSelected(life);
    }
}

/// The next chip in a direction; marks are stepped over.
void TokenRibbon::chooseBeside(int from, int step) {
    const int count = static_cast<int>(m_layout.items().size());
    for (int i = from; i >= 0 && i < count; i += step) {
        if (!m_layout.items()[static_cast<std::size_t>(i)].isMark()) {
            choose(i);
            return;
        }
    }
}

/// The item that stands so many rows below, as far left.
int TokenRibbon::rowMove(int item, int rows) const {
    if (item < 0) {
        return 0;
    }
    const int row = std::clamp(m_layout.rowOf(item) + rows, 0, m_layout.rows() - 1);
    const auto [first, last] = m_layout.rowItems(row);
    const double x = m_layout.rectOf(item).center().x();
    int best = first;
    for (int i = first; i < last; ++i) {
        if (std::abs(m_layout.rectOf(i).center().x() - x) <
            std::abs(m_layout.rectOf(best).center().x() - x)) {
            best = i;
        }
    }
    return best;
}

void TokenRibbon::keyPressEvent(QKeyEvent* event) {
    const int item = m_layout.itemOf(selected());
    const int count = static_cast<int>(m_layout.items().size());
    const int page = std::max(1, qFloor(viewport()->height() / m_layout.rowHeight()) - 1);
    switch (event->key()) {
    case Qt::Key_Right:
        return chooseBeside(item + 1, 1);
    case Qt::Key_Left:
        return chooseBeside(item < 0 ? count - 1 : item - 1, -1);
    case Qt::Key_Up:
        return chooseBeside(rowMove(item, -1), 1);
    case Qt::Key_Down:
        return chooseBeside(rowMove(item, 1), 1);
    case Qt::Key_PageUp:
        return chooseBeside(rowMove(item, -page), 1);
    case Qt::Key_PageDown:
        return chooseBeside(rowMove(item, page), 1);
    case Qt::Key_Home:
        return chooseBeside(0, 1);
    case Qt::Key_End:
        return chooseBeside(count - 1, -1);
    case Qt::Key_Return:
    case Qt::Key_Enter:
        for (int i = item; i >= 0; --i) {
            // The mark before the chip, or that of the unfolded ones which it is among.
            if (m_layout.items()[static_cast<std::size_t>(i)].isMark()) {
                return toggle(i);
            }
            if (i < item && isInText(m_layout.items()[static_cast<std::size_t>(i)].fate)) {
                break;
            }
        }
        return;
    case Qt::Key_Space:
        if (item >= 0 && !m_card->isVisible()) {
            showCard(selected(), item);
            emit lifeHovered(selected(), itemOnScreen(item).bottomLeft());
        } else {
            hideCard();
        }
        return;
    case Qt::Key_Escape:
        if (m_card->isVisible()) {
            return hideCard();
        }
        break;
    default:
        break;
    }
    QAbstractScrollArea::keyPressEvent(event);
}

void TokenRibbon::focusInEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusInEvent(event);
    viewport()->update();
}

void TokenRibbon::focusOutEvent(QFocusEvent* event) {
    QAbstractScrollArea::focusOutEvent(event);
    hideCard();
    viewport()->update();
}

} // namespace lathe
