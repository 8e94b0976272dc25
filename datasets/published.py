"""What others got out of a data set, so that a person learns at once whether this is the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel


@dataclass(frozen=True)
class Published:
    """Counts with certain options, and what the authors' files were."""

    options: BaseModel
    """With others nothing is compared."""
    interactions: int
    users: int
    items: int
    """What is left after the filters."""
    training_items: int | None = None
    """Items that training users have."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of those of the authors' six files that are known."""

    def differences(
        self, interactions: int, users: int, items: int, training_items: int
    ) -> Iterator[str]:
        """What came out otherwise, each in a few words."""
        for what, found, expected in (
            ("interactions", interactions, self.interactions),
            ("users", users, self.users),
            ("items", items, self.items),
            ("items in training", training_items, self.training_items),
        ):
            if expected is not None and found != expected:
                yield f"{found:,} {what} instead of the {expected:,} published"
