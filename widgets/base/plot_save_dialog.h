// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QDialog>

class QComboBox;
class QLabel;
class QLineEdit;
class QSpinBox;

namespace lathe {

class PlotView;

/// Format, size and file of an export. Remembers them for the next one of this session.
class PlotSaveDialog : public QDialog {
    Q_OBJECT
public:
    explicit PlotSaveDialog(PlotView& view);

private:
    void browse();
    void save();
    void formatChanged();
    QString suffix() const;

    PlotView& m_view;
    QComboBox* m_format;
    QComboBox* m_scale;
    QSpinBox* m_width;
    QSpinBox* m_height;
    QLineEdit* m_path;
    QLabel* m_problem;
};

} // namespace lathe
