// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

class QToolButton;

namespace lathe {

/// The button beside what can be written to a file.
/// @param name for assistive programs; the text when empty
QToolButton*
makeExportButton(const QString& text, const QString& tip = {}, const QString& name = {});

} // namespace lathe
