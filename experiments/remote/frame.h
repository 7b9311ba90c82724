// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/event.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

/// The protocol between `lathe` and `lathe-run serve`, over pipes:
///   1. the child writes 8 magic bytes; the reader skips everything before them;
///   2. frames follow in both directions: u32 little-endian payload length (the kind not counted,
///   at
///      most 16 MiB), u8 kind, payload;
///   3. the first frame of the child is Hello (EngineInfo as JSON). Another protocol number is
///   refused.
/// Unknown kinds are counted and ignored.
namespace lathe {

inline constexpr int kProtocol = 1;
inline constexpr std::array<unsigned char, 8> kMagic{0x89, 'L', 'A', 'T', 'H', 'E', '\r', '\n'};
inline constexpr std::uint32_t kMaxPayload = 16U * 1024U * 1024U;

enum class FrameKind : std::uint8_t {
    Hello = 1,  ///< child -> window: EngineInfo
    Submit = 2, ///< window -> child: {"run": id, "spec": {...}}
    Cancel = 3, ///< window -> child: {"run": id}
    Event = 4,  ///< child -> window: JSON header; see encodeEvent
    Ping = 5,   ///< window -> child, answered by Pong: is it alive?
    Pong = 6,
    Describe = 7, ///< window -> child: {"path": ...}; answered by Described with a ModelInfo
    Described = 8,
    Ask = 9,    ///< window -> child: {"question": id, "about": one of EngineInfo::questions, ...}
    Answer = 10 ///< child -> window: {"question": id, "result": {...}} or {..., "error": why}
};

struct Frame {
    std::uint8_t kind = 0;
    std::vector<std::byte> payload;
};

/// The whole frame, header included. @throws InternalError when the payload is too large.
std::vector<std::byte> encodeFrame(FrameKind kind, std::span<const std::byte> payload);
std::vector<std::byte> encodeFrame(FrameKind kind, const Json& payload);

/// Event payload: u32 JSON length, JSON {run, cell, seq, at_ns, kind, payload}, then raw bytes.
std::vector<std::byte> encodeEvent(const Event& event);
/// Nothing for an event kind of a newer engine. @throws FormatError when damaged.
std::optional<Event> decodeEvent(std::span<const std::byte> payload);

/// Cuts a byte stream into frames.
class FrameParser {
public:
    /// @param expectMagic skip bytes until the magic has been seen (child's output).
    explicit FrameParser(bool expectMagic);
    void feed(std::span<const std::byte> bytes);
    /// The next complete frame, if there is one. @throws FormatError when a frame is too large.
    std::optional<Frame> next();
    bool sawMagic() const noexcept { return m_sawMagic; }

private:
    std::vector<std::byte> m_buffer;
    std::size_t m_position = 0;
    bool m_sawMagic;
};

} // namespace lathe
