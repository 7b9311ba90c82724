// SPDX-License-Identifier: Apache-2.0
#include "engine/core/decode_log.h"

#include "engine/core/check.h"
#include "engine/core/json_number.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

namespace lathe {

namespace {

using Kind = DecodeEventKind;

constexpr std::array<std::pair<Kind, std::string_view>, 15> kNames{{
    {Kind::EncodeSmall, "ENCODE_SMALL"},
    {Kind::EncodeLarge, "ENCODE_LARGE"},
    {Kind::PrefillSmall, "PREFILL_SMALL"},
    {Kind::PrefillLarge, "PREFILL_LARGE"},
    {Kind::Draft, "DRAFT"},
    {Kind::Fallback, "FALLBACK"},
    {Kind::Cap, "CAP"},
    {Kind::Verify, "VERIFY"},
    {Kind::KeepAgreed, "KEEP_AGREED"},
    {Kind::KeepTolerated, "KEEP_TOLERATED"},
    {Kind::Rollback, "ROLLBACK"},
    {Kind::Flush, "FLUSH"},
    {Kind::Replace, "REPLACE"},
    {Kind::LargeToken, "LARGE_TOKEN"},
    {Kind::Eos, "EOS"},
}};

/// JSON has no infinity: an impossible token's distance is written as a text.
Json distanceJson(double value) { return std::isinf(value) ? Json("inf") : jsonNumber(value); }

double distanceFrom(const Json& object, const char* name) {
    const auto found = object.find(name);
    if (found != object.end() && found->is_string() && *found == "inf") {
        return std::numeric_limits<double>::infinity();
    }
    return numberOrNan(object, name);
}

} // namespace

DecodeEvent decodeEventFromJson(const Json& json) {
    if (!json.is_object() || !json.contains("kind") || !json.at("kind").is_string()) {
        throw FormatError("an event of a decode log must be an object with a kind");
    }
    const auto whole = [&](const char* name) {
        if (!json.contains(name)) {
            throw FormatError(std::string("an event of a decode log has no '") + name + "'");
        }
        return wholeNumber<std::int64_t>(json, name);
    };
    DecodeEvent event;
    event.kind = decodeEventKindFromName(json.at("kind").get<std::string>());
    event.seq = whole("seq");
    event.call = whole("call");
    event.t0Ns = whole("t0_ns");
    event.t1Ns = whole("t1_ns");
    event.pos = whole("pos");
    whole("token");
    event.token = wholeNumber<TokenId>(json, "token");
    event.c = numberOrNan(json, "c");
    event.d = distanceFrom(json, "d");
    event.pLToken = numberOrNan(json, "pL_token");
    whole("argmaxL");
    event.argmaxL = wholeNumber<TokenId>(json, "argmaxL");
    event.pLArgmax = numberOrNan(json, "pL_argmax");
    event.rows = whole("rows");
    event.kvS = whole("kvS");
    event.kvL = whole("kvL");
    event.n = whole("n");
    return event;
}

namespace {

std::string csvNumber(double value) {
    return std::isnan(value) ? std::string() : fmt::format("{}", value);
}

} // namespace

std::string_view nameOf(DecodeEventKind kind) {
    return kNames.at(static_cast<std::size_t>(kind)).second;
}

DecodeEventKind decodeEventKindFromName(std::string_view name) {
    for (const auto& [kind, known] : kNames) {
        if (known == name) {
            return kind;
        }
    }
    throw FormatError("'" + validUtf8(name) + "' is no kind of decode event");
}

void addEncoders(DecodeLog& log, std::int64_t littleNs, std::int64_t bigNs) {
    const auto length = static_cast<std::int64_t>(log.prompt.size());
    std::vector<DecodeEvent> events;
    std::int64_t now = 0;
    for (const auto& [kind, took] :
         {std::pair{Kind::EncodeSmall, littleNs}, std::pair{Kind::EncodeLarge, bigNs}}) {
        if (took > 0) {
            events.push_back(
                {.call = -1, .t0Ns = now, .t1Ns = now + took, .kind = kind, .n = length});
            now += took;
        }
    }
    for (DecodeEvent event : log.events) {
        event.t0Ns += now;
        event.t1Ns += now;
        events.push_back(event);
    }
    for (std::size_t i = 0; i < events.size(); ++i) {
        events[i].seq = static_cast<std::int64_t>(i);
    }
    log.events = std::move(events);
}

Json toJson(const DecodeEvent& event) {
    return {{"seq", event.seq},           {"call", event.call},
            {"t0_ns", event.t0Ns},        {"t1_ns", event.t1Ns},
            {"kind", nameOf(event.kind)}, {"pos", event.pos},
            {"token", event.token},       {"c", jsonNumber(event.c)},
            {"d", distanceJson(event.d)}, {"pL_token", jsonNumber(event.pLToken)},
            {"argmaxL", event.argmaxL},   {"pL_argmax", jsonNumber(event.pLArgmax)},
            {"rows", event.rows},         {"kvS", event.kvS},
            {"kvL", event.kvL},           {"n", event.n}};
}

Json toJson(const DecodeLog& log) {
    Json events = Json::array();
    for (const DecodeEvent& event : log.events) {
        events.push_back(toJson(event));
    }
    return {{"prompt", log.prompt}, {"events", std::move(events)}};
}

DecodeLog decodeLogFromJson(const Json& json) {
    if (!json.is_object() || !json.contains("prompt") || !json.at("prompt").is_array() ||
        !json.contains("events") || !json.at("events").is_array()) {
        throw FormatError("a decode log must be an object with the lists 'prompt' and 'events'");
    }
    DecodeLog log;
    for (const Json& id : json.at("prompt")) {
        log.prompt.push_back(wholeNumber<TokenId>(Json{{"prompt", id}}, "prompt"));
    }
    for (const Json& event : json.at("events")) {
        log.events.push_back(decodeEventFromJson(event));
    }
    return log;
}

std::string toCsv(const DecodeLog& log) {
    std::string csv = "seq,call,t0_ns,t1_ns,kind,pos,token,c,d,pL_token,argmaxL,pL_argmax,rows,"
                      "kvS,kvL,n\n";
    for (const DecodeEvent& e : log.events) {
        csv += fmt::format(
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", e.seq, e.call, e.t0Ns, e.t1Ns,
            nameOf(e.kind), e.pos, e.token, csvNumber(e.c), csvNumber(e.d), csvNumber(e.pLToken),
            e.argmaxL, csvNumber(e.pLArgmax), e.rows, e.kvS, e.kvL, e.n);
    }
    return csv;
}

} // namespace lathe
