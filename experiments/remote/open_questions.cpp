// SPDX-License-Identifier: Apache-2.0
#include "experiments/remote/open_questions.h"

#include "experiments/remote/frame.h"
#include "experiments/remote/outbox.h"

#include <utility>

namespace lathe {

void OpenQuestions::add(Json question) {
    const std::lock_guard lock(m_mutex);
    m_unsent.push_back(std::move(question));
}

void OpenQuestions::sendTo(Outbox& outbox) {
    const std::lock_guard lock(m_mutex);
    for (const Json& question : m_unsent) {
        outbox.send(encodeFrame(FrameKind::Ask, question));
        m_sent.insert(question.at("question").get<std::int64_t>());
    }
    m_unsent.clear();
}

bool OpenQuestions::close(std::int64_t id) {
    const std::lock_guard lock(m_mutex);
    return m_sent.erase(id) > 0;
}

std::set<std::int64_t> OpenQuestions::closeAll() {
    const std::lock_guard lock(m_mutex);
    return std::exchange(m_sent, {});
}

} // namespace lathe
