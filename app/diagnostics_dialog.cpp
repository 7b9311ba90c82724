// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/diagnostics_dialog.h"

#include "app/workbench.h"

#include <QApplication>
#include <QClipboard>
#include <QDialogButtonBox>
#include <QFontDatabase>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QVBoxLayout>

namespace lathe {

namespace {

constexpr QSize kSize{640, 560};

Json diagnostics(const Workbench& workbench) {
    Json all{
        {"window", QApplication::applicationVersion().toStdString()},
        {"qt", qVersion()},
        {"platform", QApplication::platformName().toStdString()},
        {"store", workbench.storePath().toStdString()},
        {"store_bytes", workbench.storeBytes()}};
    if (const QString problem = workbench.storeProblem(); !problem.isEmpty()) {
        all["store_problem"] = problem.toStdString();
    }
    const EngineInfo* info = workbench.engine();
    if (info == nullptr) {
        all["engine"] = workbench.engineMessage().toStdString();
        return all;
    }
    Json models = Json::array();
    for (const ModelInfo& model : workbench.models()) {
        models.push_back(toJson(model));
    }
    all["engine"] = {
        {"build", info->build},
        {"process", workbench.enginePid()},
        {"device", info->device},
        {"device_note", info->deviceNote},
        {"environment", info->environment},
        {"models", models}};
    return all;
}

} // namespace

DiagnosticsDialog::DiagnosticsDialog(Workbench& workbench, QWidget* parent) : QDialog(parent) {
    setWindowTitle(tr("Diagnostics"));
    resize(kSize);
    auto* text =
        new QPlainTextEdit(QString::fromStdString(dumpJsonPretty(diagnostics(workbench))), this);
    text->setReadOnly(true);
    text->setTabChangesFocus(true);
    text->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    text->setLineWrapMode(QPlainTextEdit::NoWrap);
    text->setAccessibleName(tr("Diagnostics"));
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    QPushButton* copy = buttons->addButton(tr("Copy"), QDialogButtonBox::ActionRole);
    connect(copy, &QPushButton::clicked, this, [text] {
        QApplication::clipboard()->setText(text->toPlainText());
    });
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    auto* column = new QVBoxLayout(this);
    column->addWidget(text);
    column->addWidget(buttons);
}

} // namespace lathe
