"""What is timed is the method's own step, every call of a rule in it, and nothing twice."""

from dataclasses import replace

import pytest
from lightning_fabric import Fabric

from benchmarks import kin_speed
from ilk.kin_rules import KIN_RULES
from ilk.methods import METHODS
from tests.laws.world import batch, built, progress


def test_every_rule_of_the_command_line_is_measured_and_methods_exist():
    names = [(method, kin) for _, method, kin, _ in kin_speed.works()]
    assert {kin.partition(":")[0] for _, kin in names if kin} == set(KIN_RULES)
    assert {method for method, _ in names} <= set(METHODS)
    assert len(set(names)) == len(names)


def test_nothing_that_was_trained_before_is_needed():
    values = [value for *_, options in kin_speed.works() for value in options.values()]
    assert not [value for value in values if isinstance(value, str) and "/" in value]


@pytest.mark.parametrize("name", ["mochi", "revisiting"])
def test_timing_changes_no_loss_and_sees_every_call(name: str):
    fabric = Fabric(accelerator="cpu", devices=1)
    plain, timed = built(fabric, name), built(fabric, name)
    spent: list[float] = []
    terms = timed.method.terms
    timed.method = replace(timed.method, terms=kin_speed.timed(terms, spent))
    for step in range(2):
        shown = batch(plain.method.views, step)
        loss = plain.take_step([shown], progress(step)).loss
        assert timed.take_step([shown], progress(step)).loss == loss
    calls = len(terms) + sum(term.negatives is not None for term in terms)
    assert len(spent) == 2 * calls
    assert min(spent) >= 0
