// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_save_dialog.h"

#include "widgets/base/plot_view.h"
#include "widgets/base/theme.h"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QFormLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QSettings>
#include <QSpinBox>
#include <QStandardPaths>
#include <QToolButton>
#include <QVBoxLayout>

#include <algorithm>

namespace lathe {

namespace {

constexpr double kPixelsPerMm = 96.0 / 25.4;

QString fileStem(const QString& title) {
    QString stem;
    for (const QChar c : title.toLower()) {
        stem += c.isLetterOrNumber() ? c : QLatin1Char('-');
    }
    return stem.isEmpty() ? QStringLiteral("plot") : stem.left(60);
}

QSpinBox* sizeBox(int value, const QString& name) {
    auto* box = new QSpinBox;
    box->setRange(40, 1000);
    box->setValue(std::clamp(value, 40, 1000));
    box->setSuffix(PlotSaveDialog::tr(" mm"));
    box->setAccessibleName(name);
    return box;
}

} // namespace

PlotSaveDialog::PlotSaveDialog(PlotView& view)
    : QDialog(&view), m_view(view), m_format(new QComboBox), m_scale(new QComboBox),
      m_path(new QLineEdit), m_problem(new QLabel) {
    setWindowTitle(tr("Export plot"));
    const QSettings settings;
    m_width = sizeBox(settings.value(QStringLiteral("export/width_mm"), 160).toInt(), tr("Width"));
    m_height =
        sizeBox(settings.value(QStringLiteral("export/height_mm"), 100).toInt(), tr("Height"));
    for (const char* format : {"png", "svg", "pdf", "csv", "json"}) {
        m_format->addItem(QString::fromLatin1(format).toUpper(), QString::fromLatin1(format));
    }
    m_format->setCurrentIndex(std::max(
        0, m_format->findData(
               settings.value(QStringLiteral("export/format"), QStringLiteral("png")))));
    m_format->setAccessibleName(tr("Format"));
    for (const int scale : {1, 2, 4}) {
        m_scale->addItem(tr("%1×").arg(scale), scale);
    }
    m_scale->setCurrentIndex(1);
    m_scale->setAccessibleName(tr("Pixels per point"));
    const QString folder =
        settings
            .value(
                QStringLiteral("export/folder"),
                QStandardPaths::writableLocation(QStandardPaths::DocumentsLocation))
            .toString();
    m_path->setText(folder + QLatin1Char('/') + fileStem(view.axes().title));
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
    }
}

void PlotSaveDialog::save() {
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
    QSettings settings;
    settings.setValue(QStringLiteral("export/width_mm"), m_width->value());
    settings.setValue(QStringLiteral("export/height_mm"), m_height->value());
    settings.setValue(QStringLiteral("export/format"), suffix());
    settings.setValue(QStringLiteral("export/folder"), QFileInfo(m_path->text()).absolutePath());
    accept();
}

} // namespace lathe
