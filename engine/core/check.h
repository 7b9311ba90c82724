// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/error.h"

#include <limits>
#include <optional>

/// Guards of public entries. LATHE_CHECK stays in every build and throws; LATHE_ASSERT is for inner
/// loops and exists in debug builds only.
#define LATHE_CHECK(condition, message)                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            throw ::lathe::InputError(message);                                                    \
        }                                                                                          \
    } while (false)

#ifdef NDEBUG
#define LATHE_ASSERT(condition) static_cast<void>(0)
#else
#define LATHE_ASSERT(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            throw ::lathe::InternalError("assertion failed: " #condition);                         \
        }                                                                                          \
    } while (false)
#endif

namespace lathe {

/// a * b, or nothing when the product does not fit; for sizes read from files.
template <class Integer>
std::optional<Integer> checkedProduct(Integer a, Integer b) {
    Integer product{};
    if (__builtin_mul_overflow(a, b, &product)) {
        return std::nullopt;
    }
    return product;
}

/// a + b, or nothing when the sum does not fit; for offsets read from files.
template <class Integer>
std::optional<Integer> checkedSum(Integer a, Integer b) {
    Integer sum{};
    if (__builtin_add_overflow(a, b, &sum)) {
        return std::nullopt;
    }
    return sum;
}

} // namespace lathe
