"""The parts of the page on test scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmark.records import store
from benchmark.report import contest_tables, figures
from benchmark.report.cells import Cell, Number, Table
from benchmark.report.contest import Contest
from benchmark.report.contest_spread import spread
from benchmark.report.page import score_plots
from benchmark.report.page.commands import TABLES, Commands
from benchmark.report.page.part import Figure, Part
from benchmark.report.page.spec import Json
from benchmark.report.report import Report
from benchmark.report.rows import names, title
from benchmark.report.table import Column, Scored
from benchmark.stats import ALPHA

MOST = 60
"""The most rows of a split whose differences are shown."""


def parts(report: Report, commands: Commands, held: Sequence[Contest]) -> list[Part]:
    """Return the parts on test scores."""
    return [
        _differences(report, commands),
        _contest(commands, held),
        Part(
            "activity",
            "Users by activity",
            "The score on each fifth of the test users, by the number of items in their history. "
            "Bars: one standard error. Point at a dot to see whether it differs from the first "
            "row's.",
            commands.report("--figure", "3"),
            list(_activities(report)),
        ),
        Part(
            "uncertainty",
            "Where the uncertainty comes from",
            "The standard deviation of a mean by what it comes from: the test users are a sample, "
            "and one seed differs from the next; in a contest also the training rows and the "
            "search.",
            commands.report("--contest") if held else commands.report(*TABLES),
            list(_uncertainties(report, held)),
        ),
    ]


def _differences(report: Report, commands: Commands) -> Part:
    pairs = list(map(_pairs, report.differences))
    return Part(
        "differences",
        "Differences",
        "How far each row is from one that you choose, on the same test users, with the 95 % "
        "interval. Blue: p < .05 for that pair alone; grey: no such difference was found.",
        commands.report(*TABLES),
        [Figure(_dataset(table), table.title, score_plots.differences(table)) for table in pairs],
        [*pairs, *report.standings],
    )


def _contest(commands: Commands, held: Sequence[Contest]) -> Part:
    tables = contest_tables.tables(held)
    every = [table for table in tables if table.data[0].get("family") == "all models"]
    return Part(
        "contest",
        "Contest",
        "The models whose options were searched, compared over splits of the data.",
        commands.report("--contest"),
        [Figure(_dataset(table), table.title, score_plots.contest(table)) for table in every],
        tables,
    )


def _dataset(table: Table) -> str:
    """Return the label of the data set that a table is of; "" if it is of several."""
    labels = {row.get("dataset", "") for row in table.data}
    return labels.pop() if len(labels) == 1 else ""


def _pairs(table: Table) -> Table:
    """Return a table of differences with a row for each pair of its best rows, with its p."""
    best = table.head[1 : MOST + 1]
    data = [pair for pair in table.data if pair["model"] in best and pair["other"] in best]
    shown = [pair for pair in data if pair["metric"] == data[0]["metric"]]
    notes = [f"Of {len(table.cells)} rows, the {MOST} with the best means."]
    return replace(
        table,
        head=["model", "other", "difference", "95 % interval", "p"],
        cells=[list(_pair(pair)) for pair in shown],
        notes=notes if len(table.cells) > MOST else (),
        data=data,
    )


def _pair(pair: Mapping[str, Any]) -> Iterator[Cell]:
    yield from (pair["model"], pair["other"], Number(pair["difference"], "+.4f"))
    if pair["p"] is None:
        yield from ("-", "-")
    else:
        yield f"{pair['low']:+.4f} to {pair['high']:+.4f}"
        yield Number(pair["p"], ".2g", bold=pair["p"] < ALPHA)


def _selected(split: Scored) -> Column:
    """Return the column of the metric that epochs were selected by, or else the first one."""
    wanted = split.group[0].selection
    return next((each for each in split.columns if each.metric == wanted), split.columns[0])


def _activities(report: Report) -> Iterator[Figure]:
    for split in report.scored:
        first = split.group[0]
        if first.data.test_users >= 2 * figures.FIFTHS:
            yield Figure(first.data_label, title(split.group), _activity(report, split))


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


def _uncertainties(report: Report, held: Sequence[Contest]) -> Iterator[Figure]:
    """Yield the plots of each contest's sources of uncertainty, and of each other split's."""
    for contest in held:
        table = spread(contest)
        parts = {row["model"]: {key: row[key] for key in score_plots.SOURCES} for row in table.data}
        plot = score_plots.uncertainty(parts, str(contest.metric))
        yield Figure(contest.label, table.title, plot)
    labels = {contest.label for contest in held}
    for split in report.scored:
        if (label := split.group[0].data_label) not in labels:
            yield Figure(label, title(split.group), _users_and_seeds(split))


def _users_and_seeds(split: Scored) -> Json | None:
    """Return the plot of what the result table says of a split's uncertainty, if anything."""
    column = _selected(split)
    parts = {
        name: {"users": score.summary.stderr, "seeds": score.summary.sd}
        for name, score in zip(names(split.rows), column.scores, strict=True)
        if score.summary
    }
    return score_plots.uncertainty(parts, str(column.metric)) if parts else None
