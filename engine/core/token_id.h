// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lathe {

/// An entry of a vocabulary; negative: none.
using TokenId = std::int32_t;

} // namespace lathe
