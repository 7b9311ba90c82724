// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace lathe::conformance {

/// The memory of one run of one case on one device. Every array lies between guard bytes; outputs
/// are poisoned with NaN bits. The same seed makes the same inputs for every kernel.
class Arrays {
public:
    /// @param shifted put arrays at addresses that are aligned to one element only, as slices are
    Arrays(ExecContext& context, std::uint64_t seed, bool shifted);

    /// Normal numbers times `scale`.
    ConstView floats(const std::string& name, Shape shape, double scale = 1.0);
    /// The same, stored as F32, F16 or BF16.
    ConstView weights(const std::string& name, Shape shape, DType dtype, double scale = 1.0);
    /// I32 from `low` to `high`, both included.
    ConstView integers(const std::string& name, Shape shape, std::int32_t low, std::int32_t high);
    /// Given values of any element type.
    template <class T>
    ConstView given(const std::string& name, Shape shape, const std::vector<T>& values) {
        std::vector<std::byte> bytes(values.size() * sizeof(T));
        if (!bytes.empty()) {
            std::memcpy(bytes.data(), values.data(), bytes.size());
        }
        return add(name, shape, DTypeOf<T>::value, bytes, Role::Input, 0.0);
    }
    /// To be overwritten. @param bound largest error allowed, relative to the largest element of
    /// the reference; integers have to agree exactly
    TensorView output(const std::string& name, Shape shape, DType dtype, double bound = 0.0);
    /// Read and written by the op: in place, or an aliased operand.
    TensorView updated(
        const std::string& name, Shape shape, double bound, double scale = 1.0,
        DType dtype = DType::F32);
    /// For sizes and contents of a case's own.
    std::mt19937_64& random() noexcept { return m_random; }
    std::vector<float> normals(std::int64_t count, double scale);

    /// Fetches everything back. Empty when guards and inputs are as they were, else what was
    /// damaged.
    std::string collect();

    struct Difference {
        double error = 0.0;    ///< the worst share of its bound
        double relative = 0.0; ///< that error itself
        double bound = 0.0;
        std::string text; ///< which element, when it is too large
    };
    /// The outputs of this run against those of the reference. Both have been collected.
    Difference differenceFrom(const Arrays& reference) const;
    /// Have both runs the same bits everywhere? Both have been collected.
    bool equals(const Arrays& other) const;

private:
    enum class Role { Input, Output };
    struct Array {
        std::string name;
        Shape shape;
        DType dtype = DType::F32;
        Role role = Role::Input;
        double bound = 0.0;
        std::size_t offset = 0; ///< of the elements behind the front guard
        std::size_t bytes = 0;
        std::vector<std::byte> host; ///< guards included
        Tensor device;
        std::vector<std::byte> result;
    };

    static std::vector<std::byte> stored(const std::vector<float>& values, DType dtype);
    TensorView
    add(const std::string& name, Shape shape, DType dtype, const std::vector<std::byte>& bytes,
        Role role, double bound);
    static void compareFloats(const Array& array, const Array& reference, Difference& worst);
    static void compareBytes(const Array& array, const Array& reference, Difference& worst);

    ExecContext& m_context;
    std::mt19937_64 m_random;
    bool m_shifted;
    std::vector<Array> m_arrays;
};

} // namespace lathe::conformance
