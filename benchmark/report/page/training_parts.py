"""The parts of the page on training: its course, its options and its cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from benchmark.records.searched import Searched, searched
from benchmark.report import pareto, timing
from benchmark.report.contest import Contest
from benchmark.report.page import training_plots
from benchmark.report.page.commands import TABLES, Commands
from benchmark.report.page.part import Figure, Part
from benchmark.report.page.spec import Json
from benchmark.report.report import Report
from benchmark.report.rows import names, title
from benchmark.report.table import Scored


def parts(report: Report, commands: Commands, held: Sequence[Contest]) -> list[Part]:
    """Return the parts on training: its course, its options and its cost."""
    written = commands.report(*TABLES)
    return [
        Part(
            "curves",
            "Learning curves",
            "The mean over seeds, epoch by epoch. Dots: the epochs that were tested. A click on a "
            "name puts its line before the others.",
            written,
            list(_curves(report)),
        ),
        Part(
            "budget",
            "Search budgets",
            "The best validation score to be expected after so many trials of a search, or so many "
            "seconds; the first trial has the usual options. Band: the best score in 95 % of "
            "searches.",
            commands.report("--contest") if held else written,
            list(_budgets(report)),
            report.tunings,
        ),
        _beta(report, written),
        Part(
            "time",
            "Quality against time",
            "The test score against seconds, for trials that ran alone. The line joins the models "
            "that no other beats in both.",
            written,
            list(_costs(report)),
            report.timings,
        ),
    ]


def _beta(report: Report, written: str) -> Part:
    about = "The scores, the KL and the active units of a VAE for several caps of beta."
    shown = []
    for sweep, table in zip(report.sweeps, report.betas, strict=True):
        model = sweep.points[0].row.spec.model
        plot = training_plots.betas(model, table, str(sweep.group[0].selection))
        shown.append(Figure(sweep.group[0].data_label, table.title, plot))
    return Part("beta", "Beta sweep", about, written, shown, report.betas)


def _curves(report: Report) -> Iterator[Figure]:
    for split in report.scored:
        yield Figure(split.group[0].data_label, title(split.group), _learning(split))


def _learning(split: Scored) -> Json | None:
    named = dict(zip(names(split.rows), split.rows, strict=True))
    scored = {name: row for name, row in named.items() if row.scored}
    return training_plots.learning(scored, str(split.group[0].selection))


def _budgets(report: Report) -> Iterator[Figure]:
    by_data: dict[str, dict[str, Searched]] = defaultdict(dict)
    for (label, model), search in searched(report.records).items():
        by_data[label][model] = search
    for label, searches in by_data.items():
        selection = str(next(iter(searches.values())).attempts[0].records[0].selection)
        for against, plot in training_plots.budgets(searches, selection):
            yield Figure(label, f"{label}, {against}", plot)


def _costs(report: Report) -> Iterator[Figure]:
    for group in timing.trained(report.records):
        for machine, measured in pareto.alone(group).items():
            if len(measured) < 2:
                continue  # a point alone compares nothing
            plot = training_plots.cost(measured, str(group[0].selection))
            yield Figure(group[0].data_label, f"{title(group)}; {machine}", plot)
