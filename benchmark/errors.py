"""What a person is told in one sentence, with exit code 2."""

from __future__ import annotations


class UsageError(Exception):
    """A request cannot be met; the message is one sentence with value, rule and cure."""
