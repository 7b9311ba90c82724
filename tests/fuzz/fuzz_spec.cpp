// SPDX-License-Identifier: Apache-2.0
#include "engine/core/error.h"
#include "engine/core/event.h"
#include "engine/core/spec.h"

using namespace lathe;

namespace {

/// One parameter of every kind.
StudyInfo makeStudy() {
    StudyInfo info;
    info.id = "fuzz.study";
    info.title = "Fuzz";
    info.summary = "Takes a parameter of every kind";
    info.params = {
        {.name = "flag", .kind = ParamKind::Flag, .defaultValue = false},
        {.name = "integer",
         .kind = ParamKind::Integer,
         .defaultValue = 4,
         .minimum = 2,
         .maximum = 8,
         .sweep = true},
        {.name = "real", .kind = ParamKind::Real, .defaultValue = 0.5, .minimum = 0, .maximum = 1},
        {.name = "text", .kind = ParamKind::Text, .sweep = true},
        {.name = "choice",
         .kind = ParamKind::Choice,
         .defaultValue = "a",
         .choices = {"a", "b"},
         .sweep = true},
        {.name = "file", .kind = ParamKind::File},
        {.name = "folder", .kind = ParamKind::Folder},
        {.name = "model", .kind = ParamKind::Model, .required = true},
    };
    return info;
}

template <class Action>
void expectErrorsOnly(Action&& action) {
    try {
        action();
    } catch (const Error&) {
        return;
    }
}

/// What was understood can be said again.
void checkSpec(const Json& json) {
    static const StudyInfo kStudy = makeStudy();
    const Spec spec = specFromJson(json);
    const bool valid = validate(spec, kStudy).empty();
    const std::string text = dumpJson(toJson(spec));
    const Spec again = specFromJson(parseJson(text, "again"));
    if (dumpJson(toJson(again)) != text || validate(again, kStudy).empty() != valid) {
        __builtin_trap();
    }
    if (valid) {
        const Spec complete = withDefaults(spec, kStudy);
        if (!validate(complete, kStudy).empty()) {
            __builtin_trap();
        }
        commandLine(complete, kStudy);
    }
}

void checkPayload(const std::string& kind, const Json& json) {
    if (const auto payload = payloadFromJson(kind, json, std::vector<std::byte>(4))) {
        const Json said = payloadToJson(*payload);
        const auto again = payloadFromJson(kindOf(*payload), said, std::vector<std::byte>(4));
        if (!again || dumpJson(payloadToJson(*again)) != dumpJson(said)) {
            __builtin_trap();
        }
    }
}

} // namespace

/// JSON that is read as a spec, as each event payload and as a study's description.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    expectErrorsOnly([&] {
        const Json json = parseJson(text, "input");
        expectErrorsOnly([&] { checkSpec(json); });
        for (const char* kind :
             {"progress", "metric", "token", "cell", "artifact", "array", "run", "log", "none"}) {
            expectErrorsOnly([&] { checkPayload(kind, json); });
        }
        expectErrorsOnly([&] { toJson(studyInfoFromJson(json)); });
    });
    return 0;
}
