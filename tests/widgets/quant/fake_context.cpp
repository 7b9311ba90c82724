// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/widgets/quant/fake_context.h"

#include <QAccessible>
#include <QLabel>
#include <QScrollBar>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace lathe::test {

RecordedSweep RecordedSweep::load() {
    const auto path = sourceFolder() / "tests" / "widgets" / "quant" / "recorded_sweep.json";
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    const Json json = parseJson(text.str(), path.string());
    RecordedSweep sweep{
        .study = studyInfoFromJson(json.at("study")),
        .spec = specFromJson(json.at("spec")),
        .events = {}};
    for (const Json& one : json.at("events")) {
        sweep.events.push_back(
            {.runId = 0,
             .cell = one.at("cell").get<int>(),
             .seq = one.at("seq").get<std::int64_t>(),
             .at = std::chrono::nanoseconds(one.at("at_ns").get<std::int64_t>()),
             .payload =
                 payloadFromJson(one.at("kind").get<std::string>(), one.at("payload")).value()});
    }
    return sweep;
}

std::vector<Event> RecordedSweep::eventsOf(qint64 runId) const {
    std::vector<Event> all = events;
    for (Event& event : all) {
        event.runId = runId;
    }
    return all;
}

FakeContext::FakeContext(bool engineReady)
    : ready(engineReady), m_path(m_folder.path() / "runs.db"),
      m_writer(std::make_unique<RunWriter>(m_path, std::vector<EventSink*>{})),
      m_reader(std::make_unique<RunReader>(m_path)) {
    info.studies = {recorded.study};
    info.models = {
        {.name = "lm-little",
         .title = "little",
         .source = "bundled",
         .path = "/models/lm-little",
         .architecture = "llama",
         .parameters = 900000,
         .bytes = 1850000}};
}

FakeContext::~FakeContext() = default;

qint64 FakeContext::submit(const Spec& spec, const QString& title) {
    submitted.push_back(spec);
    return m_writer->insertRun(spec, title.toStdString());
}

const StudyInfo* FakeContext::study(const std::string& id) const {
    const auto it = std::ranges::find(info.studies, id, &StudyInfo::id);
    return ready && it != info.studies.end() ? &*it : nullptr;
}

void FakeContext::setTags(qint64 runId, const QString& tags) {
    m_writer->setTags(runId, tags.toStdString());
    m_writer->flush();
}

void FakeContext::setNotes(qint64 runId, const QString& notes) {
    m_writer->setNotes(runId, notes.toStdString());
    m_writer->flush();
}

qint64 FakeContext::addSweep(std::size_t count, const std::string& title) {
    const qint64 id = m_writer->insertRun(recorded.spec, title);
    std::vector<Event> events = recorded.eventsOf(id);
    events.resize(std::min(count, events.size()));
    for (Event& event : events) {
        m_writer->post(std::move(event));
    }
    m_writer->flush();
    return id;
}

void FakeContext::replay(Panel& panel, const std::vector<Event>& events) {
    for (const Event& event : events) {
        m_writer->post(event);
    }
    m_writer->flush();
    panel.onEvents(events);
}

void FakeContext::start() {
    ready = true;
    emit engineChanged();
}

QStringList namelessWidgets(QWidget& root) {
    QStringList nameless;
    for (QWidget* widget : root.findChildren<QWidget*>()) {
        const bool focusable = (widget->focusPolicy() & Qt::TabFocus) != 0 &&
                               widget->isVisibleTo(&root) && widget->isEnabled() &&
                               widget->focusProxy() == nullptr;
        // Parts of Qt's own composite widgets are reached through these.
        const bool part = widget->objectName().startsWith(QStringLiteral("qt_")) ||
                          qobject_cast<QScrollBar*>(widget) != nullptr ||
                          qobject_cast<QLabel*>(widget) != nullptr;
        if (!focusable || part) {
            continue;
        }
        QAccessibleInterface* face = QAccessible::queryAccessibleInterface(widget);
        if (face == nullptr || face->text(QAccessible::Name).isEmpty()) {
            nameless << QString::fromLatin1(widget->metaObject()->className()) + QLatin1Char(' ') +
                            widget->objectName();
        }
    }
    return nameless;
}

} // namespace lathe::test
