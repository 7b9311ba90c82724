// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/param_spec.h"

#include <QWidget>

#include <vector>

class QCheckBox;
class QComboBox;
class QLabel;
class QLineEdit;

namespace lathe {

class ChipsEditor;
class ModelPicker;
class PanelContext;

/// The editor of one parameter: the control that fits its kind, and below it what is wrong.
class ParamField : public QWidget {
    Q_OBJECT
public:
    ParamField(PanelContext& context, const ParamSpec& param, QWidget* parent = nullptr);

    const ParamSpec& param() const { return m_param; }
    /// One value, or several for a parameter that is swept; none when nothing was given.
    std::vector<Json> values() const;
    void setValues(const std::vector<Json>& values);
    /// What is wrong with the present text; also shown below the control.
    QString problem() const;
    void showProblem(const QString& problem);
    /// Disables the field while its value has no effect; `why` becomes its tool tip. Empty: the
    /// field is of use. A field of no use has no problem.
    void setUnused(const QString& why);
    QWidget* editor() const { return m_editor; }

signals:
    void edited();

private:
    void changeEvent(QEvent* event) override;
    bool eventFilter(QObject* watched, QEvent* event) override;
    void paintProblem();
    QString helpText() const;
    QWidget* makeEditor(PanelContext& context);
    QWidget* makeLine(bool file, bool folder);
    void browse(bool folder);

    ParamSpec m_param;
    QWidget* m_editor = nullptr;
    QLabel* m_problem = nullptr;
    ChipsEditor* m_chips = nullptr;
    ModelPicker* m_model = nullptr;
    QCheckBox* m_check = nullptr;
    QComboBox* m_choice = nullptr;
    QComboBox* m_names = nullptr; ///< what stands beside any file; its text is m_line's
    QLineEdit* m_line = nullptr;
};

/// "max_new" -> "Max new", with the unit: "Max new (token)".
QString paramTitle(const ParamSpec& param);

} // namespace lathe
