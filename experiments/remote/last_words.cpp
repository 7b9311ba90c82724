// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/last_words.h"

#include "engine/core/json.h"

namespace lathe {

namespace {

constexpr std::size_t kRingBytes = std::size_t{64} << 10;
constexpr std::size_t kLineBytes = std::size_t{4} << 10; // longer ones are cut into several
constexpr std::size_t kTailBytes = 1000;

} // namespace

void LastWords::clear() {
    m_ring.clear();
    m_line.clear();
}

void LastWords::add(std::string_view text, EngineObserver& observer) {
    m_ring += text;
    if (m_ring.size() > kRingBytes) {
        m_ring.erase(0, m_ring.size() - kRingBytes);
    }
    for (const char c : text) {
        if (c != '\n') {
            m_line += c;
        }
        if (c == '\n' || m_line.size() >= kLineBytes) {
            observer.engineSaid(validUtf8(m_line));
            m_line.clear();
        }
    }
}

void LastWords::endLine(EngineObserver& observer) {
    if (!m_line.empty()) {
        observer.engineSaid(validUtf8(m_line));
        m_line.clear();
    }
}

std::string LastWords::tail() const {
    std::string text = m_ring.substr(m_ring.size() - std::min(m_ring.size(), kTailBytes));
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return validUtf8(text);
}

} // namespace lathe
