// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/factories.h"

/// The list of studies, by id.
namespace lathe {

const Registry<Study>& studies() {
    static const Registry<Study> all = [] {
        Registry<Study> list("study");
        list.add(makeBenchCluster());
        list.add(makeBenchDecode());
        list.add(makeBenchGemv());
        list.add(makeBenchSensitivity());
        list.add(makeBenchSpeculative());
        list.add(makeDecodeAlignData());
        list.add(makeDecodeCompare());
        list.add(makeDecodeOnce());
        list.add(makeDecodePareto());
        list.add(makeDecodeTune());
        list.add(makeLmGenerate());
        list.add(makeLmPerplexity());
        list.add(makeModelCheck());
        list.add(makeModelInfo());
        list.add(makeQuantBudget());
        list.add(makeQuantCluster());
        list.add(makeQuantExport());
        list.add(makeQuantInspect());
        list.add(makeQuantSensitivity());
        list.add(makeQuantSweep());
        return list;
    }();
    return all;
}

} // namespace lathe
