// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/event.h"
#include "engine/core/run_service.h"

#include <QJsonObject>
#include <QKeySequence>
#include <QString>
#include <QWidget>

#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace lathe {

class RunQueue;
class RunReader;

/// What panels may ask of the program. One per window; outlives the panels. GUI thread only.
class PanelContext : public QObject {
    Q_OBJECT
public:
    using QObject::QObject;

    /// Submits a Spec (never blocks on the engine). Returns the run's id, or 0 when the store
    /// failed (the message has been shown). User runs go before a waiting or running first-start
    /// demo.
    virtual qint64 submit(const Spec& spec, const QString& title) = 0;
    virtual void cancel(qint64 runId) = 0;
    /// The engine's description of itself; null while the first child is starting.
    virtual const EngineInfo* engine() const = 0;
    virtual const StudyInfo* study(const std::string& id) const = 0; ///< null: engine has none
    /// Models for pickers: the engine's, and those that the user opened (remembered).
    virtual std::vector<ModelInfo> models() const = 0;
    /// Adds a folder or GGUF file of the user's; the answer arrives as modelsChanged.
    virtual void openModel(const QString& path) = 0;
    /// Asks the engine something between runs, one of EngineInfo::questions; `answered` follows,
    /// with the id that this returns. 0: this engine does not know the question.
    virtual qint64 ask(const std::string& about, Json question) = 0;
    /// A reading connection of the GUI thread, for small reads (one run's cells, a page of runs).
    virtual RunReader& reader() = 0;
    virtual QString storePath() const = 0;
    /// Shows a run in the panel that fits its study (Quantization), or in Runs.
    virtual void showRun(qint64 runId) = 0;
    /// Opens the panel of the Spec's study with the Spec filled in ("duplicate with edits").
    virtual void editSpec(const Spec& spec) = 0;
    virtual void setTags(qint64 runId, const QString& tags) = 0;
    virtual void setNotes(qint64 runId, const QString& notes) = 0;
    /// One line in the status bar.
    virtual void showMessage(const QString& text) = 0;

signals:
    void engineChanged(); ///< engine() or its state changed
    void modelsChanged();
    void runsChanged(); ///< rows of the store changed (coalesced)
    void currentRunChanged(qint64 runId);
    void cancelAsked(qint64 runId); ///< the engine has not answered yet
    /// {"result": {...}}, or {"error": why}.
    void answered(qint64 question, const lathe::Json& answer);
};

struct PanelInfo {
    QString id;    ///< "quant"
    QString title; ///< "Quantization"
    QString icon;  ///< ":/icons/quantize.svg"
    QKeySequence shortcut{};
};

/// A page of the window. The main window knows this and nothing else of a panel; panels do not know
/// each other.
class Panel : public QWidget {
    Q_OBJECT
public:
    using QWidget::QWidget;
    virtual PanelInfo info() const = 0;
    /// Committed events of all runs, in order, at most every 16 ms. Budget: 4 ms.
    virtual void onEvents(std::span<const Event> events) = 0;
    /// Drafts, zooms, selection: restored at the next start. Every value read back is checked.
    virtual QJsonObject saveState() const { return {}; }
    virtual void restoreState(const QJsonObject& state) { Q_UNUSED(state) }
    /// Called when a run of this panel's studies shall be shown. False: not this panel's.
    virtual bool showRun(qint64 runId) {
        Q_UNUSED(runId)
        return false;
    }
    virtual bool editSpec(const Spec& spec) {
        Q_UNUSED(spec)
        return false;
    }
    /// Chooses a model that the user opened. False: this panel uses none.
    virtual bool useModel(const QString& path) {
        Q_UNUSED(path)
        return false;
    }
    /// The panel's Run action (Ctrl+R).
    virtual void triggerRun() {}
    /// A job of this panel runs: badge on the switcher.
    virtual bool busy() const { return false; }

signals:
    void busyChanged();
};

using PanelMaker = std::unique_ptr<Panel> (*)(PanelContext& context);

/// The list (widgets/base/panels.cpp) of what makes the panels, in switcher order.
std::span<const PanelMaker> panelMakers();

} // namespace lathe
