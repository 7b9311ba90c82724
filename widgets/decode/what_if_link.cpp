// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/decode/what_if_link.h"

#include "widgets/base/panel.h"

#include <utility>

namespace lathe {

namespace {

constexpr const char* kQuestion = "decode.what-if";

} // namespace

WhatIfLink::WhatIfLink(PanelContext& context, QObject* parent)
    : QObject(parent), m_context(context) {
    connect(&context, &PanelContext::answered, this, &WhatIfLink::take);
}

void WhatIfLink::ask(const Spec& spec, const Json& costs) {
    if (isWaiting()) {
        m_next = Wanted{spec, costs};
        return;
    }
    send(spec, costs);
}

void WhatIfLink::forget() {
    m_next.reset();
    m_forgotten = isWaiting();
}

void WhatIfLink::send(Spec spec, Json costs) {
    m_question = m_context.ask(kQuestion, {{"spec", toJson(spec)}, {"costs", std::move(costs)}});
    m_forgotten = false;
    if (m_question == 0) {
        emit failed(tr("This engine cannot replay other thresholds."));
        return;
    }
    m_asked = std::move(spec);
    m_since.start();
    emit waitingChanged();
}

void WhatIfLink::take(qint64 question, const Json& answer) {
    if (question != m_question || m_question == 0) {
        return; // another panel's
    }
    m_question = 0;
    m_lastMs = m_since.elapsed();
    const bool forgotten = std::exchange(m_forgotten, false);
    const Spec asked = std::exchange(m_asked, {});
    const std::optional<Wanted> next = std::exchange(m_next, std::nullopt);
    if (next) {
        send(next->spec, next->costs);
    } else {
        emit waitingChanged();
    }
    if (const auto result = answer.find("result"); result != answer.end() && !forgotten) {
        emit answered(asked, *result);
    } else if (!forgotten && !next) {
        emit failed(QString::fromStdString(answer.value("error", std::string())));
    }
}

} // namespace lathe
