// SPDX-License-Identifier: Apache-2.0
#include "tests/engine/models/reference_model.h"

#include <cmath>

namespace lathe::test {

namespace {

using Rows = std::vector<std::vector<double>>;

void add(Rows& x, const Rows& y) {
    for (std::size_t t = 0; t < x.size(); ++t) {
        for (std::size_t i = 0; i < x[t].size(); ++i) {
            x[t][i] += y[t][i];
        }
    }
}

} // namespace

ReferenceModel::ReferenceModel(const MemoryCheckpoint& checkpoint)
    : m_config(llamaConfigFrom(checkpoint.json)) {
    for (const auto& [name, tensor] : checkpoint.tensors) {
        const std::span<const float> values = std::as_const(tensor).view().as<float>();
        m_weights[name].assign(values.begin(), values.end());
    }
    for (const float frequency : ropeFrequencies(m_config)) {
        m_frequencies.push_back(static_cast<double>(frequency));
    }
}

Rows ReferenceModel::linear(const std::string& module, const Rows& x) const {
    const std::vector<double>& w = m_weights.at(module + ".weight");
    const auto bias = m_weights.find(module + ".bias");
    Rows y;
    for (const std::vector<double>& row : x) {
        std::vector<double> out(w.size() / row.size());
        for (std::size_t o = 0; o < out.size(); ++o) {
            out[o] = bias == m_weights.end() ? 0.0 : bias->second[o];
            for (std::size_t i = 0; i < row.size(); ++i) {
                out[o] += w[o * row.size() + i] * row[i];
            }
        }
        y.push_back(std::move(out));
    }
    return y;
}

Rows ReferenceModel::norm(const std::string& name, Rows x) const {
    const std::vector<double>& gamma = m_weights.at(name + ".weight");
    for (std::vector<double>& row : x) {
        double squares = 0.0;
        for (const double value : row) {
            squares += value * value;
        }
        const double mean = squares / static_cast<double>(row.size());
        const double scale = 1.0 / std::sqrt(mean + static_cast<double>(m_config.rmsEpsilon));
        for (std::size_t i = 0; i < row.size(); ++i) {
            row[i] *= scale * gamma[i];
        }
    }
    return x;
}

void ReferenceModel::turn(Rows& x, int heads) const {
    const std::size_t half = m_frequencies.size();
    for (std::size_t t = 0; t < x.size(); ++t) {
        for (std::size_t head = 0; head < static_cast<std::size_t>(heads); ++head) {
            for (std::size_t j = 0; j < half; ++j) {
                const double angle = static_cast<double>(t) * m_frequencies[j];
                double& a = x[t][head * 2 * half + j];
                double& b = x[t][head * 2 * half + half + j];
                const double turned = a * std::cos(angle) - b * std::sin(angle);
                b = b * std::cos(angle) + a * std::sin(angle);
                a = turned;
            }
        }
    }
}

Rows ReferenceModel::attend(const Rows& q, const Rows& k, const Rows& v) const {
    const auto headDim = static_cast<std::size_t>(m_config.headDim);
    const auto group = static_cast<std::size_t>(m_config.heads / m_config.kvHeads);
    Rows y(q.size(), std::vector<double>(q.front().size(), 0.0));
    for (std::size_t t = 0; t < q.size(); ++t) {
        for (std::size_t head = 0; head < group * static_cast<std::size_t>(m_config.kvHeads);
             ++head) {
            const std::size_t from = head * headDim;
            const std::size_t key = head / group * headDim;
            std::vector<double> weights;
            double total = 0.0;
            for (std::size_t j = 0; j <= t; ++j) {
                double score = 0.0;
                for (std::size_t d = 0; d < headDim; ++d) {
                    score += q[t][from + d] * k[j][key + d];
                }
                weights.push_back(std::exp(score / std::sqrt(static_cast<double>(headDim))));
                total += weights.back();
            }
            for (std::size_t j = 0; j <= t; ++j) {
                for (std::size_t d = 0; d < headDim; ++d) {
                    y[t][from + d] += weights[j] / total * v[j][key + d];
                }
            }
        }
    }
    return y;
}

double ReferenceModel::loss(std::span<const TokenId> ids) const {
    const std::vector<double>& table = m_weights.at("model.embed_tokens.weight");
    const auto hidden = static_cast<std::ptrdiff_t>(m_config.hiddenSize);
    Rows x;
    for (const TokenId id : ids.first(ids.size() - 1)) {
        const auto row = table.begin() + id * hidden;
        x.emplace_back(row, row + hidden);
    }
    for (int layer = 0; layer < m_config.layers; ++layer) {
        const std::string at = "model.layers." + std::to_string(layer) + ".";
        const Rows normed = norm(at + "input_layernorm", x);
        Rows q = linear(at + "self_attn.q_proj", normed);
        Rows k = linear(at + "self_attn.k_proj", normed);
        turn(q, m_config.heads);
        turn(k, m_config.kvHeads);
        const Rows mixed = attend(q, k, linear(at + "self_attn.v_proj", normed));
        add(x, linear(at + "self_attn.o_proj", mixed));
        const Rows between = norm(at + "post_attention_layernorm", x);
        Rows gate = linear(at + "mlp.gate_proj", between);
        const Rows up = linear(at + "mlp.up_proj", between);
        for (std::size_t t = 0; t < gate.size(); ++t) {
            for (std::size_t i = 0; i < gate[t].size(); ++i) {
                gate[t][i] *= up[t][i] / (1.0 + std::exp(-gate[t][i]));
            }
        }
        add(x, linear(at + "mlp.down_proj", gate));
    }
    const Rows logits =
        linear(m_config.tiedHead ? "model.embed_tokens" : "lm_head", norm("model.norm", x));
    double sum = 0.0;
    for (std::size_t t = 0; t < logits.size(); ++t) {
        double total = 0.0;
        for (const double logit : logits[t]) {
            total += std::exp(logit);
        }
        sum += std::log(total) - logits[t][static_cast<std::size_t>(ids[t + 1])];
    }
    return sum / static_cast<double>(logits.size());
}

} // namespace lathe::test
