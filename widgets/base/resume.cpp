// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/resume.h"

namespace lathe {

bool canResume(const RunRow& row) {
    const bool stopped = row.state == RunState::Cancelled || row.state == RunState::Crashed ||
                         row.state == RunState::Interrupted;
    return stopped && !row.spec.sweep.empty();
}

Spec resumedSpec(RunReader& reader, const RunRow& row) {
    Spec spec = freshSpec(row);
    for (const CellRow& cell : reader.finishedCells(row.id)) {
        spec.done.push_back(cell.key);
    }
    return spec;
}

Spec freshSpec(const RunRow& row) {
    Spec spec = row.spec;
    spec.done.clear();
    return spec;
}

} // namespace lathe
