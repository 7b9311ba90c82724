// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/conformance/conformance.h"

/// The list: one function per op folder, each in cases_<op>.cpp.
namespace lathe::conformance {

void addAddCases(std::vector<Check>& checks);
void addAttentionCases(std::vector<Check>& checks);
void addAttentionGradientCases(std::vector<Check>& checks);
void addCrossEntropyCases(std::vector<Check>& checks);
void addDecodeAttentionCases(std::vector<Check>& checks);
void addDraftLoopCases(std::vector<Check>& checks);
void addDraftStepCases(std::vector<Check>& checks);
void addEmbeddingCases(std::vector<Check>& checks);
void addGeGluCases(std::vector<Check>& checks);
void addGemmCases(std::vector<Check>& checks);
void addGroupGemvCases(std::vector<Check>& checks);
void addGuidedHessianCases(std::vector<Check>& checks);
void addKmeansRowsCases(std::vector<Check>& checks);
void addLutGemvCases(std::vector<Check>& checks);
void addPlaneGemvCases(std::vector<Check>& checks);
void addReluCases(std::vector<Check>& checks);
void addRmsNormCases(std::vector<Check>& checks);
void addRopeCases(std::vector<Check>& checks);
void addRowStatisticsCases(std::vector<Check>& checks);
void addSourceAttentionCases(std::vector<Check>& checks);
void addSpmvCsrCases(std::vector<Check>& checks);
void addSquaredGradientCases(std::vector<Check>& checks);
void addStepAttentionCases(std::vector<Check>& checks);
void addStepProductCases(std::vector<Check>& checks);
void addSwiGluCases(std::vector<Check>& checks);
void addTransposeCases(std::vector<Check>& checks);

} // namespace lathe::conformance
