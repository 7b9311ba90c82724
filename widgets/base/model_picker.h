// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

#include <string>

class QComboBox;

namespace lathe {

class PanelContext;

/// Chooses a model that continues text, or any where translators are possible: bundled ones, those
/// in the Hugging Face cache, and the user's own, with the two entries that open a folder or a GGUF
/// file; where none is needed, also none. A model that cannot be used is shown with its reason.
class ModelPicker : public QWidget {
    Q_OBJECT
public:
    enum class Kinds { ContinueText, Any };
    enum class Need { One, OneOrNone };
    explicit ModelPicker(
        PanelContext& context, Kinds kinds = Kinds::ContinueText, Need need = Need::One,
        QWidget* parent = nullptr);

    /// What `--model` takes; empty when nothing is chosen.
    std::string model() const { return m_model; }
    void setModel(const std::string& model);
    /// Why the chosen model cannot be used, empty when it can.
    QString problem() const;

signals:
    void edited();

private:
    void fill();
    void chosen(int index);
    void open(bool folder);

    PanelContext& m_context;
    Kinds m_kinds;
    Need m_need;
    QComboBox* m_box;
    std::string m_model;
};

} // namespace lathe
