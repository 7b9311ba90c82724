// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event.h"
#include "engine/core/spec.h"
#include "experiments/store/database.h"
#include "experiments/store/process_identity.h"

#include <string_view>

/// The writing statements of the store, prepared once. Used by the writer's thread alone; the
/// caller owns the transaction.
namespace lathe {

/// What makes two Specs equal for resuming: study, params, sweep, seed, device, target.
std::string specKey(const Spec& spec);

class RunRecords {
public:
    explicit RunRecords(Database& db);

    std::int64_t insertRun(const Spec& spec, std::string_view title);
    void setTags(std::int64_t runId, std::string_view tags);
    void setNotes(std::int64_t runId, std::string_view notes);
    /// Stores one event. A Skipped cell whose result an earlier run holds becomes that result
    /// (state Done), so that a resumed run is complete by itself.
    void apply(Event& event);
    /// Runs that are queued or running while their process is gone become interrupted.
    int markInterrupted();

private:
    std::int64_t insertEvent(const Event& event, const Json& payload);
    void apply(const Event& event, const Metric& metric);
    void apply(const Event& event, CellChanged& cell);
    void apply(const Event& event, const RunChanged& change);
    void addArtifact(const Event& event, std::int64_t eventId);
    void adoptEarlierResult(CellChanged& cell);
    void setEnvironment(std::int64_t runId, const Json& record);
    void addParams(std::int64_t runId, const Spec& spec);
    void addParam(std::int64_t runId, const std::string& name, const Json& value);
    void closeCells(std::int64_t runId, std::string_view message);

    Database& m_db;
    ProcessIdentity m_self;
    Statement m_event;
    Statement m_metric;
    Statement m_cell;
    Statement m_result;
    Statement m_param;
    Statement m_artifact;
    Statement m_state;
};

} // namespace lathe
