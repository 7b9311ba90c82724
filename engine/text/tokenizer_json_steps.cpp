// SPDX-License-Identifier: Apache-2.0
#include "engine/text/tokenizer_json_steps.h"

#include "engine/core/error.h"
#include "engine/text/utf8.h"

namespace lathe {

namespace {

const std::string kFile = "tokenizer.json";

std::string typeOf(const Json& step, const std::string& what) {
    if (!step.is_object() || !step.contains("type") || !step["type"].is_string()) {
        throw FormatError(kFile + ": a " + what + " has no type");
    }
    return step["type"].get<std::string>();
}

bool setting(const Json& step, const char* key, bool usual) {
    const auto found = step.find(key);
    return found != step.end() && found->is_boolean() ? found->get<bool>() : usual;
}

/// The steps of a "Sequence", or the one step itself, or none.
std::vector<Json> stepsOf(const Json& value, const std::string& what, const char* listKey) {
    if (value.is_null()) {
        return {};
    }
    if (typeOf(value, what) != "Sequence") {
        return {value};
    }
    const auto list = value.find(listKey);
    if (list == value.end() || !list->is_array()) {
        throw FormatError(kFile + ": a Sequence has no " + listKey);
    }
    return {list->begin(), list->end()};
}

/// The text with everything that means something in an expression made plain.
std::string quoted(const std::string& text) {
    std::string pattern;
    for (const char c : text) {
        const bool meaning = std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos;
        if (meaning) {
            pattern += '\\';
        }
        pattern += c;
    }
    return pattern;
}

void addSplit(const Json& step, PreTokenizer& cuts) {
    const auto pattern = step.find("pattern");
    const bool usable = pattern != step.end() && pattern->is_object();
    std::string expression;
    if (usable && pattern->contains("Regex") && (*pattern)["Regex"].is_string()) {
        expression = (*pattern)["Regex"].get<std::string>();
    } else if (usable && pattern->contains("String") && (*pattern)["String"].is_string()) {
        expression = quoted((*pattern)["String"].get<std::string>());
    } else {
        throw FormatError(kFile + ": a Split has no pattern");
    }
    const auto behavior = step.find("behavior");
    const std::string name = behavior != step.end() && behavior->is_string()
                                 ? behavior->get<std::string>()
                                 : std::string("(none)");
    const bool invert = setting(step, "invert", false);
    PreTokenizer::Keep keep = PreTokenizer::Keep::All;
    if (name == "Removed") {
        keep = invert ? PreTokenizer::Keep::Matches : PreTokenizer::Keep::Gaps;
    } else if (name != "Isolated") {
        throw Unsupported(
            kFile + ": the Split behaviour '" + printable(name) +
            "' is not supported; Isolated and Removed are");
    }
    cuts.addSplit(Regex(expression, kFile + ": Split", originOf(expression)), keep);
}

void addByteLevel(const Json& step, PreTokenizer& cuts) {
    if (setting(step, "add_prefix_space", true)) {
        cuts.addSpacePrefix();
    }
    if (setting(step, "use_regex", true)) {
        cuts.addSplit(
            Regex(gpt2Pattern(), "ByteLevel", Regex::Origin::Own), PreTokenizer::Keep::All);
    }
}

} // namespace

UnicodeForm readNormalizer(const Json& normalizer) {
    UnicodeForm form = UnicodeForm::AsIs;
    for (const Json& step : stepsOf(normalizer, "normalizer", "normalizers")) {
        const std::string type = typeOf(step, "normalizer");
        if (form != UnicodeForm::AsIs) {
            throw Unsupported(kFile + ": more than one normalizer is not supported");
        }
        if (type == "NFC") {
            form = UnicodeForm::Nfc;
        } else if (type == "NFD") {
            form = UnicodeForm::Nfd;
        } else if (type == "NFKC") {
            form = UnicodeForm::Nfkc;
        } else if (type == "NFKD") {
            form = UnicodeForm::Nfkd;
        } else {
            throw Unsupported(
                kFile + ": the normalizer '" + printable(type) +
                "' is not supported; NFC, NFD, NFKC and "
                "NFKD are");
        }
    }
    return form;
}

PreTokenizer readPreTokenizer(const Json& preTokenizer) {
    PreTokenizer cuts;
    bool byteLevel = false;
    for (const Json& step : stepsOf(preTokenizer, "pre-tokenizer", "pretokenizers")) {
        const std::string type = typeOf(step, "pre-tokenizer");
        if (byteLevel) {
            throw Unsupported(
                kFile + ": the pre-tokenizer '" + printable(type) +
                "' behind ByteLevel is not supported");
        }
        if (type == "ByteLevel") {
            addByteLevel(step, cuts);
            byteLevel = true;
        } else if (type == "Split") {
            addSplit(step, cuts);
        } else if (type == "Digits") {
            const bool single = setting(step, "individual_digits", false);
            cuts.addSplit(
                Regex(single ? R"(\p{N})" : R"(\p{N}+)", "Digits", Regex::Origin::Own),
                PreTokenizer::Keep::All);
        } else {
            throw Unsupported(
                kFile + ": the pre-tokenizer '" + printable(type) +
                "' is not supported; ByteLevel, Split and Digits are");
        }
    }
    if (!byteLevel) {
        throw Unsupported(kFile + ": BPE without a ByteLevel pre-tokenizer is not supported");
    }
    return cuts;
}

} // namespace lathe
