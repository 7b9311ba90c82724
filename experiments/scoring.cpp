// SPDX-License-Identifier: Apache-2.0
#include "experiments/scoring.h"

#include "engine/core/check.h"
#include "engine/io/mapped_file.h"
#include "experiments/datasets.h"
#include "experiments/studies/params.h"
#include "kernels/ops/cross_entropy/cross_entropy.h"

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {

constexpr std::int64_t kLongestDefaultWindow = 2048;
constexpr std::size_t kMaxTrainingRecordBytes = std::size_t{1} << 20;

std::int64_t integerParam(const Json& params, const char* name) {
    const auto it = params.find(name);
    return it != params.end() && it->is_number_integer() ? it->get<std::int64_t>() : 0;
}

WindowOptions windowOptionsFrom(const Json& params, const LoadedModel& model) {
    WindowOptions options;
    options.window = integerParam(params, "window");
    if (options.window == 0) {
        options.window = defaultWindow(model);
    }
    options.stride = integerParam(params, "stride");
    if (options.stride == 0) {
        options.stride = options.window;
    }
    options.bosPerWindow = textOf(params, "bos") == "window";
    options.keepTail = textOf(params, "tail") == "keep";
    options.maxWindows = integerParam(params, "max_windows");
    const std::int64_t positions = model.model->maxPositions();
    LATHE_CHECK(
        options.window <= positions, "--window " + std::to_string(options.window) +
                                         " is longer than the " + std::to_string(positions) +
                                         " positions of " + model.name);
    return options;
}

/// Tokenizes no more of a long text than the asked-for windows can need.
std::string_view neededPart(std::string_view text, const WindowOptions& options) {
    if (options.maxWindows == 0) {
        return text;
    }
    // A token stands for at least one byte and rarely for more than sixteen; a cut shortens nothing
    // that is scored because the windows end long before it.
    constexpr std::int64_t kBytesPerToken = 64;
    const std::int64_t tokens = (options.maxWindows + 1) * options.window;
    std::size_t end = text.size();
    if (const auto bytes = checkedProduct(tokens, kBytesPerToken);
        bytes && static_cast<std::uint64_t>(*bytes) < text.size()) {
        end = static_cast<std::size_t>(*bytes);
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
            --end;
        }
    }
    return text.substr(0, end);
}

/// Bytes of a window's scored tokens: the text of the window less that of what precedes them, so
/// that pieces whose spelling hangs on their neighbours count as they do in the text.
double scoredBytes(const Tokenizer& tokenizer, const ScoringText& text, const Window& window) {
    // Where nothing precedes the scored tokens within their window, the token before it shows that
    // they stand inside of a text, whose first space would otherwise be lost.
    const std::int64_t lead = window.count == window.fresh && window.from > 0 ? 1 : 0;
    const auto all = std::span(text.stream)
                         .subspan(
                             static_cast<std::size_t>(window.from - lead),
                             static_cast<std::size_t>(window.count + lead));
    const auto before = all.first(static_cast<std::size_t>(window.count + lead - window.fresh));
    const std::size_t whole = tokenizer.decode(all).size();
    return static_cast<double>(whole - std::min(whole, tokenizer.decode(before).size()));
}

