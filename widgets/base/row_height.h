// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

class QTableView;

namespace lathe {

/// Rows of the table are as high as its text needs, also after a change of the text's size.
void fitRowsToText(QTableView& table);

} // namespace lathe
