// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/core/error.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// A plain list of named things, filled by one explicit "list" file per topic (studies.cpp,
/// quantizers.cpp): no registration by static constructors. T has `info()` with a member `id`.
template <class T>
class Registry {
public:
    explicit Registry(std::string topic) : m_topic(std::move(topic)) {}

    void add(std::unique_ptr<T> entry) { m_entries.push_back(std::move(entry)); }

    /// @throws InputError naming the known ids.
    const T& at(std::string_view id) const {
        std::string known;
        for (const auto& entry : m_entries) {
            if (entry->info().id == id) {
                return *entry;
            }
            known += (known.empty() ? "" : ", ") + entry->info().id;
        }
        throw InputError(
            "no " + m_topic + " is called '" + std::string(id) + "'; there are: " + known);
    }

    bool contains(std::string_view id) const {
        for (const auto& entry : m_entries) {
            if (entry->info().id == id) {
                return true;
            }
        }
        return false;
    }

    const std::vector<std::unique_ptr<T>>& all() const noexcept { return m_entries; }

private:
    std::string m_topic;
    std::vector<std::unique_ptr<T>> m_entries;
};

} // namespace lathe
