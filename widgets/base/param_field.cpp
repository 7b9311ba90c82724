// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/param_field.h"

#include "engine/core/error.h"
#include "engine/core/param_path.h"
#include "widgets/base/chips_editor.h"
#include "widgets/base/model_picker.h"
#include "widgets/base/theme.h"

#include <QCheckBox>
#include <QComboBox>
#include <QEvent>
#include <QFileDialog>
#include <QFileInfo>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QSignalBlocker>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

QString rangeHint(const ParamSpec& param) {
    if (std::isfinite(param.minimum) && std::isfinite(param.maximum)) {
        return ParamField::tr("%1 to %2")
            .arg(
                QString::fromStdString(valueText(param.minimum)),
                QString::fromStdString(valueText(param.maximum)));
    }
    return {};
}

} // namespace

QString paramTitle(const ParamSpec& param) {
    QString title = QString::fromStdString(param.name).replace(QLatin1Char('_'), QLatin1Char(' '));
    if (!title.isEmpty()) {
        title[0] = title[0].toUpper();
    }
    return param.unit.empty()
               ? title
               : ParamField::tr("%1 (%2)").arg(title, QString::fromStdString(param.unit));
}

ParamField::ParamField(PanelContext& context, const ParamSpec& param, QWidget* parent)
    : QWidget(parent), m_param(param), m_problem(new QLabel) {
    m_editor = makeEditor(context);
    const QString help = helpText();
    m_editor->setToolTip(help);
    QWidget* focus = m_line != nullptr ? m_line : m_editor;
    if (focus->accessibleName().isEmpty()) {
        focus->setAccessibleName(paramTitle(param));
    }
    focus->setAccessibleDescription(help);
    setFocusProxy(focus);
    m_problem->setWordWrap(true);
    m_problem->hide();
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(2);
    column->addWidget(m_editor);
    column->addWidget(m_problem);
}

QString ParamField::helpText() const {
    const QString help = QString::fromStdString(m_param.help);
    const QString range = rangeHint(m_param);
    return range.isEmpty() ? help : help + QStringLiteral(" (") + range + QLatin1Char(')');
}

void ParamField::setUnused(const QString& why) {
    setEnabled(why.isEmpty());
    setToolTip(why);
    m_editor->setToolTip(why.isEmpty() ? helpText() : why);
    focusProxy()->setAccessibleDescription(why.isEmpty() ? helpText() : why);
}

QWidget* ParamField::makeEditor(PanelContext& context) {
    if (m_param.sweep) {
        m_chips = new ChipsEditor(m_param);
        connect(m_chips, &ChipsEditor::edited, this, &ParamField::edited);
        return m_chips;
    }
    switch (m_param.kind) {
    case ParamKind::Model:
        m_model = new ModelPicker(
            context,
            std::ranges::find(m_param.choices, kTranslates) != m_param.choices.end()
                ? ModelPicker::Kinds::Any
                : ModelPicker::Kinds::ContinueText,
            m_param.required ? ModelPicker::Need::One : ModelPicker::Need::OneOrNone);
        connect(m_model, &ModelPicker::edited, this, &ParamField::edited);
        return m_model;
    case ParamKind::Flag:
        m_check = new QCheckBox;
        connect(m_check, &QCheckBox::toggled, this, &ParamField::edited);
        return m_check;
    case ParamKind::Choice:
        m_choice = new QComboBox;
        for (const std::string& choice : m_param.choices) {
            m_choice->addItem(QString::fromStdString(choice));
        }
        connect(m_choice, &QComboBox::currentIndexChanged, this, &ParamField::edited);
        m_choice->installEventFilter(this);
        return m_choice;
    case ParamKind::File:
    case ParamKind::Folder:
        return makeLine(true, m_param.kind == ParamKind::Folder);
    default:
        return makeLine(false, false);
    }
}

QWidget* ParamField::makeLine(bool file, bool folder) {
    m_line = new QLineEdit;
    if (!m_param.choices.empty()) {
        m_names = new QComboBox;
        m_names->setEditable(true);
        m_names->setInsertPolicy(QComboBox::NoInsert);
        m_names->setAccessibleName(paramTitle(m_param));
        m_names->setLineEdit(m_line);
        m_names->setCompleter(nullptr); // it would change the text without a word
        m_names->installEventFilter(this);
        for (const std::string& choice : m_param.choices) {
            m_names->addItem(QString::fromStdString(choice));
        }
        connect(m_names, &QComboBox::activated, this, &ParamField::edited);
    }
    if (!m_param.defaultValue.is_null()) {
        m_line->setPlaceholderText(QString::fromStdString(valueText(m_param.defaultValue)));
    } else if (!m_param.required) {
        m_line->setPlaceholderText(tr("automatic"));
    }
    connect(m_line, &QLineEdit::textEdited, this, &ParamField::edited);
    if (!file) {
        return m_line;
    }
    auto* both = new QWidget;
    auto* row = new QHBoxLayout(both);
    row->setContentsMargins(0, 0, 0, 0);
    row->addWidget(m_names != nullptr ? static_cast<QWidget*>(m_names) : m_line, 1);
    auto* pick = new QToolButton;
    pick->setIcon(Theme::icon(QStringLiteral("open")));
    pick->setToolTip(folder ? tr("Choose a folder") : tr("Choose a file"));
    pick->setAccessibleName(tr("Choose %1").arg(QString::fromStdString(m_param.name)));
    pick->setFocusPolicy(Qt::StrongFocus);
    row->addWidget(pick);
    connect(pick, &QToolButton::clicked, this, [this, folder] { browse(folder); });
    return both;
}

