// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event_sink.h"
#include "engine/core/spec.h"
#include "experiments/store/database.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace lathe {

/// The one writer of a store. Its thread owns the only writing connection, drains its queue into
/// one BEGIN IMMEDIATE transaction at most 20 ms after arrival, and only then hands the events on
/// to `after`: everything on screen is in the store. Inserting and editing runs goes through it as
/// well.
class RunWriter : public EventSink {
public:
    /// Marks runs whose process is gone as interrupted; another program's live runs stay alone.
    RunWriter(const std::filesystem::path& path, std::vector<EventSink*> after);
    ~RunWriter() override; ///< writes what is queued

    /// Inserts a queued run and waits for its id.
    std::int64_t insertRun(const Spec& spec, std::string_view title = {});
    void setTags(std::int64_t runId, std::string_view tags);
    void setNotes(std::int64_t runId, std::string_view notes);
    void post(Event event) noexcept override;
    /// Waits until everything posted before is committed.
    void flush();
    /// The last error of a write, empty when the store is well: shown in the status bar.
    std::string problem() const;
    std::int64_t mergedProgress() const;

private:
    struct Impl;
    std::unique_ptr<Impl> m_impl;
};

} // namespace lathe
