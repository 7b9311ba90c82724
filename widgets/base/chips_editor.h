// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/param_spec.h"

#include <QWidget>

#include <vector>

class QLineEdit;
class QToolButton;

namespace lathe {

class FlowLayout;

/// Several values of one parameter. Where the possible values are few they are all there as chips
/// to switch on and off; else values are typed ("2,3,4") and removed by their chip. A choice that
/// ends in ":FILE" is a button that asks for files; each one becomes a chip with the file's name.
class ChipsEditor : public QWidget {
    Q_OBJECT
public:
    explicit ChipsEditor(ParamSpec param, QWidget* parent = nullptr);

    std::vector<Json> values() const;
    /// Values that the declaration refuses are left out.
    void setValues(const std::vector<Json>& values);
    /// Text typed but not yet taken over, with what is wrong with it; empty when all is well.
    QString problem() const { return m_problem; }
    /// Adds the chip of a file, switched on: `choice` is the choice that ends in ":FILE".
    void addFile(const std::string& choice, const QString& path);

signals:
    void edited();

private:
    struct Chip {
        QToolButton* button;
        Json value;
    };
    void addChip(const Json& value, bool on);
    void addFileButton(const std::string& choice);
    void askForFiles(const std::string& choice);
    void dropChips(bool filesOnly);
    void removeChip(QToolButton* button);
    void takeTyped();
    QString labelOf(const Json& value) const;

    ParamSpec m_param;
    bool m_fixed; ///< all possible values are chips
    std::vector<Chip> m_chips;
    FlowLayout* m_flow;
    QLineEdit* m_typed = nullptr;
    QString m_problem;
};

} // namespace lathe
