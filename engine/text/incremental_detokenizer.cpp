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
        shorten();
    }
    return fresh;
}

/// Decoding depends on what comes before only through whether there is text: an id that gives some
/// by itself may stand for all before it, and ids that give none may go.
void IncrementalDetokenizer::shorten() {
    for (std::size_t i = m_ids.size(); i-- > 0;) {
        if (!m_tokenizer.decode(std::span(&m_ids[i], 1)).empty()) {
            std::vector<TokenId> kept{m_ids[i]};
            if (i + 1 < m_ids.size()) {
                kept.push_back(m_ids.back());
            }
            m_ids = std::move(kept);
            m_emitted = m_tokenizer.decode(m_ids).size();
            return;
        }
    }
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
