// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/state_view.h"

#include "widgets/base/theme.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QProgressBar>
#include <QPushButton>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <utility>

namespace lathe {

namespace {
constexpr int kIconSize = 40;
constexpr int kBusyWidth = 210;
constexpr int kTextWidth = 60; ///< average characters of a line
constexpr int kDetailsWidth = 86;
constexpr int kLeastWidth = 180;
constexpr int kTextStretch = 1000;
} // namespace

StateView::StateView(QWidget* parent)
    : QWidget(parent), m_icon(new QLabel), m_sentence(new QLabel), m_busy(new QProgressBar),
      m_button(new QPushButton), m_detailsToggle(new QToolButton), m_details(new QLabel) {
    m_icon->setAlignment(Qt::AlignCenter);
    m_sentence->setAlignment(Qt::AlignCenter);
    m_sentence->setWordWrap(true);
    m_sentence->setTextFormat(Qt::PlainText);
    m_busy->setRange(0, 0);
    m_busy->setMaximumWidth(kBusyWidth);
    m_busy->setTextVisible(false);
    m_busy->setAccessibleName(tr("Loading"));
    m_button->setMinimumHeight(30);
    m_detailsToggle->setText(tr("Details"));
    m_detailsToggle->setCheckable(true);
    m_detailsToggle->setAutoRaise(true);
    m_detailsToggle->setAccessibleName(tr("Show details"));
    m_details->setWordWrap(true);
    m_details->setTextFormat(Qt::PlainText);
    m_details->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    m_details->setAccessibleName(tr("Details"));

    auto* column = new QVBoxLayout(this);
    column->setSpacing(10);
    column->addStretch(1);
    for (QWidget* part : std::initializer_list<QWidget*>{
             m_icon, m_sentence, m_busy, m_button, m_detailsToggle, m_details}) {
        if (part != m_sentence && part != m_details) {
            column->addWidget(part, 0, Qt::AlignHCenter);
            continue;
        }
        auto* row = new QHBoxLayout; // centred, and yet as wide as it may be
        row->addStretch(1);
        row->addWidget(part, kTextStretch);
        row->addStretch(1);
        column->addLayout(row);
    }
    column->addStretch(1);
    connect(m_button, &QPushButton::clicked, this, &StateView::primaryClicked);
    connect(m_detailsToggle, &QToolButton::toggled, m_details, &QLabel::setVisible);
    connect(m_detailsToggle, &QToolButton::toggled, this, &StateView::fitText);
    show(Kind::Empty, {});
}

void StateView::show(
    Kind kind, const QString& sentence, const QString& button, const QString& details) {
    m_kind = kind;
    m_sentence->setText(sentence);
    m_busy->setVisible(kind == Kind::Loading);
    m_button->setText(button);
    m_button->setAccessibleName(button);
    m_button->setVisible(!button.isEmpty());
    m_details->setText(details);
    m_detailsToggle->setVisible(!details.isEmpty());
    m_details->setVisible(!details.isEmpty() && m_detailsToggle->isChecked());
    setAccessibleName(sentence);
    paintIcon();
    fitText();
}

/// A layout asks for the height at its own width, which may be more than the label's greatest: it
/// is set here for the width that the label gets, so that no line is cut.
void StateView::fitText() {
    const QMargins margins = layout()->contentsMargins();
    const int room = std::max(kLeastWidth, width() - margins.left() - margins.right());
    for (const auto& [label, characters] :
         {std::pair{m_sentence, kTextWidth}, std::pair{m_details, kDetailsWidth}}) {
        const int most =
            std::max(kLeastWidth, characters * label->fontMetrics().averageCharWidth());
        const int across = std::min(room, most);
        label->setMinimumWidth(kLeastWidth);
        label->setMaximumWidth(most);
        label->setFixedHeight(std::max(1, label->heightForWidth(across)));
    }
    // In a low dock the words matter more than the picture.
    const int words = m_sentence->height() + layout()->spacing() * 3 + kIconSize +
                      (m_button->isHidden() ? 0 : m_button->sizeHint().height()) +
                      (m_detailsToggle->isHidden() ? 0 : m_detailsToggle->sizeHint().height());
    m_icon->setVisible(m_kind != Kind::Loading && height() >= words);
}

void StateView::resizeEvent(QResizeEvent* event) {
    QWidget::resizeEvent(event);
    fitText();
}

QString StateView::sentence() const { return m_sentence->text(); }

void StateView::paintIcon() {
    const QString name = m_kind == Kind::Error ? QStringLiteral("error") : QStringLiteral("info");
    const QColor colour = m_kind == Kind::Error ? Theme::error() : Theme::muted();
    m_icon->setPixmap(Theme::pixmap(name, colour, kIconSize, devicePixelRatioF()));
}

void StateView::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) {
        paintIcon();
    } else if (event->type() == QEvent::FontChange) {
        fitText();
    }
}

} // namespace lathe
