// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/query_bar.h"

#include "widgets/base/theme.h"

#include <QAction>
#include <QEvent>
#include <QFrame>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QLocale>
#include <QToolButton>
#include <QVBoxLayout>

namespace lathe {

namespace {

constexpr int kTypingMs = 250;

QToolButton* makeButton(const QString& text, const QString& icon) {
    auto* button = new QToolButton;
    button->setIcon(Theme::icon(icon));
    button->setText(text);
    button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    button->setAccessibleName(text);
    button->setFocusPolicy(Qt::StrongFocus);
    return button;
}

QString helpRow(const QString& term, const QString& meaning) {
    return QStringLiteral("<tr><td style='padding-right:18px'><code>%1</code></td><td>%2</td></tr>")
        .arg(term.toHtmlEscaped(), meaning.toHtmlEscaped());
}

} // namespace

QueryBar::QueryBar(QWidget* parent)
    : QWidget(parent), m_edit(new QLineEdit),
      m_help(makeButton(tr("Filter help"), QStringLiteral("info"))),
      m_export(makeButton(tr("Export table"), QStringLiteral("export"))), m_count(new QLabel),
      m_problem(new QLabel) {
    m_edit->setPlaceholderText(tr("Filter: study:quant bits<=4 metric.perplexity<60 tag:paper"));
    m_edit->setClearButtonEnabled(true);
    m_edit->addAction(Theme::icon(QStringLiteral("search")), QLineEdit::LeadingPosition);
    m_edit->setAccessibleName(tr("Filter of the runs"));
    m_export->setToolTip(tr("Write all runs that pass the filter as CSV"));
    m_problem->setTextFormat(Qt::PlainText);
    m_problem->setWordWrap(true);
    m_problem->hide();
    auto* row = new QHBoxLayout;
    row->addWidget(m_edit, 1);
    row->addWidget(m_help);
    row->addWidget(m_count);
    row->addWidget(m_export);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(3);
    column->addLayout(row);
    column->addWidget(m_problem);
    m_timer.setSingleShot(true);
    m_timer.setInterval(kTypingMs);
    const auto now = [this] {
        m_timer.stop();
        emit queryChanged(query());
    };
    connect(m_edit, &QLineEdit::textEdited, this, [this] { m_timer.start(); });
    connect(m_edit, &QLineEdit::returnPressed, this, now);
    connect(m_edit, &QLineEdit::textChanged, this, [this, now](const QString& text) {
        if (text.isEmpty()) {
            now(); // the clear button is no edit
        }
    });
    connect(&m_timer, &QTimer::timeout, this, now);
    connect(m_help, &QToolButton::clicked, this, &QueryBar::showHelp);
    connect(m_export, &QToolButton::clicked, this, &QueryBar::exportRequested);
}

QString QueryBar::query() const { return m_edit->text().trimmed(); }

void QueryBar::setQuery(const QString& text) {
    if (text != m_edit->text()) {
        m_edit->setText(text);
        m_timer.stop();
        if (!text.isEmpty()) {
            emit queryChanged(query());
        }
    }
}

void QueryBar::setProblem(const QString& problem) {
    m_problem->setText(problem);
    m_problem->setVisible(!problem.isEmpty());
    QPalette palette = m_problem->palette();
    palette.setColor(QPalette::WindowText, Theme::error());
    m_problem->setPalette(palette);
}

void QueryBar::setCount(qint64 shown, qint64 total) {
    const QLocale locale;
    m_count->setText(
        total < 0    ? QString()
        : total == 1 ? tr("1 run")
                     : tr("%1 runs").arg(locale.toString(total)));
    m_count->setToolTip(
        total < 0 ? QString()
                  : tr("%1 of %2 are loaded; scrolling loads more")
                        .arg(locale.toString(shown), locale.toString(total)));
}

void QueryBar::focusQuery() {
    m_edit->setFocus();
    m_edit->selectAll();
}

void QueryBar::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) {
        QPalette palette = m_problem->palette();
        if (palette.color(QPalette::WindowText) != Theme::error()) {
            palette.setColor(QPalette::WindowText, Theme::error());
            m_problem->setPalette(palette);
        }
    }
}

void QueryBar::showHelp() {
    auto* popup = new QFrame(this, Qt::Popup);
    popup->setAttribute(Qt::WA_DeleteOnClose);
    popup->setFrameShape(QFrame::StyledPanel);
    auto* text = new QLabel;
    text->setTextFormat(Qt::RichText);
    text->setAccessibleName(tr("Help on the filter"));
    text->setText(
        QStringLiteral("<p><b>%1</b></p><table cellpadding='2'>")
            .arg(tr("Terms are separated by spaces; all must hold").toHtmlEscaped()) +
        helpRow(
            QStringLiteral("lm-big \"a title\""),
            tr("text in study, title, tags, notes and parameters")) +
        helpRow(QStringLiteral("study:quant"), tr("the study begins with it")) +
        helpRow(
            QStringLiteral("state:done"),
            tr("queued, running, done, failed, cancelled, crashed or interrupted")) +
        helpRow(QStringLiteral("tag:paper"), tr("has this tag")) +
        helpRow(QStringLiteral("device:cpu"), tr("ran on it")) +
        helpRow(QStringLiteral("id:12"), tr("one run")) +
        helpRow(QStringLiteral("model:lm-big"), tr("a parameter has this value in a cell")) +
        helpRow(
            QStringLiteral("bits<=4  group=none"),
            tr("a parameter, or else a result, of any cell")) +
        helpRow(QStringLiteral("param.bits=3"), tr("a parameter only")) +
        helpRow(QStringLiteral("metric.perplexity<60"), tr("a result only")) +
        QStringLiteral("</table>"));
    auto* column = new QVBoxLayout(popup);
    column->addWidget(text);
    popup->adjustSize();
    QPoint at = m_help->mapToGlobal(QPoint(m_help->width(), m_help->height() + 2));
    at.rx() -= popup->width();
    popup->move(at);
    popup->show();
}

} // namespace lathe
