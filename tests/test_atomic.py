"""Files and folders appear whole or not at all; a lock has one holder, even while its file is
deleted.
"""

from __future__ import annotations

import errno
import fcntl
import signal
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


def left_by_a_killed_process(folder: Path) -> None:
    for name in (".a[1].json.x1.new", ".a[1].checkpoint", ".b.json.x1.new", "a[1].json"):
        (folder / name).write_text("")
    for name in (".a[1].lock", ".b.lock", ".a[1].x2.new"):
        (folder / name).write_text("")
    (folder / ".a[1].x2.new.folder").mkdir()


def test_sweeping_takes_what_is_of_a_name_and_nothing_else(tmp_path):
    left_by_a_killed_process(tmp_path)
    atomic.sweep(tmp_path, "a[1]")
    kept = {".a[1].checkpoint", ".b.json.x1.new", ".b.lock", "a[1].json"}
    assert {p.name for p in tmp_path.iterdir()} == kept
    atomic.tidy(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {".a[1].checkpoint", "a[1].json"}


def test_what_is_written_again_sweeps_first(tmp_path):
    left_by_a_killed_process(tmp_path)
    atomic.write(tmp_path / "a[1].json", b"new")
    with atomic.folder(tmp_path / "a[1]"):
        pass
    kept = {".a[1].checkpoint", ".b.json.x1.new", ".b.lock", "a[1].json", "a[1]"}
    assert {p.name for p in tmp_path.iterdir()} == kept


def test_nobody_takes_what_a_living_process_writes_or_holds(tmp_path):
    with atomic.folder(tmp_path / "a") as beside, atomic.lock(tmp_path, "b", wait=False):
        (beside / "x").write_text("1")
        atomic.tidy(tmp_path)
        assert (beside / "x").exists()
        with pytest.raises(atomic.Busy), atomic.lock(tmp_path, "b", wait=False):
            pass
    assert (tmp_path / "a" / "x").read_text() == "1"


def test_who_waits_long_is_told_for_which_process(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(atomic, "PATIENCE_SECONDS", 0.2)
    code = (
        "import sys; from pathlib import Path; from datasets import atomic\n"
        "with atomic.lock(Path(sys.argv[1]), 'a', wait=False): print(flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    ends = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **ends) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.send_signal(signal.SIGSTOP)
        end = threading.Timer(1.5, holder.kill)
        end.start()
        with atomic.lock(tmp_path, "a", wait=True):
            pass
        end.join()
    said = capsys.readouterr().err
    assert said == (
        f"waiting for process {holder.pid} (stopped), which has {tmp_path / '.a.lock'} locked\n"
    )


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


@pytest.fixture(params=atomic.NO_LOCKS, ids=errno.errorcode.get)
def without_locks(request, monkeypatch):
    """A file system without locks, of which nothing was said yet."""

    def flock(*_):
        raise OSError(request.param, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    atomic._say_unlocked.cache_clear()
    yield
    atomic._say_unlocked.cache_clear()


def test_without_locks_all_is_written_whole_and_it_is_said_once(tmp_path, capsys, without_locks):
    left = tmp_path / f".file.abc{atomic.NEW}"
    left.write_text("of another machine, which may be writing")
    with atomic.lock(tmp_path, "trial", wait=False), atomic.lock(tmp_path, "trial", wait=False):
        atomic.write(tmp_path / "file", b"new")
        with atomic.folder(tmp_path / "made") as beside:
            (beside / "a").write_text("1")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "made", left.name}
    assert (tmp_path / "file").read_bytes() == b"new"
    atomic.tidy(tmp_path)
    atomic.sweep(tmp_path, "file")
    assert left.exists()
    assert capsys.readouterr().err.count("has no locks") == 1


def test_another_fault_of_a_lock_is_an_error(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.EIO, "damaged disk")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(DataError, match="damaged disk"), atomic.lock(tmp_path, "a", wait=False):
        pass
