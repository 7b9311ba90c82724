// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/spmv_csr/spmv_csr.h"

#include "engine/core/check.h"
#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/core/half.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const SpmvCsr& op);
void launch(ExecContext& context, const AddSparse& op);
} // namespace cuda
#endif

namespace {

/// Values that are worth waking another thread for.
constexpr std::int64_t kGrainValues = 8192;

std::int64_t rowsOf(const SparseView& sparse) { return sparse.rowPointers.shape[0] - 1; }

/// Rows of S that one job of the pool takes at least.
std::int64_t grainRows(const SparseView& sparse, std::int64_t uses) {
    const std::int64_t values = sparse.values.shape[0] * std::max<std::int64_t>(uses, 1);
    return std::max<std::int64_t>(
        1, kGrainValues * rowsOf(sparse) / std::max<std::int64_t>(values, 1));
}

/// Value i as a float.
struct Values {
    explicit Values(ConstView view)
        : halves(view.dtype == DType::F16 ? view.ptr<Half>() : nullptr),
          floats(view.dtype == DType::F32 ? view.ptr<float>() : nullptr) {}
    float operator[](std::int64_t i) const {
        return halves != nullptr ? toFloat(halves[i]) : floats[i];
    }

    const Half* halves;
    const float* floats;
};

// One kernel serves all CPU targets: the values are few, their columns scattered.

void spmvScalar(ExecContext& context, const SpmvCsr& op) {
    const std::int64_t rows = op.x.shape[0], in = op.x.shape[1], out = op.y.shape[1];
    const auto* pointers = op.sparse.rowPointers.ptr<std::int32_t>();
    const auto* columns = op.sparse.columns.ptr<std::uint16_t>();
    const Values values(op.sparse.values);
    context.pool().parallelFor(
        out, grainRows(op.sparse, rows), [&](std::int64_t from, std::int64_t to) {
            for (std::int64_t o = from; o < to; ++o) {
                for (std::int64_t row = 0; row < rows; ++row) {
                    const float* x = op.x.ptr<float>() + row * in;
                    double sum = 0.0;
                    for (std::int32_t i = pointers[o]; i < pointers[o + 1]; ++i) {
                        sum += static_cast<double>(values[i]) * static_cast<double>(x[columns[i]]);
                    }
                    op.y.ptr<float>()[row * out + o] += static_cast<float>(sum);
                }
            }
        });
}

template <class T>
void addTo(ExecContext& context, const AddSparse& op) {
    const std::int64_t in = op.w.shape[1];
    const auto* pointers = op.sparse.rowPointers.ptr<std::int32_t>();
    const auto* columns = op.sparse.columns.ptr<std::uint16_t>();
    const Values values(op.sparse.values);
    context.pool().parallelFor(
        op.w.shape[0], grainRows(op.sparse, 1), [&](std::int64_t from, std::int64_t to) {
            for (std::int64_t row = from; row < to; ++row) {
                T* w = op.w.ptr<T>() + row * in;
                const std::int32_t* range = pointers + op.rowFrom + row;
                for (std::int32_t i = range[0]; i < range[1]; ++i) {
                    T& sum = w[columns[i]];
                    if constexpr (std::is_same_v<T, Half>) {
                        sum = toHalf(toFloat(sum) + values[i]);
                    } else {
                        sum += values[i];
                    }
                }
            }
        });
}

void addScalar(ExecContext& context, const AddSparse& op) {
    op.w.dtype == DType::F16 ? addTo<Half>(context, op) : addTo<float>(context, op);
}

} // namespace

