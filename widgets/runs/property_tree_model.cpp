// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/property_tree_model.h"

#include "widgets/base/theme.h"
#include "widgets/runs/cell_values.h"

#include <QCoreApplication>
#include <QFont>

#include <algorithm>

namespace lathe {

namespace {

QString translate(const char* text) {
    return QCoreApplication::translate("PropertyTreeModel", text);
}

QString listText(const Json& values) {
    QStringList texts;
    for (const Json& value : values) {
        texts << QString::fromStdString(valueText(value));
    }
    return texts.join(QStringLiteral(", "));
}

PropertyNode plainNode(const std::string& name, const Json& value, bool swept) {
    return {
        .name = QString::fromStdString(name),
        .value = swept ? listText(value) : QString::fromStdString(valueText(value))};
}

PropertyNode declaredNode(const ParamSpec& param, const Spec& spec) {
    const Json& swept = member(spec.sweep, param.name);
    const Json& given = member(spec.params, param.name);
    const bool isSwept = swept.is_array();
    const Json& value = given.is_null() ? param.defaultValue : given;
    PropertyNode node = plainNode(param.name, isSwept ? swept : value, isSwept);
    node.help = QString::fromStdString(param.help);
    node.changed = isSwept || (!given.is_null() && given != param.defaultValue);
    if (!param.unit.empty() && !node.value.isEmpty()) {
        node.value += QLatin1Char(' ') + QString::fromStdString(param.unit);
    }
    return node;
}

PropertyNode parameterGroup(const Spec& spec, const StudyInfo* info) {
    PropertyNode group{.name = translate(QT_TRANSLATE_NOOP("PropertyTreeModel", "Parameters"))};
    if (info != nullptr) {
        for (const ParamSpec& param : info->params) {
            group.children.push_back(declaredNode(param, spec));
        }
    }
    const auto addUnknown = [&](const Json& values, bool swept) {
        for (const auto& [name, value] : values.items()) {
            if (info == nullptr || info->find(name) == nullptr) {
                group.children.push_back(plainNode(name, value, swept));
            }
        }
    };
    addUnknown(spec.params, false);
    addUnknown(spec.sweep, true);
    return group;
}

} // namespace

std::vector<PropertyNode> parameterNodes(const Spec& spec, const StudyInfo* info) {
    PropertyNode run{.name = translate(QT_TRANSLATE_NOOP("PropertyTreeModel", "Run"))};
    run.children.push_back(
        {.name = translate(QT_TRANSLATE_NOOP("PropertyTreeModel", "study")),
         .value = QString::fromStdString(spec.study)});
    const Json given = toJson(spec);
    const Json defaults = toJson(Spec{.study = spec.study});
    for (const char* name : {"seed", "device", "target", "threads", "repeat"}) {
        PropertyNode node = plainNode(name, member(given, name), false);
        node.changed = member(given, name) != member(defaults, name);
        run.children.push_back(std::move(node));
    }
    return {parameterGroup(spec, info), std::move(run)};
}

std::vector<PropertyNode> jsonNodes(const Json& object) {
    std::vector<PropertyNode> nodes;
    if (!object.is_structured()) {
        return nodes;
    }
    for (const auto& [name, value] : object.items()) {
        PropertyNode node{.name = QString::fromStdString(name)};
        const bool plainList = value.is_array() && std::ranges::none_of(value, [](const Json& one) {
                                   return one.is_structured();
                               });
        if (plainList) {
            node.value = listText(value);
        } else if (value.is_structured()) {
            node.children = jsonNodes(value);
        } else {
            node.value = QString::fromStdString(valueText(value));
        }
        nodes.push_back(std::move(node));
    }
    return nodes;
}

struct PropertyTreeModel::Item {
    PropertyNode node;
    const Item* parent = nullptr;
    int row = 0;
    std::vector<std::unique_ptr<Item>> children;

    void addChildren(std::vector<PropertyNode> nodes) {
        for (PropertyNode& one : nodes) {
            auto child = std::make_unique<Item>();
            child->parent = this;
            child->row = static_cast<int>(children.size());
            std::vector<PropertyNode> below = std::move(one.children);
            child->node = std::move(one);
            child->addChildren(std::move(below));
            children.push_back(std::move(child));
        }
    }
};

PropertyTreeModel::PropertyTreeModel(QObject* parent)
    : QAbstractItemModel(parent), m_root(std::make_unique<Item>()) {}

PropertyTreeModel::~PropertyTreeModel() = default;

void PropertyTreeModel::setNodes(std::vector<PropertyNode> nodes) {
    beginResetModel();
    m_root = std::make_unique<Item>();
    m_root->addChildren(std::move(nodes));
    endResetModel();
}

const PropertyTreeModel::Item* PropertyTreeModel::itemAt(const QModelIndex& index) const {
    return index.isValid() ? static_cast<const Item*>(index.constInternalPointer()) : m_root.get();
}

QModelIndex PropertyTreeModel::index(int row, int column, const QModelIndex& parent) const {
    if (!hasIndex(row, column, parent)) {
        return {};
    }
    return createIndex(row, column, itemAt(parent)->children[static_cast<std::size_t>(row)].get());
}

QModelIndex PropertyTreeModel::parent(const QModelIndex& child) const {
    const Item* above = child.isValid() ? itemAt(child)->parent : nullptr;
    return above == nullptr || above == m_root.get() ? QModelIndex()
                                                     : createIndex(above->row, 0, above);
}

int PropertyTreeModel::rowCount(const QModelIndex& parent) const {
    return parent.column() > 0 ? 0 : static_cast<int>(itemAt(parent)->children.size());
}

int PropertyTreeModel::columnCount(const QModelIndex&) const { return 2; }

QVariant PropertyTreeModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid()) {
        return {};
    }
    const PropertyNode& node = itemAt(index)->node;
    switch (role) {
    case Qt::DisplayRole:
        return index.column() == 0 ? node.name : node.value;
    case Qt::ToolTipRole: {
        QStringList lines;
        if (!node.help.isEmpty()) {
            lines << node.help;
        }
        if (index.column() == 1 && !node.value.isEmpty()) {
            lines << node.value;
        }
        if (node.changed) {
            lines << tr("Changed from its default");
        }
        return lines.join(QLatin1Char('\n'));
    }
    case Qt::AccessibleDescriptionRole:
        return node.changed ? QVariant(tr("changed from its default")) : QVariant();
    case Qt::FontRole: {
        QFont font;
        font.setBold(node.changed);
        return font;
    }
    default:
        return {};
    }
}

QVariant PropertyTreeModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return {};
    }
    return section == 0 ? tr("Name") : tr("Value");
}

} // namespace lathe
