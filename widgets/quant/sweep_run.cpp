// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/sweep_run.h"

#include "widgets/base/model_name.h"
#include "widgets/base/run_table_model.h"
#include "widgets/quant/module_selection.h"

#include <QCoreApplication>
#include <QFileInfo>
#include <QLocale>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace lathe {

namespace {

QString tr(const char* text) { return QCoreApplication::translate("SweepRun", text); }

const Json* find(const Json& object, const std::string& name) {
    if (!object.is_object()) {
        return nullptr;
    }
    const auto it = object.find(name);
    return it == object.end() ? nullptr : &*it;
}

/// A whole number, written as a number or as a text ("64"); 0 for anything else ("none").
int wholeNumber(const Json& params, const std::string& name) {
    const Json* value = find(params, name);
    if (value == nullptr) {
        return 0;
    }
    if (value->is_number()) {
        const double number = value->get<double>();
        return std::abs(number) < 1e9 ? static_cast<int>(number) : 0;
    }
    int number = 0;
    if (value->is_string()) {
        const auto& text = value->get_ref<const std::string&>();
        std::from_chars(text.data(), text.data() + text.size(), number);
    }
    return number;
}

std::string plainText(const Json& object, const std::string& name) {
    const Json* value = find(object, name);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

double realNumber(const Json& params, const std::string& name) {
    const Json* value = find(params, name);
    return value != nullptr && value->is_number() ? value->get<double>() : 0.0;
}

/// The module of a cell that quantizes one matrix alone.
std::string onlyMatrix(const Json& params) {
    const std::string tensors = plainText(params, "tensors");
    return tensors == "all" || tensors == "each" ? std::string() : tensors;
}

SweepCell makeCell(
    int index, CellState state, const Json& params, const Json& metrics,
    const std::string& message) {
    return {
        .index = index,
        .state = state,
        .method = plainText(params, "method"),
        .bits = wholeNumber(params, "bits"),
        .group = wholeNumber(params, "group"),
        .sparsity = realNumber(params, "sparsity"),
        .matrix = onlyMatrix(params),
        .params = params,
        .metrics = metrics,
        .message = QString::fromStdString(message)};
}

} // namespace

double SweepCell::value(const std::string& metric) const {
    const Json* found = find(metrics, metric);
    return found != nullptr && found->is_number() ? found->get<double>()
                                                  : std::numeric_limits<double>::quiet_NaN();
}

QString SweepCell::text(const std::string& metric) const {
    return QString::fromStdString(plainText(metrics, metric));
}

bool SweepCell::isCancelled() const {
    return state == CellState::Failed &&
           message.toStdString() == nameOf(RunState::Cancelled); // so the store closes it
}

std::string sweptFile(const std::string& method) {
    constexpr std::string_view kBeginning = "gguf:";
    return method.starts_with(kBeginning) ? method.substr(kBeginning.size()) : std::string();
}

QString SweepCell::methodName() const {
    const std::string file = sweptFile(method);
    return file.empty() ? QString::fromStdString(method)
                        : QFileInfo(QString::fromStdString(file)).fileName();
}

QString SweepCell::matrixName() const { return shortModuleName(matrix); }

QString SweepCell::title() const {
    if (isFloat() || !sweptFile(method).empty()) {
        return methodName();
    }
    QString text = tr("%1, %2").arg(methodName(), label());
    if (group > 0) {
        text = tr("%1, %2 bit, group %3").arg(methodName()).arg(bits).arg(group);
    }
    return matrix.empty() ? text : tr("%1, only %2").arg(text, matrixName());
}

QString SweepCell::label() const {
    if (isFloat()) {
        return {};
    }
    if (sparsity > 0.0) {
        return tr("%1 bit + %2 %").arg(bits).arg(QLocale().toString(sparsity, 'g', 4));
    }
    return group > 0 ? tr("%1 bit g%2").arg(bits).arg(group) : tr("%1 bit").arg(bits);
}

void SweepRun::load(const RunRow& row, const std::vector<CellRow>& rows) {
    const double before = row.id == id ? fraction : 0.0;
    const QString phaseBefore = row.id == id ? phase : QString();
    const bool cancelBefore = row.id == id && cancelling;
    clear();
    id = row.id;
    state = row.state;
    title = QString::fromStdString(row.title);
    message = QString::fromStdString(row.message);
    spec = row.spec;
    total = row.cellsTotal;
    for (const CellRow& cell : rows) {
        cells[cell.index] =
            makeCell(cell.index, cell.state, cell.params, cell.metrics, cell.message);
    }
    total = std::max(total, static_cast<int>(cells.size()));
    fraction = before;
    phase = phaseBefore;
    cancelling = cancelBefore && isActive();
}

int SweepRun::apply(const Event& event, int* changed) {
    if (event.runId != id || id == 0) {
        return Nothing;
    }
    if (const auto* progress = std::get_if<Progress>(&event.payload)) {
        fraction = progress->fraction;
        phase = QString::fromStdString(progress->phase);
        return Phase;
    }
    if (const auto* cell = std::get_if<CellChanged>(&event.payload)) {
        if (event.cell < 0) {
            return Nothing;
        }
        cells[event.cell] =
            makeCell(event.cell, cell->state, cell->params, cell->metrics, cell->message);
        total = std::max(total, static_cast<int>(cells.size()));
        if (changed != nullptr) {
            *changed = event.cell;
        }
        return Cells | Head;
    }
    const auto* run = std::get_if<RunChanged>(&event.payload);
    if (run == nullptr) {
        return Nothing;
    }
    state = run->state;
    message = QString::fromStdString(run->message);
    if (const int count = wholeNumber(run->record, "cells"); count > 0) {
        total = count;
    }
    int result = Head;
    if (isFinal(state)) {
        phase.clear();
        cancelling = false;
        for (auto& [index, cell] : cells) { // as the store closes them
            if (cell.state == CellState::Running) {
                cell.state = CellState::Failed;
                cell.message = QString::fromStdString(std::string(nameOf(state)));
                result |= Cells;
            }
        }
    }
    return result;
}

int SweepRun::doneCount() const {
    return static_cast<int>(std::ranges::count_if(
        cells, [](const auto& entry) { return entry.second.state == CellState::Done; }));
}

int SweepRun::failedCount() const {
    return static_cast<int>(std::ranges::count_if(cells, [](const auto& entry) {
        return entry.second.state == CellState::Failed && !entry.second.isCancelled();
    }));
}

const SweepCell* SweepRun::floatCell() const {
    for (const auto& [index, cell] : cells) {
        if (cell.isFloat() && cell.state == CellState::Done) {
            return &cell;
        }
    }
    return nullptr;
}

const SweepCell* SweepRun::cell(int index) const {
    const auto it = cells.find(index);
    return it == cells.end() ? nullptr : &it->second;
}

std::vector<int> SweepRun::cellsOf(const std::string& matrix) const {
    std::vector<int> found;
    for (const auto& [index, cell] : cells) {
        if (!cell.matrix.empty() && (matrix.empty() || cell.matrix == matrix)) {
            found.push_back(index);
        }
    }
    return found;
}

QString SweepRun::modelName() const {
    const QString name = QString::fromStdString(plainText(spec.params, "model"));
    return shortModelName(name);
}

QString sweepHeadline(const SweepRun& run) {
    const int done = run.doneCount();
    QString text = tr("Run %1").arg(run.id);
    if (const QString model = run.modelName(); !model.isEmpty()) {
        text += QStringLiteral(" · ") + model;
    }
    const QString state = run.cancelling ? tr("cancelling…") : runStateText(run.state);
    text += QStringLiteral(" · ") + state + QStringLiteral(" · ") +
            tr("%1 of %2 cells").arg(done).arg(run.total);
    if (const int failed = run.failedCount(); failed > 0) {
        text += QStringLiteral(" · ") + tr("%1 failed").arg(failed);
    }
    const QString more = run.isActive() ? run.phase : run.message;
    return more.isEmpty() ? text : text + QStringLiteral(" · ") + more;
}

} // namespace lathe
