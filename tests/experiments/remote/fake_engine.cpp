// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/frame.h"

#include "engine/core/error.h"
#include "engine/core/run_service.h"

#include <array>
#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unistd.h>

/// An engine for tests that behaves as its argument says, well or badly. Speaks the protocol by the
/// functions of experiments/remote/frame.h, over plain descriptors.
namespace lathe::test {

namespace {

void put(int fd, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count <= 0) {
            return;
        }
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

void put(int fd, std::string_view text) { put(fd, std::as_bytes(std::span(text))); }

void sendFrame(FrameKind kind, const Json& payload) {
    put(STDOUT_FILENO, encodeFrame(kind, payload));
}

void sendEvent(const Event& event) {
    const auto payload = encodeEvent(event);
    put(STDOUT_FILENO, encodeFrame(FrameKind::Event, std::span(payload)));
}

void sendMagic() { put(STDOUT_FILENO, std::as_bytes(std::span(kMagic))); }

void greet(int protocol = kProtocol) {
    EngineInfo info;
    info.protocol = protocol;
    info.build = "fake 1";
    info.device = "no device";
    sendMagic();
    sendFrame(FrameKind::Hello, toJson(info));
}

[[noreturn]] void dieBySignal() {
    ::raise(SIGKILL);
    for (;;) {
        ::pause();
    }
}

/// Twenty tokens, then the end.
void runToEnd(std::int64_t run) {
    sendEvent({run, -1, 1, {}, RunChanged{RunState::Running}});
    for (int i = 2; i <= 21; ++i) {
        sendEvent({run, 0, i, {}, TokenDecoded{i, i, "word", "m", "greedy", 0.5, 1.0}});
    }
    sendEvent({run, -1, 22, std::chrono::nanoseconds(5), RunChanged{RunState::Done}});
}

/// Reads frames until the end of input.
void obey(
    const std::function<void(std::int64_t, const Spec&)>& submit,
    const std::function<void(std::int64_t)>& cancel) {
    FrameParser parser(false);
    std::array<std::byte, 4096> buffer{};
    for (ssize_t count = 0; (count = ::read(STDIN_FILENO, buffer.data(), buffer.size())) > 0;) {
        parser.feed(std::span(buffer).first(static_cast<std::size_t>(count)));
        while (const auto frame = parser.next()) {
            const std::string_view text(
                reinterpret_cast<const char*>(frame->payload.data()), frame->payload.size());
            const Json request = parseJson(text, "request");
            if (frame->kind == static_cast<std::uint8_t>(FrameKind::Submit)) {
                submit(request.at("run").get<std::int64_t>(), specFromJson(request.at("spec")));
            } else if (frame->kind == static_cast<std::uint8_t>(FrameKind::Cancel)) {
                cancel(request.at("run").get<std::int64_t>());
            } else if (frame->kind == static_cast<std::uint8_t>(FrameKind::Describe)) {
                ModelInfo info;
                info.name = request.at("path").get<std::string>();
                info.problem = "no such file";
                sendFrame(FrameKind::Described, toJson(info));
            }
        }
    }
}

void obeyWell() {
    obey(
        [](std::int64_t run, const Spec&) { runToEnd(run); },
        [](std::int64_t run) {
            sendEvent({run, -1, 9, {}, RunChanged{RunState::Cancelled}});
        });
}

void waitForCancel() {
    greet();
    obey(
        [](std::int64_t run, const Spec&) {
            sendEvent({run, -1, 1, {}, RunChanged{RunState::Running}});
        },
        [](std::int64_t run) {
            sendEvent({run, -1, 2, {}, RunChanged{RunState::Cancelled}});
        });
}

/// Study "crash" kills the process after some tokens; any other runs well.
void crashWhenAsked() {
    greet();
    obey(
        [](std::int64_t run, const Spec& spec) {
            if (spec.study != "crash") {
                runToEnd(run);
                return;
            }
            sendEvent({run, -1, 1, {}, RunChanged{RunState::Running}});
            for (int i = 2; i <= 5000; ++i) {
                sendEvent({run, 0, i, std::chrono::nanoseconds(i), Metric{"loss", 1.0 * i, "", i}});
            }
            put(STDERR_FILENO, "terminate called: the kernel is at fault\nlast line without end");
            dieBySignal();
        },
        [](std::int64_t) {});
}

void speakUnknownFrames() {
    greet();
    put(STDOUT_FILENO, encodeFrame(static_cast<FrameKind>(77), Json{{"new", true}}));
    obey(
        [](std::int64_t run, const Spec&) {
            const std::string header =
                R"({"run":)" + std::to_string(run) +
                R"(,"cell":0,"seq":1,"at_ns":0,"kind":"hologram","payload":{}})";
            std::string payload{static_cast<char>(header.size()), 0, 0, 0};
            payload += header;
            put(STDOUT_FILENO, encodeFrame(FrameKind::Event, std::as_bytes(std::span(payload))));
            runToEnd(run);
        },
        [](std::int64_t) {});
}

void floodStandardError() {
    greet();
    obey(
        [](std::int64_t run, const Spec&) {
            for (int i = 0; i < 40'000; ++i) {
                put(STDERR_FILENO,
                    "warning: this library talks without end, line " + std::to_string(i) + "\n");
            }
            runToEnd(run);
        },
        [](std::int64_t) {});
}

/// Talks on both streams for ever, whether anybody reads or not.
[[noreturn]] void talkForEver() {
    greet();
    for (std::int64_t i = 0;; ++i) {
        sendFrame(static_cast<FrameKind>(77), Json{{"i", i}});
        put(STDERR_FILENO, std::string(8000, '.') + "\n");
    }
}

[[noreturn]] void hang() {
    for (;;) {
        ::pause();
    }
}

const std::map<std::string_view, std::function<int()>>& behaviours() {
    static const std::map<std::string_view, std::function<int()>> kAll{
        {"good", [] { return greet(), obeyWell(), 0; }},
        {"noisy",
         [] {
             put(STDOUT_FILENO, "driver loaded\n\x89LATHE but not quite\r\n\x89LATH");
             return greet(), obeyWell(), 0;
         }},
        {"waits", [] { return waitForCancel(), 0; }},
        {"crashes", [] { return crashWhenAsked(), 0; }},
        {"other-protocol", [] { return greet(99), hang(), 0; }},
        {"unknown", [] { return speakUnknownFrames(), 0; }},
        {"floods", [] { return floodStandardError(), 0; }},
        {"talks", [] { return talkForEver(), 0; }},
        {"silent", [] { return hang(), 0; }},
        {"deaf", [] { return greet(), hang(), 0; }},
        {"dies", [] { return put(STDERR_FILENO, "no driver\n"), 7; }},
        {"lies",
         [] {
             greet();
             put(STDOUT_FILENO, std::string_view("\xFF\xFF\xFF\xFF\x04 too much", 14));
             return hang(), 0;
         }},
        {"rude", [] {
             sendMagic();
             sendEvent({1, -1, 1, {}, LogLine{LogLevel::Info, "before the hello"}});
             return hang(), 0;
         }}};
    return kAll;
}

} // namespace

} // namespace lathe::test

int main(int argc, char** argv) {
    const auto& all = lathe::test::behaviours();
    const auto found = argc == 2 ? all.find(argv[1]) : all.end();
    try {
        return found != all.end() ? found->second() : 2;
    } catch (const lathe::Error& e) {
        std::fprintf(stderr, "fake_engine: %s\n", e.what());
        return 3;
    }
}
