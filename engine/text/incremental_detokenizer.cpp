// SPDX-License-Identifier: Apache-2.0
#include "engine/text/tokenizer.h"
#include "engine/text/utf8.h"

namespace lathe {

namespace {

/// Ids kept before the window is shortened to its last one; bounds the cost per id.
constexpr std::size_t kWindow = 16;

} // namespace

std::string IncrementalDetokenizer::append(TokenId id) {
    m_ids.push_back(id);
    const std::string text = m_tokenizer.decode(m_ids);
    const std::size_t complete = completeUtf8Length(text);
    std::string fresh;
    if (complete > m_emitted) {
        fresh = replaceInvalidUtf8(std::string_view(text).substr(m_emitted, complete - m_emitted));
        m_emitted = complete;
    }
    if (m_ids.size() > kWindow && m_emitted == text.size()) {
        // Decoding depends on what comes before only through whether there is text: the last id may
        // stand for all of it if it gives some.
        const std::string last = m_tokenizer.decode(std::span(&m_ids.back(), 1));
        if (!last.empty()) {
            m_ids.erase(m_ids.begin(), m_ids.end() - 1);
            m_emitted = last.size();
        }
    }
    return fresh;
}

std::string IncrementalDetokenizer::finish() {
    const std::string text = m_tokenizer.decode(m_ids);
    std::string rest;
    if (text.size() > m_emitted) {
        rest = replaceInvalidUtf8(std::string_view(text).substr(m_emitted));
    }
    m_ids.clear();
    m_emitted = 0;
    return rest;
}

} // namespace lathe
