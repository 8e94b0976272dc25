"""What is told of a run while it goes on: on a terminal, in a log, and to a script."""

from __future__ import annotations

import csv
import json
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from benchmark import labels
from benchmark.cli import main
from benchmark.records import store
from benchmark.run import display, slurm, slurm_queue, terminal
from benchmark.run.clock import Clock
from benchmark.run.display import Display, Events, Lines
from benchmark.run.executor import Resources
from benchmark.run.progress import News, Progress
from benchmark.run.terminal import Terminal, name_in, table_of
from benchmark.run.under_way import UnderWay
from benchmark.spec import PROTOCOL, Data, Job, TrialSpec
from datasets.errors import DataError
from models.registry import MODELS
from tests.conftest import DATA, run_tiny, small_file

DESCRIBED = Data(
    options={},
    training_users=600,
    items=60,
    training_interactions=9000,
    validation_users=30,
    test_users=30,
    raw_sha256=None,
    notes=(),
)
NEWS = News(
    epoch=12,
    planned=200,
    validation=0.40214,
    loss=412.34,
    beta=0.2,
    users_per_second=12345.6,
    seconds_left=180,
)


def job(model: str = "mult-vae", seed: int | None = 0, **more: object) -> Job:
    spec = TrialSpec(
        protocol=PROTOCOL,
        model=model,
        config=MODELS[model].config.model_dump(mode="json") | more,
        code="0" * 16,
        dataset="synthetic",
        split_hash="0" * 64,
        seed=seed,
        device="cpu",
        precision="fp32",
    )
    return Job(spec=spec, data=DESCRIBED, split=Path(), out=Path(), threads=1)


def begun(one: Job) -> UnderWay:
    """A trial that starts now, also by a clock that a test has put there."""
    return UnderWay(one, started=time.monotonic())


