// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "widgets/quant/cell_table_model.h"
#include "widgets/quant/measures.h"

#include <QJsonObject>
#include <QWidget>

#include <map>
#include <set>

class QComboBox;
class QLabel;
class QProgressBar;
class QSortFilterProxyModel;
class QSplitter;
class QTableView;
class QTabWidget;
class QToolButton;

namespace lathe {

class ModuleSelection;
class SampleView;

/// What a sweep found: the plot that fills point by point, behind it that of predicted against
/// measured losses where there are any, the table of its settings, and of the selected setting the
/// numbers and the text beside the float model's. Plots and table share one selection; where a
/// sweep quantizes one matrix at a time, that follows the panel's module and chooses it.
class SweepResults : public QWidget {
    Q_OBJECT
public:
    explicit SweepResults(ModuleSelection& modules, QWidget* parent = nullptr);

    /// Shows the run anew; the selection stays when it is the same run.
    void setRun(const SweepRun& run);
    /// Shows what `change` (SweepRun::Change) says has changed, and the cells of these indices.
    void update(const SweepRun& run, int change, const std::set<int>& cells);

    std::vector<int> selectedCells() const;
    void selectCells(const std::vector<int>& cells);
    void setMeasures(const std::string& x, const std::string& y); ///< unknown ones are ignored

    QJsonObject saveState() const;
    void restoreState(const QJsonObject& state);

    const PlotView& plot() const { return *m_plot; }
    const PlotView& predictionPlot() const { return *m_prediction; }
    bool showsPredictions() const; ///< there is a tab of them
    const CellTableModel& table() const { return *m_model; }

private:
    void changeEvent(QEvent* event) override;
    void build();
    QWidget* makePlotPart();
    QWidget* makePredictionPart();
    void showPredictions();
    void showColumns();
    QWidget* makeTablePart();
    QWidget* makeDetailPart();
    void showHead();
    void showPlot();
    void showDetails();
    void rememberScales();
    void tableSelected();
    void plotSelected(qint64 id);
    void selectModule(const std::string& module);
    void tellModule();
    const Measure& xMeasure() const;
    const Measure& yMeasure() const;

    ModuleSelection& m_modules;
    const SweepRun* m_run = nullptr;
    qint64 m_shownId = 0;
    std::set<int> m_selected;
    bool m_linking = false;
    /// The user's choice of scale per metric; others follow the values.
    std::map<std::string, bool> m_logChosen;

    QLabel* m_headIcon;
    QLabel* m_head;
    QProgressBar* m_progress;
    QComboBox* m_xBox;
    QComboBox* m_yBox;
    QToolButton* m_export;
    QToolButton* m_exportPrediction;
    QToolButton* m_exportTable;
    PlotView* m_plot;
    PlotView* m_prediction;
    QTabWidget* m_plots;
    CellTableModel* m_model;
    QSortFilterProxyModel* m_sorted;
    QTableView* m_table;
    QLabel* m_facts;
    SampleView* m_samples;
    QSplitter* m_split;
    QSplitter* m_detailSplit;
};

} // namespace lathe
