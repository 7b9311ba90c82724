// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "experiments/remote/client.h"

#include <QObject>
#include <QString>

namespace lathe {

/// Carries what the engine's client says from its threads to the GUI thread.
class EngineWatch : public QObject, public EngineObserver {
    Q_OBJECT
public:
    using QObject::QObject;

    void engineStateChanged(EngineState state, std::string message) noexcept override;
    void engineReady(const EngineInfo& info) noexcept override;
    void engineSaid(std::string line) noexcept override;
    void modelDescribed(ModelInfo info) noexcept override;
    void questionAnswered(Json answer) noexcept override;

signals:
    void stateChanged(lathe::EngineState state, const QString& message);
    void ready(const lathe::EngineInfo& info);
    void said(const QString& line);
    void described(const lathe::ModelInfo& info);
    void answered(const lathe::Json& answer);
};

} // namespace lathe
