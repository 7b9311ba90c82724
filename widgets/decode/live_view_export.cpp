// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/export_button.h"
#include "widgets/decode/live_view.h"
#include "widgets/decode/swim_lanes.h"
#include "widgets/decode/threshold_strip.h"
#include "widgets/decode/token_ribbon.h"

#include <QFileDialog>
#include <QFileInfo>
#include <QMenu>
#include <QSaveFile>
#include <QToolButton>

/// The files that the view writes: its pictures, and the log of what it shows.
namespace lathe {

namespace {

constexpr QSize kPicture(1400, 420);

/// Asks for a file and writes it; what fails is shown in the view's note.
template <class Write>
void askAndWrite(
    QWidget* parent, const QString& name, const QStringList& filters, const Write& write) {
    auto* dialog = new QFileDialog(parent, LiveView::tr("Export"));
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setAcceptMode(QFileDialog::AcceptSave);
    dialog->setNameFilters(filters);
    dialog->selectFile(name);
    dialog->setDefaultSuffix(QFileInfo(name).suffix());
    QObject::connect(dialog, &QFileDialog::filterSelected, dialog, [dialog](const QString& filter) {
        dialog->setDefaultSuffix(filter.section(QStringLiteral("*."), 1).chopped(1));
    });
    QObject::connect(dialog, &QFileDialog::fileSelected, parent, write);
    dialog->open();
}

} // namespace

QWidget* LiveView::makeExports() {
    m_export = makeExportButton(
        tr("Export"), tr("Write pictures as SVG or PNG, or the event log as JSON or CSV"),
        tr("Export the decoding"));
    auto* menu = new QMenu(m_export);
    const auto add = [&](const QString& text, const QString& name, auto* chart) {
        menu->addAction(text, this, [this, name, chart] {
            exportChart(name, [chart](const QString& path, QString* error) {
                return chart->exportTo(path, kPicture, error);
            });
        });
    };
    add(tr("Tokens…"), QStringLiteral("tokens"), m_ribbon);
    add(tr("Lanes…"), QStringLiteral("lanes"), m_lanes);
    add(tr("Confidence…"), QStringLiteral("confidence"), m_confidence);
    add(tr("Distance…"), QStringLiteral("distance"), m_distance);
    menu->addSeparator();
    menu->addAction(tr("Event log…"), this, &LiveView::exportLog);
    m_export->setMenu(menu);
    m_export->setPopupMode(QToolButton::InstantPopup);
    return m_export;
}

void LiveView::exportChart(
    const QString& name, const std::function<bool(const QString&, QString*)>& write) {
    const QString file =
        QStringLiteral("run-%1-%2.svg").arg(m_run != nullptr ? m_run->id() : 0).arg(name);
    askAndWrite(
        this, file, {tr("SVG (*.svg)"), tr("PNG (*.png)")}, [this, write](const QString& path) {
            QString error;
            setNote(
                write(path, &error) ? tr("Written: %1").arg(path)
                                    : tr("Could not write %1: %2").arg(path, error),
                true);
        });
}

void LiveView::exportLog() {
    const QString file =
        QStringLiteral("run-%1-events.json").arg(m_run != nullptr ? m_run->id() : 0);
    askAndWrite(this, file, {tr("JSON (*.json)"), tr("CSV (*.csv)")}, [this](const QString& path) {
        const DecodeLog& log = story().log();
        const bool csv = QFileInfo(path).suffix().toLower() == QStringLiteral("csv");
        const std::string text = csv ? toCsv(log) : dumpJson(toJson(log)) + "\n";
        QSaveFile out(path);
        const auto size = static_cast<qint64>(text.size());
        const bool written =
            out.open(QIODevice::WriteOnly) && out.write(text.data(), size) == size && out.commit();
        setNote(
            written ? tr("Written: %1").arg(path)
                    : tr("Could not write %1: %2").arg(path, out.errorString()),
            true);
    });
}

} // namespace lathe
