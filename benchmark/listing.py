"""What ``run_all.py list`` prints: data sets, models by family, and likelihoods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from benchmark import plugins
from benchmark.labels import flat
from benchmark.plan import options
from datasets import own
from datasets.registry import DATASETS
from models.base import Search
from models.registry import MODELS, Entry
from models.variants import LIKELIHOODS


def lines() -> Iterator[str]:
    """Yield the lines: every data set, model and likelihood, with options and their meanings."""
    yield "data sets:"
    for data in (*DATASETS.values(), own.entry(Path("PATH"))):
        yield f"  {data.name}: {data.about}{plugins.origin(data.dataset)}"
        meanings = options.descriptions(data.config)
        for option, value in flat(data.config).items():
            yield _option(option, repr(value), meanings[option])
    yield from ("", "models:")
    families: dict[type, list[Entry]] = defaultdict(list)
    for entry in MODELS.values():
        families[entry.model].append(entry)
    for members in families.values():
        yield from _family(members)
    yield from ("", "likelihoods, each with models NAME-vae and NAME-dae:")
    for name, likelihood in LIKELIHOODS.items():
        about = (likelihood.__doc__ or "not described").splitlines()[0]
        yield f"  {name}: {about}{plugins.origin(likelihood)}"


def _family(members: list[Entry]) -> Iterator[str]:
    """Yield the lines of models of one class: what tells them apart, then what they share."""
    values = [flat(entry.config) for entry in members]
    meanings: dict[str, str] = {}
    ranges: dict[str, Search] = {}
    for entry in members:
        meanings |= options.descriptions(entry.config)
        ranges |= options.searches(entry.config)
    shared = {
        option
        for option in meanings
        if all(option in each and each[option] == values[0][option] for each in values)
    }
    alone = len(members) == 1
    if not alone:
        yield f"  {', '.join(entry.name for entry in members)} - {members[0].about}"
    for entry, own_values in zip(members, values, strict=True):
        own_options = ", ".join(f"{o} = {v}" for o, v in own_values.items() if o not in shared)
        said = entry.about if alone else own_options
        yield f"  {'' if alone else '  '}{entry.name}: {said}{plugins.origin(*entry.kinds)}"
    for option, meaning in meanings.items():
        value = repr(values[0][option]) if option in shared else "as above"
        tuned = f" Tuning: {ranges[option]}." if option in ranges else ""
        yield _option(option, value, meaning + tuned)


def _option(option: str, value: str, meaning: str) -> str:
    return f"    {option} = {value:<8} {meaning}"
