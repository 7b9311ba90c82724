// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "tests/widgets/quant/fake_context.h"
#include "widgets/base/state_view.h"
#include "widgets/decode/decode_panel.h"

#include <fstream>
#include <sstream>

namespace lathe::test {

/// What an engine once said: see record_decoding.py.
inline const Json& recorded() {
    static const Json kRecorded = [] {
        const auto path =
            sourceFolder() / "tests" / "widgets" / "decode" / "recorded_decoding.json";
        std::ifstream file(path);
        std::stringstream text;
        text << file.rdbuf();
        return parseJson(text.str(), path.string());
    }();
    return kRecorded;
}

inline std::vector<Event> eventsOf(const char* part, qint64 runId) {
    std::vector<Event> events;
    for (const Json& one : recorded().at(part).at("events")) {
        events.push_back(
            {.runId = runId,
             .cell = one.at("cell").get<int>(),
             .seq = one.at("seq").get<std::int64_t>(),
             .at = std::chrono::nanoseconds(one.at("at_ns").get<std::int64_t>()),
             .payload =
                 payloadFromJson(one.at("kind").get<std::string>(), one.at("payload")).value()});
    }
    return events;
}

inline Spec specOf(const char* part) { return specFromJson(recorded().at(part).at("spec")); }

struct Fixture {
    explicit Fixture(bool ready = true) : context(ready) {
        for (const Json& study : recorded().at("studies")) {
            context.info.studies.push_back(studyInfoFromJson(study));
        }
        for (const char* name : {"translate-big", "translate-little-aligned"}) {
            context.info.models.push_back(
                {.name = name,
                 .title = name,
                 .source = "bundled",
                 .path = name,
                 .architecture = "t5"});
        }
        panel = std::make_unique<DecodePanel>(context);
    }
    /// A stored run of a part of the record.
    qint64 store(const char* part) { return store(part, specOf(part)); }
    qint64 store(const char* part, const Spec& spec) {
        const qint64 id = context.writer().insertRun(spec, "recorded");
        for (Event& event : eventsOf(part, id)) {
            context.writer().post(std::move(event));
        }
        context.writer().flush();
        return id;
    }
    StateView* state() const {
        for (StateView* view : panel->findChildren<StateView*>()) {
            if (view->isVisibleTo(panel.get())) {
                return view;
            }
        }
        return nullptr;
    }
    void answer(qint64 question, const Json& result) {
        emit context.answered(question, {{"question", question}, {"result", result}});
    }
    LiveView& live() const { return panel->live(); }

    FakeContext context;
    std::unique_ptr<DecodePanel> panel;
};

} // namespace lathe::test
