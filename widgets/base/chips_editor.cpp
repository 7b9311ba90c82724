// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/chips_editor.h"

#include "engine/core/error.h"
#include "widgets/base/flow_layout.h"
#include "widgets/base/theme.h"

#include <QFileDialog>
#include <QFileInfo>
#include <QLineEdit>
#include <QSignalBlocker>
#include <QTimer>
#include <QToolButton>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr std::string_view kFileChoice = ":FILE";
constexpr double kMaxFixed = 16; ///< whole numbers in a range so short are all shown

std::vector<Json> possibleValues(const ParamSpec& param) {
    std::vector<Json> values;
    if (param.kind == ParamKind::Choice) {
        values.assign(param.choices.begin(), param.choices.end());
    } else if (param.kind == ParamKind::Flag) {
        values = {true, false};
    } else if (
        param.kind == ParamKind::Integer && std::isfinite(param.minimum) &&
        std::isfinite(param.maximum) && param.maximum - param.minimum < kMaxFixed) {
        for (auto v = static_cast<std::int64_t>(std::ceil(param.minimum));
             static_cast<double>(v) <= param.maximum; ++v) {
            values.emplace_back(v);
        }
    }
    return values;
}

} // namespace

ChipsEditor::ChipsEditor(ParamSpec param, QWidget* parent)
    : QWidget(parent), m_param(std::move(param)), m_flow(new FlowLayout(this)) {
    const std::vector<Json> possible = possibleValues(m_param);
    m_fixed = !possible.empty();
    for (const Json& value : possible) {
        if (value.is_string() && value.get_ref<const std::string&>().ends_with(kFileChoice)) {
            addFileButton(value.get<std::string>());
        } else {
            addChip(value, false);
        }
    }
    if (!m_fixed) {
        m_typed = new QLineEdit;
        m_typed->setPlaceholderText(
            m_param.kind == ParamKind::Real ? tr("Add: 0.1,0.5") : tr("Add: 2,3,4"));
        m_typed->setMaximumWidth(110);
        m_typed->setAccessibleName(
            tr("Add values of %1").arg(QString::fromStdString(m_param.name)));
        m_flow->addWidget(m_typed);
        connect(m_typed, &QLineEdit::editingFinished, this, &ChipsEditor::takeTyped);
    }
    setFocusPolicy(Qt::NoFocus);
}

QString ChipsEditor::labelOf(const Json& value) const {
    if (m_param.kind == ParamKind::Flag) {
        return value.get<bool>() ? tr("on") : tr("off");
    }
    const std::string text = valueText(value);
    const std::string file = m_fixed ? choiceFile(m_param, text) : std::string();
    return file.empty() ? QString::fromStdString(text)
                        : QFileInfo(QString::fromStdString(file)).fileName();
}

void ChipsEditor::addFileButton(const std::string& choice) {
    auto* button = new QToolButton;
    button->setObjectName(QStringLiteral("chip"));
    const QString kind =
        QString::fromStdString(choice.substr(0, choice.size() - kFileChoice.size()));
    button->setText(tr("%1 file…").arg(kind));
    button->setIcon(Theme::icon(QStringLiteral("open")));
    button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    button->setToolTip(tr("Add files, each one as a value of its own"));
    button->setAccessibleName(tr("Add a %1 file").arg(kind));
    button->setFocusPolicy(Qt::StrongFocus);
    connect(button, &QToolButton::clicked, this, [this, choice] { askForFiles(choice); });
    m_flow->addWidget(button);
}

void ChipsEditor::askForFiles(const std::string& choice) {
    const QString kind =
        QString::fromStdString(choice.substr(0, choice.size() - kFileChoice.size()));
    auto* dialog = new QFileDialog(this, tr("Add %1 files").arg(kind));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setFileMode(QFileDialog::ExistingFiles);
    dialog->setNameFilters({tr("%1 files (*.%1)").arg(kind), tr("All files (*)")});
    connect(dialog, &QFileDialog::filesSelected, this, [this, choice](const QStringList& paths) {
        for (const QString& path : paths) {
            addFile(choice, path);
        }
    });
    dialog->open();
}

