// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/spec_form.h"

#include "widgets/base/fold.h"
#include "widgets/base/panel.h"
#include "widgets/base/param_field.h"

#include <QComboBox>
#include <QFormLayout>
#include <QLabel>
#include <QVBoxLayout>

namespace lathe {

namespace {

/// What every Spec has beside its study's parameters, declared like them.
std::vector<ParamSpec> headParams() {
    const Spec defaults;
    ParamSpec device{
        .name = "device",
        .kind = ParamKind::Choice,
        .defaultValue = defaults.device,
        .help = "Where the work is done"};
    device.choices = {"auto", "cpu", "cuda"};
    ParamSpec target{
        .name = "target",
        .kind = ParamKind::Choice,
        .defaultValue = "",
        .help = "Instruction set of the kernels; empty: the best one of the machine"};
    target.choices = {"", "scalar", "avx2", "avx512", "cuda"};
    ParamSpec seed{
        .name = "seed",
        .kind = ParamKind::Integer,
        .defaultValue = defaults.seed,
        .help = "Start of the random numbers; the same seed gives the same numbers",
        .minimum = 0};
    ParamSpec threads{
        .name = "threads",
        .kind = ParamKind::Integer,
        .defaultValue = defaults.threads,
        .help = "CPU threads; 0: one per core",
        .minimum = 0,
        .maximum = 1024};
    ParamSpec repeat{
        .name = "repeat",
        .kind = ParamKind::Integer,
        .defaultValue = defaults.repeat,
        .help = "Timed repetitions; the median is reported",
        .minimum = 1,
        .maximum = 1000};
    return {device, target, seed, threads, repeat};
}

Json headValue(const Spec& spec, const std::string& name) { return toJson(spec).at(name); }

void setHead(Spec& spec, const std::string& name, const Json& value) {
    Json json = toJson(spec);
    json[name] = value;
    spec = specFromJson(json);
}

std::vector<Json> valuesOf(const Spec& spec, const ParamSpec& param) {
    if (const auto swept = spec.sweep.find(param.name);
        swept != spec.sweep.end() && swept->is_array()) {
        return {swept->begin(), swept->end()};
    }
    if (const auto one = spec.params.find(param.name); one != spec.params.end()) {
        return one->is_null() ? std::vector<Json>{} : std::vector<Json>{*one};
    }
    return param.defaultValue.is_null() ? std::vector<Json>{}
                                        : std::vector<Json>{param.defaultValue};
}

} // namespace

class SpecForm::Impl {
public:
    Impl(SpecForm& form, PanelContext& owner) : view(form), context(owner) {
        column = new QVBoxLayout(&form);
        column->setContentsMargins(0, 0, 0, 0);
    }

    void build();
    ParamField* add(QFormLayout* to, const ParamSpec& param);
    void showProblems();