class Now:
    """A clock that goes on when it is told to."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now(monkeypatch) -> Now:
    clock = Now()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
def said(capsys):
    """What was printed on standard output since the last call."""
    return lambda: capsys.readouterr().out.splitlines()


def test_a_log_gets_a_line_a_minute_for_each_of_two_trials(now, said):
    jobs = [job(), job("ease", None)]
    lines = Lines()
    with lines.watching(jobs):
        trials = list(map(begun, jobs))
        trials[0].hear(News(planned=200))
        now.seconds += 59
        lines.show(trials)
        assert said() == []
        now.seconds += 1
        lines.show(trials)
        lines.show(trials)
        assert said() == [
            "synthetic mult-vae seed 0: epoch 0/200, 1.0 min so far",
            "synthetic ease: 1.0 min so far",
        ]
        trials[0].hear(NEWS)
        now.seconds += 60
        lines.show(trials[:1])
    assert said() == [
        "synthetic mult-vae seed 0: epoch 12/200, NDCG@100 0.4021, loss 412.3, beta 0.2, "
        "users/s 12,346, 2.0 min left"
    ]


def test_a_log_gets_one_line_for_more_trials(now, said):
    jobs = [job(seed=seed) for seed in range(4)]
    lines = Lines()
    with lines.watching(jobs):
        lines.finished(jobs[3], None)
        assert said() == ["[1/4] synthetic mult-vae seed 3: done by another run"]
        now.seconds += 60
        lines.show(list(map(begun, jobs[:3])))
        now.seconds += 60
        lines.show([])
    assert said() == ["1 of 4 trials ended, 3 under way", "1 of 4 trials ended"]


def test_the_time_left_is_what_trials_say_and_what_is_forecast_of_the_others(now):
    jobs = [job(seed=seed) for seed in range(3)] + [job("ease", None), job("als", 0)]
    known = {"ease": 50.0}
    shown = Display(lambda job, records: known.get(job.spec.model), at_once=2)
    with shown.watching(jobs):
        assert shown.time_left() == "more than 50 s left"
        running = [begun(jobs[0]), begun(jobs[3])]
        now.seconds += 20
        shown.show(running)
        assert shown.time_left() == "more than 30 s left"
        # half of its epochs take 100 s, so the two seeds that wait take 200 s each
        running[0].hear(News(epoch=5, planned=10, seconds_left=100))
        assert shown.time_left() == f"more than {(100 + 2 * 200 + 30) / 2 / 60:.1f} min left"
        shown.finished(jobs[4], None)
        assert shown.time_left() == f"about {(100 + 2 * 200 + 30) / 2 / 60:.1f} min left"
        now.seconds += 60
        assert running[0].seconds_left == 40
        for one in jobs[1:4]:
            shown.finished(one, None)
        assert shown.time_left() == "about 40 s left"
        now.seconds += 60
        assert shown.time_left() == ""


def test_trials_that_have_ended_are_what_the_others_are_forecast_by(finished):
    records = store.read_all(finished)
    jobs = [Job(spec=r.spec, data=r.data, split=Path(), out=Path(), threads=1) for r in records]
    shown = Display(lambda job, ended: 60.0 * len(ended) or None)
    with shown.watching(jobs):
        assert shown.time_left() == ""
        shown.finished(jobs[0], records[0])
        assert shown.time_left() == f"about {len(jobs) - 1}.0 min left"


def test_what_a_trial_tells_of_itself():
    progress = Progress(Clock("cpu"))
    assert progress.news(10, 600) == News(planned=10)
    progress.clock.laps |= {"training": [2.0, 9.0, 3.0], "validation": [1.0, 1.0, 1.0]}
    progress.curve = [{"epoch": n, "validation": n / 10, "loss": -n, "auc": 7} for n in (1, 2, 3)]
    assert progress.news(10, 600) == News(
        epoch=3,
        planned=10,
        validation=0.3,
        loss=-3,
        users_per_second=200,
        seconds_left=7 * (3 + 1),
    )


def test_a_pipe_gets_the_facts_of_a_trial_that_runs_in_a_process_of_its_own(
    tmp_path, monkeypatch, said
):
    monkeypatch.setattr(Display, "interval", 0.0)
    words = ["--models", "mult-vae", "--seeds", "0", "--set", "epochs=200", "latent=8", "batch=50"]
    data = ["--datasets", small_file(tmp_path)]
    assert main([*data, *words, "--threads", "1", "--out", str(tmp_path / "out")]) == 0
    line = re.compile(
        r"file:small mult-vae\S* seed 0: epoch \d+/200, NDCG@100 0\.\d{4}, loss [\d.]+, "
        r"beta [\d.e-]+, users/s [\d,]+, memory \d+ MB, \d.* left"
    )
    assert any(map(line.fullmatch, said()))


WIDE = [job(note="x" * 70), job("poisson-vae", 1), job("ease", None)]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_terminal_of_any_width_shows_a_line_for_each_trial(width, now, capsys):
    trials = list(map(begun, WIDE))
    now.seconds += 90
    trials[0].hear(NEWS)
    Console(width=width).print(table_of(trials, width))
    head, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert max(map(len, [head, *lines])) <= width
    assert [re.findall(r"seed \d", line) for line in lines] == [["seed 0"], ["seed 1"], []]
    assert "12/200" in lines[0]
    assert ("0.4021" in lines[0]) == (width > 20)
    all_facts = ["12/200", "0.4021", "412.3", "0.2", "12,346", "3.0", "min", "left"]
    assert (lines[0].split()[-8:] == all_facts) == (width > 40)
    assert ("1.5 min so far" in lines[1]) == (width > 40)
    assert ("synthetic" in lines[1]) == (width == 200)


@pytest.mark.parametrize("room", [12, 30, 200])
def test_a_trial_keeps_the_start_of_its_model_and_its_seed_in_a_short_name(room):
    assert len(name := name_in(WIDE[0], room)) <= room
    assert re.search(r"mult.* seed 0$", name)
    assert name.startswith("synthetic") == (room == 200)


def test_a_terminal_is_drawn_anew_after_each_line_and_left_clean(now, capsys, monkeypatch):
    monkeypatch.setattr(display, "say", lambda line: print(line, file=sys.stderr))
    shown = Terminal()
    jobs = [job(seed=0), job(seed=1)]
    with pytest.raises(KeyboardInterrupt), shown.watching(jobs):
        trials = list(map(begun, jobs))
        trials[0].hear(NEWS)
        now.seconds += 1
        shown.show(trials)
        assert re.search(r"0/2 trials, 3 %, about .* left\n", capsys.readouterr().err)
        shown.heard(trials[0])
        shown.show(trials)
        assert capsys.readouterr() == ("", "")
        shown.finished(jobs[0], None)
        said = "[1/2] synthetic mult-vae seed 0: done by another run\n"
        _, _, after = capsys.readouterr().err.partition(said)
        assert re.search(r"1/2 trials, 50 %.*\n.*\n.*mult-vae seed 1 .*so far", after)
        assert "mult-vae seed 0" not in after
        assert "\x1b[1A" not in after  # up, where it would wipe what was said
        raise KeyboardInterrupt
    left = capsys.readouterr().err
    assert left.count("\x1b[1A") >= 3  # up over each line, which is wiped
    assert not re.search(r"\w", re.sub(r"\x1b\[\d?\w", "", left))
    shown.note("after")
    assert capsys.readouterr().err == "after\n"


def test_only_a_terminal_that_shows_both_streams_has_lines_that_change(monkeypatch):
    for out, err, term in ((1, 1, "xterm"), (1, 0, "xterm"), (0, 1, "xterm"), (1, 1, "dumb")):
        monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda out=out: out))
        monkeypatch.setattr("sys.stderr", SimpleNamespace(isatty=lambda err=err: err))
        monkeypatch.setenv("TERM", term)
        assert isinstance(display.for_person(), Terminal) == (out and err and term == "xterm")


def test_names_from_outside_do_not_reach_the_terminal_or_the_script_raw(monkeypatch, capsys):
    monkeypatch.setattr(labels, "model_label", lambda spec: "\x1b[31m[red]\n")
    Console(width=80).print(table_of([begun(job())], 80))
    assert r"\x1b[31m[red]\n seed 0" in capsys.readouterr().out
    Events().started(job())
    (line,) = capsys.readouterr().out.splitlines()
    assert "\x1b" not in line
    assert json.loads(line)["model"] == "\x1b[31m[red]\n"


def test_a_script_gets_json_and_nothing_else(tmp_path, capsys):
    words = ["--models", "popularity", "mult-vae", "--seeds", "0", "--json"]
    assert run_tiny(tmp_path / "out", "--datasets", small_file(tmp_path), *words) == 0
    out, err = capsys.readouterr()
    assert "small.csv: " in err  # what a data set says of its file
    events = [json.loads(line) for line in out.splitlines()]
    records = {record.spec.model: record for record in store.read_all(tmp_path / "out")}
    kinds = ["trial started", "epoch", "trial ended", "trial started", *["epoch"] * 3]
    kinds += ["trial ended", "written", "tables"]
    assert [event["event"] for event in events] == ["trials", *kinds]
    assert (events[0]["done"], events[0]["to_run"]) == (0, 2)
    of_vae = [e for e in events if e.get("id") == records["mult-vae"].id]
    epochs = [event for event in of_vae if event["event"] == "epoch"]
    for event, point in zip(epochs, records["mult-vae"].curve, strict=True):
        assert (event["epoch"], event["planned"]) == (point["epoch"], 3)
        shared = ("validation", "loss", "beta")
        assert {name: event[name] for name in shared} == {name: point[name] for name in shared}
    last, metrics = of_vae[-1], records["mult-vae"].metrics
    assert (last["status"], last["seed"]) == ("ok", 0)
    assert last["metrics"] == {name: value.mean for name, value in (metrics or {}).items()}
    rows = events[-1]["tables"][0]["rows"]
    with (tmp_path / "out" / "report" / "results.csv").open() as file:
        assert [row["model"] for row in rows] == [row["model"] for row in csv.DictReader(file)]
    assert run_tiny(tmp_path / "out", "--datasets", small_file(tmp_path), *words) == 0
    again = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in again] == ["trials", "tables"]


def test_quiet_prints_the_tables_alone(tmp_path, said):
    words = ["--datasets", small_file(tmp_path), "--models", "popularity", "--quiet"]
    assert run_tiny(tmp_path / "out", *words) == 0
    first, *rest = said()
    assert first.startswith("file:small: ")
    assert any(line.startswith("| popularity") for line in rest)
    assert not [line for line in rest if line.startswith(("trials", "[", "Written"))]


@pytest.mark.parametrize("words", [("--quiet", "--json"), ("--json", "--verbose")])
def test_options_that_exclude_each_other_are_refused(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--models", "ease", *words])
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [[], ["tune"]])
@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_a_dry_run_is_for_persons(verb, option, capsys):
    assert main([*verb, *DATA, "--models", "ease", "--dry-run", option]) == 2
    assert f"--dry-run only prints lines, and {option} rules them out" in capsys.readouterr().err


def test_which_trials_run_on_a_cluster_is_what_its_queue_says(tmp_path, monkeypatch, said):
    submitit = pytest.importorskip("submitit")
    monkeypatch.setattr(submitit.SlurmExecutor, "affinity", lambda: 1)
    states = "7_0 RUNNING None\n7_1 PENDING Resources\n"
    answer, asked = SimpleNamespace(returncode=0, stdout=states), list[list[str]]()
    monkeypatch.setattr(
        slurm_queue.subprocess, "run", lambda command, **_: asked.append(command) or answer
    )
    cluster = slurm.Slurm(tmp_path, lambda job: Resources(1, 1), {}, display=Events())
    jobs, running = [job(seed=0), job(seed=1)], dict[str, UnderWay]()
    cluster.folder.mkdir()
    for number, one in enumerate(jobs):
        cluster.number_path(one).write_text(f"7_{number}")
    for _ in range(2):
        for one in jobs:
            cluster.look(one, slurm_queue.queue(), running)
    assert [trial.job for trial in running.values()] == jobs[:1]
    assert [json.loads(line)["event"] for line in said()] == ["trial started"]
    cluster.look(jobs[0], {"7_0": slurm_queue.Queued("PENDING", slurm_queue.HELD)}, running)
    assert running == {}
    assert "a node could not start synthetic mult-vae seed 0; " in json.loads(said()[-1])["text"]
    assert asked[-1] == ["scontrol", "release", "7_0"]


def test_a_run_waits_while_slurm_does_not_answer(tmp_path, monkeypatch, said):
    submitit = pytest.importorskip("submitit")
    monkeypatch.setattr(submitit.SlurmExecutor, "affinity", lambda: 1)
    monkeypatch.setattr(slurm_queue, "TICK_SECONDS", 0.0)
    down = SimpleNamespace(returncode=1, stderr="connect\nfailure")
    answers = [down, down, SimpleNamespace(returncode=0, stdout="7_0 RUNNING None\n"), down]
    monkeypatch.setattr(slurm_queue.subprocess, "run", lambda *_, **__: answers.pop(0))
    cluster = slurm.Slurm(tmp_path, lambda job: Resources(1, 1), {}, display=Events())
    assert cluster.queued() == {"7_0": slurm_queue.Queued("RUNNING", "None")}
    (note,) = [json.loads(line)["text"] for line in said()]
    assert note == "Slurm does not answer: connect failure; waiting until it does"
    monkeypatch.setattr(slurm_queue, "OUTAGE_SECONDS", -1.0)
    with pytest.raises(DataError, match="Slurm does not answer: connect failure"):
        cluster.queued()


def test_a_cursor_stays_for_whoever_kills_the_run(capsys):
    with terminal.Plain(stderr=True, force_terminal=True) as console:
        console.show_cursor(False)
    assert capsys.readouterr().err == ""
