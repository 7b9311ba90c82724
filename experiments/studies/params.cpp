// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/params.h"

#include "engine/core/check.h"
#include "engine/core/error.h"
#include "engine/io/mapped_file.h"
#include "engine/quant/quantizer.h"
#include "experiments/calibration_text.h"

#include <algorithm>
#include <charconv>
#include <fstream>

namespace lathe {

ParamSpec modelParam() {
    return {
        .name = "model",
        .kind = ParamKind::Model,
        .help = "Bundled name, Hugging Face folder or .gguf file",
        .required = true};
}

ParamSpec cleanParam() {
    return {
        .name = "clean",
        .kind = ParamKind::Choice,
        .defaultValue = "none",
        .help = "Take the text as it is, or as a Project Gutenberg book without header, footer and "
                "line breaks",
        .choices = {"none", "gutenberg"}};
}

std::vector<ParamSpec> scoringParams() {
    return {
        {.name = "text",
         .kind = ParamKind::File,
         .help = "Text to score; without one, the bundled story"},
        cleanParam(),
        {.name = "window",
         .kind = ParamKind::Integer,
         .defaultValue = 0,
         .help = "Length of a window; 0: the length that the model was trained with",
         .unit = "token",
         .minimum = 0,
         .maximum = 1 << 20,
         .advanced = true},
        {.name = "stride",
         .kind = ParamKind::Integer,
         .defaultValue = 0,
         .help =
             "Distance of windows; 0: the window. A shorter one scores only the fresh tokens, with "
             "more context",
         .unit = "token",
         .minimum = 0,
         .maximum = 1 << 20,
         .advanced = true},
        {.name = "bos",
         .kind = ParamKind::Choice,
         .defaultValue = "document",
         .help = "Beginning-of-text token once before the document, or before every window",
         .choices = {"document", "window"},
         .advanced = true},
        {.name = "tail",
         .kind = ParamKind::Choice,
         .defaultValue = "drop",
         .help = "Drop or keep the last, shorter window; a text shorter than one window is kept",
         .choices = {"drop", "keep"},
         .advanced = true},
        {.name = "max_windows",
         .kind = ParamKind::Integer,
         .defaultValue = 0,
         .help = "Score only the first windows; 0: all, or 256 that are drawn",
         .unit = "window",
         .minimum = 0,
         .maximum = 1e9,
         .advanced = true},
        {.name = "draw",
         .kind = ParamKind::Choice,
         .defaultValue = "consecutive",
         .help = "Windows one after another, or drawn at random from the documents of a JSON Lines "
                 "file, as GPTQ and SqueezeLLM score C4",
         .choices = {"consecutive", "documents"},
         .advanced = true},
        {.name = "draw_seed",
         .kind = ParamKind::Integer,
         .defaultValue = 0,
         .help = "What Python's generator is seeded with to draw them; published numbers have 0",
         .minimum = 0,
         .maximum = 4294967295.0,
         .advanced = true}};
}

std::vector<ParamSpec> quantizerParams(bool sweep) {
    std::vector<std::string> methods;
    for (const auto& quantizer : quantizers().all()) {
        methods.push_back(quantizer->info().id);
    }
    if (sweep) {
        methods.push_back("gguf:FILE");
    }
    return {
        {.name = "method",
         .kind = ParamKind::Choice,
         .defaultValue = "kmeans",
         .help = "How codes are chosen: exact k-means per row (kmeans), weighted by sensitivities "
                 "(squeezellm) and with a sparse part (squeezellm-sparse), refined from there for "
                 "what the outputs lose (refined), the weighted ones by Lloyd's iterations "
                 "(lloyd), round to nearest (rtn), or that around zero (rtn-sym)" +
                 std::string(sweep ? "; gguf:FILE measures a file of llama.cpp as it is" : ""),
         .choices = methods,
         .flag = sweep ? "methods" : "method",
         .sweep = sweep},
        {.name = "bits",
         .kind = ParamKind::Integer,
         .defaultValue = 4,
         .help = "Bits of a weight's code; rtn needs at least 2",
         .unit = "bit",
         .minimum = 1,
         .maximum = 8,
         .sweep = sweep},
        {.name = "group",
         .kind = ParamKind::Choice,
         .defaultValue = "none",
         .help =
             "Weights that share one scale; none: a whole output row. Methods with a table per row "
             "ignore it",
         .choices = {"none", "32", "64", "128"},
         .sweep = sweep},
        {.name = "sparsity",
         .kind = ParamKind::Real,
         .defaultValue = 0.45,
         .help = "Share of the weights that squeezellm-sparse keeps beside its tables, sensitive "
                 "ones and outliers together",
         .unit = "%",
         .minimum = 0,
         .maximum = 20,
         .sweep = sweep},
        {.name = "sensitive",
         .kind = ParamKind::Real,
         .defaultValue = 0.05,
         .help = "Of these, the share of each matrix that is chosen by sensitivity",
         .unit = "%",
         .minimum = 0,
         .maximum = 20,
         .advanced = true}};
}

std::vector<ParamSpec> calibrationParams() {
    return {
        {.name = "calibration",
         .kind = ParamKind::File,
         .help = "Text that sensitivities are computed on; without one, what the model itself "
                 "writes. It must not be the text that is scored",
         .advanced = true},
        {.name = "calibration_clean",
         .kind = ParamKind::Choice,
         .defaultValue = "none",
         .help = "Take that text as it is, or as a Project Gutenberg book",
         .choices = {"none", "gutenberg"},
         .advanced = true},
        {.name = "calibration_samples",
         .kind = ParamKind::Integer,
         .defaultValue = CalibrationChoice{}.samples,
         .help = "Samples of it whose squared gradients are averaged",
         .minimum = 1,
         .maximum = 1 << 16,
         .advanced = true},
        {.name = "calibration_length",
         .kind = ParamKind::Integer,
         .defaultValue = 0,
         .help = "Length of a sample; 0: the length that the model was trained with",
         .unit = "token",
         .minimum = 0,
         .maximum = 1 << 20,
         .advanced = true}};
}

std::vector<MetricInfo> languageMetrics() {
    return {
        {"perplexity", "Perplexity", "", -1, "exp of the mean loss per scored token"},
        {"perplexity_low", "Perplexity, lower bound", "", 0, "95 % bootstrap over windows"},
        {"perplexity_high", "Perplexity, upper bound", "", 0, "95 % bootstrap over windows"},
        {"bits_per_byte", "Bits per byte", "bit", -1,
         "Loss in bits over the UTF-8 bytes of the scored tokens: compares across vocabularies"},
        {"bits_per_byte_low", "Bits per byte, lower bound", "bit", 0, {}},
        {"bits_per_byte_high", "Bits per byte, upper bound", "bit", 0, {}},
        {"nll", "Loss per token", "nat", -1, "Mean negative log-likelihood"},
        {"tokens", "Scored tokens", "token", 0, {}},
        {"windows", "Windows", "", 0, {}},
        {"protocol", "Protocol", "", 0, "Numbers of different protocols do not compare"}};
}

std::vector<MetricInfo> divergenceMetrics() {
    return {
        {"kl_mean", "KL divergence from float", "nat", -1, "Mean over the scored tokens"},
        {"kl_mean_low", "KL divergence, lower bound", "nat", 0, "95 % bootstrap over windows"},
        {"kl_mean_high", "KL divergence, upper bound", "nat", 0, "95 % bootstrap over windows"},
        {"kl_median", "KL divergence, median", "nat", -1, "Over the scored tokens"},
        {"kl_p99", "KL divergence, 99 %", "nat", -1, "Percentile over the scored tokens"},
        {"kl_p999", "KL divergence, 99.9 %", "nat", -1, "Percentile over the scored tokens"}};
}

std::vector<MetricInfo> windowMetrics() {
    return {
        {"kl_windows", "KL divergence of each window", "nat", 0, "Sums over its tokens"},
        {"token_windows", "Scored tokens of each window", "token", 0, {}}};
}

std::vector<MetricInfo> agreementMetrics() {
    return {
        {"top1_agreement", "Top-1 agreement with float", "", 1,
         "Share of tokens whose most probable continuation stays the same"},
        {"top1_agreement_low", "Top-1 agreement, lower bound", "", 0, {}},
        {"top1_agreement_high", "Top-1 agreement, upper bound", "", 0, {}}};
}

std::vector<MetricInfo> trafficMetrics() {
    return {
        {"gb_per_s", "Traffic", "GB/s", 1, {}},
        {"copy_gb_per_s", "Copy bandwidth", "GB/s", 0,
         "Measured first in the same run; read and written bytes counted"},
        {"share_of_copy", "Share of the copy bandwidth", "", 1, {}}};
}

std::int64_t groupSize(const Json& value) {
    if (value.is_null() || value == "none") {
        return 0;
    }
    if (value.is_number_integer()) {
        return value.get<std::int64_t>();
    }
    std::int64_t size = -1;
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
        if (error != std::errc{} || end != text.data() + text.size()) {
            size = -1;
        }
    }
    if (size < 0) {
        throw InputError("--group must be none or a number of weights, not " + dumpJson(value));
    }
    return size;
}

