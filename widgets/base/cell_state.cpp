// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/cell_state.h"

#include <QCoreApplication>

namespace lathe {

namespace {

QString tr(const char* text) { return QCoreApplication::translate("CellState", text); }

} // namespace

QString cellStateText(CellState state) {
    switch (state) {
    case CellState::Running:
        return tr("running");
    case CellState::Done:
        return tr("done");
    case CellState::Failed:
        return tr("failed");
    case CellState::Skipped:
        return tr("skipped");
    }
    return {};
}

QString cellStateIcon(CellState state) {
    switch (state) {
    case CellState::Running:
        return QStringLiteral("play");
    case CellState::Done:
        return QStringLiteral("check");
    case CellState::Failed:
        return QStringLiteral("error");
    case CellState::Skipped:
        return QStringLiteral("info");
    }
    return {};
}

} // namespace lathe
