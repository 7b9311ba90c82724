// SPDX-License-Identifier: Apache-2.0
#include "engine/core/event.h"

#include "engine/core/error.h"
#include "engine/core/json_number.h"

#include <array>
#include <utility>

namespace lathe {

namespace {

template <class Enum, std::size_t Count>
using NameTable = std::array<std::pair<Enum, std::string_view>, Count>;

constexpr NameTable<RunState, 7> kRunStates{{
    {RunState::Queued, "queued"},
    {RunState::Running, "running"},
    {RunState::Done, "done"},
    {RunState::Failed, "failed"},
    {RunState::Cancelled, "cancelled"},
    {RunState::Crashed, "crashed"},
    {RunState::Interrupted, "interrupted"},
}};

constexpr NameTable<CellState, 4> kCellStates{{
    {CellState::Running, "running"},
    {CellState::Done, "done"},
    {CellState::Failed, "failed"},
    {CellState::Skipped, "skipped"},
}};

constexpr NameTable<LogLevel, 4> kLogLevels{{
    {LogLevel::Debug, "debug"},
    {LogLevel::Info, "info"},
    {LogLevel::Warning, "warning"},
    {LogLevel::Error, "error"},
}};

template <class Table, class Enum>
std::string_view findName(const Table& table, Enum value) {
    for (const auto& [entry, name] : table) {
        if (entry == value) {
            return name;
        }
    }
    return "unknown";
}

template <class Table>
auto findValue(const Table& table, std::string_view name, const char* what) {
    for (const auto& [entry, text] : table) {
        if (text == name) {
            return entry;
        }
    }
    throw FormatError(std::string("unknown ") + what + " '" + std::string(name) + "'");
}

template <class... Lambdas>
struct Overloaded : Lambdas... {
    using Lambdas::operator()...;
};
template <class... Lambdas>
Overloaded(Lambdas...) -> Overloaded<Lambdas...>;

constexpr std::array<std::string_view, std::variant_size_v<Payload>> kKinds{
    "progress", "metric", "token", "cell", "artifact", "array", "run", "log", "decode"};

} // namespace

std::string_view kindOf(const Payload& payload) { return kKinds[payload.index()]; }
std::string_view nameOf(RunState state) { return findName(kRunStates, state); }
std::string_view nameOf(CellState state) { return findName(kCellStates, state); }
std::string_view nameOf(LogLevel level) { return findName(kLogLevels, level); }
RunState runStateFromName(std::string_view name) {
    return findValue(kRunStates, name, "run state");
}
CellState cellStateFromName(std::string_view name) {
    return findValue(kCellStates, name, "cell state");
}

bool isFinal(RunState state) { return state != RunState::Queued && state != RunState::Running; }

Json payloadToJson(const Payload& payload) {
    return std::visit(
        Overloaded{
            [](const Progress& p) {
                return Json{{"fraction", jsonNumber(p.fraction)}, {"phase", p.phase}};
            },
            [](const Metric& m) {
                return Json{
                    {"name", m.name},
                    {"value", jsonNumber(m.value)},
                    {"unit", m.unit},
                    {"step", m.step}};
            },
            [](const TokenDecoded& t) {
                return Json{
                    {"position", t.position},
                    {"token", t.token},
                    {"text", t.text},
                    {"model", t.model},
                    {"origin", t.origin},
                    {"probability", jsonNumber(t.probability)},
                    {"us", jsonNumber(t.microseconds)}};
            },
            [](const CellChanged& c) {
                return Json{
                    {"state", nameOf(c.state)},
                    {"key", c.key},
                    {"params", c.params},
                    {"metrics", c.metrics},
                    {"message", c.message}};
            },
            [](const ArtifactReady& a) {
                return Json{{"name", a.name}, {"mime", a.mime}, {"bytes", a.bytes.size()}};
            },
            [](const ArrayReady& a) {
                return Json{{"name", a.name}, {"dtype", a.dtype}, {"shape", a.shape}};
            },
            [](const RunChanged& r) {
                return Json{
                    {"state", nameOf(r.state)}, {"message", r.message}, {"record", r.record}};
            },
            [](const LogLine& l) {
                return Json{{"level", nameOf(l.level)}, {"text", l.text}};
            },
            [](const DecodeStep& d) {
                return Json{
                    {"event", toJson(d.event)},
                    {"piece", d.piece},
                    {"argmax_piece", d.argmaxPiece}};
            },
        },
        payload);
}

namespace {

Payload parsePayload(std::size_t index, const Json& j, std::vector<std::byte> bytes) {
    switch (index) {
    case 0:
        return Progress{numberOrNan(j, "fraction"), j.at("phase").get<std::string>()};
    case 1:
        return Metric{
            j.at("name").get<std::string>(), numberOrNan(j, "value"),
            j.at("unit").get<std::string>(), wholeNumber<std::int64_t>(j, "step")};
    case 2:
        return TokenDecoded{
            wholeNumber<int>(j, "position"),
            wholeNumber<std::int32_t>(j, "token"),
            j.at("text").get<std::string>(),
            j.at("model").get<std::string>(),
            j.at("origin").get<std::string>(),
            numberOrNan(j, "probability"),
            numberOrNan(j, "us")};
    case 3:
        return CellChanged{
            cellStateFromName(j.at("state").get<std::string>()), j.at("key").get<std::string>(),
            j.at("params"), j.at("metrics"), j.at("message").get<std::string>()};
    case 4:
        return ArtifactReady{
            j.at("name").get<std::string>(), j.at("mime").get<std::string>(), std::move(bytes)};
    case 5:
        return ArrayReady{
            j.at("name").get<std::string>(), j.at("dtype").get<std::string>(),
            j.at("shape").get<std::vector<std::int64_t>>(), std::move(bytes)};
    case 6:
        return RunChanged{
            runStateFromName(j.at("state").get<std::string>()), j.at("message").get<std::string>(),
            j.at("record")};
    case 7:
        return LogLine{
            findValue(kLogLevels, j.at("level").get<std::string>(), "log level"),
            j.at("text").get<std::string>()};
    default:
        return DecodeStep{
            decodeEventFromJson(j.at("event")), j.at("piece").get<std::string>(),
            j.at("argmax_piece").get<std::string>()};
    }
}

} // namespace

std::optional<Payload>
payloadFromJson(std::string_view kind, const Json& json, std::vector<std::byte> bytes) {
    for (std::size_t i = 0; i < kKinds.size(); ++i) {
        if (kKinds[i] == kind) {
            try {
                return parsePayload(i, json, std::move(bytes));
            } catch (const Json::exception& e) {
                throw FormatError("event '" + std::string(kind) + "': " + e.what());
            }
        }
    }
    return std::nullopt;
}

std::span<const std::byte> payloadBytes(const Payload& payload) {
    if (const auto* artifact = std::get_if<ArtifactReady>(&payload)) {
        return artifact->bytes;
    }
    if (const auto* array = std::get_if<ArrayReady>(&payload)) {
        return array->bytes;
    }
    return {};
}

} // namespace lathe
