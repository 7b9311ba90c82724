// SPDX-License-Identifier: Apache-2.0
#include "kernels/core/captured_graph.h"

#include "engine/core/check.h"
#include "kernels/core/cuda_backend.h"

#include <algorithm>
#include <string>

namespace lathe {

bool CapturedGraph::isAvailable(ExecContext& context) {
    return context.cuda() != nullptr && cuda::canCapture(*context.cuda());
}

namespace {

void requireAvailable(ExecContext& context) {
    if (!CapturedGraph::isAvailable(context)) {
        throw Unsupported(
            "launches are recorded on a GPU only, and not with LATHE_CUDA_SYNC=1; the context is "
            "on " +
            context.device().name());
    }
}

} // namespace

std::unique_ptr<CapturedGraph>
CapturedGraph::record(ExecContext& context, const std::function<void()>& body) {
    requireAvailable(context);
    return cuda::capture(context, body);
}

std::unique_ptr<CapturedGraph> CapturedGraph::recordLoop(
    ExecContext& context, const std::function<void()>& first, const std::function<void()>& again,
    ConstView go) {
    requireAvailable(context);
    LATHE_CHECK(
        go.dtype == DType::I32 && go.elementCount() == 1 && go.device == context.device(),
        "a loop's go is " + go.shape.text() + " " + std::string(nameOf(go.dtype)) + " on " +
            go.device.name() + ", one I32 on " + context.device().name() + " is needed");
    return cuda::captureLoop(context, first, again, go);
}

void put(ExecContext& context, std::span<const std::int32_t> values, TensorView to) {
    LATHE_CHECK(
        values.size() <= kMostPut && to.dtype == DType::I32 && to.device == context.device() &&
            to.elementCount() == static_cast<std::int64_t>(values.size()),
        "put: " + std::to_string(values.size()) + " integers, to is " + to.shape.text() + " " +
            std::string(nameOf(to.dtype)) + " on " + to.device.name());
    if (values.empty()) {
        return;
    }
    if (to.device.isCuda()) {
        cuda::put(context, values, to);
    } else {
        std::ranges::copy(values, to.ptr<std::int32_t>());
    }
}

} // namespace lathe
