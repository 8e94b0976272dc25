"""Shards of a run, and folders of records put together."""

from __future__ import annotations

import json
import shutil
from itertools import chain
from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.plan.deal import Deal
from benchmark.records import merge, store
from benchmark.records.record import Record
from datasets.errors import DataError
from tests.alterations import changed, field, of, put
from tests.conftest import run_tiny, small_file
from tests.inline import inline

SAME = ["--device", "cpu", "--precision", "fp32"]


def contents(folder: Path) -> dict[str, bytes]:
    """What a folder holds, but for the reports and what only says how long something took."""
    found = (path for path in folder.rglob("*") if path.is_file() and "report" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def without_times(record: Record) -> dict:
    """A record without what may differ if its trial runs again."""
    varying = {"cost", "started", "finished", "other_work", "checksum", "beside_others"}
    return record.model_dump(exclude=varying)


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    """A copy of a small run's folder."""
    there = tmp_path / "run"
    shutil.copytree(finished, there, ignore=shutil.ignore_patterns("report", ".*"))
    return there


def part_of(folder: Path, to: Path, models: set[str]) -> Path:
    """A new folder with the trials of some of the models in ``folder``."""
    for record in store.read_all(folder):
        if record.spec.model in models:
            store.copy(folder, record.id, to)
    return to


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
def test_every_trial_comes_to_one_shard_however_the_plan_is_asked(count):
    trials = list(range(13))
    shards = [Deal((number, count)).keep(trials) for number in range(1, count + 1)]
    assert sorted(chain(*shards)) == trials
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    for number, shard in enumerate(shards, start=1):
        deal = Deal((number, count))
        pieces = [deal.keep(piece) for piece in (trials[:4], [], trials[4:5], trials[5:])]
        assert list(chain(*pieces)) == shard
    assert Deal(None).keep(trials) == trials


def test_shards_merged_are_the_whole_run(tmp_path, capsys):
    data = ("--datasets", small_file(tmp_path), *SAME)
    words = (*data, "--models", "popularity", "ease", "mult-dae", "--seeds", "0", "1")
    shards = [tmp_path / f"shard-{number}" for number in (1, 2, 3)]
    for number, out in enumerate(shards, start=1):
        run_tiny(out, *words, "--shard", f"{number}/3", "--dry-run")
        said = capsys.readouterr().out
        assert run_tiny(out, *words, "--shard", f"{number}/3") == 0
        trials = len(store.read_all(out))
        assert f"{trials} trial{'s' if trials > 1 else ''} to run" in said
        assert f"{trials} to run (of 4 that the shards share)" in capsys.readouterr().out
    assert run_tiny(tmp_path / "whole", *words) == 0
    capsys.readouterr()
    merged = tmp_path / "merged"
    assert main(["merge", *map(str, shards), "--out", str(merged)]) == 0
    said = capsys.readouterr().out
    assert "4 records in " in said
    assert said.endswith(
        f"4 trials copied to {merged}, which has 4 now; 0 were in several folders, with the same "
        "results\n"
    )
    by_id = {record.id: without_times(record) for record in store.read_all(tmp_path / "whole")}
    assert {r.id: without_times(r) for r in store.read_all(merged)} == by_id
    # every file of a trial is there, as it was
    assert contents(merged) == contents(shards[0]) | contents(shards[1]) | contents(shards[2])
    assert main(["verify", str(merged)]) == 0


def test_merging_again_changes_nothing(folder, tmp_path, capsys):
    out = part_of(folder, tmp_path / "out", {"ease"})
    before = contents(out)
    assert main(["merge", str(folder), "--out", str(out)]) == 0
    whole = contents(out)
    assert before.items() <= whole.items()
    assert whole == contents(folder)
    capsys.readouterr()
    assert main(["merge", str(folder), str(folder), "--out", str(out)]) == 0
    assert contents(out) == whole
    assert "0 trials copied to " in (said := capsys.readouterr().out)
    assert "; 12 were in several folders, with the same results" in said


def test_of_equal_records_the_first_stays(folder, tmp_path):
    other, out = part_of(folder, tmp_path / "other", {"ease"}), tmp_path / "out"
    changed(field("environment", "commit", to=None), "ease")(other)
    assert main(["merge", str(other), str(folder), "--out", str(out)]) == 0
    assert of(out, "ease").read_bytes() == of(other, "ease").read_bytes()
    assert of(out, "ease").read_bytes() != of(folder, "ease").read_bytes()


def failed(folder: Path, model: str) -> None:
    """Make a model's record that of a failure."""
    record = of(folder, model)
    for suffix in store.SUFFIXES[1:]:
        record.with_suffix(suffix).unlink(missing_ok=True)
    nothing = dict.fromkeys(
        ("metrics", "per_user", "tied_rows", "best_epoch", "best_validation"), None
    )
    put(record, json.loads(record.read_text()) | nothing | {"status": "oom", "reason": "too much"})


def test_an_ok_record_counts_before_a_failure(folder, tmp_path):
    other, out = part_of(folder, tmp_path / "other", {"ease", "als"}), tmp_path / "out"
    failed(other, "ease")
    assert main(["merge", str(other), str(folder), "--out", str(out)]) == 0
    assert contents(out) == contents(folder)


def refusal(capsys, *words: Path | str) -> str:
    """What is said by a merge that must be refused."""
    assert main(["merge", *map(str, words)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_a_failure_in_out_is_not_replaced(folder, tmp_path, capsys):
    out = part_of(folder, tmp_path / "out", {"ease"})
    failed(out, "ease")
    before = contents(out)
    said = refusal(capsys, folder, "--out", out)
    assert f" ease) is ok in {folder} and a failure in {out}; delete its files" in said
    assert contents(out) == before


def test_other_results_of_one_trial_are_named_and_nothing_is_merged(folder, tmp_path, capsys):
    other, out = part_of(folder, tmp_path / "other", {"mult-vae", "ease"}), tmp_path / "out"
    changed(field("curve", 1, "loss", to=4.5), "mult-vae")(other)
    changed(field("best_validation", to=0.5), "ease")(other)
    changed(field("curve", 0, "validation", to=0.5), "ease")(other)
    assert main(["verify", str(other)]) == 0
    capsys.readouterr()
    said = refusal(capsys, folder, other, "--out", out)
    assert f"seed 0) has other results in {folder} than in {other}: curve; delete" in said
    assert f"ease) has other results in {folder} than in {other}: best_validation, curve" in said
    assert said.endswith("nothing was merged\n")
    assert not out.exists()


def test_a_faulty_folder_is_named_and_nothing_is_merged(folder, tmp_path, capsys):
    other, out = part_of(folder, tmp_path / "other", {"ease"}), tmp_path / "out"
    of(other, "ease").with_suffix(".parquet").write_bytes(b"")
    said = refusal(capsys, folder, other, "--out", out)
    assert str(other) in said
    assert "nothing was merged; mend or leave out what is wrong" in said
    assert not out.exists()


def test_folders_that_contradict_each_other_are_named(folder, tmp_path, capsys):
    """Each is whole by itself, but they speak of other test users."""
    other, out = part_of(folder, tmp_path / "other", {"ease"}), tmp_path / "out"
    part_of(folder, tmp_path / "rest", {"popularity"})
    changed(field("data", "items", to=61), "ease")(other)
    of(other, "ease").with_suffix(".top.parquet").unlink()
    assert main(["verify", str(other)]) == 0
    capsys.readouterr()
    said = refusal(capsys, tmp_path / "rest", other, "--out", out)
    assert "the size of its split is not that of" in said
    assert not out.exists()


def test_a_folder_without_records_is_refused(folder, tmp_path, capsys):
    empty = tmp_path / "empty"
    assert f"{empty} holds no record; name folders" in refusal(
        capsys, folder, empty, "--out", tmp_path / "out"
    )
    assert not (tmp_path / "out").exists()


def test_a_record_that_came_meanwhile_is_not_replaced(folder, tmp_path):
    record = store.read(of(folder, "ease"))
    out = part_of(folder, tmp_path / "out", {"ease"})
    before = contents(out)
    with pytest.raises(DataError, match="meanwhile; give the command again"):
        merge.copied(merge.Copy(folder, record), out)
    assert contents(out) == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--shard", "3/2"], "'3/2' will not do: it must be like 2/8"),
        (["--shard", "0/2"], "'0/2' will not do"),
        (["--shard", "2"], "'2' will not do"),
        (["--shard", "a/b"], "'a/b' will not do"),
        (["--shard", "1/2"], "--shard needs --device and --precision"),
        (["--shard", "1/2", "--device", "cpu"], "--shard needs --device and --precision"),
        ([*SAME, "--shard", "1/2", "--beta-heuristic"], "does not go with --beta-heuristic"),
        (["tune", *SAME, "--shard", "1/2", "--seconds", "9"], "does not go with --seconds"),
        (["tune", *SAME, "--shard", "1/2", "--sampler", "tpe"], "does not go with --sampler"),
    ],
)
def test_what_machines_cannot_share_is_refused(words, sentence, capsys):
    try:
        code = main(words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert sentence in capsys.readouterr().err


def test_a_search_is_shared(tmp_path, capsys):
    words = ("--datasets", small_file(tmp_path), *SAME, "--models", "ease", "item-knn")
    search = ["tune", *words, "--trials", "3"]
    for number in (1, 2):
        out = tmp_path / f"shard-{number}"
        with inline():
            assert main([*search, "--out", str(out), "--shard", f"{number}/2"]) == 0
        assert len(store.read_all(out)) == 3
        capsys.readouterr()
        assert main([*search, "--out", str(out), "--shard", f"{number}/2", "--dry-run"]) == 0
        assert "0 trials to run" in capsys.readouterr().out
    folders = [str(tmp_path / f"shard-{number}") for number in (1, 2)]
    assert main(["merge", *folders, "--out", str(tmp_path / "all")]) == 0
    with inline():
        assert main([*search, "--out", str(tmp_path / "all")]) == 0
    assert "trials: 6 done before, 0 to run" in capsys.readouterr().out


def test_splits_are_prepared_for_machines_without_raw_files(tmp_path, capsys, own_cache):
    raw = tmp_path / "ml-latest-small" / "ratings.csv"
    raw.parent.mkdir()
    rows = (f"{user},{(user * 7 + i * i) % 40},5.0,0\n" for user in range(90) for i in range(12))
    raw.write_text("".join(["userId,movieId,rating,timestamp\n", *rows]))
    words = ["--datasets", "ml-latest-small", "--data-dir", str(tmp_path)]
    assert main(["prepare", *words, "--split-seeds", "98765", "1"]) == 0
    said = capsys.readouterr().out.splitlines()
    folders = {str(path) for path in own_cache.iterdir() if path.is_dir()}
    assert len(folders) == 2
    assert {line.rpartition(" in ")[2] for line in said if ": split " in line} == folders
    assert any(line.startswith("ml-latest-small[split_seed=1]: split ") for line in said)
    raw.unlink()
    words += ["--models", "popularity", "--split-seeds", "98765", "1"]
    capsys.readouterr()
    assert run_tiny(tmp_path / "out", *words, "--dry-run") == 0
    said = capsys.readouterr().out
    assert f"ml-latest-small: no raw file in {tmp_path}; using the cached split " in said
    assert f"ml-latest-small[split_seed=1]: no raw file in {tmp_path}; using the cached" in said
    assert run_tiny(tmp_path / "out", *words) == 0
    assert "no raw file in" in capsys.readouterr().out
    assert main(["prepare", "--datasets", "ml1m", "--set", "ml1m.min_rating=x"]) == 2