/// One text from its beginning, or all of it.
ScoringText consecutiveText(
    const Json& params, const LoadedModel& model, const WindowOptions& options,
    const std::string& clean, RunControl& run) {
    const Tokenizer& tokenizer = model.requireTokenizer();
    const std::string named = textOf(params, "text");
    const std::filesystem::path path =
        named.empty() ? defaultTextPath() : std::filesystem::path(named);
    const std::string content = readText(path, cleaningFromName(clean), run);
    run.checkpoint();

    ScoringText text;
    text.name = path.filename().string();
    LATHE_CHECK(
        !options.bosPerWindow || tokenizer.bos(),
        "--bos window: " + model.name + " puts no beginning-of-text token in front of texts");
    if (options.bosPerWindow) {
        text.windowBos = tokenizer.bos();
    } else if (tokenizer.bos()) {
        text.stream.push_back(*tokenizer.bos());
    }
    const std::vector<TokenId> ids = tokenizer.encode(neededPart(content, options));
    text.stream.insert(text.stream.end(), ids.begin(), ids.end());
    run.checkpoint();

    WindowPlan plan = planWindows(static_cast<std::int64_t>(text.stream.size()), options);
    if (plan.keptShortText) {
        run.log(
            LogLevel::Warning, text.name + " is shorter than one window of " +
                                   std::to_string(options.window) + " tokens: scored as it is");
    }
    text.windows = std::move(plan.windows);
    text.protocol = protocolLabel(options, clean);
    return text;
}

/// Windows drawn from many documents.
ScoringText drawnText(
    const Json& params, const LoadedModel& model, const WindowOptions& options,
    const std::string& clean, RunControl& run) {
    const std::filesystem::path path = textOf(params, "text");
    LATHE_CHECK(
        !path.empty(), "--draw documents needs --text with a file of documents (JSON Lines)");
    LATHE_CHECK(
        options.stride == options.window && !options.bosPerWindow && !options.keepTail,
        "--draw documents has windows apart from each other: --stride, --bos window and --tail "
        "keep do not go with it");
    DrawOptions draw{
        .window = options.window,
        .seed = static_cast<std::uint32_t>(integerParam(params, "draw_seed"))};
    if (options.maxWindows > 0) {
        draw.count = options.maxWindows;
    }
    const Cleaning cleaning = cleaningFromName(clean);
    const std::vector<std::string> documents = readDocuments(path, run);
    const Tokenizer& tokenizer = model.requireTokenizer();
    const auto tokensOf = [&](std::size_t index) {
        run.checkpoint();
        const std::string& document = documents[index];
        std::vector<TokenId> ids =
            tokenizer.encode(cleaning == Cleaning::Gutenberg ? cleanGutenberg(document) : document);
        if (tokenizer.bos()) {
            ids.insert(ids.begin(), *tokenizer.bos());
        }
        return ids;
    };
    ScoringText text;
    text.name = path.filename().string();
    text.stream = drawWindows(documents.size(), tokensOf, draw);
    text.windows = planWindows(static_cast<std::int64_t>(text.stream.size()), options).windows;
    text.protocol = protocolLabel(draw, clean);
    return text;
}

} // namespace

std::vector<TokenId> ScoringText::input(std::size_t window) const {
    const Window& w = windows.at(window);
    std::vector<TokenId> ids;
    ids.reserve(static_cast<std::size_t>(w.count) + 1);
    if (windowBos) {
        ids.push_back(*windowBos);
    }
    ids.insert(ids.end(), stream.begin() + w.from, stream.begin() + w.from + w.count);
    return ids;
}

std::int64_t defaultWindow(const LoadedModel& model) {
    const std::int64_t positions = model.model->maxPositions();
    const std::filesystem::path record = model.checkpoint->path() / "training.json";
    if (std::filesystem::is_regular_file(record)) {
        const Json training =
            parseJson(readTextFile(record, kMaxTrainingRecordBytes), record.string());
        if (const std::int64_t context = integerParam(training, "context"); context >= 2) {
            return std::min(context, positions);
        }
    }
    return std::min(kLongestDefaultWindow, positions);
}

std::vector<std::filesystem::path> trainingRecords(const Json& params) {
    std::filesystem::path record = resolveModel(textOf(params, "model")) / "training.json";
    return std::filesystem::is_regular_file(record)
               ? std::vector<std::filesystem::path>{std::move(record)}
               : std::vector<std::filesystem::path>{};
}

