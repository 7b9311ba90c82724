// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/check.h"
#include "engine/decode/decoder.h"

#include <string>

namespace lathe {

/// A decoder whose head can be read behind its first layers: the little model of a pair is then a
/// part of the big one and needs no weights of its own. A model that was not trained for it says
/// little of worth there: its head was only ever read behind the last layer.
/// @see Big Little Decoder, section 7.4 (early exit)
class EarlyExitDecoder : public Decoder {
public:
    virtual int layers() const = 0;
    /// The decoder of the first layers and the shared head. Shares the weights of this one, which
    /// outlives it; its states have caches of their own.
    /// @throws InputError unless 1 <= count < layers().
    virtual std::unique_ptr<Decoder> firstLayers(int count) const = 0;

protected:
    void checkFirstLayers(int count) const {
        LATHE_CHECK(
            count >= 1 && count < layers(), "an early exit behind layer " + std::to_string(count) +
                                                " was asked for; 1 to " +
                                                std::to_string(layers() - 1) + " are possible");
    }
};

} // namespace lathe
