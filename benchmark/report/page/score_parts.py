"""The parts of the page on test scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmark.records import store
from benchmark.report import contest_tables, figures
from benchmark.report.cells import Table
from benchmark.report.contest import Contest
from benchmark.report.contest_spread import spread
from benchmark.report.page import score_plots
from benchmark.report.page.commands import TABLES, Commands
from benchmark.report.page.part import Figure, Part
from benchmark.report.page.spec import Json
from benchmark.report.report import Report
from benchmark.report.rows import names, title
from benchmark.report.table import Column, Scored


def parts(report: Report, commands: Commands, held: Sequence[Contest]) -> Iterator[Part]:
    """Yield the parts on test scores."""
    yield Part(
        "differences",
        "Differences",
        "How far each row is from one that you choose, on the same test users, with the 95 % "
        "interval. Blue: p < .05 for that pair alone.",
        commands.report(*TABLES),
        [
            Figure(_dataset(table), table.title, score_plots.differences(table))
            for table in report.differences
        ],
        [*report.differences, *report.standings],
    )
    yield Part(
        "contest",
        "Contest",
        "The models whose options were searched, compared over splits of the data.",
        commands.report("--contest"),
        [
            Figure(_dataset(table), table.title, score_plots.contest(table))
            for table in contest_tables.tables(held)
            if table.data and table.data[0].get("family") == "all models"
        ],
        contest_tables.tables(held),
    )
    yield Part(
        "activity",
        "Users by activity",
        "The score on each fifth of the test users, by the number of items in their history. Bars: "
        "one standard error. Point at a dot to see whether it differs from the first row's.",
        commands.report("--figure", "3"),
        [
            Figure(split.group[0].data_label, title(split.group), _activity(report, split))
            for split in report.scored
            if split.group[0].data.test_users >= 2 * figures.FIFTHS
        ],
    )
    yield Part(
        "uncertainty",
        "Where the uncertainty comes from",
        "The standard deviation of a mean by what it comes from: the test users are a sample, and "
        "one seed differs from the next; in a contest also the training rows and the search.",
        commands.report("--contest") if held else commands.report(*TABLES),
        _uncertainty(report, held),
    )


def _dataset(table: Table) -> str:
    """Return the label of the data set that a table is of; "" if it is of several."""
    labels = {row.get("dataset", "") for row in table.data}
    return labels.pop() if len(labels) == 1 else ""


def _selected(split: Scored) -> Column:
    """Return the column of the metric that epochs were selected by, or else the first one."""
    wanted = split.group[0].selection
    return next((each for each in split.columns if each.metric == wanted), split.columns[0])


def _activity(report: Report, split: Scored) -> Json | None:
    """Return the plot of one split's users by activity; None if no row has a score."""
    column = _selected(split)
    found = zip(names(split.rows), split.rows, column.values, strict=True)
    values = {name: each.mean(axis=0) for name, row, each in found if row.scored}
    if not values:
        return None
    record = next(row.scored[0] for row in split.rows if row.scored)
    results = store.per_user(report.folder, record)
    fifths = figures.quintiles(results.history, results.user)
    first = next(iter(values.values()))
    parts = {name: figures.by_fifth(each, first, fifths) for name, each in values.items()}
    labels = figures.labels_of(results.history, fifths)
    return score_plots.activity(parts, labels, str(column.metric))


def _uncertainty(report: Report, held: Sequence[Contest]) -> list[Figure]:
    """Return the plots of each contest's sources of uncertainty, and of each other split's."""
    shown = []
    for contest in held:
        table = spread(contest)
        parts = {row["model"]: {key: row[key] for key in score_plots.SOURCES} for row in table.data}
        plot = score_plots.uncertainty(parts, str(contest.metric))
        shown.append(Figure(contest.label, table.title, plot))
    labels = {contest.label for contest in held}
    others = (split for split in report.scored if split.group[0].data_label not in labels)
    return shown + [
        Figure(split.group[0].data_label, title(split.group), _users_and_seeds(split))
        for split in others
    ]


def _users_and_seeds(split: Scored) -> Json:
    """Return the plot of what the result table says of a split's uncertainty."""
    column = _selected(split)
    parts = {
        name: {"users": score.summary.stderr, "seeds": score.summary.sd}
        for name, score in zip(names(split.rows), column.scores, strict=True)
        if score.summary
    }
    return score_plots.uncertainty(parts, str(column.metric))
