"""Text to show; what others wrote, a record's names or a plugin's error, is made safe."""

from __future__ import annotations

import re
import subprocess
import sys
import traceback
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from types import TracebackType
from typing import TextIO

JOINERS = "\u200c\u200d"
"""Characters without a form of their own that words of some scripts need."""


def visible(text: str, keep: str = "") -> str:
    """Return ``text`` with every character that a terminal obeys written as its escape, as
    ``\\x1b``.

    These are control characters, line ends among them, marks that turn the direction of writing or
    are invisible, and halves of characters. Those in ``keep`` stay.
    """
    if text.isprintable():  # the usual case, and the fast one
        return text
    return "".join(
        character if character in keep or _is_shown(character) else _escaped(character)
        for character in text
    )


def _is_shown(character: str) -> bool:
    if character in JOINERS:
        return True
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def storable(text: str) -> str:
    """Return ``text`` with halves of characters, which no file can hold, written as escapes.

    They are in the name of a file that is not in UTF-8, as Python gives it.
    """
    return text.encode(errors="backslashreplace").decode()


def broken(name: str, width: int) -> str:
    """Return a name, broken into lines after its commas if it is longer than ``width``."""
    if len(name) <= width:
        return name
    return fill(name.replace(",", ", "), width, break_on_hyphens=False)


def counted(number: int, what: str) -> str:
    """Return a number with ``what`` in the singular or plural, as "1 trial" or "2 trials"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a number of seconds as a person says it, as "50 s", "1.5 min" or "2.0 h"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def say(*lines: object, to: TextIO | None = None) -> None:
    """Print lines on standard output or ``to``, with nothing in them that a terminal obeys.

    A line may hold line ends and tabs of its own.
    """
    print(*(visible(str(line), keep="\n\t") for line in lines), sep="\n", file=to, flush=True)


def say_output(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> int:
    """Run a command and print what it writes, errors among it, line by line as it comes.

    Returns its exit code.
    """
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="backslashreplace",
    ) as process:
        assert process.stdout is not None, "it is a pipe"
        for line in process.stdout:
            say(line.removesuffix("\n"))
    return process.returncode


def say_traceback(
    kind: type[BaseException], error: BaseException, at: TracebackType | None
) -> None:
    """Print the traceback of an error that nothing has caught, as Python's own hook does."""
    say("".join(traceback.format_exception(kind, error, at)).rstrip("\n"), to=sys.stderr)


MARKDOWN = re.compile(
    r"[<|*`$]|(?<!\w)_|_(?!\w)|~(?=~)|(?<=\])\(|&(?=#?\w+;)|\\(?=[^\w\s])", re.ASCII
)
"""What begins HTML, a cell, emphasis, code, mathematics, the target of a link, or an escape."""


def markdown(text: str) -> str:
    """Return ``text`` as Markdown that shows it: on one line, without HTML, links or cells of its
    own.
    """
    return MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", visible(text))


def spreadsheet(text: str) -> str:
    """Return ``text`` as a field of a CSV file: on one line, and no formula for a spreadsheet.

    A text that would be a formula has an apostrophe before it; a number or a dash stays.
    """
    text = visible(text)
    return f"'{text}" if re.match(r"[=+@-].", text) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_TEX = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}


def latex(text: str) -> str:
    """Return ``text`` as LaTeX that shows it, on one line."""
    text = visible(text)
    text = re.sub(r"[\\{}&%$#_^~]", lambda found: _TEX.get(found[0], "\\" + found[0]), text)
    text = text.replace("±", r"$\pm$").replace("<", "$<$").replace(">", "$>$")
    # after the end of a table's row, LaTeX would read these as its arguments
    return f"{{}}{text}" if text.startswith(("[", "*")) else text
