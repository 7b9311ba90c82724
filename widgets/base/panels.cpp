// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/panel.h"
#include "widgets/decode/decode_panel.h"
#include "widgets/quant/quant_panel.h"
#include "widgets/runs/runs_panel.h"

#include <array>

namespace lathe {

namespace {

template <class Made>
std::unique_ptr<Panel> make(PanelContext& context) {
    return std::make_unique<Made>(context);
}

} // namespace

std::span<const PanelMaker> panelMakers() {
    static constexpr std::array<PanelMaker, 3> kMakers{
        &make<QuantPanel>, &make<DecodePanel>, &make<RunsPanel>};
    return kMakers;
}

} // namespace lathe
