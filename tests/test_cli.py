"""What a person does at the command line, and what is said to bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import dropwhile, takewhile
from pathlib import Path

import numpy as np
import pytest

from benchmark import labels, suite
from benchmark.catalog import look_up
from benchmark.cli import main, parser
from benchmark.errors import UsageError
from benchmark.evaluation.metrics import HEADLINE, Metric, standard_error
from benchmark.paths import ROOT
from benchmark.plan import choose, plan
from benchmark.records import store
from benchmark.report import render
from benchmark.report.rows import models, rows
from benchmark.spec import PROTOCOL
from benchmark.stats import leaders
from datasets.registry import DATASETS
from models.registry import MODELS
from tests.conftest import results, run_tiny, small_file


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def test_a_run_prints_a_table_and_every_path_and_again_does_nothing(
    finished, tmp_path, capsys, monkeypatch
):
    first = finished.with_name("finished.said").read_text()
    assert "trials: 0 done before, 12 to run" in first
    told = first.split("Written:")[1].split("\n\n")[0]
    listed = {line.strip() for line in told.splitlines() if line.strip()}
    on_disk = {str(p) for p in finished.rglob("*") if p.is_file()}
    # four files a trial and the weights of ten; three tables in three formats, a figure, a page
    assert len(on_disk) == 12 * 4 + 10 + 11
    assert on_disk <= listed
    assert len(listed) == len(on_disk) + 1  # and the split
    shutil.copytree(finished, tmp_path / "out")
    monkeypatch.setenv("BENCH_CACHE_DIR", str(finished.with_name("finished.cache")))
    assert run_tiny(tmp_path / "out") == 0
    changed = capsys.readouterr().out.partition("Written:")[2].partition("\n\n")[0]
    assert changed.split() == ["1", "file", "in", str(tmp_path / "out" / "report")]
    before = snapshot(tmp_path)  # the page names the folder
    assert run_tiny(tmp_path / "out") == 0
    again = capsys.readouterr().out
    assert "trials: 12 done before, 0 to run" in again
    assert "Written" not in again
    assert snapshot(tmp_path) == before
    assert table_of(again) == table_of(first)


def test_what_was_written_is_a_line_for_each_folder_and_the_tables_come_last(tmp_path, capsys):
    words = ["--models", "popularity", "ease", "--datasets", small_file(tmp_path)]
    assert run_tiny(tmp_path / "out", *words) == 0
    said = capsys.readouterr().out
    told, *tables = said.split("Written:\n")[1].split("\n\n")
    split, records, report = (line.strip() for line in told.splitlines())
    assert re.fullmatch(r"1 split in \S+", split)
    assert records == f"2 records in {tmp_path / 'out'}"
    assert re.fullmatch(rf"\d+ files in {tmp_path / 'out' / 'report'}", report)
    assert tables[1].startswith("| model")


def table_of(text: str) -> list[str]:
    """The lines of the first table."""
    lines = iter(text.splitlines())
    return list(
        takewhile(
            lambda line: line.startswith("|"),
            dropwhile(lambda line: not line.startswith("|"), lines),
        )
    )


def model_of(line: str) -> str:
    """Return the label in a table's line, without its mark."""
    return line.split("|")[1].strip().removesuffix(" (unfinished)")


