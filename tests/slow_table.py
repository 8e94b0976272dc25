"""A slow and obvious reading of text tables, and tables with all sorts of faults to read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from datasets.table import Layout

BOM = "\ufeff".encode()


@dataclass
class Wrong(Exception):
    """The number of the line that is wrong."""

    line: int


def slow_rows(content: bytes, separator: str, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield the line in which each row begins and its fields, character by character."""
    while content.startswith(BOM):
        content = content.removeprefix(BOM)
    # bytes that are not UTF-8 become lone surrogates
    text = content.decode("utf-8", "surrogateescape")
    if text and not text.endswith("\n"):
        text += "\n"
    place, line, first = 0, 1, True
    while place < len(text):
        if text[place:] in ("\n", "\r\n") and not first:
            return
        start, begin, fields = place, line, []
        while True:
            field, place = slow_field(text, place, begin, separator, quoted)
            fields.append(field)
            if text[place] == separator:
                place += 1
                continue
            place = text.index("\n", place) + 1
            break
        row = text[start:place]
        if bad := re.search("[\ud800-\udfff]", row):
            raise Wrong(begin + row[: bad.start()].count("\n"))
        yield begin, fields
        line, first = begin + row.count("\n"), False


def slow_field(text: str, place: int, line: int, separator: str, quoted: bool) -> tuple[str, int]:
    """Return the field that begins at ``place``, and the place of the separator or line end."""
    field = ""
    if quoted and text[place] == '"':
        place += 1
        while text[place : place + 1] != '"' or text[place : place + 2] == '""':
            if place >= len(text):
                raise Wrong(line)
            place += 1 if text[place] != '"' else 2
            field += text[place - 1]
        place += 1
    else:
        while text[place] not in (separator, "\n") and text[place : place + 2] != "\r\n":
            if text[place] == "\r" or (quoted and text[place] == '"'):
                raise Wrong(line)
            field += text[place]
            place += 1
    if text[place : place + 1] not in (separator, "\n") and text[place : place + 2] != "\r\n":
        raise Wrong(line)
    return field, place


def slow_value(kind: str, field: str) -> object:
    """Return what a field holds; raise ValueError if it is not of that kind."""
    if kind in ("whole", "count", "position"):
        if not re.fullmatch(r"(?a:[ \t]*[+-]?\d+)", field):
            raise ValueError(field)
        value = int(field)
        least = {"whole": -(2**63), "count": 1, "position": 0}[kind]
        if not least <= value < (2**31 if kind == "position" else 2**63):
            raise ValueError(field)
        return value
    if kind == "number":
        if not re.fullmatch(r"(?a:[ \t]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)", field):
            raise ValueError(field)
        if not math.isfinite(float(field)):
            raise ValueError(field)
        return float(field)
    if (kind == "id" and (not field or set(field) & set("\0\r\n\ufeff"))) or (
        kind == "nothing" and field
    ):
        raise ValueError(field)
    return field if kind == "id" else None


def slow_table(content: bytes, layout: Layout) -> list[tuple[object, ...]]:
    """Return the rows of a table without its columns of text; raise Wrong with the first line."""
    found, kinds, line = [], list(layout.columns.values()), 1
    rows = slow_rows(content, layout.separator, layout.quoted)
    if layout.header and next(rows, (1, None))[1] != list(layout.header):
        raise Wrong(1)
    for line, fields in rows:
        if len(fields) != len(kinds) or is_header(fields, layout):
            raise Wrong(line)
        try:
            values = [slow_value(kind, field) for kind, field in zip(kinds, fields, strict=True)]
        except ValueError:
            raise Wrong(line) from None
        found.append(tuple(v for kind, v in zip(kinds, values, strict=True) if kind != "text"))
    if not found:
        raise Wrong(2 if layout.header else 1)
    return found


def is_header(row: list[str], layout: Layout) -> bool:
    """Return whether a row has the names of columns where users and items are due."""
    places = [list(layout.columns).index(name) for name in (layout.user, layout.item)]
    return bool(layout.header) and all(row[at] == layout.header[at] for at in places)


