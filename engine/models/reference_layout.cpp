// SPDX-License-Identifier: Apache-2.0
#include "engine/models/reference_layout.h"

#include "engine/core/error.h"
#include "engine/models/config_reader.h"
#include "kernels/core/half.h"
#include "kernels/ops/lut_gemv/lut_gemv.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace lathe {

namespace {

struct Entry {
    std::int32_t column;
    float value;
};
/// The sparse part while it is put together, by output row.
using Rows = std::vector<std::vector<Entry>>;

/// to[c][r] = from[r][c], in blocks of rows that the cache holds.
void transpose(
    std::span<const std::int32_t> from, std::size_t rows, std::size_t cols,
    std::span<std::int32_t> to) {
    constexpr std::size_t kBlock = 64;
    for (std::size_t first = 0; first < rows; first += kBlock) {
        const std::size_t last = std::min(rows, first + kBlock);
        for (std::size_t c = 0; c < cols; ++c) {
            for (std::size_t r = first; r < last; ++r) {
                to[c * rows + r] = from[r * cols + c];
            }
        }
    }
}

Tensor packedRows(const Tensor& qweight, std::int64_t in, int bits, const std::string& name) {
    const std::int64_t out = qweight.shape()[1];
    const std::int64_t words = packedWords(in, bits);
    const std::span<const std::int32_t> all = qweight.view().as<std::int32_t>();
    Tensor packed = Tensor::empty({out, words}, DType::I32, Device{});
    transpose(
        all, static_cast<std::size_t>(words), static_cast<std::size_t>(out),
        packed.view().as<std::int32_t>());
    // Kernels rely on code 0 behind the last input, and anything else there is damage.
    const auto tail = static_cast<int>(words * 32 - in * bits);
    for (std::int64_t o = 0; o < out; ++o) {
        const auto last =
            static_cast<std::uint32_t>(all[static_cast<std::size_t>((words - 1) * out + o)]);
        bool clean = tail == 0 || last >> (32 - tail) == 0;
        for (std::int64_t word = words; word < qweight.shape()[0]; ++word) {
            clean = clean && all[static_cast<std::size_t>(word * out + o)] == 0;
        }
        if (!clean) {
            throw FormatError(
                name + ".qweight': output " + std::to_string(o) +
                " has codes behind the last of its " + std::to_string(in) + " inputs");
        }
    }
    return packed;
}

Tensor roundedTable(const Tensor& table, const std::string& name, TableRounding& rounding) {
    const auto width = static_cast<std::size_t>(table.shape()[1]);
    const std::span<const float> from = table.view().as<float>();
    Tensor rounded = Tensor::empty(table.shape(), DType::F16, Device{});
    const std::span<Half> to = rounded.view().as<Half>();
    for (std::size_t row = 0; row < from.size(); row += width) {
        float largest = 0.0F;
        float change = 0.0F;
        for (std::size_t i = row; i < row + width; ++i) {
            to[i] = toHalf(from[i]);
            const float value = toFloat(to[i]);
            if (!std::isfinite(value)) {
                throw FormatError(
                    name + ".lookup_table': row " + std::to_string(row / width) +
                    " has an entry that is no finite F16 number (" + std::to_string(from[i]) + ")");
            }
            rounding.entries += value == from[i] ? 0 : 1;
            largest = std::max(largest, std::abs(from[i]));
            change = std::max(change, std::abs(value - from[i]));
        }
        if (change > 0.0F) {
            rounding.largest = std::max(
                rounding.largest, static_cast<double>(change) / static_cast<double>(largest));
        }
    }
    return rounded;
}

void addCompressed(
    const ReferenceModule& module, std::int64_t in, const std::string& name, Rows& rows) {
    const std::span<const std::int32_t> pointers = module.rows.view().as<std::int32_t>();
    const std::span<const std::int32_t> cols = module.cols.view().as<std::int32_t>();
    const std::span<const float> vals = module.vals.view().as<float>();
    if (pointers.front() != 0 || static_cast<std::size_t>(pointers.back()) != cols.size() ||
        !std::ranges::is_sorted(pointers)) {
        throw FormatError(
            name + ".rows': the pointers do not ascend from 0 to the " +
            std::to_string(cols.size()) + " values");
    }
    for (std::size_t row = 0; row < rows.size(); ++row) {
        for (std::int32_t i = pointers[row]; i < pointers[row + 1]; ++i) {
            const std::int32_t column = cols[static_cast<std::size_t>(i)];
            if (column < 0 || column >= in) {
                throw FormatError(
                    name + ".cols': row " + std::to_string(row) + " names column " +
                    std::to_string(column) + " of " + std::to_string(in));
            }
            rows[row].push_back({column, vals[static_cast<std::size_t>(i)]});
        }
    }
}

void addFullRows(const ReferenceModule& module, const std::string& name, Rows& rows) {
    const std::span<const std::int32_t> indices = module.fullRowIndices.view().as<std::int32_t>();
    const std::span<const float> values = module.fullRows.view().as<float>();
    for (std::size_t k = 0; k < indices.size(); ++k) {
        const auto row = static_cast<std::size_t>(indices[k]); // a negative one becomes too large
        if (row >= rows.size()) {
            throw FormatError(
                name + ".full_row_indices': row " + std::to_string(indices[k]) + " of " +
                std::to_string(rows.size()));
        }
        // Files have a fixed number of full rows; those to spare are zero.
        for (std::size_t i = k; i < values.size(); i += indices.size()) {
            if (values[i] != 0.0F) {
                rows[row].push_back({static_cast<std::int32_t>(i / indices.size()), values[i]});
            }
        }
    }
}

SparseRows compressed(const Rows& rows, std::int64_t count) {
    const bool narrow = std::ranges::all_of(rows, [](const std::vector<Entry>& row) {
        return std::ranges::all_of(
            row, [](const Entry& entry) { return toFloat(toHalf(entry.value)) == entry.value; });
    });
    SparseRows sparse{
        Tensor::empty({static_cast<std::int64_t>(rows.size()) + 1}, DType::I32, Device{}),
        Tensor::empty({count}, DType::U16, Device{}),
        Tensor::empty({count}, narrow ? DType::F16 : DType::F32, Device{})};
    auto* pointers = sparse.rowPointers.view().ptr<std::int32_t>();
    auto* columns = sparse.columns.view().ptr<std::uint16_t>();
    std::int32_t next = 0;
    *pointers = 0;
    for (const std::vector<Entry>& row : rows) {
        for (const Entry& entry : row) {
            columns[next] = static_cast<std::uint16_t>(entry.column);
            if (narrow) {
                sparse.values.view().ptr<Half>()[next] = toHalf(entry.value);
            } else {
                sparse.values.view().ptr<float>()[next] = entry.value;
            }
            ++next;
        }
        *++pointers = next;
    }
    return sparse;
}

std::optional<SparseRows>
sparseRows(const ReferenceModule& module, std::int64_t in, const std::string& name) {
    const bool full = !module.fullRows.isNull();
    if (module.rows.isNull() && !full) {
        return {};
    }
    if (in > kMostSparseColumns) {
        throw Unsupported(
            name + "': a sparse part of " + std::to_string(in) +
            " columns; at most 65536 can have one");
    }
    Rows rows(static_cast<std::size_t>(module.lookupTable.shape()[0]));
    if (!module.rows.isNull()) {
        addCompressed(module, in, name, rows);
    }
    if (full) {
        addFullRows(module, name, rows);
    }
    std::int64_t count = 0;
    for (std::vector<Entry>& row : rows) {
        std::ranges::stable_sort(row, {}, &Entry::column);
        count += static_cast<std::int64_t>(row.size());
    }
    if (count == 0) {
        return {};
    }
    if (count > std::numeric_limits<std::int32_t>::max()) {
        throw Unsupported(name + "': a sparse part of " + std::to_string(count) + " values");
    }
    SparseRows sparse = compressed(rows, count);
    checkSparse(sparse.view(), in, name + (full ? ".cols' with '.full_rows'" : ".cols'"));
    return sparse;
}

} // namespace

