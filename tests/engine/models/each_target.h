// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/exec_context.h"
#include "kernels/core/tensor.h"
#include "tests/support/lathe_test.h"

#include <memory>
#include <string>
#include <vector>

/// Tests that run on every target there is: rows of data, one a target.
namespace lathe::test {

inline void addTargets() {
    QTest::addColumn<int>("target");
    for (const Target target : availableTargets()) {
        QTest::newRow(std::string(nameOf(target)).c_str()) << static_cast<int>(target);
    }
}

/// @param number of such a row
inline std::unique_ptr<ExecContext> contextOf(int number) {
    const auto target = static_cast<Target>(number);
    const Device device{target == Target::Cuda ? Device::Kind::Cuda : Device::Kind::Cpu, 0};
    return std::make_unique<ExecContext>(device, ExecOptions{.target = target, .threads = 2});
}

inline std::vector<float> hostCopy(ExecContext& context, ConstView view) {
    std::vector<float> host(static_cast<std::size_t>(view.elementCount()));
    copy(context, view, viewOf(std::span(host), view.shape));
    return host;
}

} // namespace lathe::test
