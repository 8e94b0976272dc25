"""The tables of a contest: who is best, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, median
from typing import Any

import numpy as np

from benchmark.evaluation.metrics import Metric
from benchmark.report.cells import Cell, Mean, Number, Table, UserMean
from benchmark.report.compare import ranked
from benchmark.report.contest import SEARCHED, Compared, Contest
from benchmark.report.contest_spread import spread
from benchmark.report.rows import Row
from benchmark.stats import ALPHA, MARGIN, Difference, summarize

HEAD = (
    "model",
    "trials",
    "validation",
    "default",
    "tuned",
    "over splits",
    "minus the best",
    "p",
    "verdict",
    "minus the best, one split",
    "p, one split",
)
RESULTS = (
    "Trials: attempts of the search, by validation score on the first split. Validation: the score "
    "of the chosen one. Default and tuned: the test score on the first split with the usual and "
    "with the chosen options, mean over seeds ± standard deviation over seeds, and in parentheses "
    "the standard error over users. Over splits: the mean of the splits' means ± their standard "
    "deviation. Minus the best: the mean difference from the first row, with its 95 % interval, by "
    "a t-test over splits whose variance is enlarged for the training users that splits share "
    "(Nadeau, Bengio 2003). One split: the same on the first split alone, by a t-test with the "
    "variances over users and over seeds added. Each p is after Holm's correction over the rows. "
    f"Verdict, over splits: below: p < {ALPHA:g}; equal: two one-sided tests at {ALPHA:g} find the "
    f"difference within {MARGIN:g}; else not told apart."
)


def tables(contests: Sequence[Contest]) -> list[Table]:
    """Return for each contest a table of each family and one of its spread; then one of ranks."""
    made: list[Table] = []
    for contest in contests:
        made += [_results(contest, name, family) for name, family in contest.families]
        made.append(spread(contest))
    return made + _ranks(contests)


def _results(contest: Contest, name: str, family: Sequence[Compared]) -> Table:
    return Table(
        f"Contest on {contest.label}, {name}: test {contest.metric}, split "
        f"{contest.splits[SEARCHED]}{_others(contest)}",
        HEAD,
        [_cells(compared, contest.metric) for compared in family],
        list(_notes(contest, family)),
        RESULTS,
        [_numbers(contest, name, compared) for compared in family],
    )


def _others(contest: Contest) -> str:
    others = contest.splits[1:]
    return f" and the splits {', '.join(map(str, others))}" if others else ""


def _cells(compared: Compared, metric: Metric) -> list[Cell]:
    entrant = compared.entrant
    best = entrant.search.best
    assert best is not None, "an entrant has chosen options"
    spread = summarize(entrant.by_split.tolist()).sd
    return [
        entrant.model,
        str(len(entrant.search.attempts)),
        Number(best.score or 0.0),
        _score(entrant.default, metric),
        _score(entrant.tuned[SEARCHED], metric),
        Mean(entrant.mean, bold=verdict(compared) in ("best", "equal"), sd=spread),
        *_tested(compared.over_splits, compared.p_over_splits),
        verdict(compared),
        *_tested(compared.on_searched, compared.p_on_searched),
    ]


def _score(row: Row | None, metric: Metric) -> Cell:
    """Return the mean of a row over seeds, with its spread over seeds and error over users."""
    if row is None:
        return "not run"
    found = [record.metrics[str(metric)] for record in row.scored if record.metrics]
    summary = summarize([each.mean for each in found], [each.stderr for each in found])
    return UserMean(summary.mean, sd=summary.sd, stderr=summary.stderr)


def _tested(found: Difference | None, p: float) -> list[Cell]:
    """Return the cells of a difference with its interval, and of its p; dashes without one."""
    if found is None:
        return ["-", "-"]
    low, high = found.interval()
    return [f"{found.mean:+.4f} ({low:+.4f} to {high:+.4f})", Number(p, ".2g")]


def verdict(compared: Compared) -> str:
    """Return in words how an entrant stands to the best of its family, over splits."""
    if compared.on_searched is None:
        return "best"
    if compared.over_splits is None:
        return "-"
    if compared.p_over_splits < ALPHA:
        return "below"
    return "equal" if compared.over_splits.equal else "not told apart"


def _notes(contest: Contest, family: Sequence[Compared]) -> Iterator[str]:
    """Yield what a reader must know about a family's table."""
    others = [compared for compared in family if compared.on_searched]
    here = median(c.on_searched.detectable(len(others)) for c in others if c.on_searched)
    whole = [c.over_splits.detectable(len(others)) for c in others if c.over_splits]
    over = f"over splits {median(whole):.4f}, " if whole else ""
    yield (
        "The smallest difference that would have been found four times in five, median over the "
        f"rows: {over}on one split {here:.4f}."
    )
    if any(contest.left_out):
        pairs = zip(contest.splits, contest.left_out, strict=True)
        numbers = ", ".join(f"{count} of split {seed}" for seed, count in pairs if count)
        yield (
            f"Left out of the splits' means, since options were chosen on them: {numbers}, of "
            f"{contest.data.test_users} test users each."
        )
    for row in contest.unfinished:
        mean = fmean(record.tested or 0.0 for record in row.scored)
        yield (
            f"Unfinished, and compared with no row: {row.spec.model} (best epoch "
            f"{row.best_epoch:g} of {row.epochs}; {mean:.4f} on the first split)."
        )
    if contest.absent:
        yield f"Searched, but not tested on every split: {', '.join(contest.absent)}."


def _numbers(contest: Contest, name: str, compared: Compared) -> dict[str, Any]:
    """Return the CSV row of an entrant in a family."""
    entrant = compared.entrant

    def of(found: Difference | None, p: float, where: str) -> dict[str, Any]:
        low, high = found.interval() if found else (None, None)
        return {
            f"difference_{where}": found and found.mean,
            f"low_{where}": low,
            f"high_{where}": high,
            f"p_{where}": p if found else None,
        }

    return {
        "dataset": contest.label,
        "family": name,
        "model": entrant.model,
        "options": entrant.tuned[SEARCHED].label,
        "metric": str(contest.metric),
        "trials": len(entrant.search.attempts),
        "validation": entrant.search.best and entrant.search.best.score,
        "splits": len(contest.splits),
        "mean_over_splits": entrant.mean,
        **of(compared.over_splits, compared.p_over_splits, "over_splits"),
        "verdict": verdict(compared),
        **of(compared.on_searched, compared.p_on_searched, "one_split"),
    }


def _ranks(contests: Sequence[Contest]) -> list[Table]:
    """Return the table of mean ranks over the contests; none for one contest."""
    means = [{entrant.model: entrant.mean for entrant in c.entrants} for c in contests]
    common = [model for model in means[0] if all(model in of for of in means)] if means else []
    if len(contests) < 2 or len(common) < 2:
        return []
    heading = f"Contests over {', '.join(contest.label for contest in contests)}"
    values = np.array([[of[model] for model in common] for of in means])
    return [ranked(heading, common, values, contests[0].metric)]
