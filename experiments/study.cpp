// SPDX-License-Identifier: Apache-2.0
#include "experiments/study.h"

#include "engine/core/error.h"
#include "engine/core/grid.h"

namespace lathe {

std::vector<Json> Study::cells(const Spec& spec) const { return expandGrid(spec); }

void requireValid(const Spec& spec, const StudyInfo& info) {
    std::string all;
    for (const Diagnostic& diagnostic : validate(spec, info)) {
        const ParamSpec* param = info.find(diagnostic.param);
        all += (all.empty() ? "" : "; ") +
               ("--" + (param != nullptr ? param->flagName() : diagnostic.param)) + " " +
               diagnostic.message;
    }
    if (!all.empty()) {
        throw InputError(info.id + ": " + all);
    }
}

} // namespace lathe
