// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/spec.h"

#include <vector>

namespace lathe {

/// The cells of a quantization sweep: one of method `float` first, then method x bits x group in
/// the order of the Spec, without the cells of `skip`. `group` becomes a number (none is 0), and
/// methods that know no groups get one cell for all of them.
/// @param floatBits bits of the float model's matrices as stored, the `bits` of the first cell.
std::vector<Json> sweepCells(const Spec& spec, int floatBits);

} // namespace lathe
