// SPDX-License-Identifier: Apache-2.0
#include "experiments/studies/sweep_cells.h"

#include "engine/core/check.h"
#include "engine/quant/quantizer.h"
#include "experiments/model_cache.h"
#include "experiments/studies/params.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace lathe {

namespace {

/// The entries of `skip`: "kmeans:8" or "rtn:4:64".
/// @throws InputError for one that is no method with a number of bits.
std::vector<std::string> skippedCells(const std::string& skip) {
    std::vector<std::string> entries;
    std::string entry;
    for (std::size_t from = 0; from <= skip.size(); from += entry.size() + 1) {
        entry = skip.substr(from, skip.find(',', from) - from);
        const auto first = entry.find_first_not_of(' ');
        if (first == std::string::npos) {
            continue;
        }
        const std::string name = entry.substr(first, entry.find_last_not_of(' ') - first + 1);
        const std::size_t colon = name.find(':');
        const bool numbered = colon != std::string::npos && colon + 1 < name.size() &&
                              name.find_first_not_of("0123456789:", colon) == std::string::npos;
        if (!numbered || !quantizers().contains(name.substr(0, colon))) {
            throw InputError(
                "--skip: '" + name +
                "' is no cell; write method:bits or method:bits:group, as in "
                "kmeans:8");
        }
        entries.push_back(name);
    }
    return entries;
}

bool isSkipped(const std::vector<std::string>& skipped, const Json& cell) {
    const std::string shortName =
        cell.at("method").get<std::string>() + ":" + valueText(cell.at("bits"));
    const std::string longName = shortName + ":" + valueText(cell.at("group"));
    return std::ranges::any_of(
        skipped, [&](const std::string& name) { return name == shortName || name == longName; });
}

/// Parameters that only some methods use, as a cell of `method` has them: what is not used is 0 or
/// its default, so that all values of what a method ignores give one cell.
void dropUnused(Json& cell, const QuantizerInfo* info, bool predicted) {
    if (info == nullptr || !info->usesGroups) {
        cell["group"] = 0;
    }
    if (info == nullptr || !info->usesSparse || cell.at("sparsity").get<double>() == 0.0) {
        cell["sparsity"] = 0;
        cell["sensitive"] = 0;
    }
    if (!predicted && (info == nullptr || !info->usesSensitivity)) {
        cell["calibration"] = "";
        cell["calibration_clean"] = "none";
        cell["calibration_samples"] = 0;
        cell["calibration_length"] = 0;
    }
}

/// The cells of one method, matrices outermost.
class CellGrid {
public:
    CellGrid(const Spec& spec, const SweepFacts& facts)
        : m_spec(spec), m_facts(facts), m_skip(skippedCells(textOf(spec.params, "skip"))),
          m_base(spec.params) {
        m_base.erase("skip");
        m_compare = m_base.at("kmeans_baseline").get<bool>();
    }

    void addFloat() {
        Json cell = m_base;
        cell["method"] = kFloatMethod;
        cell["bits"] = m_facts.floatBits;
        cell["tensors"] = "all";
        cell["predict"] = false;
        cell["kmeans_baseline"] = false;
        dropUnused(cell, nullptr, false);
        m_cells.push_back(std::move(cell));
    }

    void add(const std::string& method) {
        if (const auto file = m_facts.fileBits.find(method); file != m_facts.fileBits.end()) {
            Json cell = m_base;
            cell["bits"] = file->second;
            cell["tensors"] = "all";
            cell["predict"] = false;
            push(std::move(cell), method, nullptr);
            return;
        }
        const QuantizerInfo& info = quantizers().at(method).info();
        for (const Json& bits : axisValues(m_spec, "bits")) {
            for (const Json& group : axisValues(m_spec, "group")) {
                for (const Json& sparsity : axisValues(m_spec, "sparsity")) {
                    Json cell = m_base;
                    cell["bits"] = bits;
                    cell["group"] = groupSize(group);
                    cell["sparsity"] = sparsity;
                    addTensors(std::move(cell), method, info);
                }
            }
        }
    }

    /// Every cell knows whether plain k-means of the same matrices and bits is among them.
    std::vector<Json> take() {
        for (Json& cell : m_cells) {
            cell["kmeans_baseline"] = m_compare && hasKmeans(cell);
        }
        return std::move(m_cells);
    }

private:
    void addTensors(Json cell, const std::string& method, const QuantizerInfo& info) {
        if (textOf(m_spec.params, "tensors") != "each") {
            push(std::move(cell), method, &info);
            return;
        }
        for (const std::string& module : m_facts.modules) {
            cell["tensors"] = module;
            push(cell, method, &info);
        }
    }

