// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "experiments/store/run_reader.h"
#include "widgets/decode/decode_story.h"

#include <vector>

namespace lathe {

inline constexpr const char* kDecodeStudy = "decode.once";

/// One run of decode.once as the panel shows it: from the store, or live from its events.
class DecodeRun {
public:
    enum Change { Nothing = 0, Head = 1, Steps = 2, Whole = 4 };

    /// As the store has it. @throws Error when its log cannot be read
    void load(const RunRow& row, RunReader& reader);
    /// @return a sum of Changes; Whole: the story is another, with the encoders and all pieces
    int apply(const Event& event);
    void noteCancel() { m_cancelling = isActive(); }

    qint64 id() const { return m_id; } ///< 0: none
    const Spec& spec() const { return m_spec; }
    RunState state() const { return m_state; }
    bool isActive() const { return m_id != 0 && !isFinal(m_state); }
    const DecodeStory& story() const { return m_story; }
    /// Of the finished cell; empty before.
    const Json& metrics() const { return m_metrics; }
    bool isMeasured() const { return !m_metrics.empty(); }
    QString source() const;
    /// "Run 12 · translate-big + translate-little-aligned · done"
    QString headline() const;
    const QString& message() const { return m_message; } ///< why it failed

private:
    void takeMetrics(const Json& metrics);

    qint64 m_id = 0;
    Spec m_spec;
    RunState m_state = RunState::Done;
    QString m_message, m_phase;
    bool m_cancelling = false;
    DecodeStory m_story;
    Json m_metrics = Json::object();
};

/// A story of the metrics of decode.once or of an answer about other thresholds.
/// @throws FormatError when they lack a log, or it contradicts itself
DecodeStory storyOf(const Json& metrics);
/// When each token of the big model alone was there, in milliseconds; empty when not known.
std::vector<double> aloneTimes(const Json& metrics);

} // namespace lathe
