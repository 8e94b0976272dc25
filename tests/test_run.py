"""A run: what becomes of models that go wrong, of stopped runs, and of two runs at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmark.cli import main
from benchmark.paths import ROOT
from benchmark.records import store
from benchmark.records.record import Record
from benchmark.run import launch, process
from datasets import atomic
from tests.conftest import small_file

FAULTY = ["--plugin", str(ROOT / "tests" / "faulty.py")]
LONG = [
    "--models",
    "mult-vae",
    "--seeds",
    "0",
    "--set",
    "epochs=60",
    "batch=20",
    "latent=8",
    "hidden=16",
]
LONG += ["--threads", "1", "--jobs", "2"]  # threads decide the last bits
STATUS = {
    "popularity": ("ok", None),
    "chatty": ("ok", None),
    "raises": ("failed", "ValueError: no such thing (faulty.py, line 27)"),
    "not-finite": ("failed", "a score must be a finite number"),
    "wrong-shape": ("failed", "one for each user and item"),
    "too-big": ("oom", "out of memory: Unable to allocate"),
    "too-big-for-torch": ("oom", "out of memory: "),
    "exits": ("failed", "the model called sys.exit(3)"),
    "vanishes": ("failed", "its process ended with exit code 2 before its record was written"),
    "crashes": ("failed", "its process died of signal SIGSEGV"),
    "killed": ("failed", "its process died of signal SIGKILL"),
    "intrudes": ("failed", "the model wrote 'no message' where only messages to the run belong"),
    "fakes": ("failed", """the model wrote '{"token": "", "ended": true}' where only messages"""),
    "claims": ("failed", "it said that its record was there, and it is not in its first epoch"),
    "refuses": ("failed", "its process ended with exit code 3 before its record was written"),
    "pretends": ("failed", "its process ended with exit code 2 before its record was written"),
    "real-time-signal": ("failed", f"its process died of signal {signal.SIGRTMIN + 3}"),
}


def start(out: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    data = [] if "--datasets" in words else ["--datasets", small_file(out.parent)]
    command = [sys.executable, "run_all.py", "--out", str(out), *data, *words]
    variables = os.environ | {"MARK": str(out)} | environment
    return subprocess.Popen(
        command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(run: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = run.communicate(timeout=300)
    return run.returncode, out, err


def survivors(out: Path) -> list[psutil.Process]:
    """The processes that ``start`` started, and all that those started."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.environ().get("MARK") == str(out) and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def hidden(*folders: Path) -> list[str]:
    """Temporary files, locks and checkpoints."""
    return [path.name for folder in folders for path in folder.rglob(".*")]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> tuple[Path, tuple[int, str, str]]:
    """The records of a run of all models of faulty.py that end by themselves, and what it said."""
    out = tmp_path_factory.mktemp("out")
    cache = {"BENCH_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))}
    words = (*FAULTY, "--models", *STATUS, "--jobs", "2")
    return out, finish(start(out, *words, **cache))


def test_the_run_goes_on_to_its_end_and_says_1(faulty):
    out, (code, said, errors) = faulty
    assert (code, errors) == (1, "")
    assert said.count(f"[{len(STATUS)}/{len(STATUS)}]") == 1
    assert len(list(out.glob("*.json"))) == len(STATUS)
    assert hidden(out) == []
    assert survivors(out) == []


@pytest.mark.parametrize("model", STATUS)
def test_a_failure_is_a_row_with_its_reason(model, faulty):
    out, (_, said, _) = faulty
    (record,) = [r for r in store.read_all(out) if r.spec.model == model]
    status, reason = STATUS[model]
    assert record.status == status
    assert (record.metrics is None) == (status != "ok")
    if reason:
        row = next(line for line in said.splitlines() if line.startswith(f"| {model} "))
        last = (record.reason or "").splitlines()[-1]
        assert reason in last
        assert row.count("failed") == 3
        assert f"{model}: {status}: {last}" in said


def test_a_trial_that_never_ends_is_stopped_with_what_it_started(tmp_path):
    # alone, since a busy machine may be too slow for any other trial to end in this time
    out = tmp_path / "out"
    code, said, errors = finish(start(out, *FAULTY, "--models", "hangs", "--timeout", "12"))
    assert (code, errors, said.count("[1/1]")) == (1, "", 1)
    (record,) = store.read_all(out)
    assert record.status == "timeout"
    assert record.reason == "ran longer than --timeout 12 seconds in its first epoch"
    assert hidden(out) == []
    assert survivors(out) == []


def test_what_a_model_said_before_it_vanished_is_in_the_reason(faulty):
    (record,) = [r for r in store.read_all(faulty[0]) if r.spec.model == "vanishes"]
    assert (record.reason or "").splitlines()[0] == "about to vanish"


def test_failures_stay_until_they_are_retried(faulty, tmp_path):
    out, _ = faulty
    words = (*FAULTY, "--models", "raises", "popularity")
    code, said, _ = finish(start(out, *words, MENDED="1"))
    assert (code, "0 to run" in said) == (1, True)
    code, said, _ = finish(start(out, *words, "--retry", MENDED="1"))
    assert (code, "1 done before, 1 to run" in said) == (0, True)


def test_trials_side_by_side_are_marked(faulty):
    out, (_, said, _) = faulty
    # raises was retried after what was said, alone but for what else runs on the machine
    others = [r for r in store.read_all(out) if r.spec.model != "raises"]
    assert all(r.beside_others for r in others)
    busy = {line.split()[1] for line in said.splitlines() if " busy trial" in line}
    assert busy == {r.spec.model for r in others if r.metrics}
    assert "Busy trials ran beside other trials or other work" in said


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The per-user results of a long trial that nobody stopped."""
    out = tmp_path_factory.mktemp("undisturbed")
    code, _, errors = finish(
        start(out, *LONG, BENCH_CACHE_DIR=str(tmp_path_factory.mktemp("cache")))
    )
    assert (code, errors) == (0, "")
    return out


def trained(out: Path) -> Record:
    (record,) = [r for r in store.read_all(out) if r.spec.model == "mult-vae"]
    return record


SLOW = pytest.mark.slow
STOPS = [
    signal.SIGINT,
    pytest.param(signal.SIGKILL, marks=SLOW),
    pytest.param(signal.SIGTERM, marks=SLOW),
    pytest.param(signal.SIGHUP, marks=SLOW),
]


@pytest.mark.parametrize("stop", STOPS)
def test_a_stopped_run_goes_on_where_it_was(stop, undisturbed, tmp_path, own_cache):
    words = (*LONG, "--checkpoint-seconds", "0")
    run = start(tmp_path, *words)
    while not list(tmp_path.glob(".*.checkpoint")):
        time.sleep(0.01)
        assert run.poll() is None
    run.send_signal(stop)
    code, _, errors = finish(run)
    wait_for_none(tmp_path)
    if stop == signal.SIGINT:
        assert (code, "the same command goes on from there" in errors) == (130, True)
        assert {name.split(".")[-1] for name in hidden(tmp_path)} == {"checkpoint"}
    code, _, errors = finish(start(tmp_path, *words))
    assert (code, errors) == (0, "")
    record, whole = trained(tmp_path), trained(undisturbed)
    assert record.resumed
    assert not whole.resumed
    assert record.curve == whole.curve
    assert (record.id, record.per_user) == (whole.id, whole.per_user)
    assert hidden(tmp_path, own_cache) == []


def wait_for_none(out: Path) -> None:
    """Wait until no process of the run is left: at once, but for the kernel's own time."""
    end = time.monotonic() + 10
    while survivors(out):
        assert time.monotonic() < end, survivors(out)
        time.sleep(0.01)


def test_a_spec_reproduces_its_trial_by_hand(undisturbed, tmp_path, capsys):
    before = trained(undisturbed)
    spec = undisturbed / "specs" / f"{before.id}.json"
    command = [sys.executable, "-m", "benchmark.trial", str(spec)]
    # other bits, if a run's environment were not restored
    pinned = os.environ | {"OPENBLAS_CORETYPE": "Prescott"}
    run = subprocess.run(command, cwd=ROOT, env=pinned, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert f"the same bits as in {undisturbed / before.id}.json" in run.stdout
    assert trained(undisturbed) == before
    assert hidden(undisturbed) == []
    command += ["--out", str(tmp_path / "else")]
    assert subprocess.run(command, cwd=ROOT, env=pinned, capture_output=True).returncode == 0
    after = trained(tmp_path / "else")
    assert all(pool in before.environment.blas for pool in after.environment.blas)
    assert after.finished > before.finished
    assert (after.id, after.per_user, after.curve) == (before.id, before.per_user, before.curve)
    specs = tmp_path / "specs"
    specs.mkdir()
    tmp_path = specs
    (tmp_path / "spec.json").write_text(spec.read_text().replace(before.spec.code, "0" * 16))
    for wrong, sentence in (
        (tmp_path / "spec.json", "is of other code for mult-vae"),
        (specs / "none.json", "is not the spec"),
        (Path("SPEC.json"), "SPEC.json is in no folder specs of a run; say --out DIR"),
    ):
        assert process.main([str(wrong)]) == 2
        assert sentence in capsys.readouterr().err


def test_a_stranger_says_not_where_a_trial_by_hand_is_stored(faulty, tmp_path, capsys):
    """The folder in a SPEC.json counts for nothing, and a record is compared, never replaced."""
    out, _ = faulty
    (record,) = [r for r in store.read_all(out) if r.spec.model == "popularity"]
    job = json.loads((out / "specs" / f"{record.id}.json").read_text())
    victim, own = tmp_path / "victim", tmp_path / "own"
    for folder in (victim, own / "specs"):
        folder.mkdir(parents=True)
    (victim / f"{record.id}.json").write_text("mine")
    spec = own / "specs" / "any.json"
    spec.write_text(json.dumps(job | {"out": str(victim)}))
    assert process.main([str(spec)]) == 0
    assert [path.read_text() for path in victim.iterdir()] == ["mine"]
    (stored,) = store.read_all(own)
    assert stored.per_user == record.per_user
    other = stored.model_copy(update={"tied_rows": 0.5}).sealed()
    (own / f"{record.id}.json").write_text(other.model_dump_json())
    capsys.readouterr()
    assert process.main([str(spec)]) == 1
    assert "other than in" in (said := capsys.readouterr().out)
    assert "any.json" not in said
    assert "json: tied_rows\n" in said
    assert store.read_all(own) == [other]


def test_a_trial_that_is_stopped_ends_with_its_run_and_the_next_goes_on(tmp_path, own_cache):
    words = (*LONG, "--checkpoint-seconds", "0")
    run = start(tmp_path, *words)
    while not list(tmp_path.glob(".*.checkpoint")):
        time.sleep(0.01)
        assert run.poll() is None
    for one in survivors(tmp_path):
        if one.pid != run.pid:
            one.suspend()
    run.kill()
    finish(run)
    wait_for_none(tmp_path)
    code, _, errors = finish(start(tmp_path, *words))
    assert (code, errors) == (0, "")
    assert trained(tmp_path).resumed


def test_a_run_says_for_which_process_it_waits(tmp_path):
    words = ("--models", "popularity")
    code, _, _ = finish(start(tmp_path, *words))
    assert code == 0
    (record,) = store.read_all(tmp_path)
    (tmp_path / f"{record.id}.json").unlink()
    with atomic.lock(tmp_path, record.id, wait=False):
        run = start(tmp_path, *words, PYTHONUNBUFFERED="1")
        assert run.stdout is not None
        said = next(line for line in run.stdout if line.startswith("waiting"))
        run.kill()
        run.communicate()
    assert f"waiting for file:small popularity, which runs in process {os.getpid()};" in said


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_named_as_a_record_and_is_no_file_is_refused(kind, tmp_path, capsys):
    path = tmp_path / f"{'0' * 16}.json"
    os.mkfifo(path) if kind == "fifo" else path.mkdir()
    assert main(["report", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{path} is not a record (ValueError('it is not a plain file'))" in said


def test_a_process_launched_ahead_is_used_or_ended(tmp_path):
    with launch.ahead(1):
        first, other = launch.launch(1), launch.launch(1)
        first.close()
        other.close()
        assert first.process.pid != other.process.pid
    with launch.ahead(1), launch.ahead(2):
        waiting = list(launch._ahead)
        one = launch.launch(1)
        assert one.threads == 1
        assert one not in waiting  # only the last is looked at
        one.close()
    assert [launched.process.poll() for launched in waiting] == [-signal.SIGKILL] * 2
    assert launch._ahead == []


def test_nothing_around_a_run_pins_the_kernels_or_threads_of_its_trials(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("MKL_DEBUG_CPU_TYPE", "5")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    given = launch.surroundings(2)
    assert given["PATH"] == os.environ["PATH"]
    own = {
        name: value
        for name, value in given.items()
        if name.startswith(("OPENBLAS_", "MKL_", "OMP_", "GOMP_"))
    }
    assert own.keys() <= launch.variables(2).keys()
    assert own["OMP_NUM_THREADS"] == own["OPENBLAS_NUM_THREADS"] == "2"


@pytest.mark.parametrize("own", ["", "glibc.malloc.hugetlb=1", "glibc.malloc.hugetlb=0"])
def test_trials_ask_for_huge_pages_and_keep_other_settings_of_glibc(own, monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", f"glibc.rtld.optional_static_tls=2048:{own}")
    given = launch.surroundings(1)["GLIBC_TUNABLES"]
    assert given == "glibc.rtld.optional_static_tls=2048:glibc.malloc.hugetlb=1"
    monkeypatch.setenv("GLIBC_TUNABLES", given)
    assert launch.surroundings(1)["GLIBC_TUNABLES"] == given


def test_two_runs_at_once_share_the_work(tmp_path, own_cache):
    words = ("--models", "popularity", "ease")
    runs = [start(tmp_path, *words) for _ in range(2)]
    ended = [finish(run) for run in runs]
    assert [(code, errors) for code, _, errors in ended] == [(0, "")] * 2
    told = [line for _, said, _ in ended for line in said.splitlines() if line.startswith("[")]
    assert len([line for line in told if "NDCG@100" in line]) == 2  # each trial was run once
    assert len(store.read_all(tmp_path)) == 2
    assert hidden(tmp_path, own_cache) == []
    first, second = (said[said.index("| model") :].split("\n\n")[0] for _, said, _ in ended)
    assert first == second


def test_a_full_disk_in_a_trial_ends_the_run_with_2(tmp_path, own_cache):
    (tmp_path / "sitecustomize.py").write_text(
        "import errno, os\n"
        "real = os.fsync\n"
        "def fsync(descriptor):\n"
        "    if '.parquet' in os.readlink(f'/proc/self/fd/{descriptor}'):\n"
        "        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n"
        "    real(descriptor)\n"
        "os.fsync = fsync\n"
    )
    out = tmp_path / "out"
    code, _, errors = finish(start(out, "--models", "popularity", PYTHONPATH=str(tmp_path)))
    assert code == 2
    assert (
        "could not be written (No space left on device); make room or name another folder" in errors
    )
    assert len(errors.strip().splitlines()) == 1
    assert [path.name for path in out.iterdir()] == ["specs"]
    assert hidden(out, own_cache) == []
