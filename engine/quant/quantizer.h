// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/param_spec.h"
#include "engine/core/registry.h"
#include "engine/core/run_control.h"
#include "engine/nn/weight.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace lathe {

/// What is known of a matrix beside its values.
struct LayerStatistics {
    std::string name;        ///< module name, for messages
    ConstView sensitivity{}; ///< [out, in] F32, the Fisher diagonal; empty: not known
    /// [groups, in, in] F32, symmetric: of the outputs' errors, rows in `groups` equal parts (op
    /// GuidedHessian); empty: not known.
    ConstView hessian{};
    /// Flat indices of the weights that a sparse part holds instead of the tables, ascending.
    std::span<const std::int64_t> sparse{};
};

struct QuantizerInfo {
    std::string id;    ///< "kmeans"
    std::string title; ///< "k-means (exact, per row)"
    std::string paper{};
    bool usesGroups = false;      ///< false: `group` is ignored and stored as 0
    bool usesSensitivity = false; ///< true: refuses matrices without sensitivities
    bool usesHessian = false;     ///< true: refuses matrices without LayerStatistics::hessian
    bool usesSparse = false;      ///< true: what LayerStatistics::sparse names leaves the tables
    int minimumBits = 2, maximumBits = 8;
};

struct QuantizeOptions {
    int bits = 4;
    std::int64_t groupSize = 0; ///< 0: per output row
    /// Share of the rows that are done, now and then, on the calling thread; may be empty.
    std::function<void(double share)> onProgress{};
};

/// Chooses the codes of one matrix. Const and shareable; rows are independent and run on the pool.
class Quantizer {
public:
    virtual ~Quantizer() = default;
    virtual const QuantizerInfo& info() const = 0;
    /// @param context whose pool does the work; on a GPU, exact clusterings are found there, with
    ///        equal results
    /// @param w [out, in] F32 | F16 | BF16 on the host. The result is on the host.
    /// @throws InputError for options out of range, NaN / Inf in w (row and column named), or
    /// values that do not fit the F16 scales and tables; Cancelled between two rows or, on a GPU,
    /// batches of rows; there also Unsupported for rows that are too long, and DeviceError.
    virtual Weight quantize(
        RunControl& run, ExecContext& context, ConstView w, const LayerStatistics& statistics,
        const QuantizeOptions& options) const = 0;
};

/// The list: kmeans, lloyd, rtn, rtn-sym, squeezellm, squeezellm-sparse, refined.
const Registry<Quantizer>& quantizers();

} // namespace lathe
