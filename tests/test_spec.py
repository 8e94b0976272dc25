"""What names a trial: the id that its files bear for ever."""

from __future__ import annotations

from benchmark.spec import HASHED, TrialSpec

SPEC = TrialSpec(
    protocol=1,
    model="mult-vae",
    config={"latent": 200, "likelihood": {}},
    code="fd41bd918c0cba78",
    dataset="ml1m",
    split_hash="58dd2ec9ea160b9dbe8e7601c36e72be93e1db90110b7a1bc6ad09abee7e1081",
    seed=0,
    device="cpu",
    precision="fp32",
)


class Later(TrialSpec):
    """A spec with a field that came after the first records."""

    candidates: str = "all"


def test_an_id_is_what_it_was():
    assert SPEC.id == "bac78bc37bdcaf1b"
    assert set(TrialSpec.model_fields) == HASHED | {"patience"}


def test_a_new_field_at_its_default_leaves_the_id_as_it_was():
    values = SPEC.model_dump()
    assert Later(**values).id == SPEC.id
    assert Later(**values, candidates="99").id != SPEC.id
    assert SPEC.model_copy(update={"stage": "validation"}).id != SPEC.id


def patient(patience: int | None, **config: float) -> TrialSpec:
    changes = {"stage": "validation", "patience": patience, "config": config}
    return SPEC.model_copy(update=changes)


def curve(*scores: float, beta: tuple[float, ...] = ()) -> list[dict[str, float]]:
    points = [{"epoch": n, "validation": score} for n, score in enumerate(scores, start=1)]
    return [point | ({"beta": beta[n]} if beta else {}) for n, point in enumerate(points)]


def test_patience_counts_epochs_that_are_no_better():
    ends = patient(2).ends
    assert not ends([])
    assert not ends(curve(0.3, 0.2))
    assert ends(curve(0.3, 0.2, 0.3))
    assert not ends(curve(0.3, 0.2, 0.4, 0.1))
    assert ends(curve(0.3, 0.2, 0.4, 0.1, 0.2))
    assert not patient(None).ends(curve(0.3, 0.2, 0.1, 0.1, 0.1))


def test_patience_waits_until_beta_is_at_its_cap():
    ends = patient(2, beta_cap=0.2).ends
    rising = (0.05, 0.1, 0.15, 0.2, 0.2, 0.2)
    scores = (0.3, 0.2, 0.2, 0.2, 0.2, 0.2)
    assert [ends(curve(*scores[:n], beta=rising[:n])) for n in range(1, 7)] == [False] * 5 + [True]
