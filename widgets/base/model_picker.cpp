// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/model_picker.h"

#include "widgets/base/model_name.h"
#include "widgets/base/panel.h"
#include "widgets/base/theme.h"

#include <QComboBox>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLocale>
#include <QSignalBlocker>
#include <QStandardItemModel>
#include <QStylePainter>

#include <algorithm>
#include <array>
#include <cmath>

namespace lathe {

namespace {

enum Role { NameRole = Qt::UserRole, ActionRole };
enum Action { None, OpenFolder, OpenFile };

QString sourceText(const std::string& source) {
    if (source == "bundled") {
        return ModelPicker::tr("bundled");
    }
    if (source == "hf-cache") {
        return ModelPicker::tr("Hugging Face cache");
    }
    return source == "gguf" ? ModelPicker::tr("GGUF file") : ModelPicker::tr("folder");
}

QString countText(std::int64_t parameters) {
    if (parameters <= 0) {
        return {};
    }
    const QLocale locale;
    const auto count = static_cast<double>(parameters);
    return count >= 1e9 ? ModelPicker::tr("%1 B").arg(locale.toString(count / 1e9, 'f', 1))
                        : ModelPicker::tr("%1 M").arg(locale.toString(count / 1e6, 'f', 1));
}

QString entryText(const ModelInfo& info) {
    const bool titled = info.source == "hf-cache" && !info.title.empty();
    const QString name = shortModelName(QString::fromStdString(info.name));
    QStringList parts{titled ? QString::fromStdString(info.title) : name};
    if (const QString count = countText(info.parameters); !count.isEmpty()) {
        parts << count;
    }
    if (info.bytes > 0) {
        parts << QLocale().formattedDataSize(info.bytes);
    }
    parts << sourceText(info.source);
    return parts.join(QStringLiteral(" · "));
}

/// A text that is too long ends with an ellipsis; the style alone cuts it.
class ElidingBox : public QComboBox {
    void paintEvent(QPaintEvent*) override {
        QStylePainter painter(this);
        QStyleOptionComboBox option;
        initStyleOption(&option);
        painter.drawComplexControl(QStyle::CC_ComboBox, option);
        const QRect field = style()->subControlRect(
            QStyle::CC_ComboBox, &option, QStyle::SC_ComboBoxEditField, this);
        const int icon = option.currentIcon.isNull() ? 0 : option.iconSize.width() + 4;
        option.currentText = option.fontMetrics.elidedText(
            option.currentText, Qt::ElideRight, field.width() - icon - 4);
        painter.drawControl(QStyle::CE_ComboBoxLabel, option);
    }
};

/// Encoder-decoders do not.
bool continuesText(const ModelInfo& info) {
    return info.architecture != "t5" && info.architecture != "mt5";
}

} // namespace

ModelPicker::ModelPicker(PanelContext& context, Kinds kinds, Need need, QWidget* parent)
    : QWidget(parent), m_context(context), m_kinds(kinds), m_need(need), m_box(new ElidingBox) {
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->addWidget(m_box);
    m_box->setAccessibleName(tr("Model"));
    m_box->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_box->setMinimumContentsLength(16);
    setFocusProxy(m_box);
    fill();
    connect(m_box, &QComboBox::activated, this, &ModelPicker::chosen);
    connect(&context, &PanelContext::modelsChanged, this, &ModelPicker::fill);
    connect(&context, &PanelContext::engineChanged, this, &ModelPicker::fill);
}

void ModelPicker::fill() {
    const QSignalBlocker quiet(m_box);
    m_box->clear();
    if (m_need == Need::OneOrNone) {
        m_box->addItem(tr("None"), QString());
    }
    bool found = false;
    for (const ModelInfo& info : m_context.models()) {
        if (m_kinds == Kinds::ContinueText && !continuesText(info)) {
            continue;
        }
        m_box->addItem(entryText(info), QString::fromStdString(info.name));
        const int index = m_box->count() - 1;
        const QString path = QString::fromStdString(info.path);
        const QString problem = QString::fromStdString(info.problem);
        m_box->setItemData(index, problem.isEmpty() ? path : problem, Qt::ToolTipRole);
        if (!problem.isEmpty()) {
            m_box->setItemIcon(index, Theme::icon(QStringLiteral("warning")));
        }
        found = found || info.name == m_model;
    }
    if (!found && !m_model.empty()) {
        const QString name = QString::fromStdString(m_model);
        m_box->addItem(shortModelName(name), name);
        m_box->setItemData(m_box->count() - 1, name, Qt::ToolTipRole);
    }
    if (m_box->count() == 0) {
        m_box->addItem(tr("Waiting for the engine's list…"), QString());
    }
    m_box->insertSeparator(m_box->count());
    const QIcon icon = Theme::icon(QStringLiteral("open"));
    m_box->addItem(icon, tr("Open folder…"));
    m_box->setItemData(m_box->count() - 1, OpenFolder, ActionRole);
    m_box->addItem(icon, tr("Open GGUF file…"));
    m_box->setItemData(m_box->count() - 1, OpenFile, ActionRole);
    const int present = m_box->findData(QString::fromStdString(m_model));
    m_box->setCurrentIndex(m_model.empty() || present < 0 ? 0 : present);
    if (m_model.empty() && !m_box->currentData().toString().isEmpty()) {
        m_model = m_box->currentData().toString().toStdString();
    }
    m_box->setToolTip(m_box->currentData(Qt::ToolTipRole).toString());
    emit edited();
}

void ModelPicker::chosen(int index) {
    const int action = m_box->itemData(index, ActionRole).toInt();
    if (action != None) {
        m_box->setCurrentIndex(std::max(0, m_box->findData(QString::fromStdString(m_model))));
        open(action == OpenFolder);
        return;
    }
    m_model = m_box->itemData(index).toString().toStdString();
    m_box->setToolTip(m_box->itemData(index, Qt::ToolTipRole).toString());
    emit edited();
}

void ModelPicker::open(bool folder) {
    auto* dialog = new QFileDialog(this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setWindowTitle(folder ? tr("Open a model folder") : tr("Open a GGUF file"));
    dialog->setFileMode(folder ? QFileDialog::Directory : QFileDialog::ExistingFile);
    if (!folder) {
        dialog->setNameFilters({tr("GGUF files (*.gguf)"), tr("All files (*)")});
    }
    connect(dialog, &QFileDialog::fileSelected, this, [this](const QString& path) {
        m_model = path.toStdString();
        m_context.openModel(path);
        fill();
    });
    dialog->open();
}

void ModelPicker::setModel(const std::string& model) {
    if (model != m_model) {
        m_model = model;
        fill();
    }
}

QString ModelPicker::problem() const {
    if (m_model.empty()) {
        return m_need == Need::OneOrNone ? QString() : tr("choose a model");
    }
    for (const ModelInfo& info : m_context.models()) {
        if (info.name == m_model) {
            return QString::fromStdString(info.problem);
        }
    }
    return {};
}

} // namespace lathe
