// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "experiments/cli/arguments.h"
#include "experiments/cli/json_output.h"

#include <string>
#include <vector>

/// What `lathe-run` can be told. Each returns the exit status and throws lathe::Error for bad
/// input.
namespace lathe {

int runStudy(const StudyCommand& command, const StudyInfo& info, const JsonOutput& json);
/// `lathe-run runs list|show|export|tag|note`.
int runsCommand(const std::vector<std::string>& arguments, const JsonOutput& json);
int modelsCommand(const JsonOutput& json);
int devicesCommand(const JsonOutput& json);

} // namespace lathe
