"""What a person is told in one sentence, with exit code 2."""

from __future__ import annotations


class UsageError(Exception):
    """A request cannot be met; the message is one sentence with value, rule and cure."""


def of_path(error: OSError) -> str:
    """Return in one sentence that a path cannot be: too long, below a file, not permitted.

    Raises the error if it is not one of a path.
    """
    if error.filename is None:
        raise error
    return f"{error.filename}: {error.strerror}; name another path, or mend that one"