void ParamField::browse(bool folder) {
    auto* dialog = new QFileDialog(this, paramTitle(m_param));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(folder ? QFileDialog::Directory : QFileDialog::ExistingFile);
    const QFileInfo present(m_line->text());
    if (present.exists()) {
        dialog->setDirectory(present.absolutePath());
    }
    connect(dialog, &QFileDialog::fileSelected, this, [this](const QString& path) {
        m_line->setText(path);
        emit edited();
    });
    dialog->open();
}

std::vector<Json> ParamField::values() const {
    if (m_chips != nullptr) {
        return m_chips->values();
    }
    if (m_model != nullptr) {
        return m_model->model().empty() ? std::vector<Json>{} : std::vector<Json>{m_model->model()};
    }
    if (m_check != nullptr) {
        return {m_check->isChecked()};
    }
    if (m_choice != nullptr) {
        return {m_choice->currentText().toStdString()};
    }
    const std::string text = m_line->text().toStdString();
    if (text.empty()) {
        return {};
    }
    try {
        return {withFullPath(m_param, parseValue(m_param, text))};
    } catch (const InputError&) {
        return {};
    }
}

void ParamField::setValues(const std::vector<Json>& values) {
    const Json first = values.empty() ? Json() : values.front();
    if (m_chips != nullptr) {
        m_chips->setValues(values);
    } else if (m_model != nullptr) {
        m_model->setModel(first.is_string() ? first.get<std::string>() : std::string());
    } else if (m_check != nullptr) {
        const QSignalBlocker quiet(m_check);
        m_check->setChecked(first.is_boolean() && first.get<bool>());
    } else if (m_choice != nullptr) {
        const QSignalBlocker quiet(m_choice);
        const QString text =
            first.is_string() ? QString::fromStdString(first.get<std::string>()) : QString();
        if (m_choice->findText(text) < 0 && !text.isEmpty()) {
            m_choice->addItem(text); // "cuda:1": kept; a value that does not fit is then reported
        }
        m_choice->setCurrentIndex(std::max(0, m_choice->findText(text)));
    } else {
        const QString text = QString::fromStdString(valueText(first));
        if (m_names != nullptr) {
            m_names->setCurrentIndex(m_names->findText(text)); // none for a path
        }
        m_line->setText(text);
    }
}

bool ParamField::eventFilter(QObject* watched, QEvent* event) {
    if (event->type() == QEvent::Wheel && (watched == m_choice || watched == m_names)) {
        event->ignore(); // it scrolls the form; lists open to be chosen from
        return true;
    }
    return QWidget::eventFilter(watched, event);
}

QString ParamField::problem() const {
    if (!isEnabledTo(parentWidget())) {
        return {};
    }
    if (m_chips != nullptr) {
        return m_chips->problem().isEmpty() && m_chips->values().empty()
                   ? tr("choose at least one value")
                   : m_chips->problem();
    }
    if (m_model != nullptr) {
        return m_model->problem();
    }
    if (m_line == nullptr) {
        return {};
    }
    const std::string text = m_line->text().toStdString();
    if (text.empty()) {
        return m_param.required && m_param.defaultValue.is_null() ? tr("is missing") : QString();
    }
    try {
        static_cast<void>(parseValue(m_param, text));
    } catch (const InputError& e) {
        return QString::fromUtf8(e.what());
    }
    return {};
}

void ParamField::showProblem(const QString& problem) {
    if (problem == m_problem->text()) {
        return;
    }
    m_problem->setText(problem);
    paintProblem();
    m_problem->setVisible(!problem.isEmpty());
}

void ParamField::paintProblem() {
    QPalette palette;
    palette.setColor(QPalette::WindowText, Theme::error());
    m_problem->setPalette(palette);
}

void ParamField::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange && m_problem != nullptr) {
        paintProblem();
    }
}

} // namespace lathe