WORDS = {
    "whole": ("1", "12", "-3", " 4", "007", "+5"),
    "count": ("1", "12", "3"),
    "position": ("0", "12", "2147483647", " +3"),
    "number": ("4", "4.5", ".5", "3.", "1e1", "-2"),
    "id": ("1", "07", "12", "ann", "Zoë", "a b", "x" * 20),
    "text": ("", "978300760", "The Lion", "é", "12 inch", "2005-09-06"),
    "nothing": ("",),
}
STRAY = [b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\t", b";", b":", b" ", b"\0", b"\xe9", BOM]
STRAY += [b"9", b".", b"-", b"+", b"e", b"n", "é".encode(), b"\xff\xfe", b"99999999999999999999"]
STRAY += [b"4294967297"]
Fault = Callable[[Random, list[bytes], bytes], None]


def some_layout(random: Random, fixed: Sequence[Layout]) -> Layout:
    """Return one of the layouts, or one with columns in any order and others beside them."""
    if random.random() < 0.3:
        return random.choice(fixed)
    columns = {"user": random.choice(["id", "whole"]), "item": "id"}
    columns |= {"rating": "number"} if random.random() < 0.6 else {}
    columns |= {f"other {n}": "text" for n in range(random.randint(0, 3))}
    names = random.sample(list(columns), len(columns))
    return Layout(
        {name: columns[name] for name in names},
        "user",
        "item",
        "rating" if "rating" in columns else None,
        separator=random.choice(",,\t;"),
        header=names if random.random() < 0.6 else None,
        quoted=random.random() < 0.7,
    )


def some_table(random: Random, layout: Layout) -> bytes:
    """Return a table of this layout with up to three faults, or none."""
    separator = layout.separator.encode()

    def field(word: str) -> bytes:
        if layout.quoted and random.random() < 0.1:
            inner = word + random.choice(["", '"', "\n", layout.separator, "\r"])
            return b'"' + inner.replace('"', '""').encode() + b'"'
        return word.encode()

    lines = [separator.join(name.encode() for name in layout.header)] if layout.header else []
    lines += [
        separator.join(field(random.choice(WORDS[kind])) for kind in layout.columns.values())
        for _ in range(random.randint(0, 6))
    ]
    for fault in random.sample(FAULTS, random.choice([0, 0, 1, 1, 1, 2, 3])):
        if lines:
            fault(random, lines, separator)
    end = b"\r\n" if random.random() < 0.1 else b"\n"
    content = end.join(lines) + (end if random.random() < 0.8 else b"")
    content += end if random.random() < 0.1 else b""
    content = content[: random.randint(0, len(content))] if random.random() < 0.1 else content
    return BOM * random.choice([0] * 18 + [1, 2]) + content


def surplus(random: Random, lines: list[bytes], separator: bytes) -> None:
    lines[random.randrange(len(lines))] += separator + random.choice([b"", b"7", b"x"])


def missing(random: Random, lines: list[bytes], separator: bytes) -> None:
    place = random.randrange(len(lines))
    fields = lines[place].split(separator)
    del fields[random.randrange(len(fields))]
    lines[place] = separator.join(fields)


def stray(random: Random, lines: list[bytes], separator: bytes) -> None:
    place = random.randrange(len(lines))
    at = random.choice([0, len(lines[place]), random.randint(0, len(lines[place]))])
    lines[place] = lines[place][:at] + random.choice(STRAY) + lines[place][at:]


def marks(random: Random, lines: list[bytes], separator: bytes) -> None:
    place = random.randrange(len(lines))
    fields = lines[place].split(separator)
    at = random.randrange(len(fields))
    before, after = random.choice([(b'"', b'"'), (b'"', b""), (b"", b'"'), (b' "', b'"')])
    fields[at] = before + fields[at] + after
    lines[place] = separator.join(fields)


def blank(random: Random, lines: list[bytes], separator: bytes) -> None:
    lines.insert(random.randint(0, len(lines)), random.choice([b"", b"", b" "]))


def twice(random: Random, lines: list[bytes], separator: bytes) -> None:
    lines.insert(random.randint(0, len(lines)), random.choice(lines))


def ended(random: Random, lines: list[bytes], separator: bytes) -> None:
    lines[random.randrange(len(lines))] += b"\r"


FAULTS: list[Fault] = [surplus, missing, stray, stray, marks, blank, twice, ended]
