// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/study_info.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

/// A Spec says everything about a run before it starts; a run is repeated from its Spec alone.
namespace lathe {

struct Spec {
    std::string study;
    std::uint64_t seed = 1;
    std::string device = "auto";     ///< auto | cpu | cuda | cuda:N
    std::string target{};            ///< scalar | avx2 | avx512 | cuda; empty: the best one
    int threads = 0;                 ///< 0: one per core
    int repeat = 1;                  ///< timed repetitions; the median is reported
    Json params = Json::object();    ///< ParamSpec name -> value
    Json sweep = Json::object();     ///< ParamSpec name -> list of values; expands to cells
    std::vector<std::string> done{}; ///< keys of cells finished before, when a sweep resumes
};

Json toJson(const Spec& spec);
/// @throws FormatError naming the member that is wrong or unknown.
Spec specFromJson(const Json& json);

/// Checks a Spec against its study: unknown parameters, kinds, ranges, required ones, sweep axes.
std::vector<Diagnostic> validate(const Spec& spec, const StudyInfo& info);
/// The Spec with defaults filled in for every parameter that it leaves out.
Spec withDefaults(Spec spec, const StudyInfo& info);
/// The equal command line, quoted for a shell: `lathe-run quant.sweep --model lm-big --bits 3,4`.
std::string commandLine(const Spec& spec, const StudyInfo& info);

} // namespace lathe
