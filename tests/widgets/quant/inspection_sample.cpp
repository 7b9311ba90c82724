// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/widgets/quant/inspection_sample.h"

#include <limits>
#include <span>

namespace lathe::test {

namespace {

constexpr std::int64_t kEntries = 510;

template <class T>
ArrayReady
arrayFrom(const char* name, const char* dtype, std::vector<std::int64_t> shape, std::vector<T> v) {
    const auto bytes = std::as_bytes(std::span(v));
    return {name, dtype, std::move(shape), {bytes.begin(), bytes.end()}};
}

} // namespace

std::vector<Event> inspectionEvents(qint64 id, int row) {
    std::vector<float> tiles(18), rows{1, 2, 3, 4, 4, 3, 2, 1, 5, 6, 7, 8};
    for (std::size_t i = 0; i < tiles.size(); ++i) {
        tiles[i] = static_cast<float>(i + 1);
    }
    std::vector<float> histogram(512, 0.0F);
    histogram[0] = 2.0F;
    histogram[255] = 4.0F;
    histogram[256 + 128] = 0.5F;
    std::vector<double> tables;
    for (const double shift : {0.0, 0.01, 0.02}) {
        for (int bits = 1; bits <= 8; ++bits) {
            for (int code = 0; code < 1 << bits; ++code) {
                const bool none = bits == 1 && shift == 0.0;
                tables.push_back(
                    none ? std::numeric_limits<double>::quiet_NaN()
                         : shift - 1.0 + 2.0 * code / (1 << bits));
            }
        }
    }
    Json errors = Json::array({{{"bits", 1}, {"rtn", nullptr}, {"lloyd", 8.0}, {"exact", 8.0}}});
    for (int bits = 2; bits <= 8; ++bits) {
        errors.push_back(
            {{"bits", bits}, {"rtn", 4.0 / bits}, {"lloyd", 2.2 / bits}, {"exact", 2.0 / bits}});
    }
    const Json metrics{{"rows", 4},         {"columns", 6},      {"tile_rows", 2},
                       {"tile_columns", 3}, {"row", row},        {"row_low", -1.0},
                       {"row_high", 1.0},   {"row_share", 0.25}, {"predicted_kl", 0.001},
                       {"errors", errors}};
    return {
        {.runId = id, .cell = 0, .seq = 2, .payload = arrayFrom("tiles", "F32", {3, 2, 3}, tiles)},
        {.runId = id, .cell = 0, .seq = 3, .payload = arrayFrom("rows", "F32", {3, 4}, rows)},
        {.runId = id,
         .cell = 0,
         .seq = 4,
         .payload = arrayFrom("histogram", "F32", {2, 256}, histogram)},
        {.runId = id,
         .cell = 0,
         .seq = 5,
         .payload = arrayFrom("tables", "F64", {3, kEntries}, tables)},
        {.runId = id,
         .cell = 0,
         .seq = 6,
         .payload = CellChanged{CellState::Done, "k", Json::object(), metrics}},
        {.runId = id, .seq = 7, .payload = RunChanged{RunState::Done}}};
}

} // namespace lathe::test
