// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/runs/event_table_model.h"

#include "engine/core/error.h"
#include "widgets/base/theme.h"
#include "widgets/runs/cell_values.h"

#include <QLocale>
#include <QTimer>

#include <limits>

namespace lathe {

namespace {

QString fromText(const std::string& text) { return QString::fromStdString(text); }

template <class... Lambdas>
struct Overloaded : Lambdas... {
    using Lambdas::operator()...;
};
template <class... Lambdas>
Overloaded(Lambdas...) -> Overloaded<Lambdas...>;

QString withMessage(const QString& text, const std::string& message) {
    return message.empty() ? text : EventTableModel::tr("%1: %2").arg(text, fromText(message));
}

QString shapeText(const std::vector<std::int64_t>& shape) {
    QStringList sizes;
    for (const std::int64_t size : shape) {
        sizes << QString::number(size);
    }
    return sizes.join(QStringLiteral(" × "));
}

QString cellText(const CellChanged& cell) {
    QStringList params;
    for (const char* name : {"method", "bits", "group"}) {
        if (const Json& value = member(cell.params, name); !value.is_null()) {
            params << QString::fromLatin1(name) + QLatin1Char(' ') + valueForPeople(value);
        }
    }
    const QString state = QString::fromUtf8(nameOf(cell.state));
    return withMessage(
        params.isEmpty() ? state
                         : state + QStringLiteral(" · ") + params.join(QStringLiteral(", ")),
        cell.message);
}

} // namespace

QStringList eventKinds() {
    return {QStringLiteral("cell"),  QStringLiteral("metric"), QStringLiteral("token"),
            QStringLiteral("log"),   QStringLiteral("run"),    QStringLiteral("artifact"),
            QStringLiteral("array"), QStringLiteral("decode")};
}

QString eventText(const Payload& payload) {
    return std::visit(
        Overloaded{
            [](const Progress& p) {
                return EventTableModel::tr("%1 %").arg(p.fraction * 100.0, 0, 'f', 0) +
                       QLatin1Char(' ') + fromText(p.phase);
            },
            [](const Metric& m) {
                QString text =
                    fromText(m.name) + QStringLiteral(" = ") + valueForPeople(jsonNumber(m.value));
                text += m.unit.empty() ? QString() : QLatin1Char(' ') + fromText(m.unit);
                return m.step < 0 ? text : text + EventTableModel::tr(" at step %1").arg(m.step);
            },
            [](const TokenDecoded& t) {
                return EventTableModel::tr("%1: token %2 “%3”, %4, p = %5")
                    .arg(t.position)
                    .arg(t.token)
                    .arg(fromText(t.text).replace(QLatin1Char('\n'), QChar(0x21B5)))
                    .arg(fromText(t.origin))
                    .arg(t.probability, 0, 'f', 3);
            },
            [](const CellChanged& c) { return cellText(c); },
            [](const ArtifactReady& a) {
                return EventTableModel::tr("%1 (%2, %3)")
                    .arg(
                        fromText(a.name), fromText(a.mime),
                        QLocale().formattedDataSize(static_cast<qint64>(a.bytes.size())));
            },
            [](const ArrayReady& a) {
                return EventTableModel::tr("%1: %2 of %3")
                    .arg(fromText(a.name), fromText(a.dtype), shapeText(a.shape));
            },
            [](const RunChanged& r) {
                return withMessage(QString::fromUtf8(nameOf(r.state)), r.message);
            },
            [](const LogLine& l) {
                return QString::fromUtf8(nameOf(l.level)) + QStringLiteral(" · ") +
                       fromText(l.text);
            },
            [](const DecodeStep& d) {
                QString text = EventTableModel::tr("%1: %2")
                                   .arg(d.event.pos)
                                   .arg(QString::fromUtf8(nameOf(d.event.kind)));
                return d.piece.empty() ? text
                                       : text + EventTableModel::tr(" “%1”").arg(fromText(d.piece));
            }},
        payload);
}

void EventTableModel::setSource(Source source) {
    beginResetModel();
    m_source = std::move(source);
    m_rows.clear();
    m_shown.clear();
    m_lastSeq = std::numeric_limits<std::int64_t>::min();
    m_complete = !m_source;
    endResetModel();
    readUntilShown();
}

void EventTableModel::setKind(const QString& kind) {
    beginResetModel();
    m_kind = kind;
    m_shown.clear();
    for (std::size_t i = 0; i < m_rows.size(); ++i) {
        if (isShown(m_rows[i])) {
            m_shown.push_back(i);
        }
    }
    endResetModel();
    readUntilShown();
}

void EventTableModel::poll() {
    if (m_source) {
        // What was read stays; a view that shows the end asks for more by itself.
        const bool wasComplete = m_complete;
        m_complete = false;
        if (wasComplete) {
            readPage();
        }
    }
}

bool EventTableModel::canFetchMore(const QModelIndex& parent) const {
    return !parent.isValid() && !m_complete;
}

void EventTableModel::fetchMore(const QModelIndex& parent) {
    if (canFetchMore(parent)) {
        readPage();
        readUntilShown();
    }
}

void EventTableModel::readPage() {
    std::vector<Event> page;
    try {
        page = m_source(m_lastSeq, kPage);
    } catch (const Error& e) {
        m_complete = true;
        emit failed(QString::fromUtf8(e.what()));
        return;
    }
    m_complete = page.size() < static_cast<std::size_t>(kPage);
    std::vector<std::size_t> fresh;
    for (const Event& event : page) {
        const auto* cell = std::get_if<CellChanged>(&event.payload);
        const auto* log = std::get_if<LogLine>(&event.payload);
        m_rows.push_back(
            {.seconds = std::chrono::duration<double>(event.at).count(),
             .seq = event.seq,
             .cell = event.cell,
             .kind = QString::fromUtf8(kindOf(event.payload)),
             .text = eventText(event.payload),
             .grave = (cell != nullptr && cell->state == CellState::Failed) ||
                      (log != nullptr && log->level == LogLevel::Error)});
        m_lastSeq = event.seq;
        if (isShown(m_rows.back())) {
            fresh.push_back(m_rows.size() - 1);
        }
    }
    if (!fresh.empty()) {
        const int first = static_cast<int>(m_shown.size());
        beginInsertRows({}, first, first + static_cast<int>(fresh.size()) - 1);
        m_shown.insert(m_shown.end(), fresh.begin(), fresh.end());
        endInsertRows();
    }
}

void EventTableModel::readUntilShown() {
    // A filter may leave a page empty; the view then never asks for the next one. One page per turn
    // of the event loop keeps the window alive.
    if (m_complete || m_reading || m_shown.size() >= static_cast<std::size_t>(kPage)) {
        return;
    }
    m_reading = true;
    QTimer::singleShot(0, this, [this] {
        m_reading = false;
        if (!m_complete) {
            readPage();
            readUntilShown();
        }
    });
}

int EventTableModel::rowCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : static_cast<int>(m_shown.size());
}

