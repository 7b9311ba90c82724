// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/spec.h"

#include <QDialog>

class QLabel;
class QPushButton;

namespace lathe {

class PanelContext;
class SpecForm;

/// A study's form as a window of its own, for studies that have no panel: edit, then run.
class SpecDialog : public QDialog {
    Q_OBJECT
public:
    SpecDialog(PanelContext& context, const StudyInfo& info, const Spec& spec, QWidget* parent);

    Spec spec() const;

signals:
    void submitted(qint64 runId);

private:
    void refresh();
    void run();

    PanelContext& m_context;
    StudyInfo m_info;
    SpecForm* m_form;
    QLabel* m_problem;
    QPushButton* m_run;
};

} // namespace lathe
