// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/conformance.h"

#include "tests/conformance/cases.h"

namespace lathe::conformance {

namespace {

/// More than this machine may have, so that work is split even on one core.
constexpr int kThreads = 3;

} // namespace

Machine::Machine() {
    for (const Target target : availableTargets()) {
        const Device device{target == Target::Cuda ? Device::Kind::Cuda : Device::Kind::Cpu, 0};
        m_contexts[target] = std::make_unique<ExecContext>(
            device, ExecOptions{.target = target, .threads = kThreads});
    }
    if (cudaDeviceCount(&m_whyNoCuda) > 0) {
        m_whyNoCuda.clear();
        m_half = std::make_unique<ExecContext>(
            Device{Device::Kind::Cuda, 0},
            ExecOptions{.threads = kThreads, .products = Products::Half});
    }
}

ExecContext* Machine::find(Target target, Products products) {
    if (products == Products::Half) {
        return target == Target::Cuda ? m_half.get() : nullptr;
    }
    const auto found = m_contexts.find(target);
    return found == m_contexts.end() ? nullptr : found->second.get();
}

std::vector<Check> allChecks() {
    std::vector<Check> checks;
    addAddCases(checks);
    addAttentionCases(checks);
    addAttentionGradientCases(checks);
    addCrossEntropyCases(checks);
    addDecodeAttentionCases(checks);
    addDraftLoopCases(checks);
    addDraftStepCases(checks);
    addEmbeddingCases(checks);
    addGeGluCases(checks);
    addGemmCases(checks);
    addGroupGemvCases(checks);
    addGuidedHessianCases(checks);
    addKmeansRowsCases(checks);
    addLutGemvCases(checks);
    addPlaneGemvCases(checks);
    addReluCases(checks);
    addRmsNormCases(checks);
    addRopeCases(checks);
    addRowStatisticsCases(checks);
    addSourceAttentionCases(checks);
    addSpmvCsrCases(checks);
    addSquaredGradientCases(checks);
    addStepAttentionCases(checks);
    addStepProductCases(checks);
    addSwiGluCases(checks);
    addTransposeCases(checks);
    return checks;
}

} // namespace lathe::conformance
