// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/quant/module_selection.h"

namespace lathe {

void ModuleSelection::select(const std::string& module) {
    if (module != m_module) {
        m_module = module;
        emit changed(m_module);
    }
}

QString shortModuleName(const std::string& module) {
    const QString name = QString::fromStdString(module);
    const QString shared = QStringLiteral("model.");
    return name.startsWith(shared) ? name.mid(shared.size()) : name;
}

} // namespace lathe