def test_the_table_equals_a_recomputation_by_hand(finished, capsys, monkeypatch):
    monkeypatch.setattr("benchmark.stats.COARSE", 1)  # few users, on whom little can be found
    assert main(["report", "--out", str(finished), "--metrics", "Recall@10", "MRR@10"]) == 0
    table = table_of(capsys.readouterr().out)
    cells = {model_of(line): [c.strip() for c in line.split("|")[2:-1]] for line in table[2:]}
    assert len(cells) == 8
    found = store.read_all(finished)
    competing = {row.label for row in models(rows(found))}
    per_user: dict[str, dict[str, np.ndarray]] = {"Recall@10": {}, "MRR@10": {}}  # seeds, users
    for label, row in cells.items():
        for place, metric in ((3, Metric("Recall", 10)), (4, Metric("MRR", 10))):
            mine = [metric(*store.hits(finished, r)) for r in found if r.label == label]
            values = [float(m.mean()) for m in mine]
            mean = sum(values) / len(values)
            if label in competing:
                per_user[str(metric)][label] = np.array(mine)
            spread = (
                "-"
                if len(values) == 1
                else f"{(2 * sum((v - mean) ** 2 for v in values) / 2) ** 0.5:.4f}"
            )
            error = sum(standard_error(m) for m in mine) / len(mine)
            assert row[place].replace("*", "") == f"{mean:.4f} ± {spread} ({error:.4f})"
            assert row[2] == ("-" if len(values) == 1 else "2")
    for place, metric in ((3, "Recall@10"), (4, "MRR@10")):
        bold = {label for label, row in cells.items() if "**" in row[place]}
        labels, values = list(per_user[metric]), list(per_user[metric].values())
        leading = leaders(values)
        assert leading is not None
        assert labels[int(np.argmax([each.mean() for each in values]))] in bold
        assert bold == {labels[n] for n in leading.marked}


def test_stored_metrics_equal_those_of_the_per_user_file(finished):
    for record in store.read_all(finished):
        assert record.metrics is not None
        for metric in HEADLINE:
            per_user = metric(*store.hits(finished, record))
            assert record.metrics[str(metric)].mean == pytest.approx(per_user.mean(), rel=1e-12)


def test_load_gives_one_row_a_trial(finished):
    frame = store.load(finished)
    assert len(frame) == 12
    assert set(frame["spec.model"]) == {*suite.load("demo").models, "oracle", "bayes"}
    assert frame["metrics.NDCG@100.mean"].between(0, 1).all()
    assert sorted(frame.loc[frame["spec.model"] == "mult-vae", "spec.seed"]) == [0, 1]


def test_other_options_are_another_row(capsys, tmp_path):
    words = ("--datasets", small_file(tmp_path), "--models", "mult-dae", "--seeds", "0")
    assert run_tiny(tmp_path, *words) == 0
    assert run_tiny(tmp_path, *words, "--set", "mult-dae.latent=4") == 0
    capsys.readouterr()
    assert main(["report", "--out", str(tmp_path)]) == 0
    labels = [model_of(line) for line in table_of(capsys.readouterr().out)[2:]]
    assert labels == [f"mult-dae[latent={k},batch=50,epochs=3]" for k in (4, 8)]


def test_force_runs_again_and_replaces(tmp_path, capsys):
    out, arguments = (
        tmp_path / "out",
        ("--datasets", small_file(tmp_path), "--models", "popularity"),
    )
    run_tiny(out, *arguments)
    before = snapshot(out)
    run_tiny(out, *arguments, "--force")
    after = snapshot(out)
    assert "0 done before, 1 to run" in capsys.readouterr().out.split("Written")[1]
    assert after.keys() == before.keys()
    assert all(after[name][0] != before[name][0] for name in after if "report" not in name)
    assert all(after[name][1] == before[name][1] for name in after if name.endswith("parquet"))


def test_dry_run_writes_nothing(tmp_path, capsys, own_cache):
    assert run_tiny(tmp_path / "out", "--dry-run") == 0
    text = capsys.readouterr().out
    assert "users = 240  (--set)" in text
    about = "how long they take is known after the first"
    assert f"  mult-vae[latent=8,batch=50,epochs=3]: 2 trials, 2 of them to run; {about}\n" in text
    assert "\n    seed 0, cpu, " in text
    assert "latent = 8  (--set)" in text
    assert "hidden = 600  (default)" in text
    assert not (tmp_path / "out").exists()
    assert list(own_cache.iterdir()) == []
    assert main(["--datasets", "ml1m", "--data-dir", str(tmp_path / "none"), "--dry-run"]) == 0


