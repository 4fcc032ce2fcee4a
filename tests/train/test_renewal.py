"""A head that begins every epoch anew, on a trunk that does not."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from ilk.train.loop.renewal import renew
from tests.laws.world import batch, built, progress


@pytest.fixture
def trained():
    fabric = Fabric(accelerator="cpu", devices=1)
    trainer = built(fabric, "deepcluster", lr=0.5)
    for step in range(4):
        trainer.take_step([batch(trainer.method.views, step)], progress(step))
    return trainer


def renewed(trainer, step, seed=0):
    student = deepcopy(trainer.student)
    optimiser = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9)
    for parameter in student.parameters():
        optimiser.state[parameter]["momentum_buffer"] = torch.ones_like(parameter)
    renew(student, optimiser, progress(step), seed)
    return student, optimiser


def test_head_and_its_momentum_begin_anew_and_the_trunk_goes_on(trained):
    student, optimiser = renewed(trained, 4)
    head, before = student.projector, trained.student.projector
    assert (head.weight - before.weight).abs().max() > 0.01
    assert head.weight.std().item() == pytest.approx(0.01, rel=0.3)
    assert (head.bias == 0).all()
    assert set(optimiser.state) == set(student.backbone.parameters())
    trunks = zip(
        student.backbone.parameters(), trained.student.backbone.parameters(), strict=True
    )
    assert all(torch.equal(now, then) for now, then in trunks)


@pytest.mark.parametrize("step", [0, 1, 3, 5])
def test_nothing_changes_within_an_epoch_nor_before_the_first(trained, step):
    student, optimiser = renewed(trained, step)
    assert torch.equal(student.projector.weight, trained.student.projector.weight)
    assert set(optimiser.state) == set(student.parameters())


def test_every_epoch_and_seed_has_a_head_of_its_own(trained):
    heads = [renewed(trained, s, seed)[0].projector.weight for s, seed in
             [(4, 0), (4, 0), (8, 0), (4, 1)]]  # fmt: skip
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
    assert not torch.equal(heads[0], heads[3])


def test_the_loop_renews(trained):
    trained.pace = replace(trained.pace, peak=0.0)
    trained.take_step([batch(trained.method.views, 4)], progress(4))
    assert torch.equal(
        trained.student.projector.weight, renewed(trained, 4)[0].projector.weight
    )
    kept = trained.student.projector.weight.clone()
    trained.take_step([batch(trained.method.views, 5)], progress(5))
    assert torch.equal(trained.student.projector.weight, kept)
