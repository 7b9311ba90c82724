// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/frame.h"

#include "engine/core/error.h"
#include "engine/core/json_number.h"

#include <algorithm>

namespace lathe {

namespace {

constexpr std::size_t kHeader = 5;
constexpr std::size_t kLength = 4;
/// A read prefix of the buffer is dropped when it has grown to this.
constexpr std::size_t kCompactAt = std::size_t{64} << 10;

void appendU32(std::vector<std::byte>& to, std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) {
        to.push_back(static_cast<std::byte>(value >> shift & 0xFFU));
    }
}

std::uint32_t readU32(std::span<const std::byte> from) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < kLength; ++i) {
        value |= std::to_integer<std::uint32_t>(from[i]) << (8 * i);
    }
    return value;
}

} // namespace

std::vector<std::byte> encodeFrame(FrameKind kind, std::span<const std::byte> payload) {
    if (payload.size() > kMaxPayload) {
        throw InternalError(
            "a frame of " + std::to_string(payload.size()) + " bytes is beyond the protocol's " +
            std::to_string(kMaxPayload));
    }
    std::vector<std::byte> frame;
    frame.reserve(kHeader + payload.size());
    appendU32(frame, static_cast<std::uint32_t>(payload.size()));
    frame.push_back(static_cast<std::byte>(kind));
    frame.insert(frame.end(), payload.begin(), payload.end());
    return frame;
}

std::vector<std::byte> encodeFrame(FrameKind kind, const Json& payload) {
    const std::string text = dumpJson(payload);
    return encodeFrame(kind, std::as_bytes(std::span(text)));
}

std::vector<std::byte> encodeEvent(const Event& event) {
    const std::string header = dumpJson(Json{
        {"run", event.runId},
        {"cell", event.cell},
        {"seq", event.seq},
        {"at_ns", event.at.count()},
        {"kind", kindOf(event.payload)},
        {"payload", payloadToJson(event.payload)}});
    const auto bytes = payloadBytes(event.payload);
    std::vector<std::byte> out;
    out.reserve(kLength + header.size() + bytes.size());
    appendU32(out, static_cast<std::uint32_t>(header.size()));
    const auto text = std::as_bytes(std::span(header));
    out.insert(out.end(), text.begin(), text.end());
    out.insert(out.end(), bytes.begin(), bytes.end());
    return out;
}

std::optional<Event> decodeEvent(std::span<const std::byte> payload) {
    if (payload.size() < kLength) {
        throw FormatError("event frame: shorter than its own header");
    }
    const std::uint32_t length = readU32(payload);
    const auto rest = payload.subspan(kLength);
    if (length > rest.size()) {
        throw FormatError(
            "event frame: the header says " + std::to_string(length) + " bytes, " +
            std::to_string(rest.size()) + " are there");
    }
    std::string text(length, '\0');
    std::transform(rest.begin(), rest.begin() + length, text.begin(), [](std::byte b) {
        return static_cast<char>(b);
    });
    const Json header = parseJson(text, "event frame");
    try {
        auto parsed = payloadFromJson(
            header.at("kind").get<std::string>(), header.at("payload"),
            {rest.begin() + length, rest.end()});
        if (!parsed) {
            return std::nullopt;
        }
        return Event{
            wholeNumber<std::int64_t>(header, "run"), wholeNumber<int>(header, "cell"),
            wholeNumber<std::int64_t>(header, "seq"),
            std::chrono::nanoseconds(wholeNumber<std::int64_t>(header, "at_ns")),
            std::move(*parsed)};
    } catch (const Json::exception& e) {
        throw FormatError(std::string("event frame: ") + e.what());
    }
}

FrameParser::FrameParser(bool expectMagic) : m_sawMagic(!expectMagic) {}

void FrameParser::feed(std::span<const std::byte> bytes) {
    if (m_position >= kCompactAt || m_position == m_buffer.size()) {
        m_buffer.erase(
            m_buffer.begin(), m_buffer.begin() + static_cast<std::ptrdiff_t>(m_position));
        m_position = 0;
    }
    m_buffer.insert(m_buffer.end(), bytes.begin(), bytes.end());
    if (m_sawMagic) {
        return;
    }
    const auto magic = std::as_bytes(std::span(kMagic));
    const auto found = std::search(m_buffer.begin(), m_buffer.end(), magic.begin(), magic.end());
    m_sawMagic = found != m_buffer.end();
    if (m_sawMagic) {
        m_position = static_cast<std::size_t>(found - m_buffer.begin()) + magic.size();
    } else if (m_buffer.size() >= magic.size()) {
        // Its last bytes may be the magic's first ones.
        m_buffer.erase(
            m_buffer.begin(), m_buffer.end() - static_cast<std::ptrdiff_t>(magic.size() - 1));
    }
}

std::optional<Frame> FrameParser::next() {
    const auto rest = std::span(m_buffer).subspan(m_position);
    if (!m_sawMagic || rest.size() < kHeader) {
        return std::nullopt;
    }
    const std::uint32_t length = readU32(rest);
    if (length > kMaxPayload) {
        throw FormatError(
            "frame: a length of " + std::to_string(length) + " bytes is beyond the protocol's " +
            std::to_string(kMaxPayload));
    }
    if (rest.size() < kHeader + length) {
        return std::nullopt;
    }
    const auto payload = rest.subspan(kHeader, length);
    m_position += kHeader + length;
    return Frame{std::to_integer<std::uint8_t>(rest[kLength]), {payload.begin(), payload.end()}};
}

} // namespace lathe
