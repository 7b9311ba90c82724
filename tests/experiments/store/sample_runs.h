// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event.h"
#include "engine/core/spec.h"
#include "experiments/store/run_writer.h"

namespace lathe::test {

Spec sampleSpec(const std::string& study, Json params, Json sweep = Json::object());
/// One payload of every kind that is stored, and the odd ones: no number, empty bytes, zeros.
std::vector<Payload> samplePayloads();
/// The cell that one of them belongs to: -1 for the run's own, 1 for the failed one, else 0.
int cellOf(const Payload& payload);
/// A finished cell.
CellChanged doneCell(const std::string& key, Json params, Json metrics);
/// Inserts a run with these finished cells, ended as `state`.
std::int64_t addRun(
    RunWriter& writer, const Spec& spec, const std::vector<CellChanged>& cells,
    RunState state = RunState::Done);

} // namespace lathe::test
