"""ReKD: where it must be another loss, and a teacher that never moves."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import Progress
from ilk.kin import CommonSource, Neighbours, SoftNeighbours
from ilk.objectives import SoftCrossEntropy
from tests.kin.context import FakeLook, plain, stale
from tests.laws.world import batch, built, progress, small_method


def losses(trainer, steps: int) -> list[float]:
    return [
        trainer.take_step([batch(trainer.method.views, s)], progress(s)).loss
        for s in range(steps)
    ]


def test_without_related_pictures_and_distillation_it_is_instance_discrimination(
    fabric: Fabric,
):
    trainer, plainer = built(fabric, "rekd"), built(fabric, "rekd")
    clean = trainer.method.terms[0]
    none = replace(clean, kin=replace(clean.kin, rules=(clean.kin.rules[0], related(clean, 0))))
    trainer.method = replace(trainer.method, terms=(none,))
    plainer.method = replace(plainer.method, terms=(replace(clean, kin=CommonSource()),))
    assert losses(trainer, 3) == pytest.approx(losses(plainer, 3), rel=1e-6)


def related(term, k: int) -> Neighbours:
    return replace(term.kin.rules[1], k=k)


def test_a_student_that_is_its_teacher_has_nothing_to_learn():
    torch.manual_seed(0)
    student = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    past = stale(torch.randn(9, 6).double())
    key = small_method("rekd").terms[1].kin.by
    context = FakeLook(outputs={key: plain(student.detach())})
    kin = SoftNeighbours(temperature=0.2, by=key)(plain(student.detach()), past, context)
    objective = SoftCrossEntropy(temperature=0.2)
    objective(student, (past.vectors,), kin, Progress(0, 1, 1.0)).backward()
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-12


def test_the_teacher_stands_still_and_its_rows_fill_the_queue(fabric: Fabric):
    trainer = built(fabric, "rekd")
    before = {k: v.clone() for k, v in trainer.teacher.network.state_dict().items()}
    losses(trainer, 3)
    after = trainer.teacher.network.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert trainer.memory["queue"].vectors.shape[1] == 192
    shown = batch(trainer.method.views, 2)
    context = trainer._look(shown, progress(2), first=False)
    rows = context.rows(trainer.method.remember[0].outputs[0])
    newest = trainer.memory["queue"].vectors[16:24]
    torch.testing.assert_close(newest, torch.nn.functional.normalize(rows.vectors, dim=1))


def test_past_pictures_that_the_teacher_finds_alike_are_kin(fabric: Fabric):
    trainer = built(fabric, "rekd")
    losses(trainer, 2)
    context = trainer.take_step([batch(trainer.method.views, 2)], progress(2)).context
    kin_record = context.kin_records[0]
    key = context.rows(trainer.method.remember[0].outputs[0])
    written = torch.arange(32) < 16
    for row in range(8):
        item = int(key.composition.sources[row, 0])
        own = kin_record.candidates.composition.sources[:, 0] == item
        cosines = torch.cosine_similarity(key.vectors[row], kin_record.candidates.vectors[8:])
        cosines[~written | own[8:]] = -2
        expected = own.clone()
        expected[8 + cosines.topk(2).indices] = True
        assert torch.equal(kin_record.kin.weights[row] > 0, expected)
