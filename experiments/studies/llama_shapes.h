// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/llama_config.h"

#include <string>
#include <vector>

/// Published sizes of models of the LLaMA family: what takes time and memory can be measured on
/// random weights where no checkpoint is at hand.
namespace lathe {

/// Most positions of these models.
inline constexpr std::int64_t kShapePositions = 4096;

/// llama-7b, llama-13b, tinyllama (1.1 B parameters) and tiny, which is for tests.
std::vector<std::string> llamaShapeNames();
/// @throws InputError when no shape has that name.
LlamaConfig llamaShape(const std::string& name);

} // namespace lathe
