"""Files and folders appear whole or not at all; a lock has one holder, even while its file is
deleted.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchmark.paths import ROOT
from datasets import atomic
from datasets.errors import DataError


def test_atomic_write_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file"
    atomic.write(path, b"old")
    monkeypatch.setattr(
        "datasets.atomic.os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full"))
    )
    with pytest.raises(DataError, match=r"could not be written \(disk full\); make room"):
        atomic.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_atomic_folder_appears_whole_or_not(tmp_path):
    with pytest.raises(ValueError, match="half"), atomic.folder(tmp_path / "made") as beside:
        (beside / "a").write_text("1")
        raise ValueError("half")
    assert list(tmp_path.iterdir()) == []
    for text in ("first", "second"):  # the second finds the first there and leaves it
        with atomic.folder(tmp_path / "made") as beside:
            (beside / "a").write_text(text)
    assert (tmp_path / "made" / "a").read_text() == "first"
    assert list(tmp_path.iterdir()) == [tmp_path / "made"]


def test_all_files_are_on_disk_before_the_first_is_replaced(tmp_path, monkeypatch):
    first, second, old = tmp_path / "first", tmp_path / "second", tmp_path / "old"
    for path in (first, old):
        atomic.write(path, b"old")
    real = atomic.sync

    def sync(path: Path) -> None:
        if "second" in path.name:
            raise OSError("disk full")
        real(path)

    monkeypatch.setattr(atomic, "sync", sync)
    with pytest.raises(DataError, match="second could not be written"):
        atomic.replace({first: b"new", second: b"new"}, old=[old])
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"first": b"old", "old": b"old"}
    monkeypatch.undo()
    atomic.replace({first: b"new", second: b"new"}, old=[old])
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "first": b"new",
        "second": b"new",
    }


def test_sweeping_takes_what_is_of_a_name_and_nothing_else(tmp_path):
    for name in (".a.json.x1", ".a.checkpoint", ".b.json.x1", "a.json", ".a.lock"):
        (tmp_path / name).write_text("")
    (tmp_path / ".a.x2").mkdir()
    atomic.sweep(tmp_path, "a", keep=tmp_path / ".a.checkpoint")
    assert {p.name for p in tmp_path.iterdir()} == {
        ".a.checkpoint",
        ".b.json.x1",
        "a.json",
        ".a.lock",
    }


def test_a_lock_has_one_holder(tmp_path):
    with atomic.lock(tmp_path / "deep", "a", wait=False):
        with pytest.raises(atomic.Busy), atomic.lock(tmp_path / "deep", "a", wait=False):
            pass
        with atomic.lock(tmp_path / "deep", "b", wait=False):
            pass
    assert list((tmp_path / "deep").iterdir()) == []
    (tmp_path / ".a.lock").write_text("")  # of a killed process
    with atomic.lock(tmp_path, "a", wait=False):
        pass


def test_who_waited_holds_the_file_that_others_see(tmp_path):
    """A waiter must not be left with the file that the last holder has deleted."""
    holds, done = threading.Event(), threading.Event()

    def waiter() -> None:
        with atomic.lock(tmp_path, "a", wait=True):
            holds.set()
            done.wait(10)

    with atomic.lock(tmp_path, "a", wait=False):
        thread = threading.Thread(target=waiter)
        thread.start()
        time.sleep(0.2)
        assert not holds.is_set()
    assert holds.wait(10)
    with pytest.raises(atomic.Busy), atomic.lock(tmp_path, "a", wait=False):
        pass
    done.set()
    thread.join()


def test_a_child_that_inherits_a_lock_keeps_it(tmp_path):
    with atomic.lock(tmp_path, "a", wait=False) as descriptor:
        child = subprocess.Popen(
            [sys.executable, "-c", "input()"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            pass_fds=(descriptor,),
        )
    (tmp_path / ".a.lock").touch()
    assert child.poll() is None
    child.communicate(b"\n")
