// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/json.h"

#include <string>

namespace lathe::test {

/// Metrics of a run of quant.budget on a model of so many layers of 7 square matrices: dense
/// options of 1 to 8 bits and `shares` sparse ones of each up to 5 bits, losses that fall fourfold
/// per bit and differ from matrix to matrix.
inline Json madeBudget(int layers, int width, int shares) {
    const char* const kinds[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                 "self_attn.o_proj", "mlp.gate_proj",    "mlp.up_proj",
                                 "mlp.down_proj"};
    Json curves = Json::object();
    double weights = 0.0, least = 0.0;
    for (int layer = 0; layer < layers; ++layer) {
        for (int kind = 0; kind < 7; ++kind) {
            Json options = Json::array(), headers = Json::array();
            double loss = 0.05 * (1 + (layer * 5 + kind * 3) % 11) / layers;
            for (int bits = 1; bits <= 8; ++bits, loss /= 4.0) {
                const double dense = width * (width * bits / 8.0 + 2.0 * (1 << bits));
                for (int share = 0; share <= (bits <= 5 ? shares : 0); ++share) {
                    const double sparse = share == 0 ? 0.0 : 4.0 * (width + 1);
                    const double kept = 0.0015 * share * width * width;
                    options.push_back(
                        {bits, 0.15 * share, static_cast<std::int64_t>(dense + sparse + 4.0 * kept),
                         loss / (1.0 + 0.3 * share)});
                    headers.push_back(200 + (share > 0 ? 150 : 0));
                }
            }
            least += options[0][2].get<double>();
            weights += static_cast<double>(width) * width;
            curves["model.layers." + std::to_string(layer) + "." + kinds[kind]] = {
                {"options", options}, {"header_bytes", headers}, {"chosen", 0}};
        }
    }
    return {
        {"curves", curves},
        {"fixed_bytes", 100000},
        {"least_average_bits", 8.0 * least / weights},
        {"average_bits", 3.0}};
}

} // namespace lathe::test
