// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/arrays.h"

#include "kernels/core/half.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe::conformance {

namespace {

constexpr std::size_t kGuardBytes = 256;
/// As a float, a half and a bfloat16 this is NaN, as an integer -1: what is read beyond an array or
/// left unwritten shows.
constexpr std::byte kPoison{0xFF};

template <class T>
T elementOf(const std::vector<std::byte>& bytes, std::size_t offset, std::int64_t index) {
    T value{};
    std::memcpy(
        &value, bytes.data() + offset + static_cast<std::size_t>(index) * sizeof(T), sizeof(T));
    return value;
}

double
floatAt(const std::vector<std::byte>& bytes, std::size_t offset, DType dtype, std::int64_t i) {
    switch (dtype) {
    case DType::F32:
        return static_cast<double>(elementOf<float>(bytes, offset, i));
    case DType::F64:
        return elementOf<double>(bytes, offset, i);
    case DType::F16:
        return static_cast<double>(toFloat(elementOf<Half>(bytes, offset, i)));
    case DType::BF16:
        return static_cast<double>(toFloat(elementOf<BFloat16>(bytes, offset, i)));
    default:
        throw InternalError("conformance: not a float type");
    }
}

bool isFloat(DType dtype) {
    return dtype == DType::F32 || dtype == DType::F64 || dtype == DType::F16 ||
           dtype == DType::BF16;
}

} // namespace

Arrays::Arrays(ExecContext& context, std::uint64_t seed, bool shifted)
    : m_context(context), m_random(seed), m_shifted(shifted) {}

TensorView Arrays::add(
    const std::string& name, Shape shape, DType dtype, const std::vector<std::byte>& bytes,
    Role role, double bound) {
    Array array;
    array.name = name;
    array.shape = shape;
    array.dtype = dtype;
    array.role = role;
    array.bound = bound;
    array.offset = kGuardBytes + (m_shifted ? sizeOf(dtype) : 0);
    array.bytes = static_cast<std::size_t>(shape.elementCount()) * sizeOf(dtype);
    if (!bytes.empty() && bytes.size() != array.bytes) {
        throw InternalError("conformance: " + name + " got values for another shape");
    }
    array.host.assign(array.bytes + 2 * kGuardBytes, kPoison);
    if (!bytes.empty()) {
        std::memcpy(array.host.data() + array.offset, bytes.data(), bytes.size());
    }
    const Shape total{static_cast<std::int64_t>(array.host.size())};
    array.device = Tensor::empty(total, DType::U8, m_context.device());
    const ConstView from{array.host.data(), total, DType::U8, Device{}};
    copy(m_context, from, array.device.view());
    m_arrays.push_back(std::move(array));
    Array& kept = m_arrays.back();
    return {kept.device.view().data + kept.offset, shape, dtype, m_context.device()};
}

std::vector<float> Arrays::normals(std::int64_t count, double scale) {
    // Box and Muller on raw bits: the same numbers with every standard library.
    constexpr double kTwoPi = 6.283185307179586;
    std::vector<float> out(static_cast<std::size_t>(count));
    for (float& value : out) {
        const double u = (static_cast<double>(m_random() >> 11) + 1.0) * 0x1p-53;
        const double v = static_cast<double>(m_random() >> 11) * 0x1p-53;
        value = static_cast<float>(scale * std::sqrt(-2.0 * std::log(u)) * std::cos(kTwoPi * v));
    }
    return out;
}

ConstView Arrays::floats(const std::string& name, Shape shape, double scale) {
    return given(name, shape, normals(shape.elementCount(), scale));
}

std::vector<std::byte> Arrays::stored(const std::vector<float>& values, DType dtype) {
    const auto bytesOf = [](const auto& elements) {
        std::vector<std::byte> bytes(elements.size() * sizeof(elements[0]));
        if (!bytes.empty()) {
            std::memcpy(bytes.data(), elements.data(), bytes.size());
        }
        return bytes;
    };
    if (dtype == DType::F16) {
        std::vector<Half> halves(values.size());
        std::ranges::transform(values, halves.begin(), toHalf);
        return bytesOf(halves);
    }
    if (dtype == DType::BF16) {
        std::vector<BFloat16> halves(values.size());
        std::ranges::transform(values, halves.begin(), toBFloat16);
        return bytesOf(halves);
    }
    return bytesOf(values);
}

ConstView Arrays::weights(const std::string& name, Shape shape, DType dtype, double scale) {
    return add(
        name, shape, dtype, stored(normals(shape.elementCount(), scale), dtype), Role::Input, 0.0);
}

