"""Exports six files again and again, killed one system call later each time: for test_split.py.

Run with a folder; prints "COUNT kill points" at its end. Only the standard library runs in a child,
since it is forked.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from datasets import pro_sg
from datasets.split import Split

CONTENTS = {name: f"{name}\n".encode() * 100 for name in pro_sg.NAMES}
EVENTS = ("open", "os.", "shutil.", "tempfile.", "fcntl.")


def export(folder: Path) -> None:
    pro_sg.write(cast(Split, None), folder)


def killed(at: int, folder: Path) -> bool:
    """Export in a child that dies at its ``at``-th event; return whether it died."""
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    left = [at]

    def hook(event: str, arguments: Any) -> None:
        if event.startswith(EVENTS):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    export(folder)
    os._exit(0)


def check(folder: Path, whole: bool, at: int) -> None:
    """Check that a killed export left all of the folder or nothing, and that the next one ends."""
    there = {name for name in CONTENTS if (folder / name).exists()}
    assert not whole or len(there) in (0, 6), (at, there)
    assert all((folder / name).read_bytes() == CONTENTS[name] for name in there), at
    export(folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "notes"} == CONTENTS, at
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], at


def points(base: Path, prepare: Callable[[Path], Any], whole: bool) -> int:
    """Return how many kill points an export has into a folder that is as ``prepare`` makes it."""
    for at in range(1, 10_000):
        folder = base / str(at) / "six"
        folder.parent.mkdir(parents=True)
        prepare(folder)
        died = killed(at, folder)
        check(folder, whole, at)
        shutil.rmtree(folder.parent)
        if not died:
            return at
    raise AssertionError("it never ended")


def with_notes(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes").write_text("mine")


if __name__ == "__main__":
    pro_sg.files = lambda split: iter(CONTENTS.items())
    base = Path(sys.argv[1])
    made = points(base, lambda folder: None, whole=True)
    made += points(base, Path.mkdir, whole=True)
    made += points(base, with_notes, whole=False)
    print(f"{made} kill points")
