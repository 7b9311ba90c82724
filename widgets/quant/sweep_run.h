// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "experiments/store/run_reader.h"

#include <QString>

#include <map>
#include <vector>

namespace lathe {

/// One setting of a quantization sweep.
struct SweepCell {
    int index = 0;
    CellState state = CellState::Running;
    std::string method; ///< "float" is the reference
    int bits = 0;
    int group = 0;         ///< weights that share a scale, 0: a whole row
    double sparsity = 0.0; ///< percent of the weights beside the tables, 0: none
    std::string matrix{};  ///< the only one that is quantized, empty: all
    Json params = Json::object();
    Json metrics = Json::object();
    QString message;

    /// Was not finished because its run was stopped: no fault of its own.
    bool isCancelled() const;
    bool isFloat() const { return method == "float"; }
    /// The method, or the name of a file that is measured as it is.
    QString methodName() const;
    /// "layers.0.mlp.down_proj" without what all matrices' names share; empty for all matrices.
    QString matrixName() const;
    /// NaN when the metric is absent, null or no number.
    double value(const std::string& metric) const;
    /// Empty when absent or no text.
    QString text(const std::string& metric) const;
    /// "kmeans, 3 bit", "rtn, 4 bit, group 64", "squeezellm-sparse, 3 bit + 0.45 %", "float".
    QString title() const;
    /// Beside a mark: "3 bit", "4 bit g64", "3 bit + 0.45 %"; empty for the float model.
    QString label() const;
};

/// A sweep as its events tell it, or as the store holds it: both ways give the same.
class SweepRun {
public:
    /// What an event changed.
    enum Change { Nothing = 0, Head = 1, Cells = 2, Phase = 4 };

    void load(const RunRow& row, const std::vector<CellRow>& cells);
    /// Takes an event of this run; others change nothing. `changed` receives the cell's index.
    int apply(const Event& event, int* changed = nullptr);
    void clear() { *this = SweepRun(); }

    qint64 id = 0;
    RunState state = RunState::Queued;
    QString title, message;
    Spec spec;
    int total = 0;
    double fraction = 0.0;
    QString phase;
    bool cancelling = false; ///< asked for; the engine has not answered yet
    std::map<int, SweepCell> cells;

    bool isActive() const { return id != 0 && !isFinal(state); }
    int doneCount() const;
    int failedCount() const;            ///< without those that a stop of the run closed
    const SweepCell* floatCell() const; ///< null until it is done
    const SweepCell* cell(int index) const;
    /// Cells that quantize this matrix alone, ascending; any one matrix alone when it is empty.
    std::vector<int> cellsOf(const std::string& matrix) const;
    QString modelName() const;
};

/// One line on a run: its id, model, state and how far it is.
QString sweepHeadline(const SweepRun& run);

/// The path of a method that measures a file ("gguf:/some/file.gguf"); empty for others.
std::string sweptFile(const std::string& method);

} // namespace lathe
