// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "experiments/remote/frame.h"

#include <algorithm>

using namespace lathe;

namespace {

/// What was understood can be said again.
void checkEvent(const Frame& frame) {
    const std::optional<Event> event = decodeEvent(frame.payload);
    if (!event) {
        return;
    }
    const std::vector<std::byte> first = encodeEvent(*event);
    const std::optional<Event> again = decodeEvent(first);
    if (!again || encodeEvent(*again) != first) {
        __builtin_trap();
    }
}

} // namespace

/// The first byte says whether the magic is awaited, the second how many bytes come at a time; the
/// rest is the stream.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    FrameParser parser((data[0] & 1U) != 0);
    const std::size_t chunk = std::size_t{data[1]} + 1;
    std::span<const std::byte> rest = std::as_bytes(std::span(data, size)).subspan(2);
    try {
        while (!rest.empty()) {
            parser.feed(rest.first(std::min(chunk, rest.size())));
            rest = rest.subspan(std::min(chunk, rest.size()));
            while (const std::optional<Frame> frame = parser.next()) {
                try {
                    checkEvent(*frame);
                } catch (const Error&) {
                    continue;
                }
            }
        }
    } catch (const Error&) {
        return 0;
    }
    return 0;
}
