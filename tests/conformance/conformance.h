// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/core/dispatch.h"
#include "tests/conformance/arrays.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

/// Every kernel of every op against the op's scalar kernel. A case is a name and a closure that
/// fills Arrays and returns the op; a kernel that enters an op's table is tested with no new code.
namespace lathe::conformance {

/// The contexts of all targets that can run here.
class Machine {
public:
    Machine();
    ExecContext& scalar() { return *m_contexts.at(Target::Scalar); }
    /// Null when the target is not available, or does not have these products.
    ExecContext* find(Target target, Products products = Products::Float32);
    /// Why there is no CUDA target; empty when there is one.
    const std::string& whyNoCuda() const noexcept { return m_whyNoCuda; }

private:
    std::map<Target, std::unique_ptr<ExecContext>> m_contexts;
    std::unique_ptr<ExecContext> m_half; ///< CUDA
    std::string m_whyNoCuda;
};

struct Outcome {
    std::string kernel; ///< "avx2 gemv"
    Target target{};
    double error = 0.0; ///< relative to the largest element of the reference
    double bound = 0.0;
    std::string failure; ///< empty: passed
};

/// One case of one op, its type forgotten.
struct Check {
    std::string op;
    std::string name;
    std::function<std::vector<Outcome>(Machine&)> run;
};

/// All cases of all ops.
std::vector<Check> allChecks();

struct CaseOptions {
    bool shifted = false; ///< arrays aligned to one element only
    /// Nothing to compute: such an op goes through `run`, which keeps it from the kernels.
    bool throughRun = false;
    bool twice = false; ///< a second run has to give the same bits
    /// `run` takes it on a GPU alone: the reference is the scalar kernel, called past `run`.
    bool gpuOnly = false;
    Products products = Products::Float32; ///< of the GPU; the reference is in single precision
};

/// Adds a case: `make` is called once per kernel with fresh Arrays of the same seed.
template <class Op>
void addCase(
    std::vector<Check>& checks, const std::string& opName, const std::string& name,
    std::function<Op(Arrays&)> make, CaseOptions options = {}) {
    const std::uint64_t seed = std::hash<std::string>{}(opName + name);
    const auto execute = [make = std::move(make), options, seed](Machine& machine) {
        Arrays reference(machine.scalar(), seed, options.shifted);
        if (options.gpuOnly) {
            kernelsOf<Op>().back().launch(machine.scalar(), make(reference));
        } else {
            run(machine.scalar(), make(reference));
        }
        std::vector<Outcome> outcomes;
        if (const std::string damage = reference.collect(); !damage.empty()) {
            outcomes.push_back({"scalar", Target::Scalar, 0.0, 0.0, damage});
        }
        for (const Kernel<Op>& kernel : kernelsOf<Op>()) {
            ExecContext* context = machine.find(kernel.target, options.products);
            if (context == nullptr || kernel.target == Target::Scalar) {
                continue;
            }
            Arrays arrays(*context, seed, options.shifted);
            const Op op = make(arrays);
            if (kernel.accepts != nullptr && !kernel.accepts(op)) {
                continue;
            }
            if (options.throughRun) {
                run(*context, op);
            } else {
                kernel.launch(*context, op);
            }
            Outcome outcome{kernel.name, kernel.target, 0.0, 0.0, arrays.collect()};
            const Arrays::Difference difference = arrays.differenceFrom(reference);
            outcome.error = difference.relative;
            outcome.bound = difference.bound;
            if (outcome.failure.empty()) {
                outcome.failure = difference.text;
            }
            if (options.twice && outcome.failure.empty()) {
                Arrays again(*context, seed, options.shifted);
                kernel.launch(*context, make(again));
                outcome.failure = again.collect();
                if (outcome.failure.empty() && !again.equals(arrays)) {
                    outcome.failure = "a second run gave other bits";
                }
            }
            outcomes.push_back(outcome);
        }
        return outcomes;
    };
    checks.push_back({opName, name, execute});
}

} // namespace lathe::conformance