void checkView(const Arguments& arguments, const SparseView& sparse, std::int64_t in) {
    LATHE_CHECK(
        in <= kMostSparseColumns,
        "sparse rows: " + std::to_string(in) + " columns, at most 65536 can be named by 16 bits");
    arguments.rank("rowPointers", sparse.rowPointers, 1);
    arguments.i32("rowPointers", sparse.rowPointers, sparse.rowPointers.shape);
    LATHE_CHECK(sparse.rowPointers.shape[0] >= 1, "sparse rows: rowPointers is empty");
    arguments.rank("values", sparse.values, 1);
    arguments.check("values", sparse.values, sparse.values.shape, {DType::F16, DType::F32});
    arguments.check("columns", sparse.columns, sparse.values.shape, {DType::U16});
}

template <>
std::span<const Kernel<SpmvCsr>> kernelsOf<SpmvCsr>() {
    static constexpr Kernel<SpmvCsr> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", &cuda::launch},
#endif
        {Target::Scalar, "scalar", &spmvScalar},
    };
    return kTable;
}

template <>
std::span<const Kernel<AddSparse>> kernelsOf<AddSparse>() {
    static constexpr Kernel<AddSparse> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", &cuda::launch},
#endif
        {Target::Scalar, "scalar", &addScalar},
    };
    return kTable;
}

void run(ExecContext& context, const SpmvCsr& op) {
    const Arguments arguments("spmv_csr", context.device());
    arguments.rank("x", op.x, 2);
    arguments.f32("x", op.x, op.x.shape);
    checkView(arguments, op.sparse, op.x.shape[1]);
    arguments.f32("y", op.y, {op.x.shape[0], rowsOf(op.sparse)});
    if (op.y.elementCount() == 0 || op.sparse.values.shape[0] == 0) {
        return;
    }
    arguments.disjoint("y", op.y, "x", op.x);
    dispatch(context, op, "spmv_csr");
}

void run(ExecContext& context, const AddSparse& op) {
    const Arguments arguments("add_sparse", context.device());
    arguments.rank("w", op.w, 2);
    arguments.check("w", op.w, op.w.shape, {DType::F32, DType::F16});
    checkView(arguments, op.sparse, op.w.shape[1]);
    LATHE_CHECK(
        op.rowFrom >= 0 && op.rowFrom <= rowsOf(op.sparse) - op.w.shape[0],
        "add_sparse: " + std::to_string(op.w.shape[0]) + " rows from row " +
            std::to_string(op.rowFrom) + " on, the matrix has " +
            std::to_string(rowsOf(op.sparse)));
    if (op.w.elementCount() == 0 || op.sparse.values.shape[0] == 0) {
        return;
    }
    dispatch(context, op, "add_sparse");
}

void checkSparse(const SparseView& sparse, std::int64_t in, const std::string& name) {
    const std::span<const std::int32_t> pointers = sparse.rowPointers.as<std::int32_t>();
    const std::span<const std::uint16_t> columns = sparse.columns.as<std::uint16_t>();
    const auto count = static_cast<std::int64_t>(columns.size());
    const auto fail = [&name](std::size_t row, const std::string& what) {
        throw FormatError(name + ": row " + std::to_string(row) + " of the sparse part " + what);
    };
    if (pointers.empty() || pointers.front() != 0 || pointers.back() != count) {
        throw FormatError(
            name + ": the row pointers of the sparse part do not lead from 0 to its " +
            std::to_string(count) + " values");
    }
    const Values values(sparse.values);
    for (std::size_t row = 0; row + 1 < pointers.size(); ++row) {
        if (pointers[row + 1] < pointers[row] || pointers[row + 1] > count) {
            fail(row, "ends before it begins or beyond the last value");
        }
        std::int64_t previous = -1;
        for (std::int32_t i = pointers[row]; i < pointers[row + 1]; ++i) {
            const std::int64_t column = columns[static_cast<std::size_t>(i)];
            if (column <= previous || column >= in) {
                fail(
                    row, "names column " + std::to_string(column) + " after column " +
                             std::to_string(previous) + " of " + std::to_string(in));
            }
            if (!std::isfinite(values[i])) {
                fail(row, "holds a value that is not finite in column " + std::to_string(column));
            }
            previous = column;
        }
    }
}

} // namespace lathe
