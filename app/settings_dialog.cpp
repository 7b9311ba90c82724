// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/settings_dialog.h"

#include "app/settings.h"

#include <QComboBox>
#include <QDialogButtonBox>
#include <QFormLayout>
#include <QLabel>
#include <QPushButton>
#include <QSignalBlocker>
#include <QSpinBox>

#include <cmath>

namespace lathe {

SettingsDialog::SettingsDialog(Settings& settings, QWidget* parent)
    : QDialog(parent), m_settings(settings), m_theme(new QComboBox(this)),
      m_fontScale(new QSpinBox(this)), m_nice(new QSpinBox(this)) {
    setWindowTitle(tr("Settings"));
    m_theme->addItem(tr("Like the desktop"), static_cast<int>(Theme::Choice::System));
    m_theme->addItem(tr("Light"), static_cast<int>(Theme::Choice::Light));
    m_theme->addItem(tr("Dark"), static_cast<int>(Theme::Choice::Dark));
    m_fontScale->setRange(
        static_cast<int>(Preferences::kMinFontScale * 100),
        static_cast<int>(Preferences::kMaxFontScale * 100));
    m_fontScale->setSingleStep(10);
    m_fontScale->setSuffix(tr(" %"));
    m_nice->setRange(0, 19);
    m_nice->setToolTip(tr("Scheduling priority of the engine process: higher leaves more of the "
                          "processor to other programs. Holds from the next start."));

    auto* form = new QFormLayout;
    form->addRow(tr("&Theme"), m_theme);
    form->addRow(tr("Text &size"), m_fontScale);
    form->addRow(tr("Engine's &nice value"), m_nice);
    auto* file = new QLabel(tr("Kept in %1").arg(m_settings.file()), this);
    file->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    file->setAccessibleName(tr("Settings file"));
    file->setWordWrap(true);

    auto* buttons =
        new QDialogButtonBox(QDialogButtonBox::Close | QDialogButtonBox::RestoreDefaults, this);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    connect(
        buttons->button(QDialogButtonBox::RestoreDefaults), &QPushButton::clicked, this, [this] {
            m_settings.change([](Preferences& p) {
                const Preferences defaults;
                p.theme = defaults.theme;
                p.fontScale = defaults.fontScale;
                p.engineNice = defaults.engineNice;
            });
            load();
        });
    auto* column = new QVBoxLayout(this);
    column->addLayout(form);
    column->addWidget(file);
    column->addStretch();
    column->addWidget(buttons);

    load();
    connect(m_theme, &QComboBox::currentIndexChanged, this, [this] {
        const auto choice = static_cast<Theme::Choice>(m_theme->currentData().toInt());
        m_settings.change([choice](Preferences& p) { p.theme = choice; });
    });
    connect(m_fontScale, &QSpinBox::valueChanged, this, [this](int percent) {
        m_settings.change([percent](Preferences& p) { p.fontScale = percent / 100.0; });
    });
    connect(m_nice, &QSpinBox::valueChanged, this, [this](int nice) {
        m_settings.change([nice](Preferences& p) { p.engineNice = nice; });
    });
}

void SettingsDialog::load() {
    const QSignalBlocker quietTheme(m_theme);
    const QSignalBlocker quietScale(m_fontScale);
    const QSignalBlocker quietNice(m_nice);
    const Preferences& now = m_settings.get();
    m_theme->setCurrentIndex(m_theme->findData(static_cast<int>(now.theme)));
    m_fontScale->setValue(static_cast<int>(std::lround(now.fontScale * 100)));
    m_nice->setValue(now.engineNice);
}

} // namespace lathe
