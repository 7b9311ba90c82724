// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/nn/linear.h"

#include <optional>
#include <span>

/// Matrices that multiply the same x as one product: fewer launches, and rows enough for every
/// multiprocessor.
namespace lathe {

/// The rows of `members` (at least one) one below the other, as one Linear on the context's device.
/// The members become ranges of its tensors, so that nothing is held twice; the planes of one stay
/// only where it begins and ends with a tile. None, and nothing is changed, when they cannot be one
/// matrix: another format, width or number of bits, biases or values of sparse rows of another
/// kind.
std::optional<Linear> fuseRows(ExecContext& context, std::span<Linear* const> members);

/// Whether `fused` still says what the members say: none got another weight since.
bool holdsRows(const Linear& fused, std::span<const Linear* const> members);

/// Makes `fused` anew unless it still holds the members' rows. @see fuseRows
void fuseAgain(
    ExecContext& context, std::span<Linear* const> members, std::optional<Linear>& fused);

/// Appends the addresses that a product with `linear` reads and the sizes that its kernels depend
/// on: equal lists mean that recorded launches stay valid.
void appendIdentity(const Linear& linear, std::vector<std::uintptr_t>& list);

} // namespace lathe
