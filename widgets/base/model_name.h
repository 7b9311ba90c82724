// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QString>

namespace lathe {

/// What people call the model that `--model` names: "org/name" of one in the Hugging Face cache
/// (whose folder is named by a hash), the last part of another path, a bundled name as it is.
QString shortModelName(const QString& model);

} // namespace lathe
