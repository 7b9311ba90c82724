// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/decode_log.h"
#include "engine/core/json.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// Everything a run says, as plain data without Qt. Data flows one way:
/// Spec -> Study -> Event -> {SQLite, window, terminal}.
namespace lathe {

enum class RunState { Queued, Running, Done, Failed, Cancelled, Crashed, Interrupted };
enum class CellState { Running, Done, Failed, Skipped };
enum class LogLevel { Debug, Info, Warning, Error };

/// How far the whole run is. The only payload that may be merged: the latest one counts.
struct Progress {
    double fraction = 0.0; ///< 0..1, NaN when unknown
    std::string phase;     ///< "loading lm-big", "kmeans 3 bit: window 12 of 44"
};

/// One number of a running study (a curve by `step`, or a repeated gauge with step -1).
struct Metric {
    std::string name;
    double value = 0.0;
    std::string unit;
    std::int64_t step = -1;
};

/// One token of a generation; the strategy's decision is in `origin`.
struct TokenDecoded {
    int position = 0;
    std::int32_t token = 0;
    std::string text;       ///< whole code points only; may be empty while one is incomplete
    std::string model;      ///< which model wrote it
    std::string origin;     ///< "greedy", "sampled"
    double probability = 0; ///< of the token under that model
    double microseconds = 0;
};

/// What happens while two models decode a text; in decode.once, in its first pass. The record is
/// the log in the cell's metrics, of the fastest pass; times here are without the encoders'.
struct DecodeStep {
    DecodeEvent event;
    std::string piece;         ///< of `event.token`, as the vocabulary spells it; empty: none
    std::string argmaxPiece{}; ///< of `event.argmaxL`
};

/// A cell of a sweep began or ended; with Done, `metrics` holds every result of it.
struct CellChanged {
    CellState state = CellState::Running;
    std::string key;
    Json params = Json::object();
    Json metrics = Json::object();
    std::string message{}; ///< Failed: why
};

struct ArtifactReady {
    std::string name;
    std::string mime;
    std::vector<std::byte> bytes;
};

/// A numeric array for plots: little-endian, row-major; dtype as in safetensors ("F32").
struct ArrayReady {
    std::string name;
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> bytes;
};

struct RunChanged {
    RunState state = RunState::Queued;
    std::string message{};        ///< Failed, Crashed: why, readable
    Json record = Json::object(); ///< Running: environment; Done: summary
};

struct LogLine {
    LogLevel level = LogLevel::Info;
    std::string text;
};

using Payload = std::variant<
    Progress, Metric, TokenDecoded, CellChanged, ArtifactReady, ArrayReady, RunChanged, LogLine,
    DecodeStep>;

struct Event {
    std::int64_t runId = 0;
    int cell = -1;                 ///< index of the cell within the run, -1: the run as a whole
    std::int64_t seq = 0;          ///< counts up from 1 within a run
    std::chrono::nanoseconds at{}; ///< since the run started, monotonic
    Payload payload;
};

/// Stable name of the payload's type: "progress", "metric", "token", "cell", ...
std::string_view kindOf(const Payload& payload);
std::string_view nameOf(RunState state);
std::string_view nameOf(CellState state);
std::string_view nameOf(LogLevel level);
/// @throws FormatError for an unknown name.
RunState runStateFromName(std::string_view name);
CellState cellStateFromName(std::string_view name);
bool isFinal(RunState state);

/// JSON form, used on the wire and in the store. Bytes of artifacts and arrays are left out there:
/// they travel and are stored beside it.
Json payloadToJson(const Payload& payload);
/// @throws FormatError for a damaged payload; std::nullopt for an unknown kind (a newer engine).
std::optional<Payload>
payloadFromJson(std::string_view kind, const Json& json, std::vector<std::byte> bytes = {});
/// The bytes beside the JSON form (artifacts and arrays), empty for all others.
std::span<const std::byte> payloadBytes(const Payload& payload);

} // namespace lathe
