// SPDX-License-Identifier: Apache-2.0
#include "experiments/what_if_desk.h"

#include "engine/core/check.h"
#include "engine/decode/what_if.h"
#include "experiments/decode_pair.h"
#include "experiments/decoded_metrics.h"
#include "experiments/runner.h"
#include "experiments/studies/decode_params.h"
#include "experiments/studies/params.h"

#include <map>

namespace lathe {

namespace {

constexpr const char* kStudy = "decode.once";
constexpr int kCandidates = 5;

class NoSink : public EventSink {
public:
    void post(Event) noexcept override {}
};

/// What both models said behind the prefixes at which tokens were written.
class Candidates {
public:
    Candidates(const WhatIf& whatIf, const DecodeLog& log) {
        std::vector<TokenId> text = log.prompt;
        for (const DecodeEvent& event : log.events) {
            m_at.push_back(-1);
            switch (event.kind) {
            case DecodeEventKind::Fallback:
                note(whatIf, text);
                break;
            case DecodeEventKind::Draft:
            case DecodeEventKind::Replace:
            case DecodeEventKind::LargeToken:
                note(whatIf, text);
                text.push_back(event.token);
                break;
            case DecodeEventKind::Rollback:
                text.resize(static_cast<std::size_t>(event.pos));
                break;
            default:
                break;
            }
        }
    }

    void putInto(Json& answer) const {
        answer["candidates"] = m_rows;
        answer["at"] = m_at;
    }

private:
    static Json rowJson(const TokenRow* row) {
        Json json = Json::array();
        if (row != nullptr) {
            for (const TokenCandidate& candidate : row->top) {
                json.push_back({candidate.id, candidate.probability});
            }
        }
        return json;
    }

    void note(const WhatIf& whatIf, const std::vector<TokenId>& prefix) {
        const auto [found, isNew] = m_known.emplace(prefix, static_cast<int>(m_rows.size()));
        if (isNew) {
            m_rows.push_back(
                {{"little", rowJson(whatIf.little().known(prefix))},
                 {"big", rowJson(whatIf.big().known(prefix))}});
        }
        m_at.back() = found->second;
    }

    std::map<std::vector<TokenId>, int> m_known;
    Json m_rows = Json::array();
    std::vector<int> m_at;
};

/// What remembered answers hang on: all but what decides over them.
Json subjectOf(const Spec& spec, Drafter drafter) {
    Json params = spec.params;
    for (const char* deciding :
         {"strategy", "preset", "alpha_fb", "alpha_rb", "max_run", "metric", "overshoot_guard",
          "draft_length", "out"}) {
        params.erase(deciding);
    }
    return {params, static_cast<int>(drafter), spec.device, spec.target, spec.threads};
}

void addPieces(const Tokenizer& tokenizer, Json& answer) {
    Json& pieces = answer.at("pieces");
    for (const Json& row : answer.at("candidates")) {
        for (const char* model : {"little", "big"}) {
            for (const Json& candidate : row.at(model)) {
                const auto id = candidate.at(0).get<TokenId>();
                if (id < tokenizer.size()) {
                    pieces[std::to_string(id)] = tokenizer.piece(id);
                }
            }
        }
    }
}

} // namespace

/// One text between two models, and what they are remembered to have said of it.
struct WhatIfDesk::Subject {
    Subject(const Spec& spec, Drafter drafter, ModelCache& models, std::stop_token stop)
        : run(0, sink, std::move(stop)), exec(contextOf(spec)),
          context{run, *exec, *exec, models, cache}, pair(context, pairChoiceFrom(spec.params)),
          text(pair.read(
              {.text = textOf(spec.params, "source"),
               .maxNew = spec.params.at("max_new").get<int>(),
               .seed = spec.seed},
              {bild({}), drafter})),
          whatIf(pair.models(drafter), text->request, kCandidates) {}

    PairText decode(RunControl& control, const DraftOptions& options, const CallCosts& costs) {
        PairText made{.decoded = whatIf.decode(control, options, costs), .text = {}};
        made.text = newText(pair.tokenizer(), made.decoded, text->request.ends);
        return made;
    }

    NoSink sink;
    RunControl run;
    std::unique_ptr<ExecContext> exec;
    RunCache cache;
    StudyContext context;
    DecodePair pair;
    std::unique_ptr<ReadText> text;
    WhatIf whatIf;
    Json key;
};

WhatIfDesk::WhatIfDesk() = default;
WhatIfDesk::~WhatIfDesk() = default;

Json WhatIfDesk::answer(const Json& question, ModelCache& models, const std::stop_token& stop) {
    Spec spec = specFromJson(question.at("spec"));
    LATHE_CHECK(spec.study == kStudy, "only runs of decode.once can be replayed");
    const StudyInfo& info = studies().at(kStudy).info();
    requireValid(spec, info);
    spec = withDefaults(spec, info);
    const Strategy strategy = strategyFrom(textOf(spec.params, "strategy"), spec.params);
    const CallCosts costs = callCostsFromJson(question.at("costs"));
    const Json key = subjectOf(spec, strategy.drafter);
    if (m_subject == nullptr || m_subject->key != key) {
        m_subject.reset(); // its memory goes first
        auto subject = std::make_unique<Subject>(spec, strategy.drafter, models, stop);
        subject->key = key;
        m_subject = std::move(subject);
    }
    Subject& subject = *m_subject;
    RunControl run(0, subject.sink, stop);
    const std::int64_t before =
        subject.whatIf.little().prefixes() + subject.whatIf.big().prefixes();
    const PairText text = subject.decode(run, strategy.options, costs);
    const PairText alone = subject.decode(run, bigAlone(), costs);
    Json answer = decodedMetrics(subject.pair.tokenizer(), strategy.options, text, alone);
    answer["computed"] =
        subject.whatIf.little().prefixes() + subject.whatIf.big().prefixes() - before;
    Candidates(subject.whatIf, text.decoded.log).putInto(answer);
    addPieces(subject.pair.tokenizer(), answer);
    return answer;
}

} // namespace lathe
