// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/threshold_strip.h"

#include "widgets/base/theme.h"

#include <QAccessible>
#include <QKeyEvent>
#include <QLocale>
#include <QMouseEvent>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr double kDefaultConfidence = 0.6;
constexpr double kDefaultDistance = 5.0;
constexpr double kGrab = 8.0; ///< pixels on either side of the line
constexpr double kLeastTop = 10.0;
constexpr double kHeadroom = 1.15;
constexpr double kNarrowestRange = 8.0; ///< positions

struct Steps {
    double fine, coarse;
};
Steps stepsOf(StripKind kind) {
    return kind == StripKind::Confidence ? Steps{0.01, 0.1} : Steps{0.1, 1.0};
}

} // namespace

std::vector<StripValue> stripValues(const DecodeStory& story, StripKind kind, int events) {
    std::vector<StripValue> values;
    for (int i = 0; i < static_cast<int>(story.lives().size()); ++i) {
        const TokenLife& life = story.lives()[static_cast<std::size_t>(i)];
        const bool judged = life.judged >= 0 && life.judged < events;
        const double value = kind == StripKind::Confidence ? life.c : life.d;
        if (!life.fateAt(events) || std::isnan(value) || (kind == StripKind::Distance && !judged)) {
            continue;
        }
        if (!values.empty() && values.back().pos == life.pos) {
            values.pop_back();
        }
        values.push_back({i, life.pos, value, judged && life.argmaxL == life.token});
    }
    return values;
}

bool crosses(StripKind kind, const StripValue& value, double threshold) {
    if (kind == StripKind::Confidence) { // as the engine decides
        return threshold >= 1.0 || value.value < threshold;
    }
    return !value.agreed && (threshold <= 0.0 || value.value > threshold);
}

ThresholdStrip::ThresholdStrip(StripKind kind, QWidget* parent)
    : PaintedChart(parent), m_kind(kind),
      m_threshold(kind == StripKind::Confidence ? kDefaultConfidence : kDefaultDistance) {
    setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
    setAccessibleName(title());
    describe();
}

QString ThresholdStrip::title() const {
    return m_kind == StripKind::Confidence ? tr("Confidence of the little model")
                                           : tr("Distance of the drafts");
}

QSize ThresholdStrip::sizeHint() const {
    return {fontMetrics().averageCharWidth() * 70, fontMetrics().height() * 9};
}
QSize ThresholdStrip::minimumSizeHint() const {
    return {fontMetrics().averageCharWidth() * 28, fontMetrics().height() * 6};
}

void ThresholdStrip::setStory(const DecodeStory* story) {
    m_story = story;
    m_cursor = 0;
    m_values.clear();
    m_selectedPos = -1;
    m_hovered = -1;
    if (story != nullptr) {
        const auto first = static_cast<double>(story->log().prompt.size());
        setLimits(first - 0.5, first + kNarrowestRange, kNarrowestRange);
        setCursor(0);
        fit();
    }
    update();
}

void ThresholdStrip::setCursor(int events) {
    if (m_story == nullptr) {
        return;
    }
    m_cursor = events;
    m_hovered = -1;
    m_values = stripValues(*m_story, m_kind, events);
    m_largest = 0.0;
    for (const StripValue& value : m_values) {
        m_largest = std::isfinite(value.value) ? std::max(m_largest, value.value) : m_largest;
    }
    // As wide as the whole story, so that a replay does not squeeze what it has shown.
    const auto first = static_cast<double>(m_story->log().prompt.size());
    const double last =
        m_story->lives().empty() ? first : static_cast<double>(m_story->lives().back().pos);
    setLimits(first - 0.5, last + 0.5, kNarrowestRange);
    describe();
    update();
}

int ThresholdStrip::selected() const {
    return m_story == nullptr ? -1 : m_story->find(m_selectedPos, m_selectedAttempt);
}