    SpecForm& view;
    PanelContext& context;
    QVBoxLayout* column;
    QWidget* content = nullptr;
    StudyInfo info;
    std::set<std::string> hidden;
    std::vector<ParamField*> fields;
    std::vector<ParamField*> head;
    std::map<const ParamField*, QLabel*> labels;
};

ParamField* SpecForm::Impl::add(QFormLayout* to, const ParamSpec& param) {
    auto* field = new ParamField(context, param);
    auto* label = new QLabel(paramTitle(param));
    label->setToolTip(QString::fromStdString(param.help));
    label->setBuddy(field);
    labels[field] = label;
    to->addRow(label, field);
    QObject::connect(field, &ParamField::edited, &view, [this] {
        showProblems();
        emit view.edited();
    });
    return field;
}

void SpecForm::Impl::build() {
    delete content;
    content = new QWidget;
    fields.clear();
    head.clear();
    labels.clear();
    const auto makeForm = [] {
        auto* form = new QFormLayout;
        form->setContentsMargins(0, 0, 0, 0);
        form->setFieldGrowthPolicy(QFormLayout::AllNonFixedFieldsGrow);
        form->setRowWrapPolicy(QFormLayout::WrapLongRows);
        return form;
    };
    auto* rows = new QVBoxLayout(content);
    rows->setContentsMargins(0, 0, 0, 0);
    QFormLayout* main = makeForm();
    auto* folded = new QWidget;
    QFormLayout* advanced = makeForm();
    folded->setLayout(advanced);
    for (const ParamSpec& param : info.params) {
        if (!hidden.contains(param.name)) {
            fields.push_back(add(param.advanced ? advanced : main, param));
        }
    }
    for (const ParamSpec& param : headParams()) {
        if (!hidden.contains(param.name)) {
            head.push_back(add(advanced, param));
        }
    }
    rows->addLayout(main);
    if (advanced->rowCount() > 0) {
        auto* fold = new Fold(SpecForm::tr("Advanced"));
        fold->setContent(folded);
        rows->addWidget(fold);
    } else {
        delete folded;
    }
    column->addWidget(content);
}

void SpecForm::Impl::showProblems() {
    std::vector<Diagnostic> problems;
    static_cast<void>(view.spec(&problems));
    for (ParamField* field : fields) {
        QString text;
        for (const Diagnostic& one : problems) {
            if (text.isEmpty() && one.param == field->param().name) {
                text = QString::fromStdString(one.message);
            }
        }
        field->showProblem(text);
    }
    for (ParamField* field : head) {
        field->showProblem(field->problem());
    }
}

SpecForm::SpecForm(PanelContext& context, QWidget* parent)
    : QWidget(parent), m_impl(std::make_unique<Impl>(*this, context)) {}

SpecForm::~SpecForm() = default;

void SpecForm::setStudy(const StudyInfo& info, const std::set<std::string>& hidden) {
    const bool first = m_impl->fields.empty() && m_impl->head.empty();
    Spec before = spec();
    m_impl->info = info;
    m_impl->hidden = hidden;
    m_impl->build();
    if (first) {
        before = Spec{.study = info.id};
    }
    // Values that the new study does not know or refuses give way to its defaults.
    before.study = info.id;
    for (Json* group : {&before.params, &before.sweep}) {
        Json kept = Json::object();
        for (const auto& [name, value] : group->items()) {
            const ParamSpec* param = info.find(name);
            const Json& probe = value.is_array() && !value.empty() ? value.front() : value;
            if (param != nullptr && checkValue(*param, probe).empty()) {
                kept[name] = value;
            }
        }
        *group = std::move(kept);
    }
    setSpec(before);
}

void SpecForm::setSpec(const Spec& spec) {
    for (ParamField* field : m_impl->fields) {
        field->setValues(valuesOf(spec, field->param()));
    }
    for (ParamField* field : m_impl->head) {
        field->setValues({headValue(spec, field->param().name)});
    }
    m_impl->showProblems();
    emit edited();
}

void SpecForm::setUnused(const std::string& param, const QString& why) {
    for (ParamField* field : m_impl->fields) {
        if (field->param().name == param && field->isEnabledTo(m_impl->content) != why.isEmpty()) {
            field->setUnused(why);
            field->showProblem(field->problem());
            QLabel* label = m_impl->labels.at(field);
            label->setEnabled(why.isEmpty());
            label->setToolTip(why.isEmpty() ? QString::fromStdString(field->param().help) : why);
        }
    }
}

Spec SpecForm::spec(std::vector<Diagnostic>* problems) const {
    Spec spec{.study = m_impl->info.id};
    std::vector<Diagnostic> found;
    for (const ParamField* field : m_impl->fields) {
        const std::string& name = field->param().name;
        const std::vector<Json> values = field->values();
        if (const QString problem = field->problem(); !problem.isEmpty()) {
            found.push_back({name, problem.toStdString()});
        }
        if (values.size() == 1) {
            spec.params[name] = values.front();
        } else if (values.size() > 1) {
            spec.sweep[name] = values;
        }
    }
    for (const ParamField* field : m_impl->head) {
        const std::vector<Json> values = field->values();
        if (const QString problem = field->problem(); !problem.isEmpty()) {
            found.push_back({field->param().name, problem.toStdString()});
        } else if (values.size() == 1) {
            setHead(spec, field->param().name, values.front());
        }
    }
    if (problems != nullptr) {
        for (Diagnostic& one : validate(spec, m_impl->info)) {
            // Parameters that the panel adds are not missing here.
            const bool left = m_impl->hidden.contains(one.param);
            const bool known = std::ranges::any_of(
                found, [&one](const Diagnostic& other) { return other.param == one.param; });
            if (!left && !known) {
                found.push_back(std::move(one));
            }
        }
        *problems = std::move(found);
    }
    return spec;
}

} // namespace lathe
