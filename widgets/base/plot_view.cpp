// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/base/plot_view.h"

#include "widgets/base/plot_accessible.h"
#include "widgets/base/plot_crosshair.h"
#include "widgets/base/plot_export.h"
#include "widgets/base/plot_input.h"
#include "widgets/base/plot_save_dialog.h"
#include "widgets/base/state_view.h"
#include "widgets/base/theme.h"

#include <QApplication>
#include <QClipboard>
#include <QFrame>
#include <QMenu>
#include <QStackedLayout>
#include <QStyle>
#include <QVBoxLayout>

#include <algorithm>
#include <cmath>

namespace lathe {

namespace {
constexpr double kClickReach = 14.0; ///< pixels around a mark that count as the mark
constexpr double kHoverReach = 1e6;  ///< the crosshair snaps from anywhere
constexpr int kFrameMs = 16;
constexpr int kDescribeMs = 2000; ///< screen readers are told at most so often
constexpr QSize kCopySize{800, 500};
} // namespace

class PlotView::Impl {
public:
    explicit Impl(PlotView& view);

    void refresh(bool content);
    void fit();
    void toggleLog(Qt::Orientation axis);
    void hover(const QPointF& pixel);
    void showPoint(const PointRef& ref);
    void click(const QPointF& pixel);
    void doubleClick(const QPointF& pixel);
    void step(int direction);
    void activate();
    void menu(const QPoint& global);
    void copyImage();
    void describe();
    qint64 idOf(const PointRef& ref) const;
    /// A tile takes clicks everywhere, a mark beside it too.
    double clickReach() const { return axes.isMap() ? kHoverReach : kClickReach; }
    std::vector<PointRef> order() const;
    PlotDocument document() const { return {series, axes, provenanceLine(provenance)}; }

