"""Prepare a data set, train a model, rank a history, and read records, from Python.

Run it as ``python -m examples.from_python``.
"""

from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from benchmark.evaluation.metrics import HEADLINE
from benchmark.evaluation.ranking import evaluate
from benchmark.records import load
from benchmark.run.training import seed_everything, train_epoch
from datasets.registry import DATASETS
from models.base import Compute
from models.linear import Linear, LinearConfig

entry = DATASETS["synthetic"]
dataset = entry.dataset(entry.config)
split, notes = dataset.split(dataset.find(Path("data")))

seed_everything(seed=0, epoch=0)  # only matters if the weights start at random
model = Linear(LinearConfig(l2=100.0), split.train.shape, Compute())
data = model.prepare(split.train.matrix)
while model.epoch < model.planned:  # a closed form such as this one has one epoch
    log = train_epoch(model, data, seed=0)
    print(f"epoch {model.epoch} of {model.planned}", log)

ranking = evaluate(lambda history, users: model.score(history), split.test)
for metric in HEADLINE:
    print(f"{metric}: {metric(ranking.hit, ranking.targets).mean():.4f}")

item_ids = split.train.item_ids
liked = item_ids[[3, 5, 8]]
history = csr_matrix(np.isin(item_ids, liked)[None, :].astype(np.float32))
scores = model.score(history)
scores[0, history.indices] = -np.inf  # recommend no item that the user already has
print("recommended:", *item_ids[scores[0].topk(10).indices])

records = load("results/reference")  # a pandas table with one row for each trial
of_ml1m = records[records["spec.dataset"] == "ml1m"]
print(of_ml1m.groupby("spec.model")["metrics.NDCG@100.mean"].agg(["mean", "std", "size"]))
