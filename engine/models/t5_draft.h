// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/ops/draft_loop/draft_loop.h"

#include <optional>

namespace lathe {

class T5Model;
struct T5Memory;

/// Drafts of a T5Model as one op.
class T5Draft {
public:
    /// The decoder's weights and the text's caches; what goes from draft to draft is left out. None
    /// when a matrix is not dense or has a bias, or when they are not all of one type.
    static std::optional<DraftLoop> loopOf(const T5Model& model, T5Memory& memory);
};

} // namespace lathe
