// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/quant/sweep_run.h"

#include <QWidget>

class QLabel;
class QTextEdit;

namespace lathe {

/// The text that the float model and a quantized one made of the same prompt, side by side, with
/// what differs marked by underline, weight and colour.
class SampleView : public QWidget {
    Q_OBJECT
public:
    explicit SampleView(QWidget* parent = nullptr);

    /// Either may be null: not there yet, or nothing selected.
    void show(const SweepCell* reference, const SweepCell* selected);
    using QWidget::show;
    /// One line: how many words stayed the same.
    QString summary() const;

private:
    void changeEvent(QEvent* event) override;
    void fill();

    QLabel* m_leftTitle;
    QLabel* m_rightTitle;
    QTextEdit* m_left;
    QTextEdit* m_right;
    QLabel* m_summary;
    QString m_prompt, m_leftText, m_rightText, m_hint;
    bool m_hasLeft = false, m_hasRight = false;
};

} // namespace lathe