int EventTableModel::columnCount(const QModelIndex& parent) const {
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant EventTableModel::data(const QModelIndex& index, int role) const {
    if (!index.isValid() || index.row() >= rowCount()) {
        return {};
    }
    const Row& row = m_rows[m_shown[static_cast<std::size_t>(index.row())]];
    if (role == Qt::TextAlignmentRole) {
        return index.column() < KindColumn ? QVariant(Qt::AlignRight | Qt::AlignVCenter)
                                           : QVariant(Qt::AlignLeft | Qt::AlignVCenter);
    }
    if (role == Qt::ForegroundRole) {
        return row.grave ? QVariant(Theme::error()) : QVariant();
    }
    if (role != Qt::DisplayRole && role != Qt::ToolTipRole) {
        return {};
    }
    switch (index.column()) {
    case TimeColumn:
        return QLocale().toString(row.seconds, 'f', 3);
    case SeqColumn:
        return QString::number(row.seq);
    case CellColumn:
        return row.cell < 0 ? QString() : QString::number(row.cell + 1);
    case KindColumn:
        return row.kind;
    default:
        return row.text;
    }
}

QVariant EventTableModel::headerData(int section, Qt::Orientation orientation, int role) const {
    if (orientation != Qt::Horizontal || role != Qt::DisplayRole) {
        return {};
    }
    switch (section) {
    case TimeColumn:
        return tr("Time (s)");
    case SeqColumn:
        return tr("No.");
    case CellColumn:
        return tr("Cell");
    case KindColumn:
        return tr("Kind");
    default:
        return tr("What");
    }
}

} // namespace lathe