void ThresholdStrip::setSelected(int life) {
    m_selectedPos = -1;
    if (m_story != nullptr && life >= 0 && life < static_cast<int>(m_story->lives().size())) {
        const TokenLife& one = m_story->lives()[static_cast<std::size_t>(life)];
        m_selectedPos = one.pos;
        m_selectedAttempt = one.attempt;
        const auto pos = static_cast<double>(one.pos);
        if (pos < rangeLow() || pos > rangeHigh()) {
            const double half = (rangeHigh() - rangeLow()) / 2.0;
            setRange(pos - half, pos + half);
        }
    }
    describe();
    update();
}

void ThresholdStrip::setThreshold(double value) {
    if (!std::isnan(value) && value != m_threshold) {
        m_threshold = value;
        describe();
        update();
    }
}

int ThresholdStrip::crossings() const {
    return static_cast<int>(std::ranges::count_if(
        m_values, [this](const StripValue& value) { return crosses(m_kind, value, m_threshold); }));
}

QString ThresholdStrip::countText() const {
    const QString text =
        m_kind == StripKind::Confidence ? tr("%1 of %2 below") : tr("%1 of %2 undone");
    return text.arg(crossings()).arg(m_values.size());
}

double ThresholdStrip::top() const {
    if (m_kind == StripKind::Confidence) {
        return 1.0;
    }
    if (m_dragging) { // an axis that gave way would run away from the pointer
        return m_dragTop;
    }
    const double line = std::isfinite(m_threshold) ? m_threshold : 0.0;
    return std::max({kLeastTop, m_largest, line}) * kHeadroom;
}

/// Distances of kept drafts lie near 0 and those of undone ones far away: a square root shows both.
double ThresholdStrip::share(double value) const {
    const double part = std::clamp(value / top(), 0.0, 1.0);
    return m_kind == StripKind::Confidence ? part : std::sqrt(part);
}

double ThresholdStrip::yOf(double value, const QRectF& area) const {
    return area.bottom() - share(value) * area.height();
}

double ThresholdStrip::valueAt(double y, const QRectF& area) const {
    const double part = std::clamp((area.bottom() - y) / std::max(1.0, area.height()), 0.0, 1.0);
    const double value = top() * (m_kind == StripKind::Confidence ? part : part * part);
    const double fine = stepsOf(m_kind).fine;
    return std::round(value / fine) * fine; // a number that can be typed
}

double ThresholdStrip::linePixel() const { return yOf(m_threshold, screenArea()); }

bool ThresholdStrip::isOnLine(const QPointF& at) const {
    const QRectF area = screenArea();
    return at.x() >= area.left() && std::abs(at.y() - yOf(m_threshold, area)) <= kGrab;
}

const StripValue* ThresholdStrip::nearest(double x) const {
    const double pos = toValue(x, screenArea());
    const auto at = std::ranges::lower_bound(
        m_values, pos - 0.5, {}, [](const StripValue& v) { return static_cast<double>(v.pos); });
    return at != m_values.end() && std::abs(static_cast<double>(at->pos) - pos) <= 1.0 ? &*at
                                                                                       : nullptr;
}

void ThresholdStrip::choose(const StripValue* value) {
    if (value != nullptr && value->life != selected()) {
        const int life = value->life;
        setSelected(life);
        emit lifeSelected(life);
    }
}

/// The value before or behind the selected position.
void ThresholdStrip::step(int by) {
    if (m_values.empty()) {
        return;
    }
    const auto at = std::ranges::lower_bound(m_values, m_selectedPos, {}, &StripValue::pos);
    auto index = static_cast<int>(at - m_values.begin());
    const bool exact = at != m_values.end() && at->pos == m_selectedPos;
    index += by > 0 && !exact ? by - 1 : by;
    index = std::clamp(index, 0, static_cast<int>(m_values.size()) - 1);
    choose(&m_values[static_cast<std::size_t>(index)]);
}

