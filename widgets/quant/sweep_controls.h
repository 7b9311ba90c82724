// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/spec.h"

#include <QWidget>

#include <optional>

class QLabel;

namespace lathe {

class ControlsColumn;
class PanelContext;
class SpecForm;

/// The left column of the Quantization panel: the sweep's form, how many cells it makes, and the
/// buttons that start and stop it.
class SweepControls : public QWidget {
    Q_OBJECT
public:
    explicit SweepControls(PanelContext& context, QWidget* parent = nullptr);

    /// The form follows the engine's declaration; null while there is none.
    void setStudy(const StudyInfo* info);
    /// The form's content; before the engine has declared the study it is what setDraft was given.
    Spec draft() const;
    void setDraft(const Spec& spec);
    /// What keeps the draft from being run, in words; empty: nothing.
    QString problem() const;
    /// `runId` 0: none to stop.
    void setActiveRun(qint64 runId);
    /// "2 methods × 4 bit widths + float = 9 cells"
    QString badge() const;

signals:
    void runRequested();
    void stopRequested();
    void edited();

private:
    void refresh();
    void showUnused();
    void copyCommand();

    PanelContext& m_context;
    std::optional<StudyInfo> m_info;
    Spec m_pending;
    SpecForm* m_form;
    QLabel* m_summary;
    ControlsColumn* m_column;
};

/// The badge's text for a Spec: factors, and how many cells they make with the float model's. Only
/// squeezellm-sparse is swept over sparsities; a file is one cell.
QString cellCountText(const Spec& spec);
/// Why a parameter has no effect in a sweep as the Spec says, empty when it has one.
QString unusedReason(const Spec& spec, const std::string& param);

} // namespace lathe
