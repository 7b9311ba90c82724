// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/widgets/base/fake_context.h"

#include <algorithm>

namespace lathe::test {

StudyInfo everyKindOfParameter() {
    ParamSpec method{
        .name = "method", .kind = ParamKind::Choice, .defaultValue = "rtn", .help = "How"};
    method.choices = {"rtn", "kmeans"};
    method.sweep = true;
    ParamSpec bits{
        .name = "bits",
        .kind = ParamKind::Integer,
        .defaultValue = 4,
        .help = "Width of an index",
        .unit = "bit",
        .minimum = 2,
        .maximum = 8};
    bits.sweep = true;
    ParamSpec window{
        .name = "window",
        .kind = ParamKind::Integer,
        .defaultValue = {},
        .help = "Tokens scored together",
        .unit = "token",
        .minimum = 1};
    window.advanced = true;
    ParamSpec bos{
        .name = "bos", .kind = ParamKind::Choice, .defaultValue = "document", .help = "Where"};
    bos.choices = {"document", "window"};
    return {
        .id = "test.study",
        .title = "Test",
        .summary = "Has a parameter of every kind",
        .params = {
            {.name = "model", .kind = ParamKind::Model, .help = "Which one", .required = true},
            method,
            bits,
            {.name = "text", .kind = ParamKind::File, .help = "What is read"},
            {.name = "share",
             .kind = ParamKind::Real,
             .defaultValue = 0.5,
             .help = "How much",
             .minimum = 0,
             .maximum = 1},
            {.name = "preset",
             .kind = ParamKind::File,
             .defaultValue = "strict",
             .help = "Which thresholds",
             .choices = {"strict", "paper"}},
            {.name = "clean", .kind = ParamKind::Flag, .defaultValue = false, .help = "Whether"},
            bos,
            window}};
}

FakeContext::FakeContext() {
    info.protocol = 1;
    info.build = "test";
    info.device = "CPU";
    info.studies = {everyKindOfParameter()};
    info.models = {
        {.name = "lm-little",
         .title = "lm-little",
         .source = "bundled",
         .path = "/models/lm-little",
         .architecture = "llama",
         .parameters = 1000,
         .bytes = 4000},
        {.name = "/models/too-big.gguf",
         .title = "too-big",
         .source = "gguf",
         .path = "/models/too-big.gguf",
         .architecture = "llama",
         .parameters = 70000000000,
         .bytes = 280000000000,
         .problem = "needs 280 GB of memory, 16 GB are there"}};
}

qint64 FakeContext::submit(const Spec& spec, const QString&) {
    submitted.push_back(spec);
    return static_cast<qint64>(submitted.size());
}

const StudyInfo* FakeContext::study(const std::string& id) const {
    const auto it = std::ranges::find(info.studies, id, &StudyInfo::id);
    return !running || it == info.studies.end() ? nullptr : &*it;
}

std::vector<ModelInfo> FakeContext::models() const {
    return running ? info.models : std::vector<ModelInfo>{};
}

RunReader& FakeContext::reader() {
    if (!m_reader) {
        m_reader = std::make_unique<RunReader>(store);
    }
    return *m_reader;
}

} // namespace lathe::test
