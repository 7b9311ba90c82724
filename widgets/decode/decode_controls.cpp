// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/decode_controls.h"

#include "engine/core/study_info.h"
#include "widgets/base/controls_column.h"
#include "widgets/base/followed_run.h"
#include "widgets/base/panel.h"
#include "widgets/base/spec_form.h"
#include "widgets/decode/decode_run.h"
#include "widgets/decode/drafter_text.h"

#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QFile>
#include <QLabel>
#include <QPlainTextEdit>
#include <QSignalBlocker>
#include <QVBoxLayout>

#include <algorithm>

namespace lathe {

namespace {

constexpr int kSourceLines = 4;
constexpr int kExampleLength = 40; ///< characters in the list

/// The bundled pair on the first bundled sentence.
Spec firstDraft() {
    Spec spec{.study = kDecodeStudy};
    const QStringList examples = exampleSentences();
    spec.params = {
        {"big", "translate-big"},
        {"little", "translate-little-aligned"},
        {"source", examples.isEmpty() ? std::string() : examples.front().toStdString()}};
    return spec;
}

/// A form of single values: this panel decodes one text once.
StudyInfo singleValued(StudyInfo info) {
    for (ParamSpec& param : info.params) {
        param.sweep = false;
    }
    return info;
}

} // namespace

QStringList exampleSentences() {
    QFile file(QStringLiteral(":/texts/captions.de"));
    if (!file.open(QIODevice::ReadOnly)) {
        return {};
    }
    return QString::fromUtf8(file.readAll()).split(QLatin1Char('\n'), Qt::SkipEmptyParts);
}

DecodeControls::DecodeControls(PanelContext& context, QWidget* parent)
    : QWidget(parent), m_context(context), m_pending(firstDraft()), m_source(new QPlainTextEdit),
      m_examples(new QComboBox), m_form(new SpecForm(context)), m_summary(new QLabel) {
    m_summary->setWordWrap(true);
    m_summary->setTextFormat(Qt::PlainText);
    auto* inner = new QWidget;
    auto* rows = new QVBoxLayout(inner);
    rows->setContentsMargins(10, 10, 10, 10);
    rows->addWidget(m_summary);
    rows->addSpacing(4);
    rows->addWidget(makeSource());
    rows->addSpacing(4);
    rows->addWidget(m_form);
    rows->addStretch(1);
    m_column = new ControlsColumn(inner);
    auto* whole = new QVBoxLayout(this);
    whole->setContentsMargins(0, 0, 0, 0);
    whole->addWidget(m_column);
    setSource(QString::fromStdString(textOf(m_pending.params, "source")));

    connect(m_form, &SpecForm::edited, this, &DecodeControls::changed);
    connect(m_source, &QPlainTextEdit::textChanged, this, &DecodeControls::changed);
    connect(m_examples, &QComboBox::activated, this, [this](int index) {
        m_source->setPlainText(m_examples->itemData(index).toString());
    });
    connect(m_column, &ControlsColumn::runRequested, this, &DecodeControls::runRequested);
    connect(m_column, &ControlsColumn::stopRequested, this, &DecodeControls::stopRequested);
    connect(m_column, &ControlsColumn::copyRequested, this, &DecodeControls::copyCommand);
    setActiveRun(0);
    refresh();
}

QWidget* DecodeControls::makeSource() {
    m_source->setTabChangesFocus(true);
    m_source->setPlaceholderText(tr("A German sentence for the bundled pair, or any prompt"));
    m_source->setFixedHeight(
        m_source->fontMetrics().lineSpacing() * kSourceLines +
        2 * (m_source->frameWidth() + static_cast<int>(m_source->document()->documentMargin())));
    m_source->setAccessibleName(tr("Text to decode"));
    m_examples->setAccessibleName(tr("Example sentences"));
    m_examples->setToolTip(tr("Take one of the bundled sentences as the text"));
    m_examples->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_examples->setMinimumContentsLength(kExampleLength / 2);
    const QStringList sentences = exampleSentences();
    for (qsizetype i = 0; i < sentences.size(); ++i) {
        const QString shown = sentences[i].size() > kExampleLength
                                  ? sentences[i].left(kExampleLength - 1) + QChar(0x2026)
                                  : sentences[i];
        m_examples->addItem(tr("%1: %2").arg(i + 1).arg(shown), sentences[i]);
    }
    auto* part = new QWidget;
    auto* column = new QVBoxLayout(part);
    column->setContentsMargins(0, 0, 0, 0);
    auto* label = new QLabel(tr("&Text"));
    label->setBuddy(m_source);
    column->addWidget(label);
    column->addWidget(m_source);
    column->addWidget(m_examples);
    m_examples->setVisible(!sentences.isEmpty()); // not before: it would be a window
    return part;
}

void DecodeControls::setStudy(const StudyInfo* info) {
    m_pending = draft();
    if (info == nullptr) {
        m_info.reset();
    } else {
        m_info = singleValued(*info);
        m_form->setStudy(*m_info, {"source", "out"});
        m_form->setSpec(m_pending);
    }
    refresh();
}

Spec DecodeControls::draft() const {
    Spec spec = m_info ? m_form->spec() : m_pending;
    spec.study = kDecodeStudy;
    spec.sweep = Json::object();
    spec.params.erase("out");
    spec.params["source"] = m_source->toPlainText().toStdString();
    return spec;
}

void DecodeControls::setDraft(const Spec& spec) {
    m_pending = spec;
    m_pending.params.erase("out");
    if (m_info) {
        m_form->setSpec(m_pending);
    }
    setSource(QString::fromStdString(textOf(spec.params, "source")));
    refresh();
}

void DecodeControls::setThresholds(double fallback, double rollback) {
    Spec spec = draft();
    spec.params["alpha_fb"] = fallback;
    spec.params["alpha_rb"] = rollback;
    setDraft(spec);
}

void DecodeControls::setSource(const QString& text) {
    const QSignalBlocker quiet(m_source);
    if (m_source->toPlainText() != text) {
        m_source->setPlainText(text);
    }
    const int index = m_examples->findData(text);
    m_examples->setCurrentIndex(index);
    refresh();
}

QString DecodeControls::problem() const {
    if (!m_info) {
        return tr("The engine has not started yet.");
    }
    if (m_source->toPlainText().trimmed().isEmpty()) {
        return tr("Type a text, or choose an example.");
    }
    std::vector<Diagnostic> problems;
    const Json params = m_form->spec(&problems).params;
    std::erase_if(problems, [](const Diagnostic& one) { return one.param == "source"; });
    if (problems.empty()) {
        return needsLittle(textOf(params, "strategy")) && textOf(params, "little").empty()
                   ? tr("Choose the little model that drafts.")
                   : QString();
    }
    const QString param = QString::fromStdString(problems.front().param);
    const QString message = QString::fromStdString(problems.front().message);
    return param.isEmpty() ? message : tr("%1: %2").arg(param, message);
}

void DecodeControls::setActiveRun(qint64 runId) {
    m_column->setStop(
        runId != 0,
        runId != 0 ? tr("Stop run %1").arg(runId) : tr("No run of this panel is under way"));
}

void DecodeControls::changed() {
    m_examples->setCurrentIndex(m_examples->findData(m_source->toPlainText()));
    refresh();
    emit edited();
}

void DecodeControls::refresh() {
    if (m_column == nullptr) {
        return; // still being made
    }
    m_form->setVisible(m_info.has_value());
    m_summary->setText(
        m_info ? tr("A little model drafts, the big one judges. Drag the lines of the plots to see "
                    "what other thresholds would do.")
               : tr("The engine is starting…"));
    m_column->setProblem(problem(), tr("Decode this text (Ctrl+R)"), !m_info.has_value());
}

void DecodeControls::copyCommand() {
    const QString command = QString::fromStdString(commandLine(draft(), *m_info));
    QApplication::clipboard()->setText(command);
    m_context.showMessage(tr("Copied: %1").arg(command));
}

} // namespace lathe
