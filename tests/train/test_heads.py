"""Each head learns as its record says, whatever its name and whatever it sits on."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from ilk.core import Output
from ilk.method import EMA, Head
from tests.laws.world import Trunk, batch, progress, small_method, small_trainer

WIDTH = 8


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def layer() -> nn.Linear:
    return nn.Linear(WIDTH, WIDTH)


def tower(fabric: Fabric, **changes):
    """A head upon a head upon a head; ``changes`` are of the one in the middle."""
    torch.manual_seed(1)
    method = small_method("byol")
    heads = {
        "base": Head(nn.Linear(Trunk.num_features, WIDTH)),
        "middle": Head(layer(), on="base", **changes),
        "top": Head(layer(), on="middle", teacher=False),
    }
    terms = tuple(
        replace(
            term,
            queries=(replace(term.queries[0], head="top"),),
            candidates=(replace(term.candidates[0], head="middle"),),
        )
        for term in method.terms
    )
    optimisation = replace(method.optimisation, name="sgd", warmup_epochs=1.0)
    made = replace(method, heads=heads, terms=terms, optimisation=optimisation)
    return small_trainer(fabric, made, lr=0.5)


def moved(trainer, steps) -> list[set[str]]:
    """The parts whose weights a step has changed, for each step."""
    out = []
    for step in steps:
        before = {key: w.clone() for key, w in trainer.student.named_parameters()}
        trainer.take_step([batch(trainer.method.views, step)], progress(step))
        now = trainer.student.named_parameters()
        out.append({key.split(".")[0] for key, w in now if not w.equal(before[key])})
    return out


ALL = {"backbone", "base", "middle", "top"}


@pytest.mark.parametrize("freeze", [{"freeze_steps": 3}, {"freeze_epochs": 0.75}])
def test_a_frozen_head_stands_still_alone_and_moves_in_time(freeze, fabric):
    trainer = tower(fabric, **freeze)
    rest = ALL - {"middle"}
    assert moved(trainer, (1, 2, 3)) == [rest, rest, ALL]


def test_a_constant_rate_knows_no_warm_up(fabric):
    assert moved(tower(fabric), (0,)) == [set()]  # the rate begins at zero
    assert moved(tower(fabric, constant_lr=True), (0,)) == [{"middle"}]


def test_a_head_in_the_middle_is_drawn_again_and_no_other(fabric):
    trainer = tower(fabric, renew=partial(nn.Linear, WIDTH, WIDTH))
    trainer.pace = replace(trainer.pace, peak=0.0)
    assert moved(trainer, (3, 4, 5, 8)) == [set(), {"middle"}, set(), {"middle"}]


def test_the_teacher_follows_the_heads_it_has(fabric):
    trainer = tower(fabric)
    assert isinstance(trainer.method.teacher, EMA)
    assert set(trainer.teacher.network.heads) == {"base", "middle"}
    before = trainer.teacher.network.middle.weight.clone()
    trainer.take_step([batch(trainer.method.views, 2)], progress(2))
    assert not trainer.teacher.network.middle.weight.equal(before)


def test_the_state_of_a_head_stands_under_its_name(fabric):
    trainer = tower(fabric)
    names = trainer.state()
    assert {"student.top.weight", "student.middle.bias", "teacher.middle.weight"} <= set(names)
    assert "teacher.top.weight" not in names
    context = trainer.take_step([batch(trainer.method.views, 1)], progress(1)).context
    assert context.rows(Output("student", "a", "top")).vectors.shape == (8, WIDTH)
