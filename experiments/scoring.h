// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/decode/decoder.h"
#include "experiments/metrics.h"
#include "experiments/model_cache.h"
#include "experiments/study.h"
#include "experiments/windows.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

/// Scoring a text with a language model, window by window.
namespace lathe {

/// A text as one model's token stream with its windows.
struct ScoringText {
    std::vector<TokenId> stream; ///< a beginning-of-text token first, when the document has one
    std::optional<TokenId> windowBos; ///< leads every window instead
    std::vector<Window> windows;
    std::vector<double> bytes;     ///< UTF-8 bytes of each window's scored tokens
    std::int64_t longestInput = 0; ///< tokens of the longest model input
    std::string protocol;          ///< label of how it was cut
    std::string name;              ///< of the text's file

    /// What the model is fed for a window.
    std::vector<TokenId> input(std::size_t window) const;
};

/// Reads, cleans, tokenizes and cuts the text that `params` name (text, clean, window, stride, bos,
/// tail, max_windows, draw, draw_seed; the declarations are in studies/params.h).
/// @throws InputError for a text or protocol that leaves nothing to score, or a window longer than
///         the model's positions.
ScoringText scoringTextFrom(const Json& params, const LoadedModel& model, RunControl& run);

/// The model's own record of its training, where it has one: default lengths come from it.
std::vector<std::filesystem::path> trainingRecords(const Json& params);

/// The files of `scoringTextFrom` that `params` do not name: the bundled text, and the model's
/// training.json with its window length.
std::vector<std::filesystem::path> scoringFiles(const Json& params);

/// Window length of a model when none is asked for: `context` of its training.json, else the
/// smaller of 2048 and its positions.
std::int64_t defaultWindow(const LoadedModel& model);

/// Feeds windows of one text to one model. Reuses one decoder state; not for two threads.
class WindowScorer {
public:
    WindowScorer(ExecContext& exec, const Decoder& model, const ScoringText& text);

    /// Runs one window. The scored rows [fresh, vocabulary] lie on the context's device until the
    /// next call: row r is the prediction of the r-th scored token.
    ConstView logits(std::size_t window);
    /// Sums over the scored tokens of these rows. @throws InternalError when the model gave a value
    /// that is not finite.
    WindowScore score(std::size_t window, ConstView rows);

private:
    ExecContext& m_exec;
    const Decoder& m_model;
    const ScoringText& m_text;
    std::unique_ptr<DecoderState> m_state;
};

/// How far one window's predictions are from the reference model's: sums over its scored tokens and
/// the value of each.
struct WindowDistance {
    double kl = 0.0;            ///< nats
    double agreement = 0.0;     ///< tokens whose most probable continuation is the same
    std::vector<float> tokenKl; ///< nats, in the order of the tokens
};
/// @param reference, rows  logits [scored tokens, vocabulary] F32 on the context's device.
WindowDistance distance(ExecContext& exec, ConstView reference, ConstView rows);

} // namespace lathe
