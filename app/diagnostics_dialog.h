// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDialog>

namespace lathe {

class Workbench;

/// What window, engine and machine are, as text to copy into a report of a fault.
class DiagnosticsDialog : public QDialog {
    Q_OBJECT
public:
    explicit DiagnosticsDialog(Workbench& workbench, QWidget* parent = nullptr);
};

} // namespace lathe
