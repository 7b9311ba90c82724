// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "engine/core/spec.h"

#include <QAbstractItemModel>
#include <QString>

#include <memory>
#include <vector>

namespace lathe {

/// A named value, or a group of them.
struct PropertyNode {
    QString name;
    QString value{}, help{};
    bool changed = false; ///< differs from its default: bold, and said in the tool tip
    std::vector<PropertyNode> children{};
};

/// Parameters of a Spec in the study's order, swept ones as lists, then what every Spec has. With
/// `info` null nothing is known of defaults and nothing counts as changed.
std::vector<PropertyNode> parameterNodes(const Spec& spec, const StudyInfo* info);
/// Any JSON object as a tree; lists of plain values are one line.
std::vector<PropertyNode> jsonNodes(const Json& object);

/// Two columns, name and value.
class PropertyTreeModel : public QAbstractItemModel {
    Q_OBJECT
public:
    explicit PropertyTreeModel(QObject* parent = nullptr);
    ~PropertyTreeModel() override;

    void setNodes(std::vector<PropertyNode> nodes);

    QModelIndex index(int row, int column, const QModelIndex& parent = {}) const override;
    QModelIndex parent(const QModelIndex& child) const override;
    int rowCount(const QModelIndex& parent = {}) const override;
    int columnCount(const QModelIndex& parent = {}) const override;
    QVariant data(const QModelIndex& index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    struct Item;
    const Item* itemAt(const QModelIndex& index) const;
    std::unique_ptr<Item> m_root;
};

} // namespace lathe
