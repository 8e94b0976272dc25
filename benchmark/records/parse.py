"""Turns the text of a record into a Record: any file may lie in a stranger's folder."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from benchmark.records.record import VERSION, Record, checksum, from_version_1
from datasets.errors import DataError

CURE = "move it out of the folder and run its trial again"
SHOWN = 60
"""The most characters of a wrong value that an error shows."""


def parse(path: Path) -> tuple[Record, dict[str, Any]]:
    """Return the record in a file, and the file's content as it is there.

    Raises DataError if the file is not a record, was altered, or is of a newer version. Whether the
    record contradicts itself is the matter of ``checks.of_record``.
    """
    try:
        content = content_of(path)
        version = content["record_version"]
        if type(version) is not int or version < 1:
            raise ValueError(f"its record_version {version!r} is not a whole number from 1")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{path} is not a record ({error!r}); move it out of the folder") from error
    if version > VERSION:
        raise DataError(
            f"{path} has record_version {version} and this checkout reads up to {VERSION}; "
            "update the checkout"
        )
    try:
        if version == VERSION and content.get("checksum") != checksum(content):
            raise DataError(
                f"{path} was altered after it was written (its checksum differs); {CURE}"
            )
        current = from_version_1(content) if version == 1 else content
        # strict: text in the place of a number is no number; only as JSON is a list a tuple
        text = json.dumps(current, ensure_ascii=False)
        return Record.model_validate_json(text, strict=True), content
    except ValidationError as error:
        raise DataError(f"{path} is not a whole record ({told(error)}); {CURE}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not a whole record ({error!r}); {CURE}") from error


def content_of(path: Path) -> Any:
    """Return the JSON in a file; raises OSError or ValueError if it is not a file with JSON.

    An object with one key twice is no JSON here: readers differ in which of the two they see.
    """
    if not path.is_file():
        raise ValueError("it is not a plain file")
    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs as a dict; raises ValueError if a key is there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        raise ValueError(f"the key {twice[0]!r} is there twice")
    return found


def told(invalid: ValidationError) -> str:
    """Return where a value is wrong first, what it has there, and the rule."""
    error = invalid.errors()[0]
    place = ".".join(map(str, error["loc"])) or "all of it"
    value = repr(error["input"])
    shown = value if len(value) <= SHOWN else f"{value[:SHOWN]}..."
    said = error["msg"][:1].lower() + error["msg"][1:]
    return f"{place}: {said}" + ("" if error["type"] == "missing" else f", and it is {shown}")
