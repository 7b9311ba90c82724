// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QObject>

#include <string>

namespace lathe {

/// Which matrix of a model all views of the panel look at, by its module's name
/// ("model.layers.3.mlp.up_proj"). One per panel; views show what it says and tell it what the user
/// chose.
class ModuleSelection : public QObject {
    Q_OBJECT
public:
    using QObject::QObject;

    const std::string& module() const { return m_module; } ///< empty: none
    /// Tells nothing when it is the same already, so that views may answer each other.
    void select(const std::string& module);

signals:
    void changed(const std::string& module);

private:
    std::string m_module;
};

/// "layers.3.mlp.up_proj": a module's name without what all of them share.
QString shortModuleName(const std::string& module);

} // namespace lathe