void ChipsEditor::addFile(const std::string& choice, const QString& path) {
    const std::string beginning = choice.substr(0, choice.size() - kFileChoice.size() + 1);
    const Json value = beginning + path.toStdString();
    const auto present = std::ranges::find(m_chips, value, &Chip::value);
    if (present != m_chips.end()) {
        present->button->setChecked(true);
        return;
    }
    addChip(value, true);
    emit edited();
}

void ChipsEditor::addChip(const Json& value, bool on) {
    auto* button = new QToolButton;
    button->setObjectName(QStringLiteral("chip"));
    button->setText(labelOf(value));
    button->setFocusPolicy(Qt::StrongFocus);
    const QString name = QString::fromStdString(m_param.name);
    if (m_fixed) {
        button->setCheckable(true);
        button->setChecked(on);
        button->setAccessibleName(tr("%1 %2").arg(name, labelOf(value)));
        if (const std::string file = choiceFile(m_param, valueText(value)); !file.empty()) {
            button->setToolTip(QString::fromStdString(file));
        }
        connect(button, &QToolButton::toggled, this, &ChipsEditor::edited);
        m_flow->addWidget(button);
    } else {
        button->setIcon(Theme::icon(QStringLiteral("close")));
        button->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
        button->setToolTip(tr("Remove"));
        button->setAccessibleName(tr("Remove %1 %2").arg(name, labelOf(value)));
        connect(button, &QToolButton::clicked, this, [this, button] { removeChip(button); });
        // The field to type in stays last.
        m_flow->removeWidget(m_typed);
        m_flow->addWidget(button);
        m_flow->addWidget(m_typed);
    }
    m_chips.push_back({button, value});
    updateGeometry();
}

void ChipsEditor::removeChip(QToolButton* button) {
    std::erase_if(m_chips, [button](const Chip& chip) { return chip.button == button; });
    m_flow->removeWidget(button);
    button->deleteLater();
    m_typed->setFocus();
    updateGeometry();
    emit edited();
}

void ChipsEditor::takeTyped() {
    const QString text = m_typed->text().trimmed();
    m_problem.clear();
    if (text.isEmpty()) {
        return;
    }
    std::vector<Json> fresh;
    const QStringList parts = text.split(QLatin1Char(','), Qt::SkipEmptyParts);
    for (const QString& part : parts) {
        try {
            fresh.push_back(parseValue(m_param, part.trimmed().toStdString()));
        } catch (const InputError& e) {
            m_problem = QString::fromUtf8(e.what());
        }
    }
    if (m_problem.isEmpty()) {
        m_typed->clear();
        const std::vector<Json> present = values();
        for (const Json& value : fresh) {
            if (std::ranges::find(present, value) == present.end()) {
                addChip(value, true);
            }
        }
    }
    emit edited();
}

std::vector<Json> ChipsEditor::values() const {
    std::vector<Json> all;
    for (const Chip& chip : m_chips) {
        if (!m_fixed || chip.button->isChecked()) {
            all.push_back(chip.value);
        }
    }
    return all;
}

void ChipsEditor::setValues(const std::vector<Json>& values) {
    m_problem.clear();
    dropChips(m_fixed);
    for (const Chip& chip : m_chips) {
        const QSignalBlocker quiet(chip.button);
        chip.button->setChecked(std::ranges::find(values, chip.value) != values.end());
    }
    for (const Json& value : values) {
        const bool present = std::ranges::find(m_chips, value, &Chip::value) != m_chips.end();
        const bool file =
            value.is_string() && !choiceFile(m_param, value.get<std::string>()).empty();
        if (!present && (file || !m_fixed) && checkValue(m_param, value).empty()) {
            addChip(value, true);
        }
    }
}

/// Removes the chips of files, or all of them.
void ChipsEditor::dropChips(bool filesOnly) {
    std::erase_if(m_chips, [&](const Chip& chip) {
        if (filesOnly && choiceFile(m_param, valueText(chip.value)).empty()) {
            return false;
        }
        m_flow->removeWidget(chip.button);
        chip.button->deleteLater();
        return true;
    });
}

} // namespace lathe
