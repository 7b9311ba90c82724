// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/check.h"
#include "kernels/core/device.h"
#include "kernels/core/dtype.h"
#include "kernels/core/shape.h"

#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>

/// Memory of the engine. All tensors are row-major and contiguous. A view does not own; a Tensor
/// owns (or shares) its storage and is move-only, so that copies are spelled (`clone`, `to`).
namespace lathe {

class ExecContext;

/// Owns a block of memory: heap (64-byte aligned), device memory, or a range of a mapped file.
class Storage {
public:
    virtual ~Storage() = default;
    virtual std::byte* data() noexcept = 0;
    virtual std::size_t bytes() const noexcept = 0;
    virtual Device device() const noexcept = 0;

    static std::shared_ptr<Storage> allocate(std::size_t bytes, Device device);
};

template <class Byte>
struct BasicView {
    Byte* data = nullptr;
    Shape shape{};
    DType dtype = DType::F32;
    Device device{};

    std::int64_t elementCount() const noexcept { return shape.elementCount(); }
    std::size_t bytes() const noexcept {
        return static_cast<std::size_t>(elementCount()) * sizeOf(dtype);
    }
    bool empty() const noexcept { return data == nullptr || elementCount() == 0; }

    /// Elements on the host. @throws InternalError for another dtype or device memory.
    template <class T>
    auto as() const {
        using Element = std::conditional_t<std::is_const_v<Byte>, const T, T>;
        if (dtype != DTypeOf<T>::value || device.isCuda()) {
            throw InternalError("view read as another type, or device memory read on the host");
        }
        return std::span<Element>(
            reinterpret_cast<Element*>(data), static_cast<std::size_t>(elementCount()));
    }
    /// Pointer without the device check, for kernels.
    template <class T>
    auto ptr() const noexcept {
        using Element = std::conditional_t<std::is_const_v<Byte>, const T, T>;
        return reinterpret_cast<Element*>(data);
    }
    /// Rows [from, to) of axis 0.
    BasicView slice(std::int64_t from, std::int64_t to) const;
    /// Same elements under another shape. @throws InternalError when the counts differ.
    BasicView reshaped(Shape other) const;

    operator BasicView<const std::byte>() const
        requires(!std::is_const_v<Byte>)
    {
        return {data, shape, dtype, device};
    }
};

using TensorView = BasicView<std::byte>;
using ConstView = BasicView<const std::byte>;

/// A view of host memory that something else owns.
template <class T>
TensorView viewOf(std::span<T> elements, Shape shape)
    requires(!std::is_const_v<T>)
{
    return {reinterpret_cast<std::byte*>(elements.data()), shape, DTypeOf<T>::value, Device{}};
}
template <class T>
ConstView constViewOf(std::span<const T> elements, Shape shape) {
    return {
        reinterpret_cast<const std::byte*>(elements.data()), shape, DTypeOf<T>::value, Device{}};
}

class Tensor {
public:
    Tensor() = default;
    Tensor(std::shared_ptr<Storage> storage, std::size_t offset, Shape shape, DType dtype);
    Tensor(Tensor&&) noexcept = default;
    Tensor& operator=(Tensor&&) noexcept = default;
    Tensor(const Tensor&) = delete;
    Tensor& operator=(const Tensor&) = delete;

    /// Uninitialised memory. @throws DeviceError when it cannot be had, with the size asked for.
    static Tensor empty(Shape shape, DType dtype, Device device);
    static Tensor zeros(Shape shape, DType dtype, ExecContext& context);

    TensorView view() noexcept;
    ConstView view() const noexcept;
    ConstView constView() const noexcept { return view(); }
    const Shape& shape() const noexcept { return m_shape; }
    DType dtype() const noexcept { return m_dtype; }
    Device device() const noexcept;
    std::size_t bytes() const noexcept;
    bool isNull() const noexcept { return m_storage == nullptr; }

    Tensor slice(std::int64_t from, std::int64_t to) const; ///< axis 0, shares storage
    Tensor share() const;                                   ///< another handle on the same storage
    Tensor to(Device device, ExecContext& context) const;   ///< the only way across devices; copies
    Tensor clone(ExecContext& context) const;

private:
    std::shared_ptr<Storage> m_storage;
    std::size_t m_offset = 0;
    Shape m_shape{};
    DType m_dtype = DType::F32;
};

/// Copies bytes between views of equal shape and dtype on any devices, ordered on the context's
/// stream; complete for the host when it returns if either side is host memory.
void copy(ExecContext& context, ConstView from, TensorView to);

} // namespace lathe
