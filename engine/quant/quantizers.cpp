// SPDX-License-Identifier: Apache-2.0
#include "engine/quant/factories.h"

namespace lathe {

const Registry<Quantizer>& quantizers() {
    static const Registry<Quantizer> list = [] {
        Registry<Quantizer> registry("quantizer");
        registry.add(makeKmeans());
        registry.add(makeLloyd());
        registry.add(makeRoundToNearest());
        registry.add(makeSymmetricRoundToNearest());
        registry.add(makeSqueezeLlm());
        registry.add(makeSqueezeLlmSparse());
        registry.add(makeRefined());
        return registry;
    }();
    return list;
}

} // namespace lathe
