"""Reads a text file in blocks of whole lines, and says whether their rows are well formed."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datasets.errors import DataError

BLOCK = 2**24
"""The bytes that are read and checked at a time."""
QUOTE, LINE_END, RETURN = b'"\n\r'


def blocks(content: bytes | Path, quoted: bool) -> Iterator[bytes]:
    """Yield ``content``, bytes or the path of the file with them, in blocks of whole lines.

    Every block ends with a line end. Byte-order marks at the start and one blank last line are left
    out. If ``quoted``, no block ends between quotation marks.
    """
    raw = content.open("rb") if isinstance(content, Path) else io.BytesIO(content)
    with raw as file:
        block, first = unmarked(_more(file)), True
        while block:
            if quoted and block.count(QUOTE) % 2:
                block = b"".join([block, *_until_closed(file)])
            following = _more(file)
            block = block if following else ended(block, first)
            if block:
                yield block
            block, first = following, False


def unmarked(content: bytes) -> bytes:
    """Return ``content`` without the byte-order marks at its start.

    There are several where a program has added one to a file that had one.
    """
    while content.startswith(codecs.BOM_UTF8):
        content = content.removeprefix(codecs.BOM_UTF8)
    return content


def _more(file: BinaryIO) -> bytes:
    return file.read(BLOCK) + file.readline()


def _until_closed(file: BinaryIO) -> Iterator[bytes]:
    """Yield what follows until the quotation marks in it are odd in number, or all there is."""
    closed = False
    while not closed and (block := _more(file)):
        closed = block.count(QUOTE) % 2 == 1
        yield block


def ended(block: bytes, first: bool = True) -> bytes:
    """Return the last block, perhaps also the ``first``, ended and without a blank last line."""
    if not block.endswith(b"\n"):
        block += b"\n"
    for blank in (b"\r\n", b"\n"):
        if block.endswith(b"\n" + blank) or (block == blank and not first):
            return block.removesuffix(blank)
    return block


def regular(block: bytes, separator: str, quoted: bool, fields: int | None) -> bool:
    """Return whether a block has no stray carriage returns and quotation marks.

    If ``quoted``, marks must enclose whole fields and be doubled inside. If a number of ``fields``
    is given, each row must have as many.
    """
    outside = _outside(block, separator) if quoted and QUOTE in block else block
    if outside is None or (RETURN in outside and outside.count(b"\r") != outside.count(b"\r\n")):
        return False
    if fields is None:
        return True
    ends = separator.encode() + b"\n"
    found = outside.translate(None, bytes(set(range(256)) - set(ends)))
    row = separator.encode() * (fields - 1) + b"\n"
    return found == row * (len(found) // len(row))


def _outside(block: bytes, separator: str) -> bytes | None:
    """Return a block with one mark for each part in quotation marks; None if a mark is stray."""
    content = np.frombuffer(block, dtype=np.uint8)
    inside = np.bitwise_xor.accumulate(content == QUOTE)
    outside = np.concatenate([[np.uint8(LINE_END)], content[~inside]])
    marks = np.flatnonzero(outside == QUOTE)
    # a doubled mark inside a field leaves two marks side by side
    beside = np.isin(np.arange(256), [QUOTE, LINE_END, ord(separator)])
    if inside[-1] or not beside[outside[marks - 1]].all():
        return None
    beside[RETURN] = True
    return outside[1:].tobytes() if beside[outside[marks + 1]].all() else None


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def rows(block: bytes, separator: str, quoted: bool) -> Iterator[tuple[bytes, list[str] | None]]:
    """Yield each row of a block, as bytes with the line end and as fields.

    The first row that is not well formed comes last, as its first line and None.
    """
    mark = re.escape(separator.encode())
    plain = rb"[^\r\n%b]*+" % mark
    field = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\r\n%b]*+)' % mark if quoted else plain
    row = re.compile(rb"%b(?:%b%b)*+\r?\n" % (field, mark, field))
    one = re.compile(field)
    place = 0
    while place < len(block):
        found = row.match(block, place)
        if not (found and _is_utf8(found[0])):
            yield found[0] if found else block[place : block.index(b"\n", place) + 1], None
            return
        yield found[0], [_text(part, quoted) for part in _parts(found[0].rstrip(b"\r\n"), one)]
        place = found.end()


def _parts(line: bytes, field: re.Pattern[bytes]) -> Iterator[bytes]:
    place = 0
    while found := field.match(line, place):
        yield found[0]
        place = found.end() + 1
        if place > len(line):
            return


def _text(part: bytes, quoted: bool) -> str:
    text = part.decode()
    return text[1:-1].replace('""', '"') if quoted and text.startswith('"') else text


def malformed(path: Path, number: int, line: bytes, form: str, cure: str) -> DataError:
    """Return the error for a row that begins in line ``number`` and is not ``form``.

    ``cure`` says what to do about it; for a row that is not UTF-8 that is said instead.
    """
    try:
        return DataError(f"{path}, line {number}: {shown(line)} is not {form}; {cure}")
    except UnicodeDecodeError as error:
        return not_utf8(path, number + line[: error.start].count(b"\n"))


def shown(line: bytes) -> str:
    """Return the beginning of a line in quotation marks, for messages."""
    return repr(line.decode().rstrip("\r\n")[:80])


def not_utf8(path: Path, number: int) -> DataError:
    """Return the error for a text file whose line ``number`` is not UTF-8."""
    return DataError(
        f"{path}, line {number}: this is not UTF-8; open the file in an editor or a spreadsheet "
        "program and save it as UTF-8"
    )


def decoded(content: bytes, path: Path) -> str:
    """Return a small file's text without its byte-order marks; raise DataError if not UTF-8."""
    content = unmarked(content)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise not_utf8(path, content.count(b"\n", 0, error.start) + 1) from error
