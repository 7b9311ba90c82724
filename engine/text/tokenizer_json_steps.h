// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/json.h"
#include "engine/text/byte_level_bpe.h"

namespace lathe {

/// The `normalizer` of a tokenizer.json: none, or one Unicode form. @throws FormatError,
/// Unsupported.
UnicodeForm readNormalizer(const Json& normalizer);

/// The `pre_tokenizer` of a tokenizer.json: ByteLevel, alone or behind Split and Digits.
/// @throws FormatError, Unsupported naming the type or setting.
PreTokenizer readPreTokenizer(const Json& preTokenizer);

} // namespace lathe
