// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/runs/cell_values.h"

#include <QString>

#include <vector>

namespace lathe {

/// A run with all that a comparison needs.
struct ComparedRun {
    RunRow row;
    std::vector<CellRow> cells;
};

/// One parameter or fact of the environment in both runs.
struct PropertyDifference {
    QString group, name, left, right;
    bool differs = false;
};

/// One result of two cells that belong together.
struct MetricDifference {
    enum class Verdict { None, Equal, Better, Worse };

    QString cell; ///< "bits 3, method rtn"; empty when each run has one cell
    std::string metric;
    QString title;
    Json left, right;                ///< null: not there
    double delta = 0.0;              ///< right - left; NaN when either is no number
    double percent = 0.0;            ///< of left; NaN when that says nothing
    Verdict verdict = Verdict::None; ///< of the right run, where a direction is known
};

struct RunComparison {
    std::vector<PropertyDifference> properties; ///< equal ones too
    std::vector<MetricDifference> metrics;
    int leftAlone = 0, rightAlone = 0; ///< finished cells without a partner
};

/// Cells belong together when every parameter that varies within either run is equal. Only
/// finished cells count. With runs of different studies there are properties alone.
RunComparison compareRuns(const ComparedRun& left, const ComparedRun& right, const StudyInfo* info);

} // namespace lathe
