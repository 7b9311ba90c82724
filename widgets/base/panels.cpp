// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/panel.h"
#include "widgets/quant/quant_panel.h"
#include "widgets/runs/runs_panel.h"

namespace lathe {

std::vector<std::unique_ptr<Panel>> makePanels(PanelContext& context) {
    std::vector<std::unique_ptr<Panel>> panels;
    panels.push_back(std::make_unique<QuantPanel>(context));
    panels.push_back(std::make_unique<RunsPanel>(context));
    return panels;
}

} // namespace lathe
