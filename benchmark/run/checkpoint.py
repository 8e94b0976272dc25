"""The file that a killed trial goes on from.

A checkpoint is one safetensors file, replaced after an epoch and deleted once the record is
written. Its tensors are the model's ``state()`` and, as "best/NAME", the best weights where they
are not the current ones; the rest is JSON in its header, with a hash of all. One of another thread
count or matrix product would not go on bit for bit, and is not taken; nor is one with changed
bytes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import safetensors
import torch
from pydantic import ValidationError
from safetensors.torch import save

from benchmark import environment
from benchmark.run.outcome import Unstored
from benchmark.run.progress import Progress, Tensors, copy_of
from benchmark.spec import Job, Strict
from datasets import atomic
from datasets.errors import DataError
from models.base import Recommender


class Header(Strict):
    """The part of a checkpoint that is not tensors."""

    id: str
    threads: int
    matrix_product: str
    epoch: int
    started: str
    curve: list[dict[str, float]]
    best_epoch: int
    best_validation: float
    laps: dict[str, list[float]]
    wall_seconds: float
    other_seconds: float
    peak_bytes: int


def path_of(job: Job) -> Path:
    """Return the path of a trial's checkpoint."""
    return job.out / f".{job.spec.id}.checkpoint"


def write(job: Job, model: Recommender[Any], progress: Progress) -> None:
    """Write the checkpoint, in place of the one before; raise Unstored if there is no room."""
    wall, other = progress.others.seconds()
    header = Header(
        id=job.spec.id,
        threads=job.threads,
        matrix_product=environment.matrix_product(),
        epoch=model.epoch,
        started=progress.started,
        curve=progress.curve,
        best_epoch=progress.best_epoch,
        best_validation=progress.best_validation,
        laps=progress.clock.laps,
        wall_seconds=wall,
        other_seconds=other,
        peak_bytes=progress.peak_bytes,
    )
    tensors = model.state()
    if progress.best_epoch != model.epoch:
        tensors |= {
            f"best/{name}": tensor for name, tensor in (progress.best_weights or {}).items()
        }
    packed = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    text = header.model_dump_json()
    try:
        atomic.write(path_of(job), save(packed, {"header": text, "sha256": digest(text, packed)}))
    except DataError as error:
        raise Unstored(str(error)) from error


def digest(header: str, tensors: Tensors) -> str:
    """Return one sha256 of a checkpoint's header and of its tensors with their names and shapes."""
    found = hashlib.sha256(header.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def resume(job: Job, model: Recommender[Any], progress: Progress) -> None:
    """Set ``model`` and ``progress`` to the state in the checkpoint, if there is a usable one."""
    found = read(job)
    if found is None:
        return
    header, tensors = found
    best = {
        name.removeprefix("best/"): tensor
        for name, tensor in tensors.items()
        if name.startswith("best/")
    }
    model.restore(
        {name: tensor for name, tensor in tensors.items() if not name.startswith("best/")},
        header.epoch,
    )
    progress.clock.laps |= header.laps
    progress.others = environment.OtherWork(header.wall_seconds, header.other_seconds)
    progress.started, progress.resumed, progress.earlier_peak_bytes = (
        header.started,
        True,
        header.peak_bytes,
    )
    progress.curve = header.curve
    progress.best_epoch, progress.best_validation = header.best_epoch, header.best_validation
    progress.best_weights = best or copy_of(model.weights)


def read(job: Job) -> tuple[Header, Tensors] | None:
    """The checkpoint of a trial; None if there is none, or it is damaged, was altered, or is of
    other threads or arithmetic.
    """
    path = path_of(job)
    if not path.is_file():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            names = file.keys()  # the file itself is no mapping
            tensors = {name: file.get_tensor(name) for name in names}
        text = metadata.get("header", "")
        if metadata.get("sha256") != digest(text, tensors):
            return None
        header = Header.model_validate_json(text)
    except (safetensors.SafetensorError, ValidationError, OSError):
        return None
    here = (job.spec.id, job.threads, environment.matrix_product())
    return (header, tensors) if (header.id, header.threads, header.matrix_product) == here else None