std::string textOf(const Json& params, const std::string& name) {
    const auto it = params.find(name);
    return it != params.end() && it->is_string() ? it->get<std::string>() : std::string();
}

void requireFree(const std::filesystem::path& folder) {
    std::error_code unreadable;
    LATHE_CHECK(
        !std::filesystem::exists(folder, unreadable) ||
            (std::filesystem::is_directory(folder, unreadable) &&
             std::filesystem::is_empty(folder, unreadable)),
        folder.string() + " exists and is not an empty folder; choose another one with --out");
}

std::filesystem::path freeFile(const Json& params, const std::string& name) {
    const std::string out = textOf(params, name);
    if (out.empty()) {
        return {};
    }
    std::filesystem::path path = std::filesystem::absolute(out).lexically_normal();
    LATHE_CHECK(!pathExists(path), path.string() + " exists; choose another file with --" + name);
    LATHE_CHECK(
        std::filesystem::is_directory(path.parent_path()),
        path.parent_path().string() + " is no folder; make it, or choose another file with --" +
            name);
    return path;
}

void writeWhole(const std::filesystem::path& path, const std::string& content) {
    std::filesystem::path part = path;
    part += ".part";
    std::ofstream file(part, std::ios::binary | std::ios::trunc);
    file << content;
    file.close();
    std::error_code error;
    if (!file.fail()) {
        std::filesystem::rename(part, path, error);
    }
    if (file.fail() || error) {
        std::error_code ignored;
        std::filesystem::remove(part, ignored);
        throw InputError(path.string() + " cannot be written");
    }
}

std::vector<std::string> listItems(const std::string& list) {
    std::vector<std::string> items;
    for (std::size_t from = 0; from < list.size();) {
        const std::size_t comma = std::min(list.find(',', from), list.size());
        items.push_back(list.substr(from, comma - from));
        from = comma + 1;
    }
    return items;
}

} // namespace lathe