bool isReferenceLayout(const Checkpoint& checkpoint) {
    const ConfigReader reader(checkpoint.config(), configName(checkpoint));
    if (const Json* found = reader.find("quantization_config"); found != nullptr) {
        const ConfigReader quantization(*found, reader.where() + " quantization_config");
        return quantization.text("quant_method", "") == kReferenceMethod;
    }
    constexpr std::string_view kCodes = ".qweight";
    return std::ranges::any_of(checkpoint.entries(), [&](const auto& entry) {
        const std::string& name = entry.first;
        return name.ends_with(kCodes) &&
               checkpoint.contains(name.substr(0, name.size() - kCodes.size()) + ".lookup_table");
    });
}

ReferenceModule toReference(const LutWeight& weight) {
    const std::int64_t out = weight.packed.shape()[0];
    ReferenceModule module;
    module.qweight =
        Tensor::empty({referenceWords(weight.in, weight.bits), out}, DType::I32, Device{});
    const std::span<std::int32_t> words = module.qweight.view().as<std::int32_t>();
    std::ranges::fill(words, 0);
    transpose(
        weight.packed.view().as<std::int32_t>(), static_cast<std::size_t>(out),
        static_cast<std::size_t>(weight.packed.shape()[1]), words);
    const auto widened = [](const Tensor& halves) {
        Tensor floats = Tensor::empty(halves.shape(), DType::F32, Device{});
        std::ranges::transform(
            halves.view().as<Half>(), floats.view().as<float>().begin(),
            [](Half half) { return toFloat(half); });
        return floats;
    };
    module.lookupTable = widened(weight.table);
    if (weight.sparse) {
        const SparseRows& sparse = *weight.sparse;
        module.rows = sparse.rowPointers.share();
        module.cols = Tensor::empty(sparse.columns.shape(), DType::I32, Device{});
        std::ranges::copy(
            sparse.columns.view().as<std::uint16_t>(),
            module.cols.view().as<std::int32_t>().begin());
        module.vals =
            sparse.values.dtype() == DType::F32 ? sparse.values.share() : widened(sparse.values);
    }
    return module;
}

LutWeight fromReference(
    const ReferenceModule& module, std::int64_t in, const std::string& name,
    TableRounding& rounding) {
    LutWeight weight;
    weight.bits = std::countr_zero(static_cast<std::uint64_t>(module.lookupTable.shape()[1]));
    weight.in = in;
    weight.packed = packedRows(module.qweight, in, weight.bits, name);
    weight.table = roundedTable(module.lookupTable, name, rounding);
    weight.sparse = sparseRows(module, in, name);
    return weight;
}

} // namespace lathe
