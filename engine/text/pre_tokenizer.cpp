// SPDX-License-Identifier: Apache-2.0
#include "engine/text/pre_tokenizer.h"

#include "engine/core/error.h"
#include "engine/text/utf8.h"

#include <array>

namespace lathe {

namespace {

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDigit = R"(\p{N})";

/// One name of tokenizer.ggml.pre and its cuts, applied one after the other.
struct NamedPreTokenizer {
    std::string_view name;
    std::array<std::string_view, 4> patterns;
};

constexpr std::array kNamed{
    NamedPreTokenizer{
        "default",
        {R"([\p{P}\$\+<=>\^~\|]+)",
         R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))", R"(\p{N}+)",
         R"([0-9][0-9][0-9])"}},
    NamedPreTokenizer{
        "falcon",
        {R"([\p{P}\$\+<=>\^~\|`]+)",
         R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))",
         R"([0-9][0-9][0-9])"}},
    NamedPreTokenizer{"gpt-2", {kGpt2}},
    NamedPreTokenizer{"gpt2", {kGpt2}},
    NamedPreTokenizer{"phi-2", {kGpt2}},
    NamedPreTokenizer{"mpt", {kGpt2}},
    NamedPreTokenizer{"olmo", {kGpt2}},
    NamedPreTokenizer{"jais", {kGpt2}},
    NamedPreTokenizer{"smollm", {kDigit, kGpt2}},
    NamedPreTokenizer{"starcoder", {kDigit, kGpt2}},
    NamedPreTokenizer{"refact", {kDigit, kGpt2}},
    NamedPreTokenizer{"command-r", {kDigit, kGpt2}},
    NamedPreTokenizer{"codeshell", {kDigit, kGpt2}},
    NamedPreTokenizer{"llama-bpe", {kLlama3}},
    NamedPreTokenizer{"llama3", {kLlama3}},
    NamedPreTokenizer{"llama-v3", {kLlama3}},
    NamedPreTokenizer{"dbrx", {kLlama3}},
    NamedPreTokenizer{"smaug-bpe", {kLlama3}},
    NamedPreTokenizer{"qwen2", {kQwen2}},
    NamedPreTokenizer{"deepseek-r1-qwen", {kQwen2}},
    NamedPreTokenizer{"stablelm2", {kQwen2}},
};

void appendSplit(
    std::string_view text, const std::vector<Regex::Match>& matches, PreTokenizer::Keep keep,
    std::vector<std::string_view>& words) {
    std::size_t covered = 0;
    const auto addGap = [&](std::size_t end) {
        if (keep != PreTokenizer::Keep::Matches && end > covered) {
            words.push_back(text.substr(covered, end - covered));
        }
    };
    for (const Regex::Match& match : matches) {
        addGap(match.begin);
        if (keep != PreTokenizer::Keep::Gaps) {
            words.push_back(text.substr(match.begin, match.end - match.begin));
        }
        covered = match.end;
    }
    addGap(text.size());
}

} // namespace

void PreTokenizer::addSplit(Regex regex, Keep keep) {
    m_steps.push_back({std::make_shared<const Regex>(std::move(regex)), keep});
}

void PreTokenizer::addSpacePrefix() { m_steps.push_back({nullptr, Keep::All}); }

std::vector<std::string_view>
PreTokenizer::words(std::string_view text, std::deque<std::string>& storage) const {
    std::vector<std::string_view> current;
    if (!text.empty()) {
        current.push_back(text);
    }
    for (const Step& step : m_steps) {
        std::vector<std::string_view> next;
        for (const std::string_view word : current) {
            if (step.regex != nullptr) {
                appendSplit(word, step.regex->matches(word), step.keep, next);
            } else if (word.starts_with(' ')) {
                next.push_back(word);
            } else {
                next.push_back(storage.emplace_back(" " + std::string(word)));
            }
        }
        current = std::move(next);
    }
    return current;
}

Regex::Origin originOf(std::string_view pattern) {
    const bool known = pattern == kGpt2 || pattern == kLlama3 || pattern == kQwen2;
    return known ? Regex::Origin::Own : Regex::Origin::File;
}

std::string_view gpt2Pattern() { return kGpt2; }

PreTokenizer preTokenizerByName(const std::string& name) {
    for (const NamedPreTokenizer& known : kNamed) {
        if (known.name != name) {
            continue;
        }
        PreTokenizer cuts;
        for (const std::string_view pattern : known.patterns) {
            if (!pattern.empty()) {
                cuts.addSplit(
                    Regex(pattern, "pre-tokenizer " + name, Regex::Origin::Own),
                    PreTokenizer::Keep::All);
            }
        }
        return cuts;
    }
    throw Unsupported(
        "the pre-tokenizer '" + printable(name) + "' is not known, so text would be cut wrongly");
}

} // namespace lathe
