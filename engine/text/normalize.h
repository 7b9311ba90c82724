// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lathe {

/// How text is normalized before it is cut.
enum class UnicodeForm : std::uint8_t { AsIs, Nfc, Nfd, Nfkc, Nfkd };

/// The text in a Unicode form. `text` must be well-formed UTF-8.
/// @note Cost: n log n, also for endless runs of combining marks.
std::string normalized(std::string_view text, UnicodeForm form);

} // namespace lathe
