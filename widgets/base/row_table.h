// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

class QTableView;

namespace lathe {

/// Makes a table one whose rows are things: whole rows are selected, striped and without a grid,
/// Tab leaves it, and rows are as high as the text needs, also after a change of the text's size.
void styleRowTable(QTableView& table);

} // namespace lathe
