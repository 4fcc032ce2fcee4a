"""Terms whose queries show the same items to the same candidates share what a rule decides."""

import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import Kin, Output
from ilk.kin import Similar
from ilk.train.loop.step import Step
from tests.golden.losses import first_losses
from tests.kin.context import mixed_rows, plain
from tests.laws.world import built


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@pytest.mark.parametrize("mix", [None, "sdmp"])
def test_losses_are_the_same_to_the_bit(fabric, mix, monkeypatch):
    monkeypatch.setattr("tests.golden.losses.STEPS", 4)
    found, count = Similar._found, 0

    def counted(*given: object) -> Kin:
        nonlocal count
        count += 1
        return found(*given)

    monkeypatch.setattr(Similar, "_found", counted)
    trainer = built(fabric, "fnc", mix)
    terms = len(trainer.method.terms)
    shared = first_losses(trainer)
    with_sharing, count = count, 0
    monkeypatch.setattr(Step, "once", lambda step, rule, queries, candidates, decide: decide())
    assert first_losses(built(fabric, "fnc", mix)) == shared
    assert count == 4 * terms
    # Once for the clean views; where images are mixed, once for what each mix is made of.
    assert with_sharing == 4 if mix is None else with_sharing < count


def test_another_rule_composition_or_candidate_is_decided_by_itself():
    step = Step.__new__(Step)
    step._decided = []
    rows, others = plain(torch.eye(4)), plain(torch.eye(4))
    mixed = mixed_rows(torch.eye(4), [0.5] * 4)
    made: list[int] = []

    def decided(rule: Similar, queries, candidates) -> int:
        kin = step.once(
            rule, queries, candidates, lambda: Kin(torch.full((1, 1), len(made) + 1.0))
        )
        if kin.weights.item() > len(made):
            made.append(1)
        return int(kin.weights.item())

    over = (Output("teacher", "a", "projector"),)
    near, far = Similar(over=over), Similar(over=over, above=0.1)
    assert decided(near, rows, others) == 1
    assert decided(Similar(over=over), rows, others) == 1  # an equal rule
    assert decided(far, rows, others) == 2
    assert decided(near, mixed, others) == 3
    assert decided(near, rows, mixed) == 4
    assert decided(near, plain(torch.eye(4)), others) == 5  # equal, but not known to be
    assert decided(near, rows, others) == 1
