// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/budget.h"
#include "engine/core/json.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

/// One way of storing a matrix.
struct MatrixOption {
    int bits = 0;
    double sparsity = 0.0; ///< percent of the weights
};

/// What a limit is about.
enum class LimitUnit { Bytes, AverageBits };

/// A plan of all matrices.
struct MatrixPlan {
    std::vector<std::size_t> choice; ///< the option of each matrix
    double kl = 0.0;                 ///< predicted, nats per token
    std::int64_t fileBytes = 0;      ///< on disk, at most
    double averageBits = 0.0;        ///< of the matrices, tables and sparse parts counted
    double multiplier = 0.0;         ///< nats that one more byte saves
    bool exact = true;
};

/// All matrices alike.
struct UniformPlan {
    MatrixOption setting;
    double kl = 0.0;
    std::int64_t fileBytes = 0;
    double averageBits = 0.0;
};

/// What a run of quant.budget worked out, and plans from it without the engine.
class BudgetCurves {
public:
    BudgetCurves() = default;
    /// @throws FormatError, naming what is missing, when the metrics hold no such curves
    explicit BudgetCurves(const Json& metrics);

    bool isEmpty() const { return m_names.empty(); }
    const std::vector<std::string>& names() const { return m_names; }
    const MatrixOption& option(std::size_t matrix, std::size_t index) const {
        return m_options[matrix][index];
    }
    /// Of one option: bytes as stored, predicted loss.
    const BudgetOption& stored(std::size_t matrix, std::size_t index) const {
        return m_stored[matrix][index];
    }

    /// Limits outside of these are impossible, or change nothing.
    double least(LimitUnit unit) const;
    double most(LimitUnit unit) const;
    /// The best plan within the limit. @throws InputError below the least
    MatrixPlan plan(LimitUnit unit, double limit) const;
    /// Predicted loss against bytes on disk: x and y of the plans from the smallest to the best.
    std::vector<std::pair<double, double>> outline() const;
    /// By size.
    const std::vector<UniformPlan>& uniform() const { return m_uniform; }
    /// Of those within the limit, that of least loss.
    std::optional<UniformPlan> bestUniform(LimitUnit unit, double limit) const;

private:
    void takeMatrix(const std::string& name, const Json& curve);
    void makeUniform();
    double averageOf(std::int64_t bytes) const;
    double valueOf(LimitUnit unit, std::int64_t cost) const;

    std::vector<std::string> m_names;
    std::vector<std::vector<MatrixOption>> m_options;
    std::vector<std::vector<BudgetOption>> m_stored, m_onDisk;
    std::vector<UniformPlan> m_uniform;
    std::int64_t m_fixed = 0; ///< bytes of the file that are no matrix's
    double m_weights = 0.0;   ///< of all matrices
};

} // namespace lathe
