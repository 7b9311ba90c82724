// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/sweep_controls.h"

#include "engine/core/study_info.h"
#include "widgets/base/controls_column.h"
#include "widgets/base/panel.h"
#include "widgets/base/spec_form.h"
#include "widgets/quant/sweep_run.h"

#include <QApplication>
#include <QClipboard>
#include <QLabel>
#include <QVBoxLayout>

#include <algorithm>
#include <array>

namespace lathe {

namespace {

constexpr const char* kSparseMethod = "squeezellm-sparse";
constexpr std::array<std::string_view, 4> kSensitiveMethods{
    "squeezellm", "squeezellm-sparse", "lloyd", "refined"};

/// What a new window offers: small enough for a minute, wide enough to see the knee.
Spec firstDraft() {
    Spec spec{.study = "quant.sweep"};
    spec.sweep["method"] = {"rtn", "kmeans"};
    spec.sweep["bits"] = {2, 3, 4, 8};
    return spec;
}

qsizetype countOf(const Spec& spec, const std::string& name) {
    const auto swept = spec.sweep.find(name);
    return swept != spec.sweep.end() && swept->is_array() ? static_cast<qsizetype>(swept->size())
                                                          : 1;
}

std::string textValue(const Spec& spec, const std::string& name) {
    const auto it = spec.params.find(name);
    return it != spec.params.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::vector<std::string> methodsOf(const Spec& spec) {
    std::vector<std::string> methods;
    if (const auto swept = spec.sweep.find("method");
        swept != spec.sweep.end() && swept->is_array()) {
        for (const Json& method : *swept) {
            methods.push_back(valueText(method));
        }
    } else if (const std::string one = textValue(spec, "method"); !one.empty()) {
        methods.push_back(one);
    }
    return methods;
}

} // namespace

QString unusedReason(const Spec& spec, const std::string& param) {
    const std::vector<std::string> methods = methodsOf(spec);
    if (param == "sparsity" || param == "sensitive") {
        return std::ranges::find(methods, kSparseMethod) != methods.end()
                   ? QString()
                   : SweepControls::tr("Only %1 keeps weights beside its tables; choose it above")
                         .arg(QString::fromUtf8(kSparseMethod));
    }
    if (param.starts_with("calibration")) {
        const auto predict = spec.params.find("predict");
        const bool predicts = predict != spec.params.end() && *predict == true;
        const bool weighs = std::ranges::any_of(methods, [](const std::string& method) {
            return std::ranges::find(kSensitiveMethods, method) != kSensitiveMethods.end();
        });
        return weighs || predicts ? QString()
                                  : SweepControls::tr("Only lloyd, refined, the squeezellm methods "
                                                      "and predictions need sensitivities");
    }
    return {};
}

QString cellCountText(const Spec& spec) {
    const std::vector<std::string> names = methodsOf(spec);
    const int methods = std::max(1, static_cast<int>(names.size()));
    const int bits = static_cast<int>(countOf(spec, "bits"));
    const int groups = static_cast<int>(countOf(spec, "group"));
    const int sparsities = static_cast<int>(countOf(spec, "sparsity"));
    const auto files = static_cast<int>(std::ranges::count_if(
        names, [](const std::string& method) { return !sweptFile(method).empty(); }));
    const bool sparse = std::ranges::find(names, kSparseMethod) != names.end();
    QStringList factors;
    const int gridded = methods - files;
    factors
        << (gridded == 1 ? SweepControls::tr("1 method")
                         : SweepControls::tr("%1 methods").arg(gridded));
    factors
        << (bits == 1 ? SweepControls::tr("1 bit width")
                      : SweepControls::tr("%1 bit widths").arg(bits));
    if (groups > 1) {
        factors << SweepControls::tr("%1 group sizes").arg(groups);
    }
    QStringList terms;
    if (gridded > 0) {
        terms << factors.join(QStringLiteral(" × "));
    }
    const int more = sparse ? bits * groups * (sparsities - 1) : 0;
    if (more > 0) {
        terms << SweepControls::tr("%1 for further sparsities").arg(more);
    }
    if (files > 0) {
        terms
            << (files == 1 ? SweepControls::tr("1 file")
                           : SweepControls::tr("%1 files").arg(files));
    }
    terms << SweepControls::tr("float");
    const QString sum = terms.join(QStringLiteral(" + "));
    const int cells = gridded * bits * groups + more + files + 1;
    if (textValue(spec, "tensors") == "each") {
        return SweepControls::tr("%1: for every matrix alone").arg(sum);
    }
    // Methods without groups and left-out cells are for the engine to know.
    return groups > 1 || !textValue(spec, "skip").empty()
               ? SweepControls::tr("%1: up to %2 cells").arg(sum).arg(cells)
               : SweepControls::tr("%1 = %2 cells").arg(sum).arg(cells);
}

SweepControls::SweepControls(PanelContext& context, QWidget* parent)
    : QWidget(parent), m_context(context), m_pending(firstDraft()), m_form(new SpecForm(context)),
      m_summary(new QLabel) {
    m_summary->setWordWrap(true);
    m_summary->setTextFormat(Qt::PlainText);
    auto* inner = new QWidget;
    auto* rows = new QVBoxLayout(inner);
    rows->setContentsMargins(10, 10, 10, 10);
    rows->addWidget(m_summary);
    rows->addSpacing(4);
    rows->addWidget(m_form);
    rows->addStretch(1);
    m_column = new ControlsColumn(inner);
    auto* whole = new QVBoxLayout(this);
    whole->setContentsMargins(0, 0, 0, 0);
    whole->addWidget(m_column);

    connect(m_form, &SpecForm::edited, this, [this] {
        refresh();
        emit edited();
    });
    connect(m_column, &ControlsColumn::runRequested, this, &SweepControls::runRequested);
    connect(m_column, &ControlsColumn::stopRequested, this, &SweepControls::stopRequested);
    connect(m_column, &ControlsColumn::copyRequested, this, &SweepControls::copyCommand);
    setActiveRun(0);
    refresh();
}

void SweepControls::setStudy(const StudyInfo* info) {
    if (info == nullptr) {
        m_pending = draft();
        m_info.reset();
    } else {
        m_pending = draft();
        m_info = *info;
        m_form->setStudy(*info);
        m_form->setSpec(m_pending);
    }
    refresh();
}

Spec SweepControls::draft() const { return m_info ? m_form->spec() : m_pending; }

void SweepControls::setDraft(const Spec& spec) {
    m_pending = spec;
    if (m_info) {
        m_form->setSpec(spec);
    }
    refresh();
}

QString SweepControls::problem() const {
    if (!m_info) {
        return tr("The engine has not started yet.");
    }
    std::vector<Diagnostic> problems;
    static_cast<void>(m_form->spec(&problems));
    if (problems.empty()) {
        return {};
    }
    const QString param = QString::fromStdString(problems.front().param);
    const QString message = QString::fromStdString(problems.front().message);
    return param.isEmpty() ? message : tr("%1: %2").arg(param, message);
}

void SweepControls::setActiveRun(qint64 runId) {
    m_column->setStop(
        runId != 0, runId != 0 ? tr("Stop run %1; finished cells stay").arg(runId)
                               : tr("No sweep of this panel is running"));
}

QString SweepControls::badge() const { return m_column->badge(); }

void SweepControls::refresh() {
    showUnused();
    const QString why = problem();
    m_form->setVisible(m_info.has_value());
    m_summary->setText(
        m_info ? QString::fromStdString(m_info->summary) : tr("The engine is starting…"));
    m_column->setBadge(cellCountText(draft()));
    m_column->setProblem(why, tr("Start this sweep (Ctrl+R)"), !m_info.has_value());
}

void SweepControls::showUnused() {
    if (m_info) {
        const Spec spec = draft();
        for (const ParamSpec& param : m_info->params) {
            m_form->setUnused(param.name, unusedReason(spec, param.name));
        }
    }
}

void SweepControls::copyCommand() {
    const QString command = QString::fromStdString(commandLine(draft(), *m_info));
    QApplication::clipboard()->setText(command);
    m_context.showMessage(tr("Copied: %1").arg(command));
}

} // namespace lathe
