// SPDX-License-Identifier: Apache-2.0
#include "engine/models/gradient_statistics.h"

#include "engine/core/check.h"
#include "engine/models/gradient_memory.h"
#include "kernels/ops/guided_hessian/guided_hessian.h"
#include "kernels/ops/squared_gradient/squared_gradient.h"

#include <cmath>

namespace lathe {

namespace {

/// What is kept of a matrix, and how a sample is added to it.
struct Statistic {
    std::function<Shape(std::int64_t out, std::int64_t in)> shape;
    std::function<void(ConstView x, ConstView dy, TensorView sums)> add;
    /// From sums over the samples, on the host, to what is handed out.
    std::function<void(const std::string& name, TensorView sums)> finish;
};

class StatisticSums : public GradientVisitor {
public:
    StatisticSums(
        ExecContext& context, const LlamaModel& model, Statistic statistic, const OnBlock& onBlock)
        : m_context(context), m_modules(model.modules()),
          m_perBlock(m_modules.size() / static_cast<std::size_t>(model.config().layers)),
          m_statistic(std::move(statistic)), m_onBlock(onBlock) {}

    void begin(int block) override {
        for (std::size_t m = 0; m < m_perBlock; ++m) {
            const Weight& weight = moduleOf(block, m).second->weight;
            const Shape shape = m_statistic.shape(outFeatures(weight), inFeatures(weight));
            m_sums.push_back(Tensor::zeros(shape, DType::F32, m_context));
        }
    }
    void visit(std::size_t matrix, ConstView x, ConstView dy) override {
        m_statistic.add(x, dy, m_sums[matrix].view());
    }
    void end(int block, double loss) override {
        BlockStatistics result{.block = block, .loss = loss, .modules = {}};
        for (std::size_t m = 0; m < m_perBlock; ++m) {
            const std::string& name = moduleOf(block, m).first;
            Tensor sums = std::move(m_sums[m]);
            if (sums.device().isCuda()) {
                sums = sums.to(Device{}, m_context);
            }
            m_statistic.finish(name, sums.view());
            result.modules.emplace_back(name, std::move(sums));
        }
        m_sums.clear();
        m_onBlock(result);
    }

private:
    const std::pair<std::string, const Linear*>& moduleOf(int block, std::size_t matrix) const {
        return m_modules[static_cast<std::size_t>(block) * m_perBlock + matrix];
    }

    ExecContext& m_context;
    std::vector<std::pair<std::string, const Linear*>> m_modules;
    std::size_t m_perBlock;
    Statistic m_statistic;
    const OnBlock& m_onBlock;
    std::vector<Tensor> m_sums; ///< of the block that is gone through
};

/// Sums to their mean. @throws InputError naming the first that is not finite.
void toMean(const std::string& name, std::span<float> sums, std::int64_t columns, float samples) {
    for (std::size_t i = 0; i < sums.size(); ++i) {
        if (!std::isfinite(sums[i])) {
            const auto place = static_cast<std::int64_t>(i);
            throw InputError(
                name + ": what the gradients sum to in row " + std::to_string(place / columns) +
                ", column " + std::to_string(place % columns) +
                " is not finite; the model's weights may be damaged");
        }
        sums[i] /= samples;
    }
}

/// Products round differently on both sides of the diagonal: both get their mean.
void makeSymmetric(std::span<float> square, std::int64_t size) {
    const auto n = static_cast<std::size_t>(size);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            const float mean = 0.5F * (square[i * n + j] + square[j * n + i]);
            square[i * n + j] = mean;
            square[j * n + i] = mean;
        }
    }
}

} // namespace

double computeSensitivities(
    RunControl& control, ExecContext& context, const LlamaModel& model, GradientRequest request,
    const OnBlock& onBlock) {
    request.hessianGroups = 0;
    const auto samples = static_cast<float>(request.samples.size());
    StatisticSums sums(
        context, model,
        {.shape =
             [](std::int64_t out, std::int64_t in) {
                 return Shape{out, in};
             },
         .add =
             [&](ConstView x, ConstView dy, TensorView squares) {
                 run(context, SquaredGradient{.x = x, .dy = dy, .sums = squares});
             },
         .finish =
             [&](const std::string& name, TensorView squares) {
                 toMean(name, squares.as<float>(), squares.shape[1], samples);
             }},
        onBlock);
    return visitGradients(control, context, model, request, sums);
}

double computeHessians(
    RunControl& control, ExecContext& context, const LlamaModel& model,
    const GradientRequest& request, const OnBlock& onBlock) {
    const int groups = request.hessianGroups;
    LATHE_CHECK(groups >= 1, "Hessians of " + std::to_string(groups) + " groups were asked for");
    const auto samples = static_cast<float>(request.samples.size());
    StatisticSums sums(
        context, model,
        {.shape =
             [groups](std::int64_t out, std::int64_t in) {
                 return Shape{hessianGroupsOf(out, groups), in, in};
             },
         .add =
             [&](ConstView x, ConstView dy, TensorView hessians) {
                 run(context, GuidedHessian{.x = x, .dy = dy, .sums = hessians});
             },
         .finish =
             [&](const std::string& name, TensorView hessians) {
                 const std::int64_t in = hessians.shape[2];
                 for (std::int64_t g = 0; g < hessians.shape[0]; ++g) {
                     const std::span<float> one = hessians.slice(g, g + 1).as<float>();
                     toMean(name, one, in, samples);
                     makeSymmetric(one, in);
                 }
             }},
        onBlock);
    return visitGradients(control, context, model, request, sums);
}

} // namespace lathe
