// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/engine_watch.h"

#include <QMetaObject>

namespace lathe {

void EngineWatch::engineStateChanged(EngineState state, std::string message) noexcept {
    QMetaObject::invokeMethod(
        this,
        [this, state, text = QString::fromStdString(message)] { emit stateChanged(state, text); },
        Qt::QueuedConnection);
}

void EngineWatch::engineReady(const EngineInfo& info) noexcept {
    QMetaObject::invokeMethod(
        this, [this, info] { emit ready(info); }, Qt::QueuedConnection);
}

void EngineWatch::engineSaid(std::string line) noexcept {
    QMetaObject::invokeMethod(
        this, [this, text = QString::fromStdString(line)] { emit said(text); },
        Qt::QueuedConnection);
}

void EngineWatch::modelDescribed(ModelInfo info) noexcept {
    QMetaObject::invokeMethod(
        this, [this, info = std::move(info)] { emit described(info); }, Qt::QueuedConnection);
}

void EngineWatch::questionAnswered(Json answer) noexcept {
    QMetaObject::invokeMethod(
        this, [this, answer = std::move(answer)] { emit answered(answer); }, Qt::QueuedConnection);
}

} // namespace lathe
