// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/tensor.h"

#include "kernels/core/cuda_backend.h"
#include "kernels/core/exec_context.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

namespace lathe {

namespace {

/// The shape of rows [from, to) of axis 0.
Shape slicedShape(const Shape& shape, std::int64_t from, std::int64_t to) {
    if (shape.rank() == 0 || from < 0 || to < from || to > shape[0]) {
        throw InternalError(
            "rows " + std::to_string(from) + " to " + std::to_string(to) + " of a tensor " +
            shape.text());
    }
    std::array<std::int64_t, Shape::kMaxRank> extents{};
    std::ranges::copy(shape.extents(), extents.begin());
    extents[0] = to - from;
    return Shape(
        std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(shape.rank())));
}

std::size_t rowOffset(const Shape& shape, DType dtype, std::int64_t row) {
    return static_cast<std::size_t>(row * shape.rowElements()) * sizeOf(dtype);
}

} // namespace

template <class Byte>
BasicView<Byte> BasicView<Byte>::slice(std::int64_t from, std::int64_t to) const {
    const Shape part = slicedShape(shape, from, to);
    Byte* start = data == nullptr ? nullptr : data + rowOffset(shape, dtype, from);
    return {start, part, dtype, device};
}

template <class Byte>
BasicView<Byte> BasicView<Byte>::reshaped(Shape other) const {
    if (other.elementCount() != elementCount()) {
        throw InternalError("a tensor " + shape.text() + " cannot be read as " + other.text());
    }
    return {data, other, dtype, device};
}

template struct BasicView<std::byte>;
template struct BasicView<const std::byte>;

Tensor::Tensor(std::shared_ptr<Storage> storage, std::size_t offset, Shape shape, DType dtype)
    : m_storage(std::move(storage)), m_offset(offset), m_shape(shape), m_dtype(dtype) {
    const std::size_t needed = static_cast<std::size_t>(shape.elementCount()) * sizeOf(dtype);
    if (m_storage == nullptr || offset > m_storage->bytes() ||
        needed > m_storage->bytes() - offset) {
        throw InternalError(
            "a tensor " + shape.text() + " of " + std::string(nameOf(dtype)) + " at byte " +
            std::to_string(offset) + " does not fit its storage of " +
            std::to_string(m_storage == nullptr ? 0 : m_storage->bytes()) + " bytes");
    }
    if (reinterpret_cast<std::uintptr_t>(m_storage->data() + offset) % sizeOf(dtype) != 0) {
        throw FormatError(
            "a tensor " + shape.text() + " of " + std::string(nameOf(dtype)) + " at byte " +
            std::to_string(offset) + " is not aligned to its elements");
    }
}

Tensor Tensor::empty(Shape shape, DType dtype, Device device) {
    const std::size_t bytes = static_cast<std::size_t>(shape.elementCount()) * sizeOf(dtype);
    return Tensor(Storage::allocate(bytes, device), 0, shape, dtype);
}

Tensor Tensor::zeros(Shape shape, DType dtype, ExecContext& context) {
    Tensor out = empty(shape, dtype, context.device());
    if (out.bytes() == 0) {
        return out;
    }
    if (context.device().isCuda()) {
        cuda::fillZero(context, out.view());
    } else {
        std::memset(out.view().data, 0, out.bytes());
    }
    return out;
}

TensorView Tensor::view() noexcept {
    if (isNull()) {
        return {nullptr, m_shape, m_dtype, Device{}};
    }
    return {m_storage->data() + m_offset, m_shape, m_dtype, m_storage->device()};
}

ConstView Tensor::view() const noexcept {
    if (isNull()) {
        return {nullptr, m_shape, m_dtype, Device{}};
    }
    return {m_storage->data() + m_offset, m_shape, m_dtype, m_storage->device()};
}

Device Tensor::device() const noexcept { return isNull() ? Device{} : m_storage->device(); }

std::size_t Tensor::bytes() const noexcept {
    return isNull() ? 0 : static_cast<std::size_t>(m_shape.elementCount()) * sizeOf(m_dtype);
}

Tensor Tensor::slice(std::int64_t from, std::int64_t to) const {
    const Shape part = slicedShape(m_shape, from, to);
    return Tensor(m_storage, m_offset + rowOffset(m_shape, m_dtype, from), part, m_dtype);
}

Tensor Tensor::share() const {
    return isNull() ? Tensor() : Tensor(m_storage, m_offset, m_shape, m_dtype);
}

Tensor Tensor::to(Device device, ExecContext& context) const {
    if (isNull()) {
        return {};
    }
    Tensor out = empty(m_shape, m_dtype, device);
    copy(context, view(), out.view());
    return out;
}

Tensor Tensor::clone(ExecContext& context) const { return to(device(), context); }

void copy(ExecContext& context, ConstView from, TensorView to) {
    LATHE_CHECK(
        from.shape == to.shape && from.dtype == to.dtype,
        "copy: from is " + from.shape.text() + " " + std::string(nameOf(from.dtype)) + ", to is " +
            to.shape.text() + " " + std::string(nameOf(to.dtype)));
    if (from.bytes() == 0) {
        return;
    }
    if (from.device.isCuda() || to.device.isCuda()) {
        cuda::copy(context, from, to);
    } else {
        std::memmove(to.data, from.data, from.bytes());
    }
}

} // namespace lathe
