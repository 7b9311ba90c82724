// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "experiments/store/run_reader.h"
#include "experiments/store/run_writer.h"
#include "tests/support/lathe_test.h"
#include "widgets/base/panel.h"
#include "widgets/base/theme.h"

namespace lathe::test {

/// A sweep as an engine once ran it: `quant.sweep` on lm-little, rtn and kmeans at 2 and 4 bits.
struct RecordedSweep {
    StudyInfo study;
    Spec spec;
    std::vector<Event> events;

    static RecordedSweep load();
    /// The same events as those of another run.
    std::vector<Event> eventsOf(qint64 runId) const;
};

/// A program without engine and window around a real store: what panels ask for is written down.
class FakeContext : public PanelContext {
    Q_OBJECT
public:
    explicit FakeContext(bool engineReady = true);
    ~FakeContext() override;

    qint64 submit(const Spec& spec, const QString& title) override;
    void cancel(qint64 runId) override { cancelled.push_back(runId); }
    const EngineInfo* engine() const override { return ready ? &info : nullptr; }
    const StudyInfo* study(const std::string& id) const override;
    std::vector<ModelInfo> models() const override {
        return ready ? info.models : std::vector<ModelInfo>{};
    }
    void openModel(const QString&) override {}
    qint64 ask(const std::string& about, Json question) override {
        asked.emplace_back(about, std::move(question));
        return static_cast<qint64>(asked.size());
    }
    RunReader& reader() override { return *m_reader; }
    QString storePath() const override { return QString::fromStdString(m_path.string()); }
    void showRun(qint64 runId) override { shown.push_back(runId); }
    void editSpec(const Spec& spec) override { edited.push_back(spec); }
    void setTags(qint64 runId, const QString& tags) override;
    void setNotes(qint64 runId, const QString& notes) override;
    void showMessage(const QString& text) override { messages << text; }

    /// Inserts a run and writes the recorded sweep, or the first `count` events of it.
    qint64 addSweep(std::size_t count = std::string::npos, const std::string& title = "recorded");
    /// Commits events and hands them to the panel, as the window does.
    void replay(Panel& panel, const std::vector<Event>& events);
    void start(); ///< the engine says hello
    RunWriter& writer() { return *m_writer; }

    RecordedSweep recorded = RecordedSweep::load();
    EngineInfo info;
    bool ready;
    std::vector<Spec> submitted, edited;
    std::vector<std::pair<std::string, Json>> asked;
    std::vector<qint64> cancelled, shown;
    QStringList messages;

private:
    Theme m_theme; ///< loads the icons
    TemporaryFolder m_folder;
    std::filesystem::path m_path;
    std::unique_ptr<RunWriter> m_writer;
    std::unique_ptr<RunReader> m_reader;
};

/// Names of the visible widgets that take the focus and have no accessible name.
QStringList namelessWidgets(QWidget& root);

} // namespace lathe::test
