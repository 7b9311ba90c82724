// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "experiments/store/run_reader.h"
#include "widgets/base/panel.h"

#include <filesystem>
#include <memory>

namespace lathe::test {

/// A program around a panel that answers from memory and writes down what it was asked.
class FakeContext : public PanelContext {
public:
    FakeContext();

    qint64 submit(const Spec& spec, const QString& title) override;
    void cancel(qint64 runId) override { cancelled.push_back(runId); }
    const EngineInfo* engine() const override { return running ? &info : nullptr; }
    const StudyInfo* study(const std::string& id) const override;
    std::vector<ModelInfo> models() const override;
    void openModel(const QString& path) override { opened.push_back(path); }
    qint64 ask(const std::string& about, Json question) override {
        asked.emplace_back(about, std::move(question));
        return static_cast<qint64>(asked.size());
    }
    RunReader& reader() override;
    QString storePath() const override { return QString::fromStdString(store.string()); }
    void showRun(qint64 runId) override { shown.push_back(runId); }
    void editSpec(const Spec& spec) override { edited.push_back(spec); }
    void setTags(qint64, const QString&) override {}
    void setNotes(qint64, const QString&) override {}
    void showMessage(const QString& text) override { messages.push_back(text); }

    bool running = true; ///< the engine has said hello
    EngineInfo info;     ///< one study "test.study" with a parameter of every kind, two models
    std::filesystem::path store;
    std::vector<Spec> submitted, edited;
    std::vector<qint64> cancelled, shown;
    std::vector<QString> opened, messages;

private:
    std::unique_ptr<RunReader> m_reader;
    std::vector<std::pair<std::string, Json>> asked;
};

/// A study with a parameter of every kind.
StudyInfo everyKindOfParameter();

} // namespace lathe::test
