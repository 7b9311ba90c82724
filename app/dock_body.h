// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QWidget>

namespace lathe {

/// Content of a dock below the panel: a few lines high at first, whatever its views would like.
class DockBody : public QWidget {
public:
    using QWidget::QWidget;
    QSize sizeHint() const override { return {QWidget::sizeHint().width(), kHeight}; }

private:
    static constexpr int kHeight = 140;
};

} // namespace lathe
