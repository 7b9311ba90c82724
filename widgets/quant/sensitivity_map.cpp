// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/sensitivity_map.h"

#include <QCoreApplication>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <string_view>

namespace lathe {

namespace {

constexpr int kMostLayers = 4096; ///< more is no model, but a damaged store
/// In the order in which a block applies them.
constexpr std::array<std::string_view, 7> kOrder{
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

QString tr(const char* text) { return QCoreApplication::translate("SensitivityMap", text); }

struct Place {
    int layer = 0;
    std::string kind;
};

/// "model.layers.3.mlp.up_proj" -> 3, "mlp.up_proj".
std::optional<Place> placeOf(const std::string& name) {
    constexpr std::string_view kLayers = "layers.";
    const std::size_t at = name.find(kLayers);
    if (at == std::string::npos) {
        return std::nullopt;
    }
    const char* from = name.data() + at + kLayers.size();
    const char* end = name.data() + name.size();
    Place place;
    const auto [rest, error] = std::from_chars(from, end, place.layer);
    if (error != std::errc{} || rest == end || *rest != '.' || place.layer < 0 ||
        place.layer >= kMostLayers) {
        return std::nullopt;
    }
    place.kind.assign(rest + 1, end);
    return place;
}

std::size_t orderOf(const std::string& kind) {
    return static_cast<std::size_t>(std::ranges::find(kOrder, kind) - kOrder.begin());
}

/// "self_attn.q_proj" -> "q_proj".
QString shortKind(const std::string& kind) {
    return QString::fromStdString(kind).section(QLatin1Char('.'), -1);
}

} // namespace

SensitivityMap sensitivityMap(const Json& modules) {
    std::vector<std::string> kinds;
    std::map<std::pair<int, std::string>, std::string> names;
    std::vector<std::pair<Place, double>> values;
    int layers = 0;
    if (modules.is_object()) {
        for (const auto& [name, value] : modules.items()) {
            const auto place = placeOf(name);
            if (!place || !value.is_number()) {
                continue;
            }
            values.emplace_back(*place, value.get<double>());
            names[{place->layer, place->kind}] = name;
            layers = std::max(layers, place->layer + 1);
            if (std::ranges::find(kinds, place->kind) == kinds.end()) {
                kinds.push_back(place->kind);
            }
        }
    }
    // The first kind stands on top: rows count from below.
    std::ranges::sort(kinds, [](const std::string& a, const std::string& b) {
        return orderOf(a) != orderOf(b) ? orderOf(a) > orderOf(b) : a > b;
    });
    SensitivityMap map;
    map.axes = {
        .title = tr("Sensitivity of the matrices"),
        .xLabel = tr("Layer"),
        .yLabel = tr("Matrix"),
        .zLabel = tr("Sum of squared gradients")};
    for (int layer = 0; layer < layers; ++layer) {
        map.axes.xNames << QString::number(layer);
    }
    for (const std::string& kind : kinds) {
        map.axes.yNames << shortKind(kind);
    }
    if (values.empty()) {
        return map;
    }
    constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
    PlotSeries tiles{.name = tr("Sensitivity"), .points = {}};
    for (const auto& [place, value] : values) {
        const auto row = std::ranges::find(kinds, place.kind) - kinds.begin();
        tiles.points.push_back(
            {.x = static_cast<double>(place.layer),
             .y = static_cast<double>(row),
             .yLow = kNaN,
             .yHigh = kNaN,
             .label = {},
             .z = value});
    }
    std::ranges::sort(tiles.points, [](const PlotPoint& a, const PlotPoint& b) {
        return a.x != b.x ? a.x < b.x : a.y > b.y;
    });
    for (std::size_t i = 0; i < tiles.points.size(); ++i) {
        PlotPoint& tile = tiles.points[i];
        tile.id = static_cast<qint64>(i) + 1;
        map.names.push_back(
            names[{static_cast<int>(tile.x), kinds[static_cast<std::size_t>(tile.y)]}]);
    }
    map.series.push_back(std::move(tiles));
    return map;
}

} // namespace lathe