def test_dry_run_says_what_is_done(tmp_path, capsys):
    data = ("--datasets", small_file(tmp_path))
    run_tiny(tmp_path, *data, "--models", "popularity")
    capsys.readouterr()
    run_tiny(tmp_path, *data, "--models", "popularity", "ease", "--dry-run")
    text = capsys.readouterr().out
    assert "  popularity: 1 trial, 0 of them to run\n    cpu, fp32: done\n" in text
    ease = "  ease: 1 trial, 1 of them to run; how long they take is known after the first\n"
    assert f"{ease}    cpu, fp32: to run, about 0.3 GB\n" in text
    assert text.endswith("1 trial to run; how long they take is known after the first\n")
    run_tiny(tmp_path, *data, "--models", "popularity", "--force", "--dry-run")
    assert "cpu, fp32: to run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--datasets", "ml1n"], "there is no data set 'ml1n', did you mean 'ml1m'?"),
        (["--models", "mult-vea"], "there is no model 'mult-vea', did you mean 'mult-vae'?"),
        (["--sedes", "1"], "a run has no option --sedes, did you mean '--seeds'?"),
        (["--dataset", "ml1m"], "a run has no option --dataset, did you mean '--datasets'?"),
        (["--metrics", "NDCG@10"], "a run has no option --metrics; it is an option of report;"),
        (
            ["report", "--seeds", "0"],
            "report has no option --seeds; it is an option of a run and tune;",
        ),
        (["--metric", "NDCG@10"], "no option --metric, did you mean '--metrics' of report?"),
        (["report", "--tabel", "3"], "report has no option --tabel, did you mean '--table'?"),
        (["--tabel", "3"], "a run has no option --tabel, did you mean '--table' of report?"),
        (["--gpu"], "a run has no option --gpu; see"),
        (
            ["report", "results/runs"],
            "no place for 'results/runs'; the folder is named by --out, as in --out results/runs;",
        ),
        (["contract", "a.py", "b.py"], "there is no place for 'b.py'; see"),
        (
            ["export-split", "--dataset", "synthetic"],
            "no option --dataset: the name stands alone, as in export-split NAME;",
        ),
        (["report", "--out", ""], "'' will not do: it must name a folder, as . or results"),
        (["report", "--metrics", f"Recall@{'9' * 5000}"], "needs a cutoff of 1 to 100, as in Rec"),
        (["ml1m"], "there is no verb 'ml1m'; the verbs are report, verify,"),
        (["--force", "ml1m"], "there is no verb 'ml1m'; the verbs are report, verify,"),
        (["--datasets", "clicks.csv"], "your own data is named file:clicks.csv"),
        (["--datasets", "../clicks"], "your own data is named file:../clicks"),
        (["--seeds", "-1"], "'-1' will not do: it must be a whole number from 0"),
        (["--seeds", "x"], "'x' will not do: it must be a whole number from 0"),
        (["--threads", "0"], "'0' will not do: it must be a whole number from 1"),
        (["--jobs", "0"], "'0' will not do: it must be a whole number from 1"),
        (["--timeout", "soon"], "'soon' will not do: it must be a number from 0"),
        (["--force", "--retry"], "--retry: not allowed with argument --force"),
        (
            ["--set", "latnt=3"],
            "model and no data set has an option 'latnt', did you mean 'latent'?",
        ),
        (["--set", "mult-vae.latnt=3"], "mult-vae has no option 'latnt', did you mean 'latent'?"),
        (
            ["--set", "mult-vae.latent=0"],
            "mult-vae.latent = 0 will not do: it should be greater than 0",
        ),
        (["--set", "mult-vae.latent=abc"], "mult-vae.latent = 'abc' will not do"),
        (["--set", "ease.l2=NaN"], "ease.l2 = nan will not do"),
        (["--set", "mult-vae.latent"], "must read NAME.OPTION=VALUE"),
        (
            ["--models", "ease", "--set", "mult-vae.latent=3"],
            "'mult-vae' is not among the chosen ones",
        ),
        (["--set", "mult-vea.latent=3"], "'mult-vea' is unknown, did you mean 'mult-vae'?"),
        (["--set", "synthetic.held_out=5000"], "held_out = 5000 takes 10000 of the"),
        (["--set", "synthetic.min_items_per_user=900"], "none of"),
        (["report", "--out", "nowhere"], "nowhere holds no record"),
        (["verify", "nowhere"], "nowhere holds no record"),
        (["evaluate", "--dataset", "ml1n", "--lists", "x", "--name", "x"], "did you mean 'ml1m'"),
        (
            ["evaluate", "--dataset", "synthetic", "--lists", "no.parquet", "--name", "x"],
            "no.parquet cannot be read",
        ),
        (
            ["evaluate", "--dataset", "synthetic", "--lists", "x", "--name", "ease"],
            "--name 'ease' is taken",
        ),
        (["report", "--metrics", "NDGC@10"], "there is no metric 'NDGC', did you mean 'NDCG'?"),
        (["reprot"], "there is no verb 'reprot', did you mean 'report'?"),
        (["export-split", "ml2m", "x"], "there is no data set 'ml2m'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    arguments, sentence, capsys, tmp_path, monkeypatch
):
    if arguments[0].startswith("--"):
        arguments = [*arguments, "--out", str(tmp_path / "out")]
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr().err.strip()
    assert code == 2
    assert sentence in said
    assert "\n" not in said
    assert not (tmp_path / "out").exists()