void ThresholdStrip::moveThreshold(double value, bool done) {
    const double most = m_kind == StripKind::Confidence ? 1.0 : std::numeric_limits<double>::max();
    value = std::clamp(value, 0.0, most);
    if (value != m_threshold) {
        setThreshold(value);
        emit thresholdMoved(value);
    }
    if (done) {
        emit thresholdChosen(m_threshold);
    }
}

void ThresholdStrip::clicked(const QPointF& at) { choose(nearest(at.x())); }

void ThresholdStrip::mousePressEvent(QMouseEvent* event) {
    if (event->button() == Qt::LeftButton && isOnLine(event->position())) {
        m_dragTop = top();
        m_dragging = true;
        return;
    }
    PaintedChart::mousePressEvent(event);
}

void ThresholdStrip::mouseMoveEvent(QMouseEvent* event) {
    if (m_dragging) {
        moveThreshold(valueAt(event->position().y(), screenArea()), false);
        return;
    }
    PaintedChart::mouseMoveEvent(event);
    if (isPanning()) {
        return;
    }
    if (event->buttons() == Qt::NoButton) {
        QWidget::setCursor(isOnLine(event->position()) ? Qt::SplitVCursor : Qt::ArrowCursor);
    }
    const StripValue* value =
        screenArea().contains(event->position()) ? nearest(event->position().x()) : nullptr;
    const int life = value != nullptr ? value->life : -1;
    if (life != m_hovered) {
        m_hovered = life;
        update();
        emit lifeHovered(life, event->globalPosition().toPoint());
    }
}

void ThresholdStrip::mouseReleaseEvent(QMouseEvent* event) {
    if (m_dragging && event->button() == Qt::LeftButton) {
        m_dragging = false;
        update(); // the axis may end elsewhere now
        emit thresholdChosen(m_threshold);
        return;
    }
    PaintedChart::mouseReleaseEvent(event);
}

void ThresholdStrip::leaveEvent(QEvent*) {
    if (m_hovered >= 0) {
        m_hovered = -1;
        update();
        emit lifeHovered(-1, QCursor::pos());
    }
}

void ThresholdStrip::keyPressEvent(QKeyEvent* event) {
    const Steps steps = stepsOf(m_kind);
    const auto moved = [&](double by) { // from infinity there is no way but to the axis' end
        const double from = std::isfinite(m_threshold) ? m_threshold : top();
        moveThreshold(std::round((from + by) / steps.fine) * steps.fine, true);
    };
    switch (event->key()) {
    case Qt::Key_Up:
        return moved(steps.fine);
    case Qt::Key_Down:
        return moved(-steps.fine);
    case Qt::Key_PageUp:
        return moved(steps.coarse);
    case Qt::Key_PageDown:
        return moved(-steps.coarse);
    case Qt::Key_Left:
        return step(-1);
    case Qt::Key_Right:
        return step(1);
    case Qt::Key_Home:
        return choose(m_values.empty() ? nullptr : &m_values.front());
    case Qt::Key_End:
        return choose(m_values.empty() ? nullptr : &m_values.back());
    default:
        PaintedChart::keyPressEvent(event);
    }
}

void ThresholdStrip::describe() {
    QString text = tr("Threshold %1, %2").arg(QLocale().toString(m_threshold, 'g', 4), countText());
    const int life = selected();
    const auto value = std::ranges::find(m_values, life, &StripValue::life);
    if (life >= 0 && value != m_values.end()) {
        text += tr("; position %1, “%2”: %3")
                    .arg(value->pos)
                    .arg(m_story->piece(m_story->lives()[static_cast<std::size_t>(life)].token))
                    .arg(QLocale().toString(value->value, 'g', 3));
    }
    text += tr("; up and down keys move the threshold");
    if (text != accessibleDescription()) {
        setAccessibleDescription(text);
        QAccessibleEvent event(this, QAccessible::DescriptionChanged);
        QAccessible::updateAccessibility(&event);
    }
}

} // namespace lathe
