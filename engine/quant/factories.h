// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/quant/quantizer.h"

#include <memory>

/// What quantizers.cpp puts into the list.
namespace lathe {

/// Exact 1-D k-means per output row, all weights alike.
std::unique_ptr<Quantizer> makeKmeans();
/// The same, weighted by the sensitivities.
std::unique_ptr<Quantizer> makeSqueezeLlm();
/// The same with a sparse part beside the tables.
std::unique_ptr<Quantizer> makeSqueezeLlmSparse();
/// The clusters of SqueezeLLM's code instead: k-means++ once, then Lloyd's iterations.
std::unique_ptr<Quantizer> makeLloyd();
/// SqueezeLLM's tables and codes, refined for what the outputs lose.
std::unique_ptr<Quantizer> makeRefined();
/// Uniform grid between the smallest and the largest weight of each group, zero included.
std::unique_ptr<Quantizer> makeRoundToNearest();
/// Uniform grid between minus and plus the largest magnitude of each group.
std::unique_ptr<Quantizer> makeSymmetricRoundToNearest();

} // namespace lathe