def test_without_cuda_asking_for_it_is_refused(capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["--device", "cuda"]) == 2
    assert "no CUDA device" in capsys.readouterr().err


def test_auto_resolves_device_and_precision(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    vae, ease = MODELS["mult-vae"], MODELS["ease"]
    assert [plan.device_for(vae, d) for d in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    assert [plan.device_for(ease, d) for d in ("auto", "cpu", "cuda")] == ["cpu", "cpu", "cuda"]
    asked = ("auto", "fp32", "tf32", "bf16")
    for usual in ("bf16", "fp32"):
        rule = (usual, "a rule")
        monkeypatch.setattr("benchmark.environment.auto_precision", lambda rule=rule: rule)
        assert [plan.precision_for(vae, p, "cpu") for p in asked] == [usual, "fp32", "tf32", "bf16"]
        assert [plan.precision_for(vae, p, "cuda") for p in asked] == [
            "fp32",
            "fp32",
            "tf32",
            "bf16",
        ]
        assert [plan.precision_for(ease, p, "cpu") for p in asked] == ["fp32"] * 4


def test_two_devices_are_two_trials_where_the_model_has_both(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    asked = choose.plan(
        ["ml1m"], ["mult-vae", "ease"], [0, 1], devices=["cpu", "cuda", "cpu"], precision="fp32"
    )
    vae, ease = asked.lineups[0].models
    specs = plan.specs_of(vae, asked, "ml1m", "")
    assert [(spec.device, spec.seed) for spec in specs] == [
        ("cpu", 0),
        ("cpu", 1),
        ("cuda", 0),
        ("cuda", 1),
    ]
    assert [spec.device for spec in plan.specs_of(ease, asked, "ml1m", "")] == ["cpu"]
    alone = choose.plan(["ml1m"], ["ease"], [0], devices=["cuda"])
    # a row that says it cannot
    assert [spec.device for spec in plan.specs_of(ease, alone, "ml1m", "")] == ["cuda"]


@pytest.mark.parametrize(("device", "there"), [("cpu", True), ("auto", False)])
def test_tf32_is_for_a_gpu(device, there, monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: there)
    assert main(["--precision", "tf32", "--device", device, "--dry-run"]) == 2
    assert "only a CUDA device" in capsys.readouterr().err


def broken(finished: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the records, and one of its JSON files."""
    for path in finished.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path, min(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda path: path.write_text(path.read_text()[:100]), "is not a record"),
        (lambda path: path.write_text("[]"), "is not a record"),
        (
            lambda path: path.write_text(
                json.dumps(json.loads(path.read_text()) | {"record_version": 3})
            ),
            "update the",
        ),
        (
            lambda path: path.write_text(
                json.dumps(json.loads(path.read_text()) | {"status": "fine"})
            ),
            "was altered after it was written",
        ),
        (
            lambda path: path.write_text(
                json.dumps(json.loads(path.read_text()) | {"status": "fine", "record_version": 1})
            ),
            "not a whole",
        ),
        (lambda path: path.with_suffix(".parquet").unlink(), "is missing"),
        (
            lambda path: path.with_suffix(".parquet").write_bytes(b"PAR1"),
            "is not the file whose sha256",
        ),
    ],
)
def test_a_record_that_cannot_be_trusted_is_named(change, sentence, finished, tmp_path, capsys):
    folder, path = broken(finished, tmp_path)
    change(path)
    assert main(["report", "--out", str(folder)]) == 2
    said = capsys.readouterr().err.strip()
    assert path.stem in said
    assert sentence in said
    assert "\n" not in said


def test_an_unreadable_record_stops_a_run_before_it_trains(finished, tmp_path, capsys):
    folder, path = broken(finished, tmp_path)
    path.write_text("{")
    next(
        p for p in folder.glob("*.json") if p != path
    ).unlink()  # so that there is something to train
    before = snapshot(folder)
    assert run_tiny(folder) == 2
    assert snapshot(folder) == before


def test_a_file_for_a_folder_is_refused(tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert run_tiny(tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert f"can be no folder ({tmp_path / 'out'} is a file)" in said


def test_older_code_is_left_out_and_counted(finished):
    found = [r for r in store.read_all(finished) if r.label.startswith("mult-vae")]
    old = found[0].model_copy(
        update={
            "spec": found[0].spec.model_copy(update={"code": "0"}),
            "finished": "2020-01-01T00:00:00",
        }
    )
    row = rows([old, *found])[0]
    assert ([r.spec.seed for r in row.records], row.older) == ([0, 1], 1)
    assert {r.id for r in row.records} == {r.id for r in found}
    assert "Left out: 1 record of older code" in render.markdown(
        results([old, *found], finished, HEADLINE)
    )


def test_rows_never_mix_what_must_be_apart(finished):
    record = next(r for r in store.read_all(finished) if r.label.startswith("mult-vae"))
    others = [
        record.model_copy(update={"spec": record.spec.model_copy(update={key: value})})
        for key, value in {"device": "cuda", "precision": "tf32"}.items()
    ]
    others += [
        record.model_copy(
            update={
                "spec": record.spec.model_copy(update={"config": record.spec.config | {"x": 1}})
            }
        )
    ]
    assert len(rows([record, *others])) == 4
    split = record.model_copy(
        update={"spec": record.spec.model_copy(update={"split_hash": "1" * 64})}
    )
    assert len(results([record, split], finished, HEADLINE)) == 2


def test_list_shows_every_option(capsys):
    assert main(["list"]) == 0
    text = capsys.readouterr().out
    for entry in (*DATASETS.values(), *MODELS.values()):
        assert f"  {entry.name}: " in text
        assert all(f"    {option} = " in text for option in labels.flat(entry.config))
    assert all(line.startswith("  ") or line.endswith(":") for line in text.splitlines() if line)
    assert "(from " not in text  # all that is listed is this project's


def test_help_names_every_verb_and_fits_a_terminal():
    text = parser().format_help()
    assert all(
        verb in text
        for verb in (
            "report",
            "verify",
            "evaluate",
            "list",
            "export-split",
            "doctor",
            "selftest",
            "examples:",
        )
    )


def test_export_split_writes_what_training_reads(tmp_path, capsys, own_cache):
    from datasets import cache, pro_sg

    assert main(["export-split", "synthetic", str(tmp_path / "six")]) == 0
    text = capsys.readouterr().out
    entry = DATASETS["synthetic"]
    made = cache.prepare("synthetic", entry.dataset(entry.config), tmp_path, own_cache, PROTOCOL)
    assert not made.made  # the export made it
    assert f"split {made.split_hash}" in text
    assert {p.name: p.read_bytes() for p in (tmp_path / "six").iterdir()} == dict(
        pro_sg.files(made.split)
    )
    assert main(["export-split", "synthetic", str(tmp_path / "six")]) == 0
    assert capsys.readouterr().out == text  # the same command again, as after a kill
    assert (
        main(["export-split", "synthetic", str(tmp_path / "six"), "--set", "synthetic.users=240"])
        == 2
    )
    assert "exists already, with other content" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [[], ["evaluate", "--lists", "x", "--dataset", "synthetic"]])
@pytest.mark.parametrize("below", ["file/sub", "file/sub/sub", "x" * 300, "file"])
def test_an_out_that_can_be_no_folder_is_told_at_once(verb, below, tmp_path, own_cache, capsys):
    (tmp_path / "file").write_text("")
    words = [*verb, *(["--name", "mine"] if verb else ["--models", "popularity"])]
    assert main([*words, "--out", str(tmp_path / below)]) == 2
    said = capsys.readouterr().err
    assert f"--out {tmp_path / below} can be no folder (" in said
    assert len(said.splitlines()) == 1
    assert list(own_cache.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["report", "--out", "PATH"],
        ["verify", "PATH"],
        ["export-split", "synthetic", "PATH"],
        ["--suite", "PATH.toml", "--dry-run"],
        ["--datasets", "file:PATH.csv", "--dry-run"],
        ["list", "--plugin", "PATH"],
    ],
)
@pytest.mark.parametrize("name", ["file/sub", "x" * 300])
def test_a_path_that_cannot_be_is_one_sentence(name, words, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([word.replace("PATH", str(tmp_path / name)) for word in words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("text", ["[[[[", "[" * 10**5, '{"a":' * 10**5, "1" * 5000, "NaN"])
def test_a_value_that_is_no_json_is_one_sentence(text, capsys):
    assert main(["--models", "ease", "--set", f"ease.l2={text}", "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert "will not do" in said
    assert len(said.splitlines()) == 1


STRUCK = """
import os, signal, sys

class Strike:
    def find_spec(name, *_):
        if name == os.environ["STRIKE"]:
            sys.meta_path.remove(Strike)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Strike)
"""
"""A sitecustomize.py that presses Ctrl-C when a module is about to be imported."""


@pytest.mark.parametrize("module", ["argparse", "pydantic", "numpy.linalg", "torch", "scipy"])
@pytest.mark.parametrize("program", [["run_all.py"], ["-m", "benchmark.trial", "SPEC.json"]])
def test_ctrl_c_while_libraries_are_imported_is_one_sentence(program, module, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(STRUCK)
    around = os.environ | {"PYTHONPATH": str(tmp_path), "STRIKE": module}
    command = [sys.executable, *program]
    run = subprocess.run(command, cwd=ROOT, env=around, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (130, "")
    assert run.stderr.endswith(": stopped; the same command goes on from there\n")
    assert len(run.stderr.strip().splitlines()) == 1


def test_the_command_runs_as_a_program_off_a_terminal(tmp_path):
    command = [
        sys.executable,
        "run_all.py",
        "--out",
        str(tmp_path),
        "--models",
        "popularity",
        "--datasets",
        small_file(tmp_path),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert "[1/1] file:small popularity: NDCG@100" in run.stdout


def test_who_reads_the_output_may_stop_as_head_does():
    """Before the first line, whether that is written at once or when the program ends."""
    for words in (["list"], ["--models", "ease", "--dry-run"]):
        with subprocess.Popen(
            [sys.executable, "run_all.py", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as run:
            assert run.stdout
            assert run.stderr
            run.stdout.close()
            assert (run.stderr.read(), run.wait()) == (b"", 141)


def test_look_up_suggests():
    with pytest.raises(UsageError, match="did you mean 'ease'"):
        look_up("model", "EASE", MODELS)
