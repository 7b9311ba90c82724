// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/spec.h"

#include <optional>
#include <string>
#include <vector>

namespace lathe {

/// `lathe-run STUDY ...` as read from the command line.
struct StudyCommand {
    Spec spec;              ///< without defaults
    bool specGiven = false; ///< any flag that is part of the Spec
    std::string title;
    std::string store;  ///< empty: the user's
    std::string json;   ///< "-", a file, or empty
    std::string resume; ///< "last", a run's id, or empty
    bool quiet = false;
};

/// Flags come from the study's ParamSpecs; those of sweep axes take lists ("2,3,4"). The first
/// required parameter may stand alone, without its flag: `lathe-run model.check lm-big`.
/// @return nothing when help was asked for
/// @throws InputError saying which flag is wrong
std::optional<StudyCommand>
parseStudyCommand(const StudyInfo& info, const std::vector<std::string>& arguments);

/// The parameter that may be given without its flag, if there is one.
const ParamSpec* positionalParam(const StudyInfo& info);

/// Where errors go before the arguments have been understood: the value of --json, or empty.
std::string jsonTarget(const std::vector<std::string>& arguments);

/// What `lathe-run STUDY --help` prints: flags, and the metrics it gives.
std::string studyHelp(const StudyInfo& info);
/// What `lathe-run --help` prints.
std::string generalHelp(const std::vector<StudyInfo>& studies);

} // namespace lathe
