// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/run_service.h"

#include <QWidget>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace lathe {

class PanelContext;

/// A form made from a study's ParamSpecs: labels with units, ranges, help as tool tips and
/// accessible descriptions, sweep parameters as chips of values, advanced ones folded. Problems are
/// shown beside the field as they arise.
class SpecForm : public QWidget {
    Q_OBJECT
public:
    SpecForm(PanelContext& context, QWidget* parent = nullptr);
    ~SpecForm() override;

    /// Builds the form; parameters in `hidden` are left to the panel. Values given before are kept
    /// where they still fit.
    void setStudy(const StudyInfo& info, const std::set<std::string>& hidden = {});
    void setSpec(const Spec& spec);
    /// Disables a parameter that has no effect beside the others, with the reason; empty: enables
    /// it. Without effect for parameters that the study does not have.
    void setUnused(const std::string& param, const QString& why);
    /// The Spec as the form says; `problems` is empty when it can run.
    Spec spec(std::vector<Diagnostic>* problems = nullptr) const;

signals:
    void edited();

private:
    class Impl;
    std::unique_ptr<Impl> m_impl;
};

} // namespace lathe
