// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/spec_dialog.h"

#include "widgets/base/panel.h"
#include "widgets/base/spec_form.h"
#include "widgets/base/theme.h"

#include <QDialogButtonBox>
#include <QLabel>
#include <QPushButton>
#include <QScrollArea>
#include <QVBoxLayout>

namespace lathe {

namespace {
constexpr QSize kSize{460, 520};
} // namespace

SpecDialog::SpecDialog(
    PanelContext& context, const StudyInfo& info, const Spec& spec, QWidget* parent)
    : QDialog(parent), m_context(context), m_info(info), m_form(new SpecForm(context)),
      m_problem(new QLabel), m_run(new QPushButton(Theme::icon(QStringLiteral("run")), tr("Run"))) {
    setWindowTitle(QString::fromStdString(info.title));
    setAttribute(Qt::WA_DeleteOnClose);
    m_form->setStudy(info);
    m_form->setSpec(spec);
    auto* summary = new QLabel(QString::fromStdString(info.summary));
    summary->setWordWrap(true);
    m_problem->setWordWrap(true);
    auto* inner = new QWidget;
    auto* rows = new QVBoxLayout(inner);
    rows->addWidget(m_form);
    rows->addStretch(1);
    auto* area = new QScrollArea;
    area->setWidgetResizable(true);
    area->setFrameShape(QFrame::NoFrame);
    area->setFocusPolicy(Qt::NoFocus);
    area->setWidget(inner);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Cancel);
    buttons->addButton(m_run, QDialogButtonBox::AcceptRole);
    m_run->setDefault(true);
    auto* column = new QVBoxLayout(this);
    column->addWidget(summary);
    column->addWidget(area, 1);
    column->addWidget(m_problem);
    column->addWidget(buttons);
    connect(m_form, &SpecForm::edited, this, &SpecDialog::refresh);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    connect(buttons, &QDialogButtonBox::accepted, this, &SpecDialog::run);
    resize(kSize);
    refresh();
}

Spec SpecDialog::spec() const { return m_form->spec(); }

void SpecDialog::refresh() {
    std::vector<Diagnostic> problems;
    static_cast<void>(m_form->spec(&problems));
    QStringList lines;
    for (const Diagnostic& one : problems) {
        lines << tr("%1: %2").arg(
            QString::fromStdString(one.param), QString::fromStdString(one.message));
    }
    m_problem->setText(lines.join(QLatin1Char('\n')));
    QPalette palette = m_problem->palette();
    palette.setColor(QPalette::WindowText, Theme::error());
    m_problem->setPalette(palette);
    m_problem->setVisible(!lines.isEmpty());
    m_run->setEnabled(lines.isEmpty());
    m_run->setToolTip(lines.isEmpty() ? tr("Start this run") : lines.front());
}

void SpecDialog::run() {
    if (const qint64 id = m_context.submit(spec(), QString()); id != 0) {
        emit submitted(id);
        accept();
    }
}

} // namespace lathe