ConstView
Arrays::integers(const std::string& name, Shape shape, std::int32_t low, std::int32_t high) {
    std::vector<std::int32_t> values(static_cast<std::size_t>(shape.elementCount()));
    const auto range = static_cast<std::uint64_t>(std::int64_t{high} - low + 1);
    for (std::int32_t& value : values) {
        value = static_cast<std::int32_t>(low + static_cast<std::int64_t>(m_random() % range));
    }
    return given(name, shape, values);
}

TensorView Arrays::output(const std::string& name, Shape shape, DType dtype, double bound) {
    return add(name, shape, dtype, {}, Role::Output, bound);
}

TensorView
Arrays::updated(const std::string& name, Shape shape, double bound, double scale, DType dtype) {
    return add(
        name, shape, dtype, stored(normals(shape.elementCount(), scale), dtype), Role::Output,
        bound);
}

std::string Arrays::collect() {
    m_context.synchronize();
    for (Array& array : m_arrays) {
        array.result.resize(array.host.size());
        const Shape total{static_cast<std::int64_t>(array.host.size())};
        copy(m_context, array.device.view(), {array.result.data(), total, DType::U8, Device{}});
        const auto same = [&](std::size_t from, std::size_t to) {
            const auto begin = static_cast<std::ptrdiff_t>(from);
            const auto end = static_cast<std::ptrdiff_t>(to);
            return std::equal(
                array.host.begin() + begin, array.host.begin() + end, array.result.begin() + begin);
        };
        if (!same(0, array.offset)) {
            return "bytes in front of " + array.name + " were overwritten";
        }
        if (!same(array.offset + array.bytes, array.host.size())) {
            return "bytes behind " + array.name + " were overwritten";
        }
        if (array.role == Role::Input && !same(array.offset, array.offset + array.bytes)) {
            return "the input " + array.name + " was overwritten";
        }
    }
    return {};
}

void Arrays::compareFloats(const Array& array, const Array& reference, Difference& worst) {
    double largest = std::numeric_limits<double>::min();
    for (std::int64_t i = 0; i < array.shape.elementCount(); ++i) {
        const double value = floatAt(reference.result, reference.offset, array.dtype, i);
        largest = std::isfinite(value) ? std::max(largest, std::abs(value)) : largest;
    }
    for (std::int64_t i = 0; i < array.shape.elementCount(); ++i) {
        const double wanted = floatAt(reference.result, reference.offset, array.dtype, i);
        const double got = floatAt(array.result, array.offset, array.dtype, i);
        if (wanted == got || (std::isnan(wanted) && std::isnan(got))) {
            continue;
        }
        const double relative = std::abs(got - wanted) / largest;
        const double share = std::isfinite(relative) && array.bound > 0.0
                                 ? relative / array.bound
                                 : std::numeric_limits<double>::infinity();
        if (share > worst.error) {
            worst = {share, relative, array.bound, {}};
            if (share > 1.0) {
                worst.text = array.name + " " + array.shape.text() + " element " +
                             std::to_string(i) + " is " + std::to_string(got) + ", not " +
                             std::to_string(wanted);
            }
        }
    }
}

void Arrays::compareBytes(const Array& array, const Array& reference, Difference& worst) {
    const std::size_t size = sizeOf(array.dtype);
    for (std::size_t byte = 0; byte < array.bytes; ++byte) {
        if (array.result[array.offset + byte] != reference.result[reference.offset + byte]) {
            worst.error = std::numeric_limits<double>::infinity();
            worst.relative = worst.error;
            worst.text = array.name + " " + array.shape.text() + " differs at element " +
                         std::to_string(byte / size);
            return;
        }
    }
}

bool Arrays::equals(const Arrays& other) const {
    return std::ranges::equal(m_arrays, other.m_arrays, {}, &Array::result, &Array::result);
}

Arrays::Difference Arrays::differenceFrom(const Arrays& reference) const {
    Difference worst;
    for (std::size_t i = 0; i < m_arrays.size(); ++i) {
        const Array& array = m_arrays[i];
        if (array.role == Role::Input) {
            continue;
        }
        if (worst.bound == 0.0) {
            worst.bound = array.bound;
        }
        if (isFloat(array.dtype)) {
            compareFloats(array, reference.m_arrays[i], worst);
        } else {
            compareBytes(array, reference.m_arrays[i], worst);
        }
    }
    return worst;
}

} // namespace lathe::conformance
