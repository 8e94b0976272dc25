"""What README and docs/results.md say of the contest, made from results/reference/contest."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cache

import pandas as pd
from tabulate import tabulate

from benchmark.evaluation.metrics import SELECTION
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.report.contest import Compared, Contest, contests
from benchmark.report.contest_tables import verdict
from benchmark.report.published import VALUES
from benchmark.stats import MARGIN
from models.variants import LIKELIHOODS

FOLDER = ROOT / "results" / "reference" / "contest"
WORDS = {
    "equal": f"equal to it within {MARGIN:g}",
    "not told apart": "not told apart from it",
    "below": "below it",
}
"""What the answer says of those that are not the best, by their verdicts."""


@cache
def held() -> list[Contest]:
    """Return the contests of docs/contest.md, with the models that have been tested so far."""
    return contests(store.read_all(FOLDER), FOLDER)


def answer() -> str:
    """Return a line for each contest over splits and each family: which model is best, and how
    sure that is.
    """
    return "\n".join(
        f"- {contest.label}, {name}: {standing(family)}."
        for contest in held()
        if len(contest.splits) > 1
        for name, family in contest.families
    )


def standing(family: Sequence[Compared]) -> str:
    """Return which model of a family is the best, and how the others stand to it over splits."""
    best, *others = family
    alike: dict[str, list[str]] = defaultdict(list)
    for each in others:
        away = each.entrant.mean - best.entrant.mean
        alike[WORDS[verdict(each)]].append(f"`{each.entrant.model}` ({away:+.4f})")
    parts = [f"{words} {', '.join(alike[words])}" for words in WORDS.values() if words in alike]
    return "; ".join([f"`{best.entrant.model}` is best", *parts])


def elsewhere() -> str:
    """Return a table of what others found on ML-20M, with every likelihood that they tried."""
    ours = "|".join(f"{likelihood}-(?:VAE|DAE)" for likelihood in LIKELIHOODS)
    values = pd.read_csv(VALUES, dtype=str, keep_default_na=False)
    of_ours = values["model"].str.match(ours, flags=re.IGNORECASE)
    scored = (values["dataset"] == "ML-20M") & (values["metric"] == str(SELECTION))
    columns = ["model", "value", "stderr", "seen", "stderr_seen", "role", "protocol", "source"]
    shown = values.loc[of_ours & scored, columns]
    return tabulate(list(shown.itertuples(index=False)), columns, "pipe", disable_numparse=True)
