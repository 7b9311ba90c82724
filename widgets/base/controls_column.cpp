// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/controls_column.h"

#include "widgets/base/theme.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QScrollArea>
#include <QScrollBar>
#include <QVBoxLayout>

#include <algorithm>

namespace lathe {

namespace {

constexpr int kButtonHeight = 32;
constexpr int kLeastWidth = 240;

QPushButton* makeButton(const QString& text, const QString& icon) {
    auto* button = new QPushButton(Theme::icon(icon), text);
    button->setMinimumHeight(kButtonHeight);
    button->setAccessibleName(text);
    return button;
}

/// Scrolls up and down alone: it is never narrower than what it holds.
class ColumnArea : public QScrollArea {
private:
    bool eventFilter(QObject* object, QEvent* event) override {
        const bool taken = QScrollArea::eventFilter(object, event);
        if (object == widget() && event->type() == QEvent::LayoutRequest) {
            setMinimumWidth(std::max(
                kLeastWidth,
                widget()->minimumSizeHint().width() + verticalScrollBar()->sizeHint().width()));
        }
        return taken;
    }
};

void setColour(QLabel* label, const QColor& colour) {
    QPalette palette; // every other role follows the theme
    palette.setColor(QPalette::WindowText, colour);
    label->setPalette(palette);
}

} // namespace

ControlsColumn::ControlsColumn(QWidget* content, QWidget* parent)
    : QWidget(parent), m_badge(new QLabel), m_problem(new QLabel),
      m_run(makeButton(tr("Run"), QStringLiteral("run"))),
      m_stop(makeButton(tr("Stop"), QStringLiteral("stop"))),
      m_copy(makeButton(tr("Copy as command"), QStringLiteral("copy"))) {
    for (QLabel* label : {m_badge, m_problem}) {
        label->setWordWrap(true);
        label->setTextFormat(Qt::PlainText);
    }
    m_badge->hide();
    m_problem->hide();
    m_run->setDefault(true);
    auto* area = new ColumnArea;
    area->setMinimumWidth(kLeastWidth);
    area->setWidgetResizable(true);
    area->setFrameShape(QFrame::NoFrame);
    area->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    area->setFocusPolicy(Qt::NoFocus);
    area->setWidget(content);

    auto* actions = new QVBoxLayout;
    actions->setContentsMargins(10, 6, 10, 10);
    actions->addWidget(m_badge);
    actions->addWidget(m_problem);
    auto* buttons = new QHBoxLayout;
    buttons->addWidget(m_run, 2);
    buttons->addWidget(m_stop, 1);
    actions->addLayout(buttons);
    actions->addWidget(m_copy);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(area, 1);
    column->addLayout(actions);

    connect(m_run, &QPushButton::clicked, this, &ControlsColumn::runRequested);
    connect(m_stop, &QPushButton::clicked, this, &ControlsColumn::stopRequested);
    connect(m_copy, &QPushButton::clicked, this, &ControlsColumn::copyRequested);
}

void ControlsColumn::setBadge(const QString& text) {
    m_badge->setText(text);
    m_badge->setVisible(!text.isEmpty());
}

QString ControlsColumn::badge() const { return m_badge->text(); }

void ControlsColumn::setProblem(const QString& why, const QString& runTip, bool quiet) {
    m_problem->setText(why);
    m_problem->setVisible(!why.isEmpty() && !quiet);
    setColour(m_problem, Theme::error());
    m_run->setEnabled(why.isEmpty());
    m_run->setToolTip(why.isEmpty() ? runTip : why);
    m_copy->setEnabled(why.isEmpty());
    m_copy->setToolTip(why.isEmpty() ? tr("Copies the lathe-run command that does the same") : why);
}

void ControlsColumn::setStop(bool possible, const QString& tip) {
    m_stop->setEnabled(possible);
    m_stop->setToolTip(tip);
}

void ControlsColumn::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) {
        setColour(m_problem, Theme::error());
    }
}

} // namespace lathe
