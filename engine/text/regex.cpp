// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/text/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>

namespace lathe {

namespace {

constexpr std::size_t kMaxPatternBytes = 65536;
constexpr std::size_t kJitStackStart = 32768;
constexpr std::size_t kJitStackLimit = std::size_t{4} << 20U;
/// The library's own default, spelled so that it cannot change under us: a run of ten million
/// spaces still passes, an expression that explodes does not run for hours.
constexpr std::uint32_t kMatchLimit = 10'000'000;
constexpr std::uint32_t kHeapLimitKiB = 65536;

std::string messageOf(int code) {
    std::array<PCRE2_UCHAR, 256> text{};
    pcre2_get_error_message(code, text.data(), text.size());
    return reinterpret_cast<const char*>(text.data());
}

template <auto Free>
struct Releaser {
    template <class T>
    void operator()(T* object) const noexcept {
        Free(object);
    }
};
using CompiledCode = std::unique_ptr<pcre2_code, Releaser<pcre2_code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Releaser<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Releaser<pcre2_match_context_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Releaser<pcre2_jit_stack_free>>;

/// Steps that a stranger's expression may take on a text: enough for dozens of alternatives at
/// every place, not for backtracking in squares.
constexpr std::uint64_t kFreeSteps = 5000;
constexpr std::uint64_t kStepsPerByte = 500;

/// Counts the steps of one text: how often the library asks, and the bytes it passed in between.
struct StepCount {
    std::uint64_t left;
    std::size_t position = 0;
};

int countStep(pcre2_callout_block* at, void* data) {
    auto& count = *static_cast<StepCount*>(data);
    const std::size_t passed = at->current_position > count.position
                                   ? at->current_position - count.position
                                   : count.position - at->current_position;
    count.position = at->current_position;
    if (count.left <= passed) {
        return PCRE2_ERROR_MATCHLIMIT;
    }
    count.left -= passed + 1;
    return 0;
}

/// What a match works in, kept by each thread: texts are cut into many short ones.
struct MatchWorkspace {
    MatchData data{pcre2_match_data_create(1, nullptr)};
    MatchContext context{pcre2_match_context_create(nullptr)};
    JitStack stack{pcre2_jit_stack_create(kJitStackStart, kJitStackLimit, nullptr)};

    MatchWorkspace() {
        if (data == nullptr || context == nullptr) {
            throw InternalError("no memory for a regular expression's match");
        }
        pcre2_set_match_limit(context.get(), kMatchLimit);
        pcre2_set_heap_limit(context.get(), kHeapLimitKiB);
        // Without a stack of its own the library's small default serves.
        if (stack != nullptr) {
            pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
        }
    }
};

} // namespace

struct Regex::Code {
    CompiledCode compiled;
    Origin origin;
    std::string what;
};

Regex::Regex(std::string_view pattern, const std::string& what, Origin origin) {
    if (pattern.size() > kMaxPatternBytes) {
        throw FormatError(
            what + ": a regular expression of " + std::to_string(pattern.size()) +
            " bytes (limit " + std::to_string(kMaxPatternBytes) + ")");
    }
    int code = 0;
    PCRE2_SIZE at = 0;
    CompiledCode compiled(pcre2_compile(
        reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
        PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C |
            (origin == Origin::File ? PCRE2_AUTO_CALLOUT : 0),
        &code, &at, nullptr));
    if (compiled == nullptr) {
        throw FormatError(
            what + ": the regular expression is wrong at byte " + std::to_string(at) + " (" +
            messageOf(code) + ")");
    }
    // Without just-in-time compilation the interpreter serves, with the same results.
    pcre2_jit_compile(compiled.get(), PCRE2_JIT_COMPLETE);
    m_code = std::make_shared<const Code>(Code{std::move(compiled), origin, what});
}

std::vector<Regex::Match> Regex::matches(std::string_view text) const {
    thread_local const MatchWorkspace work;
    StepCount count{kFreeSteps + kStepsPerByte * text.size()};
    const bool counts = m_code->origin == Origin::File;
    pcre2_set_callout(work.context.get(), counts ? &countStep : nullptr, &count);
    std::vector<Match> found;
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    std::size_t from = 0;
    // The check of the whole text for well-formed UTF-8 is the caller's: repeating it for every
    // match would make this quadratic.
    while (from < text.size()) {
        const int result = pcre2_match(
            m_code->compiled.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, work.data.get(),
            work.context.get());
        if (result == PCRE2_ERROR_NOMATCH) {
            break;
        }
        if (result < 0) {
            throw FormatError(
                m_code->what + ": the regular expression fails on this text (" + messageOf(result) +
                ")");
        }
        const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(work.data.get());
        if (ends[1] > ends[0] && ends[0] >= from) {
            found.push_back({ends[0], ends[1]});
            from = ends[1];
            continue;
        }
        // An empty match is no word: look on behind the next character.
        from = std::max<std::size_t>(from, ends[1]) + 1;
        while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0U) == 0x80U) {
            ++from;
        }
    }
    return found;
}

} // namespace lathe
