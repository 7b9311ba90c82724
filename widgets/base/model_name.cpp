// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/model_name.h"

#include <QStringList>

#include <algorithm>

namespace lathe {

QString shortModelName(const QString& model) {
    if (!model.startsWith(QLatin1Char('/'))) {
        return model;
    }
    const QStringList parts = model.split(QLatin1Char('/'), Qt::SkipEmptyParts);
    const QString prefix = QStringLiteral("models--");
    // .../models--org--name/snapshots/<hash>; a file inside keeps its own name.
    const auto cached = std::ranges::find_if(
        parts, [&prefix](const QString& part) { return part.startsWith(prefix); });
    if (cached != parts.end() && parts.end() - cached == 3 &&
        *(cached + 1) == QLatin1String("snapshots")) {
        return cached->mid(prefix.size()).replace(QStringLiteral("--"), QStringLiteral("/"));
    }
    return parts.isEmpty() ? model : parts.last();
}

} // namespace lathe
