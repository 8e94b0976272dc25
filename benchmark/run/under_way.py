"""A trial under way, and what a person is shown of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import psutil

from benchmark.evaluation.metrics import selection
from benchmark.run.progress import News
from benchmark.spec import Job
from benchmark.text import duration


@dataclass(eq=False)
class UnderWay:
    """A trial under way."""

    job: Job
    pid: int | None = None
    """Its process; None on another machine, from which nothing is heard."""
    started: float = field(default_factory=time.monotonic)
    news: News | None = None
    """Where it was when it was last heard of."""
    heard: float = 0.0
    """When that was, by the monotonic clock."""

    def hear(self, news: News) -> None:
        """Note where the trial is now."""
        self.news, self.heard = news, time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return time.monotonic() - self.started

    @property
    def share(self) -> float:
        """The share of its epochs that is over."""
        return self.news.epoch / self.news.planned if self.news and self.news.planned else 0.0

    @property
    def seconds_left(self) -> float | None:
        """About how many seconds its epochs will go on; None before one is over."""
        if self.news is None or self.news.seconds_left is None:
            return None
        return max(0.0, self.news.seconds_left - (time.monotonic() - self.heard))

    @property
    def whole_seconds(self) -> float | None:
        """About how many seconds all its epochs take; None before the first is over, or after the
        last.
        """
        if self.news is None or not self.news.seconds_left:
            return None
        return self.news.seconds_left / (1 - self.share)

    def facts(self) -> dict[str, str]:
        """Return what is shown of the trial, by short names; a text is empty where it is not known.

        They are in the order in which they matter.
        """
        news = self.news or News()
        left, memory = self.seconds_left, self.memory_bytes
        running = f"{duration(self.seconds)} so far"
        return {
            "epoch": f"{news.epoch}/{news.planned}" if news.planned > 1 else "",
            str(selection(self.job.data.task)): _shown(news.validation, ".4f"),
            "loss": _shown(news.loss, ".4g"),
            "beta": _shown(news.beta, ".3g"),
            "users/s": _shown(news.users_per_second, ",.0f"),
            "memory": "" if memory is None else f"{memory / 1e6:,.0f} MB",
            "": running if left is None else f"{duration(left)} left",
        }

    @property
    def memory_bytes(self) -> int | None:
        """The resident size of its process; None if that is elsewhere, or has just ended."""
        try:
            return psutil.Process(self.pid).memory_info().rss if self.pid else None
        except psutil.Error:
            return None


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
