// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>
#include <QStringList>

namespace lathe {

/// `lathe-run` beside this program, else the one in PATH, as a command that serves.
QStringList engineCommand();
/// The Spec of the very first start; empty when it is not installed.
QString firstStartSpecFile();

} // namespace lathe