    PlotView& view;
    QFrame* frame;
    QCustomPlot* plot;
    StateView* empty;
    QStackedLayout* pages;
    PlotScene scene;
    PlotCrosshair crosshair;
    PlotInput input;
    QTimer hoverTimer, describeTimer;
    QPointF hoverAt;
    std::vector<PlotSeries> series;
    PlotAxes axes;
    std::set<qint64> selection;
    std::optional<qint64> current; ///< last clicked or stepped to
    QString provenance;
    bool autoFit = true;
};

PlotView::Impl::Impl(PlotView& owner)
    : view(owner), frame(new QFrame), plot(new QCustomPlot), empty(new StateView),
      pages(new QStackedLayout), scene(*plot), crosshair(*plot), input(*plot) {
    installPlotAccessibility();
    frame->setObjectName(QStringLiteral("plotFrame"));
    plot->setMinimumSize(220, 160);
    auto* inside = new QVBoxLayout(frame);
    inside->setContentsMargins(2, 2, 2, 2);
    inside->addWidget(plot);
    owner.setLayout(pages); // first: pages without a parent are shown as windows of their own
    pages->addWidget(frame);
    pages->addWidget(empty);
    owner.setFocusProxy(plot);
    empty->show(StateView::Kind::Empty, PlotView::tr("No points yet"));
    pages->setCurrentWidget(empty);

    hoverTimer.setSingleShot(true);
    describeTimer.setSingleShot(true);
    QObject::connect(&hoverTimer, &QTimer::timeout, &owner, [this] { hover(hoverAt); });
    QObject::connect(&describeTimer, &QTimer::timeout, &owner, [this] { describe(); });
    const auto on = [this, &owner](auto signal, auto slot) {
        QObject::connect(&input, signal, &owner, slot);
    };
    on(&PlotInput::viewChanged, [this] {
        autoFit = false;
        emit view.zoomChanged();
    });
    on(&PlotInput::fitRequested, [this] { fit(); });
    on(&PlotInput::logToggled, [this](Qt::Orientation axis) { toggleLog(axis); });
    on(&PlotInput::gridToggled, [this] {
        scene.setGridVisible(!scene.gridVisible());
        refresh(false);
    });
    on(&PlotInput::stepRequested, [this](int direction) { step(direction); });
    on(&PlotInput::activateRequested, [this] { activate(); });
    on(&PlotInput::copyImageRequested, [this] { copyImage(); });
    on(&PlotInput::copyDataRequested,
       [this] { QApplication::clipboard()->setText(view.dataAsText()); });
    on(&PlotInput::exportRequested, [this] { view.exportInteractively(); });
    on(&PlotInput::selectionCleared, [this] {
        crosshair.hide();
        current.reset();
        view.setSelection({});
        emit view.pointSelected(0);
    });
    on(&PlotInput::hovered, [this](QPointF pixel) {
        hoverAt = pixel;
        if (!hoverTimer.isActive()) {
            hoverTimer.start(kFrameMs);
        }
    });
    on(&PlotInput::hoverLeft, [this] {
        hoverTimer.stop();
        crosshair.hide();
    });
    on(&PlotInput::clicked, [this](QPointF pixel) { click(pixel); });
    on(&PlotInput::doubleClicked, [this](QPointF pixel) { doubleClick(pixel); });
    on(&PlotInput::menuRequested, [this](QPoint global) { menu(global); });
}

qint64 PlotView::Impl::idOf(const PointRef& ref) const {
    return series[ref.series].points[scene.shown().series[ref.series].points[ref.point].index].id;
}

void PlotView::Impl::refresh(bool content) {
    if (content) {
        scene.setContent(series, axes, selection);
        if (autoFit) {
            scene.fitRanges();
            input.resetHistory();
        }
        crosshair.hide();
        pages->setCurrentWidget(
            scene.shown().drawn + scene.shown().missing > 0 ? static_cast<QWidget*>(frame) : empty);
        if (!describeTimer.isActive()) {
            describeTimer.start(plot->accessibleDescription().isEmpty() ? 0 : kDescribeMs);
        }
    }
    plot->replot(QCustomPlot::rpQueuedReplot);
}

void PlotView::Impl::describe() {
    plot->setAccessibleName(axes.title.isEmpty() ? PlotView::tr("Plot") : axes.title);
    plot->setAccessibleDescription(plotSummary(series, axes));
}

void PlotView::Impl::fit() {
    autoFit = true;
    scene.fitRanges();
    input.resetHistory();
    refresh(false);
    emit view.zoomChanged();
}

void PlotView::Impl::toggleLog(Qt::Orientation axis) {
    bool& log = axis == Qt::Horizontal ? axes.xLog : axes.yLog;
    log = !log;
    autoFit = true;
    refresh(true);
    emit view.zoomChanged();
}

void PlotView::Impl::hover(const QPointF& pixel) {
    if (const auto ref = scene.nearest(pixel, kHoverReach)) {
        showPoint(*ref);
    }
}

void PlotView::Impl::showPoint(const PointRef& ref) {
    const ShownPoint& shown = scene.shown().series[ref.series].points[ref.point];
    QString text = pointText(axes, series[ref.series], series[ref.series].points[shown.index]);
    // The other series at the same place, as far as they have a point there.
    constexpr int kMaxOthers = 6;
    int others = 0;
    for (std::size_t s = 0; s < series.size() && others < kMaxOthers; ++s) {
        for (const ShownPoint& other : scene.shown().series[s].points) {
            if (!axes.isMap() && s != ref.series && series[s].marks && other.x == shown.x &&
                std::isfinite(other.y)) {
                text += PlotView::tr("\n%1: %2")
                            .arg(series[s].name, siNumber(series[s].points[other.index].y, 5));
                ++others;
                break;
            }
        }
    }
    crosshair.showAt(shown.x, shown.y, text, !axes.isMap());
}

void PlotView::Impl::click(const QPointF& pixel) {
    const auto ref = scene.nearest(pixel, clickReach());
    // What stands for nothing, such as a line for the eye, has no id.
    current = ref && idOf(*ref) != 0 ? std::optional(idOf(*ref)) : std::nullopt;
    view.setSelection(current ? std::vector{*current} : std::vector<qint64>{});
    emit view.pointSelected(current.value_or(0));
}

void PlotView::Impl::doubleClick(const QPointF& pixel) {
    if (const auto ref = scene.nearest(pixel, clickReach())) {
        emit view.pointActivated(idOf(*ref));
    } else {
        fit();
    }
}

std::vector<PointRef> PlotView::Impl::order() const {
    std::vector<PointRef> refs;
    const ShownData& shown = scene.shown();
    for (std::size_t s = 0; s < shown.series.size(); ++s) {
        for (std::size_t p = 0; p < shown.series[s].points.size(); ++p) {
            if (series[s].marks && std::isfinite(shown.series[s].points[p].y)) {
                refs.push_back({s, p});
            }
        }
    }
    std::ranges::stable_sort(refs, {}, [&shown](const PointRef& ref) {
        return shown.series[ref.series].points[ref.point].x;
    });
    return refs;
}

void PlotView::Impl::step(int direction) {
    const std::vector<PointRef> refs = order();
    if (refs.empty()) {
        return;
    }
    const auto count = static_cast<int>(refs.size());
    const auto at = std::ranges::find_if(
        refs, [this](const PointRef& ref) { return current && idOf(ref) == *current; });
    int next = direction > 0 ? 0 : count - 1;
    if (at != refs.end()) {
        next = (static_cast<int>(at - refs.begin()) + direction + count) % count;
    }
    const PointRef& ref = refs[static_cast<std::size_t>(next)];
    current = idOf(ref);
    view.setSelection({*current});
    showPoint(ref);
    plot->setAccessibleDescription(crosshair.text());
    emit view.pointSelected(*current);
}

void PlotView::Impl::activate() {
    if (current) {
        emit view.pointActivated(*current);
    }
}

void PlotView::Impl::copyImage() {
    PlotPrinter printer(*plot, scene, document());
    QApplication::clipboard()->setMimeData(printer.mimeData(kCopySize).release());
}

void PlotView::Impl::menu(const QPoint& global) {
    auto* popup = new QMenu(&view);
    popup->setAttribute(Qt::WA_DeleteOnClose);
    const auto add = [popup](const QString& text, const QString& key, auto action) {
        QAction* entry = popup->addAction(text + QLatin1Char('\t') + key);
        QObject::connect(entry, &QAction::triggered, popup, action);
        return entry;
    };
    add(PlotView::tr("Fit"), QStringLiteral("0"), [this] { fit(); });
    add(PlotView::tr("Zoom to a box"), QStringLiteral("Z"), [this] { input.setBoxZoom(true); });
    add(PlotView::tr("Previous view"), PlotView::tr("Alt+Left"), [this] { input.back(); });
    add(PlotView::tr("Next view"), PlotView::tr("Alt+Right"), [this] { input.forward(); });
    popup->addSeparator();
    const auto check = [](QAction* entry, bool on) {
        entry->setCheckable(true);
        entry->setChecked(on);
    };
    check(
        add(PlotView::tr("Logarithmic y axis"), QStringLiteral("L"),
            [this] { toggleLog(Qt::Vertical); }),
        axes.yLog);
    check(
        add(PlotView::tr("Logarithmic x axis"), PlotView::tr("Shift+L"),
            [this] { toggleLog(Qt::Horizontal); }),
        axes.xLog);
    check(
        add(PlotView::tr("Grid"), QStringLiteral("G"), [this] { emit input.gridToggled(); }),
        scene.gridVisible());
    popup->addSeparator();
    add(PlotView::tr("Copy image"), QStringLiteral("C"), [this] { copyImage(); });
    add(PlotView::tr("Copy data"), QStringLiteral("D"),
        [this] { QApplication::clipboard()->setText(view.dataAsText()); });
    add(PlotView::tr("Export…"), QStringLiteral("E"), [this] { view.exportInteractively(); });
    popup->popup(global);
}

PlotView::PlotView(QWidget* parent) : QWidget(parent), m_impl(std::make_unique<Impl>(*this)) {
    m_impl->plot->installEventFilter(this);
    m_impl->describe();
}

PlotView::~PlotView() = default;

void PlotView::setAxes(const PlotAxes& axes) {
    m_impl->axes = axes;
    m_impl->refresh(true);
}

void PlotView::setSeries(std::vector<PlotSeries> series) {
    m_impl->series = std::move(series);
    m_impl->refresh(true);
}

const std::vector<PlotSeries>& PlotView::series() const { return m_impl->series; }
const PlotAxes& PlotView::axes() const { return m_impl->axes; }
QCustomPlot& PlotView::plot() { return *m_impl->plot; }
void PlotView::fit() { m_impl->fit(); }
void PlotView::setProvenance(const QString& text) { m_impl->provenance = text; }
const QString& PlotView::provenance() const { return m_impl->provenance; }
QString PlotView::dataAsText() const { return plotTsv(m_impl->series, m_impl->axes); }
QString PlotView::hiddenNote() const { return lathe::hiddenNote(m_impl->scene.shown()); }
QString PlotView::crosshairText() const {
    return m_impl->crosshair.visible() ? m_impl->crosshair.text() : QString();
}

void PlotView::setSelection(const std::vector<qint64>& ids) {
    const std::set<qint64> wanted(ids.begin(), ids.end());
    if (wanted != m_impl->selection) {
        m_impl->selection = wanted;
        m_impl->scene.setContent(m_impl->series, m_impl->axes, wanted);
        m_impl->refresh(false);
    }
    if (ids.size() == 1) {
        m_impl->current = ids.front();
    }
}

void PlotView::setEmptyText(const QString& text) {
    m_impl->empty->show(StateView::Kind::Empty, text);
}

bool PlotView::exportTo(const QString& path, QSize pixels, double scale, QString* error) {
    PlotPrinter printer(*m_impl->plot, m_impl->scene, m_impl->document());
    const QString problem = printer.write(path, pixels, scale);
    if (error != nullptr) {
        *error = problem;
    }
    return problem.isEmpty();
}

void PlotView::exportInteractively() {
    auto* dialog = new PlotSaveDialog(*this);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->open();
}

void PlotView::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::FontChange) {
        m_impl->scene.setLook(Theme::isDark());
        m_impl->crosshair.setLook(Theme::isDark());
        m_impl->refresh(false);
    }
}

bool PlotView::eventFilter(QObject* object, QEvent* event) {
    if (event->type() == QEvent::FocusIn || event->type() == QEvent::FocusOut) {
        // A visible ring says which plot the keys act on.
        m_impl->frame->setProperty("focused", event->type() == QEvent::FocusIn);
        m_impl->frame->style()->unpolish(m_impl->frame);
        m_impl->frame->style()->polish(m_impl->frame);
    }
    return QWidget::eventFilter(object, event);
}

} // namespace lathe
