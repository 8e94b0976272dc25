"""Compares the counts of a data set with the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel


@dataclass(frozen=True)
class Published:
    """Published counts after the filters, and the hashes of the authors' files."""

    options: BaseModel
    """The options that give these counts; with others nothing is compared."""
    interactions: int
    users: int
    items: int
    training_items: int | None = None
    """The number of items that training users have; None if it is not published."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The sha256 by name of the authors' files, as far as they are known."""

    def differences(
        self, interactions: int, users: int, items: int, training_items: int
    ) -> Iterator[str]:
        """Yield a few words on each count that is not the published one."""
        for what, found, expected in (
            ("interactions", interactions, self.interactions),
            ("users", users, self.users),
            ("items", items, self.items),
            ("items in training", training_items, self.training_items),
        ):
            if expected is not None and found != expected:
                yield f"{found:,} {what} instead of the {expected:,} published"
