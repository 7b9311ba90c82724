// SPDX-License-Identifier: Apache-2.0
#include "kernels/ops/decode_attention/decode_attention.h"

#include "kernels/core/arguments.h"
#include "kernels/core/dispatch.h"
#include "kernels/ops/attention/attention.h"
#include "kernels/ops/rope/rope.h"

#include <algorithm>
#include <string>

namespace lathe {

#ifdef LATHE_HAVE_CUDA
namespace cuda {
void launch(ExecContext& context, const DecodeAttention& op);
bool acceptsHead(const DecodeAttention& op);
} // namespace cuda
#endif

namespace {

std::int64_t rowElements(const ConstView& view) { return view.shape[1] * view.shape[2]; }

/// Row `slot` of a view whose rows are `stride` elements apart.
ConstView rowOf(ConstView view, std::int64_t stride, std::int64_t slot) {
    const std::int64_t step = stride == 0 ? rowElements(view) : stride;
    view.data += static_cast<std::size_t>(slot * step) * sizeof(float);
    view.shape = {1, view.shape[1], view.shape[2]};
    return view;
}

/// By way of the ops that it is made of: they are specified on their own.
void decodeAttentionScalar(ExecContext& context, const DecodeAttention& op) {
    for (std::int64_t slot = 0; slot < op.q.shape[0]; ++slot) {
        const auto at = static_cast<std::size_t>(slot);
        const std::int64_t past = op.positions.ptr<std::int32_t>()[slot];
        const std::int64_t capacity = op.keys[at].shape[0];
        LATHE_CHECK(
            past >= 0 && past < capacity, "decode_attention: positions[" + std::to_string(slot) +
                                              "] is " + std::to_string(past) + ", the cache has " +
                                              std::to_string(capacity) + " rows");
        Arena::Scope scope(context.scratch());
        const TensorView q = context.scratch().take({1, op.q.shape[1], op.q.shape[2]}, DType::F32);
        const TensorView key = op.keys[at].slice(past, past + 1);
        copy(context, rowOf(op.q, op.qStride, slot), q);
        copy(context, rowOf(op.k, op.kvStride, slot), key);
        copy(context, rowOf(op.v, op.kvStride, slot), op.values[at].slice(past, past + 1));
        const ConstView position = op.positions.slice(slot, slot + 1);
        run(context, Rope{.x = q, .frequencies = op.frequencies, .positions = position});
        run(context, Rope{.x = key, .frequencies = op.frequencies, .positions = position});
        run(context, Attention{
                         .q = q,
                         .keys = op.keys[at],
                         .values = op.values[at],
                         .past = past,
                         .scale = op.scale,
                         .y = op.y.slice(slot, slot + 1)});
    }
}

void checkStride(const char* name, const ConstView& view, std::int64_t stride) {
    LATHE_CHECK(
        stride == 0 || stride >= rowElements(view),
        "decode_attention: " + std::string(name) + " is " + std::to_string(stride) +
            ", the rows have " + std::to_string(rowElements(view)) + " elements");
}

void checkCaches(const Arguments& arguments, const DecodeAttention& op) {
    const auto slots = static_cast<std::size_t>(op.q.shape[0]);
    LATHE_CHECK(
        op.keys.size() == slots && op.values.size() == slots,
        "decode_attention: q is " + op.q.shape.text() + ", but there are keys of " +
            std::to_string(op.keys.size()) + " and values of " + std::to_string(op.values.size()) +
            " slots");
    for (std::size_t slot = 0; slot < slots; ++slot) {
        const ConstView keys = op.keys[slot];
        arguments.rank("keys", keys, 3);
        arguments.f32("keys", keys, {keys.shape[0], op.k.shape[1], op.q.shape[2]});
        arguments.f32("values", op.values[slot], keys.shape);
        arguments.disjoint("keys", keys, "values", op.values[slot]);
        arguments.disjoint("y", op.y, "keys", keys);
        arguments.disjoint("y", op.y, "values", op.values[slot]);
    }
}

} // namespace

template <>
std::span<const Kernel<DecodeAttention>> kernelsOf<DecodeAttention>() {
    static constexpr Kernel<DecodeAttention> kTable[] = {
#ifdef LATHE_HAVE_CUDA
        {Target::Cuda, "cuda", cuda::launch, cuda::acceptsHead},
#endif
        {Target::Scalar, "scalar", decodeAttentionScalar},
    };
    return kTable;
}

void run(ExecContext& context, const DecodeAttention& op) {
    const Arguments arguments("decode_attention", context.device());
    arguments.rank("q", op.q, 3);
    arguments.rank("k", op.k, 3);
    const std::int64_t slots = op.q.shape[0], heads = op.q.shape[1], headDim = op.q.shape[2];
    const std::int64_t kvHeads = op.k.shape[1];
    arguments.f32("q", op.q, op.q.shape);
    arguments.f32("k", op.k, {slots, kvHeads, headDim});
    arguments.f32("v", op.v, op.k.shape);
    arguments.f32("y", op.y, op.q.shape);
    arguments.i32("positions", op.positions, {slots});
    LATHE_CHECK(
        slots <= kMostDecodeSlots && headDim % 2 == 0 &&
            (kvHeads > 0 ? heads % kvHeads == 0 : heads == 0),
        "decode_attention: q is " + op.q.shape.text() + ", k is " + op.k.shape.text() +
            "; at most " + std::to_string(kMostDecodeSlots) +
            " slots, an even headDim and a multiple of the key heads are needed");
    arguments.f32("frequencies", op.frequencies, {headDim / 2});
    checkStride("qStride", op.q, op.qStride);
    checkStride("kvStride", op.k, op.kvStride);
    checkCaches(arguments, op);
    if (op.y.elementCount() > 0) {
        dispatch(context, op, "decode_attention");
    }
}

} // namespace lathe
