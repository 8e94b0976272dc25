"""The self-test passes here, and fails where evaluator or split are wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, vstack

from benchmark.cli import main
from benchmark.evaluation import ranking, selftest
from datasets.cache import Prepared
from datasets.split import Interactions, Split
from datasets.synthetic import Synthetic, SyntheticConfig


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    split = Synthetic(SyntheticConfig(users=1500, items=300, density=0.05)).split()[0]
    return Prepared(split, "0" * 64, (), None, Path(), made=False)


def failures(prepared: Prepared, capsys) -> str:
    assert selftest.examine("small", prepared) == 1
    return "\n".join(
        line for line in capsys.readouterr().out.splitlines() if line.startswith("WRONG")
    )


def test_it_passes(prepared, capsys):
    assert selftest.examine("small", prepared) == 0
    assert "small: 17 of 17 checks passed" in capsys.readouterr().out


def test_the_verb_runs_it(capsys):
    assert main(["selftest"]) == 0
    assert "synthetic: 17 of 17 checks passed" in capsys.readouterr().out


def test_ties_broken_by_item_number_are_found(prepared, capsys, monkeypatch):
    monkeypatch.setattr(ranking, "mix", lambda users, items: items.expand(len(users), -1))
    assert "constant scorer, items by popularity: " in failures(prepared, capsys)


def test_a_history_masked_with_zero_is_found(prepared, capsys, monkeypatch):
    real = torch.Tensor.index_put
    monkeypatch.setattr(
        torch.Tensor,
        "index_put",
        lambda self, where, value: real(self, where, value * 0 if False else value.new_zeros(())),
    )
    assert "all negative" in failures(prepared, capsys)


def test_a_recall_over_all_targets_is_found(prepared, capsys, monkeypatch):
    from benchmark.evaluation import metrics

    monkeypatch.setitem(
        metrics.KINDS,
        "Recall",
        lambda hit, targets, cutoff: hit[:, :cutoff].sum(axis=1) / targets / 2,
    )
    assert "perfect scorer: Recall@20" in failures(prepared, capsys)


def test_a_leak_is_found(prepared, capsys):
    split = prepared.split
    test = csr_matrix(split.test.history.matrix + split.test.target.matrix)
    everyone = csr_matrix(vstack([split.train.matrix, test])).tocoo()
    ids = np.concatenate([split.train.user_ids, split.test.history.user_ids])
    train = Interactions(
        everyone.row.astype(np.int32), everyone.col.astype(np.int32), ids, split.train.item_ids
    )
    leaking = replace(prepared, split=Split(train, split.validation, split.test))
    assert "leak canary: NDCG@100 is 1.0000" in failures(leaking, capsys)


def test_popularity_of_held_out_users_is_found(prepared, capsys, monkeypatch):
    from models.popularity import Popularity

    real = Popularity.train_epoch
    extra = prepared.split.test.target.matrix
    monkeypatch.setattr(
        Popularity, "train_epoch", lambda self, data: real(self, csr_matrix(vstack([data, extra])))
    )
    assert "popularity: " in failures(prepared, capsys)
