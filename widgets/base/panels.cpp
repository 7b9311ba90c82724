// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/panel.h"

namespace lathe {

std::vector<std::unique_ptr<Panel>> makePanels(PanelContext& context) {
    std::vector<std::unique_ptr<Panel>> panels;
    static_cast<void>(context);
    return panels;
}

} // namespace lathe
