// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/error.h"
#include "kernels/core/exec_context.h"

#include <span>
#include <string>

namespace lathe {

/// One implementation of an op for one target. `accepts` says whether it takes these arguments
/// (null: all); `launch` may assume that the op's `run` has checked shapes, dtypes and devices.
template <class Op>
struct Kernel {
    Target target;
    const char* name;
    void (*launch)(ExecContext&, const Op&);
    bool (*accepts)(const Op&) = nullptr;
};

/// The table of an op: an explicit array in <op>.cpp, best first, ending with the scalar reference.
template <class Op>
std::span<const Kernel<Op>> kernelsOf();

/// Does a context of target `have` run kernels of target `want`? CPU tables fall back AVX-512,
/// AVX2, scalar; CUDA runs CUDA kernels only: nothing copies to the host silently.
constexpr bool serves(Target have, Target want) {
    return have == Target::Cuda
               ? want == Target::Cuda
               : want != Target::Cuda && static_cast<int>(want) <= static_cast<int>(have);
}

/// Runs the first kernel of the table that the context's target serves and that accepts the op.
/// @throws Unsupported when there is none, naming the op and the target.
template <class Op>
void dispatch(ExecContext& context, const Op& op, const char* opName) {
    for (const Kernel<Op>& kernel : kernelsOf<Op>()) {
        if (serves(context.target(), kernel.target) &&
            (kernel.accepts == nullptr || kernel.accepts(op))) {
            kernel.launch(context, op);
            return;
        }
    }
    throw Unsupported(
        std::string(opName) + ": no kernel for the target " +
        std::string(nameOf(context.target())) + " takes these arguments");
}

} // namespace lathe
