// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/spec.h"

#include <QElapsedTimer>
#include <QObject>

#include <optional>

namespace lathe {

class PanelContext;

/// Asks the engine what a decoded text would be under other thresholds. One question is under way
/// at a time; of those that come meanwhile only the latest is asked.
class WhatIfLink : public QObject {
    Q_OBJECT
public:
    explicit WhatIfLink(PanelContext& context, QObject* parent = nullptr);

    /// @param spec of decode.once; @param costs as that study's metric
    void ask(const Spec& spec, const Json& costs);
    /// Answers to what was asked before are of no interest any more.
    void forget();
    bool isWaiting() const { return m_question != 0; }
    qint64 lastMs() const { return m_lastMs; } ///< from the question to its answer

signals:
    void answered(const lathe::Spec& spec, const lathe::Json& result);
    void failed(const QString& why);
    void waitingChanged();

private:
    void send(Spec spec, Json costs);
    void take(qint64 question, const Json& answer);

    struct Wanted {
        Spec spec;
        Json costs;
    };
    PanelContext& m_context;
    qint64 m_question = 0; ///< under way; 0: none
    bool m_forgotten = false;
    Spec m_asked;
    std::optional<Wanted> m_next;
    QElapsedTimer m_since;
    qint64 m_lastMs = 0;
};

} // namespace lathe
