// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_save_dialog.h"

#include "widgets/base/plot_view.h"
#include "widgets/base/theme.h"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QDir>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QMessageBox>
#include <QPushButton>
#include <QSpinBox>
#include <QStandardPaths>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace lathe {

namespace {

constexpr double kPixelsPerMm = 96.0 / 25.4;
constexpr int kMaxStem = 80;
constexpr int kLeastMm = 40;
constexpr int kMostMm = 1000;

QString fileStem(const QString& provenance, const QString& title) {
    QString stem;
    const QString words = provenance.isEmpty() ? title : provenance + QLatin1Char(' ') + title;
    for (const QChar c : words.toLower()) {
        stem += c.isLetterOrNumber() ? c : QLatin1Char('-');
    }
    return stem.isEmpty() ? QStringLiteral("plot") : stem.left(kMaxStem);
}

/// Where files go: the last folder, the documents, else the home folder.
QString startFolder(const QString& last) {
    for (const QString& folder :
         {last, QStandardPaths::writableLocation(QStandardPaths::DocumentsLocation)}) {
        if (!folder.isEmpty() && QFileInfo(folder).isDir()) {
            return folder;
        }
    }
    return QDir::homePath();
}

QSpinBox* sizeBox(int value, const QString& name) {
    auto* box = new QSpinBox;
    box->setRange(kLeastMm, kMostMm);
    box->setValue(value);
    box->setSuffix(PlotSaveDialog::tr(" mm"));
    box->setAccessibleName(name);
    return box;
}

} // namespace

PlotSaveMemory& PlotSaveMemory::instance() {
    static PlotSaveMemory memory;
    return memory;
}

void PlotSaveMemory::remember(const Choices& choices) {
    if (!(choices == m_choices)) {
        m_choices = choices;
        emit changed();
    }
}

QJsonObject PlotSaveMemory::toJson() const {
    return {
        {QStringLiteral("width_mm"), m_choices.widthMm},
        {QStringLiteral("height_mm"), m_choices.heightMm},
        {QStringLiteral("format"), m_choices.format},
        {QStringLiteral("folder"), m_choices.folder}};
}

void PlotSaveMemory::restore(const QJsonObject& json) {
    const Choices plain;
    const auto size = [&json](const QString& key, int fallback) {
        return std::clamp(json[key].toInt(fallback), kLeastMm, kMostMm);
    };
    m_choices = {
        .widthMm = size(QStringLiteral("width_mm"), plain.widthMm),
        .heightMm = size(QStringLiteral("height_mm"), plain.heightMm),
        .format = json[QStringLiteral("format")].toString(plain.format),
        .folder = json[QStringLiteral("folder")].toString()};
}

PlotSaveDialog::PlotSaveDialog(PlotView& view)
    : QDialog(&view), m_view(view), m_format(new QComboBox), m_scale(new QComboBox),
      m_path(new QLineEdit), m_problem(new QLabel) {
    setWindowTitle(tr("Export plot"));
    const PlotSaveMemory::Choices& last = PlotSaveMemory::instance().choices();
    m_width = sizeBox(last.widthMm, tr("Width"));
    m_height = sizeBox(last.heightMm, tr("Height"));
    for (const char* format : {"png", "svg", "pdf", "csv", "json"}) {
        m_format->addItem(QString::fromLatin1(format).toUpper(), QString::fromLatin1(format));
    }
    m_format->setCurrentIndex(std::max(0, m_format->findData(last.format)));
    m_format->setAccessibleName(tr("Format"));
    for (const int scale : {1, 2, 4}) {
        m_scale->addItem(tr("%1×").arg(scale), scale);
    }
    m_scale->setCurrentIndex(1);
    m_scale->setAccessibleName(tr("Pixels per point"));
    m_path->setText(
        startFolder(last.folder) + QLatin1Char('/') +
        fileStem(view.provenance(), view.axes().title));
    m_path->setAccessibleName(tr("File"));
    m_path->setMinimumWidth(320);
    m_problem->setWordWrap(true);
    m_problem->hide();

    auto* pick = new QToolButton;
    pick->setIcon(Theme::icon(QStringLiteral("open")));
    pick->setText(tr("Browse…"));
    pick->setAccessibleName(tr("Choose the file"));
    auto* file = new QHBoxLayout;
    file->addWidget(m_path);
    file->addWidget(pick);
    auto* size = new QHBoxLayout;
    size->addWidget(m_width);
    size->addWidget(new QLabel(QStringLiteral("×")));
    size->addWidget(m_height);
    size->addStretch();
    auto* form = new QFormLayout;
    form->addRow(tr("Format"), m_format);
    form->addRow(tr("Size"), size);
    form->addRow(tr("Resolution"), m_scale);
    form->addRow(tr("File"), file);
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Save | QDialogButtonBox::Cancel);
    auto* column = new QVBoxLayout(this);
    column->addLayout(form);
    column->addWidget(m_problem);
    column->addWidget(buttons);
    connect(pick, &QToolButton::clicked, this, &PlotSaveDialog::browse);
    connect(buttons, &QDialogButtonBox::accepted, this, &PlotSaveDialog::save);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    connect(m_format, &QComboBox::currentIndexChanged, this, &PlotSaveDialog::formatChanged);
    formatChanged();
}

