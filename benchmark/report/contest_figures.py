"""The figures of contests: what a search brings, and the differences with their intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from matplotlib.axes import Axes

from benchmark.records.searched import Attempt, Searched
from benchmark.report.contest import Contest
from benchmark.report.palette import look_of
from benchmark.report.picture import (
    PAGE,
    Picture,
    add_legend,
    in_legend,
    in_print,
    name_lines,
    panels,
    set_title,
)
from benchmark.report.timing import processors
from benchmark.stats import Best, best_of


def figures(contests: Sequence[Contest], width: float = PAGE) -> dict[str, Picture]:
    """Return the figures of contests, by the names of their files without the end."""
    each = {f"contest-budget-{contest.label}": budgets(contest, width) for contest in contests}
    return each | {"contest-forest": forest(contests, width)}


@in_print
def budgets(contest: Contest, width: float = PAGE) -> Picture:
    """Return the figure of the expected best validation score, against trials and seconds.

    It has a line for each model, in the order of what it ends with, and a band that holds the best
    score in 95 % of searches.
    """
    figure, (left, right) = panels(2, width, height=3.2)
    searches = {entrant.model: entrant.search for entrant in contest.entrants}
    timed = timed_on(searches)
    for model, search in sorted(searches.items(), key=_reached, reverse=True):
        trials, bests = course(search)
        _line(left, trials, bests, model)
        if model not in timed.absent:
            _line(right, seconds(search, trials, timed.place), bests, model)
    left.set_xlabel("trials; the first has the default options")
    right.set_xlabel("seconds of trials")
    right.set_xscale("log")
    left.set_ylabel(f"expected best validation {contest.metric}")
    if timed.absent or not name_lines(right):  # a line that is not there has no end to name
        add_legend(figure)
    return Picture(
        figure,
        f"What a search of the options brings on {contest.label}: the best validation score that "
        "is to be expected after so many trials, with a band for 95 % of searches. Seconds are "
        f"those of trials {timed}.",
    )


def _reached(searched: tuple[str, Searched]) -> float:
    """Return the expected best score after all trials."""
    return course(searched[1])[1][-1].mean


def course(search: Searched) -> tuple[list[float], list[Best]]:
    """Return the numbers of trials, and the best score that is to be expected after so many."""
    first, scores = search.scores
    begun = int(search.default is not None)
    draws = range(1 - begun, len(scores) + 1)
    return [float(begun + n) for n in draws], [best_of(first, scores, n) for n in draws]


class Timed(NamedTuple):
    """The processors on whose trials' seconds searches are compared."""

    place: str
    absent: list[str]
    """The models of which no trial ran there."""

    def __str__(self) -> str:
        """What a caption says of it."""
        absent = f", where no trial of {', '.join(self.absent)} ran" if self.absent else ""
        return f"on {self.place}{absent}"


def timed_on(searches: Mapping[str, Searched]) -> Timed:
    """Return the processors on which most trials ran; seconds of others do not compare."""
    ran = {model: Counter(map(_place, search.attempts)) for model, search in searches.items()}
    ((most, _),) = sum(ran.values(), Counter[str]()).most_common(1)
    return Timed(most, [model for model, found in ran.items() if most not in found])


def seconds(search: Searched, trials: Sequence[float], place: str) -> list[float]:
    """Return what so many ``trials`` take on average, by those that ran at one place."""
    default = search.default
    there = [attempt for attempt in search.attempts if _place(attempt) == place]
    own = [attempt.seconds for attempt in there if attempt is default]
    others = [attempt.seconds for attempt in there if attempt is not default]
    each = fmean(others or own)
    first = own[0] if own else each
    return [first + (number - 1) * each for number in trials]


def _place(attempt: Attempt) -> str:
    """Return the processors on which the trials of an attempt ran, one for each seed."""
    return " and ".join(dict.fromkeys(map(processors, attempt.records)))


def _line(axes: Axes, spent: Sequence[float], bests: Sequence[Best], model: str) -> None:
    look = look_of(model)
    style = {"color": look.color, "linestyle": look.line, "label": in_legend(model)}
    axes.plot(spent, [best.mean for best in bests], marker=look.marker, markersize=3, **style)
    low, high = zip(*(best.interval for best in bests), strict=True)
    axes.fill_between(spent, low, high, color=look.color, alpha=0.06, linewidth=0)


@in_print
def forest(contests: Sequence[Contest], width: float = PAGE) -> Picture:
    """Return the figure of each model's difference from the best over splits, with its interval.

    It has a panel for each contest.
    """
    tallest = max(len(contest.entrants) for contest in contests)
    figure, places = panels(len(contests), width, height=0.17 * tallest + 0.7)
    for axes, contest in zip(places, contests, strict=True):
        compared = contest.compared(contest.entrants)
        for place, each in enumerate(compared):
            found = each.over_splits or each.on_searched
            mean, (low, high) = (found.mean, found.interval()) if found else (0.0, (0.0, 0.0))
            axes.plot([low, high], [place, place], color="0.4", linewidth=1.5)
            axes.plot(mean, place, "o", color="C0")
        axes.axvline(0, color="0.7", linewidth=1, zorder=0)
        axes.set_yticks(range(len(compared)), [each.entrant.model for each in compared])
        axes.invert_yaxis()
        set_title(axes, contest.label)
        axes.set_xlabel(f"{contest.metric} minus the best's")
    how = "over splits" if len(contests[0].splits) > 1 else "on one split"
    return Picture(figure, f"Differences from the best {how}, with 95 % intervals.")
