"""What a terminal shows of a run: a line for the whole, and one for each trial under way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from benchmark import labels
from benchmark.run.display import Lines
from benchmark.run.under_way import UnderWay
from benchmark.spec import Job
from benchmark.text import counted, visible

LEAST = 12
"""The fewest characters for the name of a trial; facts for which there is no room give way."""
BETWEEN = 2
"""The characters between two columns."""


class Plain(Console):
    """A console whose cursor stays, since a run that is killed could not bring it back."""

    def show_cursor(self, show: bool = True) -> bool:
        return False


class Terminal(Lines):
    """Tells a person in lines, below which those change that show what is under way."""

    interval = 0.5
    live: Live | None = None

    @contextmanager
    def watching(self, jobs: Sequence[Job]) -> Iterator[None]:
        console = Plain(stderr=True, force_terminal=True, color_system=None)
        self.live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with super().watching(jobs), self.live:
            try:
                yield
            finally:
                self.live.update(Text(), refresh=True)
                self.live = None

    def tell(self, event: str, line: str, **fields: object) -> None:
        if self.live:
            self.live.update(Text(), refresh=True)
        super().tell(event, line, **fields)
        if self.live:
            self.draw()

    def draw(self) -> None:
        assert self.live, "only what is watched is shown"
        done = self.done + sum(trial.share for trial in self.under_way)
        share = f"{100 * done / self.total:.0f} %"
        said = [f"{self.done}/{counted(self.total, 'trial')}", share, self.time_left()]
        whole = Text(", ".join(filter(None, said)), no_wrap=True, overflow="ellipsis")
        table = table_of(self.under_way, self.live.console.width)
        self.live.update(Group(whole, table) if self.under_way else whole, refresh=True)


def table_of(trials: Sequence[UnderWay], width: int) -> Table:
    """Return the trials with their facts as a table that is no wider than ``width`` characters."""
    facts = [trial.facts() for trial in trials]
    heads = dict.fromkeys(head for row in facts for head in row if row[head])
    widths = {
        head: BETWEEN + max(len(text) for text in (head, *(row.get(head, "") for row in facts)))
        for head in heads
    }
    while widths and width - sum(widths.values()) < LEAST:
        widths.popitem()
    room = max(width - sum(widths.values()), 1)
    table = Table(box=None, padding=(0, BETWEEN, 0, 0), pad_edge=False)
    table.add_column(width=room, no_wrap=True)
    for head in widths:
        table.add_column(head, no_wrap=True)
    for trial, row in zip(trials, facts, strict=True):
        table.add_row(Text(name_in(trial.job, room)), *(row.get(head, "") for head in widths))
    return table


def name_in(job: Job, room: int) -> str:
    """Return a trial's name, if possible in ``room`` characters.

    The name of the data set is left out first, then the end of the model's.
    """
    seed = "" if job.spec.seed is None else f" seed {job.spec.seed}"
    model = visible(labels.model_label(job.spec))
    cut = f"{model[: max(room - len(seed) - 1, 1)]}…"
    names = (labels.trial_label(job), model + seed, cut + seed)
    return next((name for name in names if len(name) <= room), names[-1])