QString PlotSaveDialog::suffix() const { return m_format->currentData().toString(); }

void PlotSaveDialog::formatChanged() {
    const bool numbers = suffix() == QLatin1String("csv") || suffix() == QLatin1String("json");
    m_width->setEnabled(!numbers);
    m_height->setEnabled(!numbers);
    m_scale->setEnabled(suffix() == QLatin1String("png"));
    const QFileInfo info(m_path->text());
    const bool known = m_format->findData(info.suffix().toLower()) >= 0;
    const QString stem = known ? info.completeBaseName() : info.fileName();
    m_path->setText(info.path() + QLatin1Char('/') + stem + QLatin1Char('.') + suffix());
}

void PlotSaveDialog::browse() {
    const QString chosen = QFileDialog::getSaveFileName(this, tr("Export plot"), m_path->text());
    if (!chosen.isEmpty()) {
        m_path->setText(chosen);
        const int format = m_format->findData(QFileInfo(chosen).suffix().toLower());
        m_format->setCurrentIndex(format >= 0 ? format : m_format->currentIndex());
        formatChanged();
        m_mayReplace = m_path->text() == chosen ? chosen : QString(); // that dialog has asked
    }
}

void PlotSaveDialog::save() {
    const QString path = m_path->text();
    if (!QFileInfo::exists(path) || path == m_mayReplace) {
        write();
        return;
    }
    auto* box = new QMessageBox(
        QMessageBox::Question, tr("Replace the file?"),
        tr("%1 exists. Writing the plot there replaces it.").arg(path), QMessageBox::NoButton,
        this);
    box->setAttribute(Qt::WA_DeleteOnClose);
    const QPushButton* replace = box->addButton(tr("Replace"), QMessageBox::AcceptRole);
    box->setDefaultButton(box->addButton(QMessageBox::Cancel));
    connect(replace, &QPushButton::clicked, this, &PlotSaveDialog::write);
    box->open();
}

void PlotSaveDialog::write() {
    const QSize pixels(
        qRound(m_width->value() * kPixelsPerMm), qRound(m_height->value() * kPixelsPerMm));
    QString problem;
    if (!m_view.exportTo(m_path->text(), pixels, m_scale->currentData().toDouble(), &problem)) {
        m_problem->setText(problem);
        QPalette palette = m_problem->palette();
        palette.setColor(QPalette::WindowText, Theme::error());
        m_problem->setPalette(palette);
        m_problem->show();
        return;
    }
    PlotSaveMemory::instance().remember(
        {.widthMm = m_width->value(),
         .heightMm = m_height->value(),
         .format = suffix(),
         .folder = QFileInfo(m_path->text()).absolutePath()});
    accept();
}

} // namespace lathe
