// SPDX-License-Identifier: Apache-2.0
#include "engine/nn/fused_rows.h"

#include "kernels/ops/plane_gemv/plane_gemv.h"

#include <algorithm>
#include <functional>
#include <vector>

namespace lathe {

namespace {

using Members = std::span<Linear* const>;

/// The tensors of all members below each other. They become ranges of it once all is copied.
class Stack {
public:
    explicit Stack(ExecContext& context) : m_context(context) {}

    Tensor add(const std::vector<Tensor*>& parts) {
        const Shape& like = parts.front()->shape();
        std::int64_t rows = 0;
        for (const Tensor* part : parts) {
            rows += part->shape()[0];
        }
        Tensor all = Tensor::empty(
            like.rank() == 1 ? Shape{rows} : Shape{rows, like[1]}, parts.front()->dtype(),
            m_context.device());
        std::int64_t from = 0;
        for (Tensor* part : parts) {
            const std::int64_t to = from + part->shape()[0];
            copy(m_context, part->view(), all.view().slice(from, to));
            m_ranges.emplace_back(part, all.slice(from, to));
            from = to;
        }
        return all;
    }
    void finish() {
        m_context.synchronize(); // the copies read what is given back now
        for (auto& [part, range] : m_ranges) {
            *part = std::move(range);
        }
    }

private:
    ExecContext& m_context;
    std::vector<std::pair<Tensor*, Tensor>> m_ranges;
};

template <class Format>
std::vector<Tensor*> partsOf(Members members, Tensor Format::*tensor) {
    std::vector<Tensor*> parts;
    for (Linear* member : members) {
        parts.push_back(&(std::get<Format>(member->weight).*tensor));
    }
    return parts;
}

bool fitTogether(const DenseWeight& a, const DenseWeight& b) {
    return a.w.dtype() == b.w.dtype() && a.w.shape()[1] == b.w.shape()[1];
}

bool fitTogether(const GroupWeight& a, const GroupWeight& b) {
    return a.bits == b.bits && a.groupSize == b.groupSize && a.in == b.in;
}

bool fitTogether(const LutWeight& a, const LutWeight& b) {
    const bool sameValues =
        !a.sparse || !b.sparse || a.sparse->values.dtype() == b.sparse->values.dtype();
    return a.bits == b.bits && a.in == b.in && sameValues;
}

bool fitTogether(const Linear& a, const Linear& b) {
    return a.weight.index() == b.weight.index() && a.bias.has_value() == b.bias.has_value() &&
           std::visit(
               [&b](const auto& weight) {
                   return fitTogether(weight, std::get<std::decay_t<decltype(weight)>>(b.weight));
               },
               a.weight);
}

/// Where the rows of `count` matrices begin, given the pointers of each: those behind the first
/// move by what is in front of them.
Tensor stackedPointers(ExecContext& context, Members members) {
    std::vector<std::int32_t> all{0};
    for (const Linear* member : members) {
        const auto& lut = std::get<LutWeight>(member->weight);
        const auto rows = static_cast<std::size_t>(lut.packed.shape()[0]);
        std::vector<std::int32_t> own(rows + 1, 0);
        if (lut.sparse) {
            copy(
                context, lut.sparse->rowPointers.view(),
                viewOf(std::span(own), lut.sparse->rowPointers.shape()));
        }
        const std::int32_t before = all.back();
        std::transform(own.begin() + 1, own.end(), std::back_inserter(all), [&](std::int32_t end) {
            return before + end;
        });
    }
    const Shape shape{static_cast<std::int64_t>(all.size())};
    Tensor pointers = Tensor::empty(shape, DType::I32, context.device());
    copy(context, constViewOf(std::span<const std::int32_t>(all), shape), pointers.view());
    return pointers;
}

std::optional<SparseRows> stackedSparse(ExecContext& context, Stack& stack, Members members) {
    std::vector<Tensor*> columns, values;
    for (Linear* member : members) {
        if (auto& sparse = std::get<LutWeight>(member->weight).sparse; sparse) {
            columns.push_back(&sparse->columns);
            values.push_back(&sparse->values);
        }
    }
    if (columns.empty()) {
        return {};
    }
    return SparseRows{stackedPointers(context, members), stack.add(columns), stack.add(values)};
}

/// The planes of each member are whole tiles of those of all, or go.
void sharePlanes(const LutWeight& all, Members members) {
    std::int64_t from = 0;
    for (Linear* member : members) {
        auto& lut = std::get<LutWeight>(member->weight);
        const std::int64_t to = from + lut.packed.shape()[0];
        lut.planes.reset();
        if (all.planes && from % kPlaneTileRows == 0 && to % kPlaneTileRows == 0) {
            lut.planes = LutPlanes{
                all.planes->words.slice(from / kPlaneTileRows, to / kPlaneTileRows),
                all.planes->coefficients.slice(from, to)};
        }
        from = to;
    }
}

Weight stacked(ExecContext&, Stack& stack, Members members, const DenseWeight&) {
    return DenseWeight{stack.add(partsOf(members, &DenseWeight::w))};
}

Weight stacked(ExecContext&, Stack& stack, Members members, const GroupWeight& like) {
    return GroupWeight{
        .packed = stack.add(partsOf(members, &GroupWeight::packed)),
        .scale = stack.add(partsOf(members, &GroupWeight::scale)),
        .zero = stack.add(partsOf(members, &GroupWeight::zero)),
        .bits = like.bits,
        .groupSize = like.groupSize,
        .in = like.in};
}

Weight stacked(ExecContext& context, Stack& stack, Members members, const LutWeight& like) {
    return LutWeight{
        .packed = stack.add(partsOf(members, &LutWeight::packed)),
        .table = stack.add(partsOf(members, &LutWeight::table)),
        .bits = like.bits,
        .in = like.in,
        .sparse = stackedSparse(context, stack, members)};
}

/// The tensor with one row for each output.
ConstView rowsOf(const Weight& weight) {
    return std::visit(
        [](const auto& format) {
            if constexpr (std::is_same_v<std::decay_t<decltype(format)>, DenseWeight>) {
                return format.w.view();
            } else {
                return format.packed.view();
            }
        },
        weight);
}

} // namespace

std::optional<Linear> fuseRows(ExecContext& context, std::span<Linear* const> members) {
    const Linear& first = *members.front();
    const bool fits = std::ranges::all_of(
        members, [&](const Linear* member) { return fitTogether(first, *member); });
    if (!fits) {
        return {};
    }
    Stack stack(context);
    Linear fused;
    fused.weight = std::visit(
        [&](const auto& like) { return stacked(context, stack, members, like); }, first.weight);
    if (first.bias) {
        std::vector<Tensor*> biases;
        for (Linear* member : members) {
            biases.push_back(&member->bias.value());
        }
        fused.bias = stack.add(biases);
    }
    stack.finish();
    if (auto* lut = std::get_if<LutWeight>(&fused.weight)) {
        for (Linear* member : members) { // given back before those of all are made
            std::get<LutWeight>(member->weight).planes.reset();
        }
        arrangePlanes(context, *lut);
        sharePlanes(*lut, members);
    }
    return fused;
}

bool holdsRows(const Linear& fused, std::span<const Linear* const> members) {
    const ConstView all = rowsOf(fused.weight);
    const std::size_t rowBytes =
        static_cast<std::size_t>(all.shape.rowElements()) * sizeOf(all.dtype);
    std::int64_t from = 0;
    for (const Linear* member : members) {
        const ConstView rows = rowsOf(member->weight);
        if (member->weight.index() != fused.weight.index() ||
            rows.data != all.data + static_cast<std::size_t>(from) * rowBytes) {
            return false;
        }
        from += rows.shape[0];
    }
    return from == all.shape[0];
}

void fuseAgain(
    ExecContext& context, std::span<Linear* const> members, std::optional<Linear>& fused) {
    const std::vector<const Linear*> held(members.begin(), members.end());
    if (!fused || !holdsRows(*fused, held)) {
        fused = fuseRows(context, members);
    }
}

void appendIdentity(const Linear& linear, std::vector<std::uintptr_t>& list) {
    const auto add = [&list](const ConstView& view) {
        list.push_back(reinterpret_cast<std::uintptr_t>(view.data));
        list.push_back(static_cast<std::uintptr_t>(view.elementCount()));
    };
    add(rowsOf(linear.weight));
    list.push_back(linear.weight.index());
    if (const auto* lut = std::get_if<LutWeight>(&linear.weight)) {
        list.push_back(static_cast<std::uintptr_t>(lut->bits));
        add(lut->table.view());
        add(lut->planes ? lut->planes->words.view() : ConstView{});
        add(lut->planes && lut->planes->shares ? lut->planes->shares->view() : ConstView{});
        add(lut->sparse ? lut->sparse->values.view() : ConstView{});
    } else if (const auto* group = std::get_if<GroupWeight>(&linear.weight)) {
        list.push_back(static_cast<std::uintptr_t>(group->bits));
        add(group->scale.view());
    }
    add(linear.bias ? linear.bias->view() : ConstView{});
}

} // namespace lathe
