// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/models/t5.h"

#include <cstdint>
#include <memory>

/// Models that say nothing but take the time and memory of real ones.
namespace lathe {

/// A T5 of this shape on the context's device: random matrices in F16, norms 1. Of the encoder only
/// as many blocks as the settings say, one is enough to begin a text.
/// @param config as config.json has it, see t5ConfigFrom.
/// @throws FormatError, Unsupported for the settings; DeviceError when it does not fit.
std::unique_ptr<T5Model> randomT5(const Json& config, std::uint64_t seed, ExecContext& context);

} // namespace lathe
