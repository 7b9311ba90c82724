// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

#include <map>

namespace lathe {

/// Texts that were handed to the store and are not read back from it yet: until then the store's
/// older value must not replace them on screen.
class PendingTexts {
public:
    void put(qint64 runId, const QString& text) { m_texts[runId] = text; }

    /// What to show for a run of which the store says `stored`.
    QString resolve(qint64 runId, const QString& stored) {
        const auto it = m_texts.find(runId);
        if (it == m_texts.end()) {
            return stored;
        }
        const QString text = it->second;
        if (text == stored) {
            m_texts.erase(it);
        }
        return text;
    }

private:
    std::map<qint64, QString> m_texts;
};

} // namespace lathe
