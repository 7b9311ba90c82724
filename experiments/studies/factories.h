// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiments/study.h"

#include <memory>

/// One maker per study; each study is a file of its own in this folder.
namespace lathe {

std::unique_ptr<Study> makeBenchCluster();
std::unique_ptr<Study> makeBenchDecode();
std::unique_ptr<Study> makeBenchGemv();
std::unique_ptr<Study> makeBenchSensitivity();
std::unique_ptr<Study> makeBenchSpeculative();
std::unique_ptr<Study> makeDecodeAlignData();
std::unique_ptr<Study> makeDecodeCompare();
std::unique_ptr<Study> makeDecodeOnce();
std::unique_ptr<Study> makeDecodePareto();
std::unique_ptr<Study> makeDecodeTune();
std::unique_ptr<Study> makeLmGenerate();
std::unique_ptr<Study> makeLmPerplexity();
std::unique_ptr<Study> makeModelCheck();
std::unique_ptr<Study> makeModelInfo();
std::unique_ptr<Study> makeQuantBudget();
std::unique_ptr<Study> makeQuantCluster();
std::unique_ptr<Study> makeQuantExport();
std::unique_ptr<Study> makeQuantInspect();
std::unique_ptr<Study> makeQuantSensitivity();
std::unique_ptr<Study> makeQuantSweep();

} // namespace lathe
