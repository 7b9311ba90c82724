// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/engine/models/tiny_model.h"

#include <map>
#include <string>
#include <vector>

namespace lathe::test {

/// A LLaMA family model in double, written out plainly: what finite differences are taken of.
class ReferenceModel {
public:
    explicit ReferenceModel(const MemoryCheckpoint& checkpoint);

    /// The elements of a tensor, row-major; they may be changed.
    std::vector<double>& weights(const std::string& name) { return m_weights.at(name); }
    /// Mean cross entropy of the ids after the first one, in nats.
    double loss(std::span<const TokenId> ids) const;

private:
    using Rows = std::vector<std::vector<double>>; ///< [tokens][features]

    Rows linear(const std::string& module, const Rows& x) const;
    Rows norm(const std::string& name, Rows x) const;
    void turn(Rows& x, int heads) const;
    Rows attend(const Rows& q, const Rows& k, const Rows& v) const;

    LlamaConfig m_config;
    std::vector<double> m_frequencies;
    std::map<std::string, std::vector<double>> m_weights;
};

} // namespace lathe::test