    void push(Json cell, const std::string& method, const QuantizerInfo* info) {
        cell["method"] = method;
        dropUnused(cell, info, cell.at("predict").get<bool>());
        requireShares(cell);
        cell["kmeans_baseline"] = false;
        if (!isSkipped(m_skip, cell) && std::ranges::find(m_cells, cell) == m_cells.end()) {
            m_cells.push_back(std::move(cell));
        }
    }

    /// @throws InputError when more weights are to be sensitive than leave the tables.
    static void requireShares(const Json& cell) {
        LATHE_CHECK(
            cell.at("sensitive").get<double>() <= cell.at("sparsity").get<double>(),
            "--sparsity " + valueText(cell.at("sparsity")) + " is less than the --sensitive " +
                valueText(cell.at("sensitive")) + " that is part of it");
    }

    /// Whether plain k-means of the same matrices and bits is another cell.
    bool hasKmeans(const Json& cell) const {
        return std::ranges::any_of(m_cells, [&cell](const Json& other) {
            return other.at("method") == "kmeans" && cell.at("method") != "kmeans" &&
                   cell.at("method") != kFloatMethod && other.at("bits") == cell.at("bits") &&
                   other.at("tensors") == cell.at("tensors");
        });
    }

    const Spec& m_spec;
    const SweepFacts& m_facts;
    std::vector<std::string> m_skip;
    Json m_base;
    bool m_compare = true;
    std::vector<Json> m_cells;
};

} // namespace

std::vector<Json> axisValues(const Spec& spec, const std::string& name) {
    if (const auto swept = spec.sweep.find(name); swept != spec.sweep.end()) {
        return {swept->begin(), swept->end()};
    }
    return {spec.params.at(name)};
}

double storedAverageBits(const Checkpoint& checkpoint) {
    double weights = 0.0;
    for (const auto& [name, entry] : checkpoint.entries()) {
        weights += name.starts_with("model.layers.") && name.ends_with("_proj.weight")
                       ? static_cast<double>(entry.shape.elementCount())
                       : 0.0;
    }
    const auto bytes = static_cast<double>(storedBlockMatrixBytes(checkpoint));
    return weights > 0.0 ? 8.0 * bytes / weights : 0.0;
}

namespace {

/// A file of llama.cpp. @throws InputError for anything else.
std::unique_ptr<Checkpoint> openFile(const std::filesystem::path& path) {
    LATHE_CHECK(
        path.extension() == ".gguf" && std::filesystem::is_regular_file(path),
        path.string() + ": no .gguf file can be read there; check the path");
    return Checkpoint::open(path);
}

} // namespace

std::string sweepFile(const std::string& method) {
    constexpr std::string_view kBeginning = "gguf:";
    return method.starts_with(kBeginning) ? method.substr(kBeginning.size()) : std::string();
}

SweepFacts sweepFacts(const Spec& spec) {
    const std::string model = textOf(spec.params, "model");
    const auto checkpoint = Checkpoint::open(resolveModel(model));
    requireFloatWeights(*checkpoint, model);
    SweepFacts facts{.floatBits = static_cast<int>(std::lround(storedAverageBits(*checkpoint)))};
    // The order of the layers, not of the names.
    for (int layer = 0;; ++layer) {
        const std::string at = "model.layers." + std::to_string(layer) + ".";
        if (!checkpoint->contains(at + "self_attn.q_proj.weight")) {
            break;
        }
        for (const char* part :
             {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
              "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
            facts.modules.push_back(at + part);
        }
    }
    for (const Json& method : axisValues(spec, "method")) {
        const auto text = method.get<std::string>();
        if (const std::string file = sweepFile(text); !file.empty()) {
            facts.fileBits[text] = static_cast<int>(storedAverageBits(*openFile(file)));
        }
    }
    const std::string tensors = textOf(spec.params, "tensors");
    LATHE_CHECK(
        tensors == "all" || tensors == "each" ||
            std::ranges::find(facts.modules, tensors) != facts.modules.end(),
        "--tensors: '" + tensors + "' is neither all, each nor a matrix of " + model + " such as " +
            facts.modules.front());
    return facts;
}

std::vector<Json> sweepCells(const Spec& spec, const SweepFacts& facts) {
    CellGrid grid(spec, facts);
    grid.addFloat();
    for (const Json& method : axisValues(spec, "method")) {
        grid.add(method.get<std::string>());
    }
    return grid.take();
}

} // namespace lathe
