"""Golden losses, and proof that they notice when a method is broken."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import Output
from ilk.method import outputs_in, substituted
from ilk.views import mixed
from tests.golden.losses import first_losses, recorded
from tests.laws.world import CASES, built, label, small_method, small_trainer

TOLERANCE = 1e-6  # relative; machines round differently, and steps compound it
# Steps that all machines agree on: then rounding has decided between two rows at one distance,
# or has grown beyond the tolerance.
STEPS = {"cmsf+sdmp": 2, "msn": 10, "msn+sdmp": 10}


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def check(trainer, name: str) -> None:
    count = STEPS.get(name)
    expected = recorded()[name][:count]
    assert first_losses(trainer)[:count] == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_first_losses(fabric, case):
    check(built(fabric, *case), label(case))


def test_a_missing_stop_gradient_is_noticed(fabric):
    torch.manual_seed(1)
    method = small_method("simsiam")
    stopped = [o for t in method.terms for o in outputs_in(t.candidates)]
    assert stopped
    assert all(output.stopped for output in stopped)
    open_terms = tuple(
        replace(t, candidates=tuple(replace(c, stopped=False) for c in t.candidates))
        for t in method.terms
    )
    with pytest.raises(AssertionError):
        check(small_trainer(fabric, replace(method, terms=open_terms)), "simsiam")


@pytest.mark.parametrize("name", ["moco-v3", "byol", "dino"])
def test_a_dropped_moving_average_is_noticed(fabric, name):
    trainer = built(fabric, name)
    trainer._move_teacher = lambda progress: None
    with pytest.raises(AssertionError):
        check(trainer, name)


def test_swapped_views_are_noticed(fabric):
    torch.manual_seed(1)
    method = small_method("moco-v2")
    swapped = tuple(substituted(term, {"a": "b", "b": "a"}) for term in method.terms)
    remember = tuple(substituted(entry, {"a": "b", "b": "a"}) for entry in method.remember)
    with pytest.raises(AssertionError):
        check(
            small_trainer(fabric, replace(method, terms=swapped, remember=remember)), "moco-v2"
        )


def test_a_query_compared_with_its_own_view_is_noticed(fabric):
    torch.manual_seed(1)
    method = small_method("moco-v3")
    own = tuple(
        replace(t, candidates=(Output("teacher", t.queries[0].view, "projector"),))
        for t in method.terms
    )
    with pytest.raises(AssertionError):
        check(small_trainer(fabric, replace(method, terms=own)), "moco-v3")


def test_a_lambda_that_is_not_the_pasted_area_is_noticed(fabric, monkeypatch):
    monkeypatch.setattr(
        mixed, "box_share", lambda sides, sizes: 0.1 + 0 * sides[:, 0] / sizes[0]
    )
    with pytest.raises(AssertionError):
        check(built(fabric, "moco-v3", "sdmp"), "moco-v3+sdmp")