std::vector<std::filesystem::path> scoringFiles(const Json& params) {
    std::vector<std::filesystem::path> files = trainingRecords(params);
    if (textOf(params, "text").empty()) {
        files.push_back(defaultTextPath());
    }
    return files;
}

ScoringText scoringTextFrom(const Json& params, const LoadedModel& model, RunControl& run) {
    const WindowOptions options = windowOptionsFrom(params, model);
    const std::string clean = textOf(params, "clean").empty() ? "none" : textOf(params, "clean");
    ScoringText text = textOf(params, "draw") == "documents"
                           ? drawnText(params, model, options, clean, run)
                           : consecutiveText(params, model, options, clean, run);
    const Tokenizer& tokenizer = model.requireTokenizer();
    for (const Window& window : text.windows) {
        text.bytes.push_back(scoredBytes(tokenizer, text, window));
        text.longestInput = std::max(text.longestInput, window.count + (text.windowBos ? 1 : 0));
    }
    return text;
}

WindowScorer::WindowScorer(ExecContext& exec, const Decoder& model, const ScoringText& text)
    : m_exec(exec), m_model(model), m_text(text), m_state(model.begin(exec, text.longestInput)) {}

ConstView WindowScorer::logits(std::size_t window) {
    const std::vector<TokenId> ids = m_text.input(window);
    m_state->truncate(0);
    const DecodeSlot slot{*m_state, ids};
    const ConstView all = m_model.forward(m_exec, {&slot, 1});
    const auto rows = static_cast<std::int64_t>(ids.size());
    // Row t predicts token t + 1, so the last row predicts nothing that is known.
    return all.slice(rows - 1 - m_text.windows[window].fresh, rows - 1);
}

WindowScore WindowScorer::score(std::size_t window, ConstView rows) {
    const Window& w = m_text.windows.at(window);
    const auto targets = std::span<const TokenId>(m_text.stream)
                             .subspan(
                                 static_cast<std::size_t>(w.from + w.count - w.fresh),
                                 static_cast<std::size_t>(w.fresh));
    const Arena::Scope scope(m_exec.scratch());
    const TensorView ids = m_exec.scratch().take({w.fresh}, DType::I32);
    const TensorView nll = m_exec.scratch().take({w.fresh}, DType::F32);
    copy(m_exec, constViewOf<TokenId>(targets, {w.fresh}), ids);
    run(m_exec, CrossEntropy{.logits = rows, .targets = ids, .nll = nll});
    std::vector<float> host(targets.size());
    copy(m_exec, nll, viewOf(std::span(host), {w.fresh}));
    WindowScore score{.tokens = static_cast<double>(w.fresh), .bytes = m_text.bytes[window]};
    for (const float value : host) {
        score.nll += static_cast<double>(value);
    }
    if (!std::isfinite(score.nll)) {
        throw InternalError(
            "window " + std::to_string(window + 1) +
            ": the model gave a value that is not finite; its weights may be damaged");
    }
    return score;
}

WindowDistance distance(ExecContext& exec, ConstView reference, ConstView rows) {
    const std::int64_t count = rows.shape[0];
    const Arena::Scope scope(exec.scratch());
    const TensorView kl = exec.scratch().take({count}, DType::F32);
    const TensorView same = exec.scratch().take({count}, DType::I32);
    run(exec, DistributionDistance{.p = reference, .q = rows, .kl = kl, .sameArgmax = same});
    std::vector<float> hostKl(static_cast<std::size_t>(count));
    std::vector<std::int32_t> hostSame(hostKl.size());
    copy(exec, kl, viewOf(std::span(hostKl), {count}));
    copy(exec, same, viewOf(std::span(hostSame), {count}));
    WindowDistance sums;
    for (std::size_t i = 0; i < hostKl.size(); ++i) {
        sums.kl += static_cast<double>(hostKl[i]);
        sums.agreement += hostSame[i];
    }
    sums.tokenKl = std::move(hostKl);
    return sums;
}

} // namespace lathe
