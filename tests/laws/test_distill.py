"""Distillation: where there is nothing to learn, and a teacher that never moves."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from ilk.networks import feature_dim
from tests.laws.world import batch, built, progress, small_method


def test_the_student_has_the_deep_head_of_the_paper():
    head = small_method("distill").heads
    widths = [
        layer.out_features
        for name in ("projector", "predictor")
        for layer in head[name].module
        if isinstance(layer, torch.nn.Linear)
    ]
    assert widths == [24, 12, 24, feature_dim("random:resnet_mini")]


def test_a_student_that_says_what_its_teacher_says_has_no_loss(fabric: Fabric):
    trainer = built(fabric, "distill")
    (term,) = trainer.method.terms
    trainer.method = replace(trainer.method, terms=(replace(term, queries=term.candidates),))
    shown = batch(trainer.method.views, 0)
    losses = trainer._losses(trainer._look(shown, progress(0), first=True))
    assert losses["clean"].item() == pytest.approx(0, abs=1e-6)


def test_the_teacher_stands_still(fabric: Fabric):
    trainer = built(fabric, "distill")
    before = {k: v.clone() for k, v in trainer.teacher.network.state_dict().items()}
    for step in range(3):
        trainer.take_step([batch(trainer.method.views, step)], progress(step))
    after = trainer.teacher.network.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_past_features_of_the_teacher_are_further_kin(fabric: Fabric):
    trainer = built(fabric, "distill", None, "neighbours:2")
    for step in range(3):
        context = trainer.take_step([batch(trainer.method.views, step)], progress(step)).context
    past = trainer.memory["kin"]
    assert past.vectors.shape == (32, feature_dim("random:resnet_mini"))
    kin = context.kin_records[0].kin.weights
    assert kin.gt(0).sum(dim=1).tolist() == [3] * 8
