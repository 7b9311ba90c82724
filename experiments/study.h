// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/registry.h"
#include "engine/core/run_control.h"
#include "engine/core/spec.h"
#include "kernels/core/exec_context.h"

#include <any>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace lathe {

class ModelCache;

/// Things that the cells of one run share: the float model, its reference log-probabilities,
/// cluster curves. Dropped when the run ends. Used by the run's worker thread only.
class RunCache {
public:
    /// The value at `key`, made by `make()` at first use.
    template <class T, class Make>
    T& get(const std::string& key, Make&& make) {
        auto it = m_values.find(key);
        if (it == m_values.end()) {
            it = m_values.emplace(key, std::make_shared<T>(make())).first;
        }
        return *std::any_cast<std::shared_ptr<T>&>(it->second);
    }

private:
    std::map<std::string, std::any> m_values;
};

struct StudyContext {
    RunControl& run;
    ExecContext& exec; ///< device of the Spec
    ExecContext& cpu;  ///< the host, for what runs nowhere else (equals exec on a CPU run)
    ModelCache& models;
    RunCache& cache;
};

/// One kind of experiment. `run` is one cell; the Runner expands sweeps, logs and times nothing by
/// itself. Const and shareable.
class Study {
public:
    virtual ~Study() = default;
    virtual const StudyInfo& info() const = 0;
    /// The cells of a Spec, as complete params. Default: every combination of the sweep's axes.
    virtual std::vector<Json> cells(const Spec& spec) const;
    /// Files beside those that the Spec names on which its numbers hang: a default text, a model's
    /// own record. They are hashed, so that finished cells of other content are not taken for
    /// these.
    virtual std::vector<std::filesystem::path> inputFiles(const Spec& spec) const {
        static_cast<void>(spec);
        return {};
    }
    /// Whether its models are loaded: those that do not fit are then refused first.
    virtual bool loadsModels() const { return true; }
    /// Runs one cell; `spec.params` is complete and valid, `spec.sweep` empty.
    /// @return the metrics: numbers and texts under the names of `info().metrics`.
    virtual Json run(const Spec& spec, StudyContext& context) const = 0;
    /// Whether this cell's metrics mean that a check failed (exit status 1).
    virtual bool failed(const Json& metrics) const {
        static_cast<void>(metrics);
        return false;
    }
};

/// @throws InputError naming every parameter of the Spec that is wrong, as flags.
void requireValid(const Spec& spec, const StudyInfo& info);

/// The list (experiments/studies.cpp).
const Registry<Study>& studies();

} // namespace lathe
