"""What a term may be made of, and what its weight, schedule and rows do to the loss."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import Output, Progress, Ramp, UserError
from ilk.kin import CommonSource, Counterpart, Itself, RowByRow, SameLabel
from ilk.method import Classes, FromMemory, Term
from ilk.mixes import mixture
from ilk.objectives import MeanShift, PairClassification, SoftCrossEntropy, VarianceCovariance
from tests.laws.world import LABELS, batch, progress, small_method, small_trainer

A, B = (Output("student", view, "projector") for view in "ab")
TERM = Term(
    name="clean",
    queries=(A,),
    candidates=(B,),
    kin=CommonSource(),
    objective=SoftCrossEntropy(temperature=0.1),
)


@pytest.fixture
def fabric():
    return Fabric(accelerator="cpu", devices=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"candidates": ()}, r"candidates must be given, Classes\(count\)"),
        ({"candidates": (Classes(3), B)}, "classes must be the only candidates"),
        ({"candidates": (Classes(3),), "negatives": RowByRow(B)}, "must stand beside rows"),
        ({"rows": "all", "objective": VarianceCovariance()}, "it is a statistic"),
        ({"kin": Counterpart(), "objective": PairClassification()}, "PairClassification needs"),
        ({"kin": Counterpart(), "negatives": RowByRow(B)}, "which Counterpart does not make"),
    ],
)
def test_parts_that_do_not_fit_are_an_error_when_the_term_is_built(changes, message):
    with pytest.raises(UserError, match=f"term clean: .*{message}"):
        replace(TERM, **changes)


def test_rows_and_classes_are_told_apart():
    assert TERM.classes is None
    assert TERM.row_sources == (B,)
    over = replace(TERM, candidates=(Classes(3),))
    assert over.classes == Classes(3)
    assert over.row_sources == ()
    assert replace(TERM, candidates=(B, FromMemory("queue"))).classes is None


def losses(fabric, method, when: Progress | None = None):
    trainer = small_trainer(fabric, method)
    shown = batch(trainer.method.views, 0)
    context = trainer._look(shown, when or progress(0), first=True)
    return trainer._losses(context), trainer, context


def changed(method, **changes):
    return replace(method, terms=tuple(replace(term, **changes) for term in method.terms))


def built(name, mix=None, **changes):
    torch.manual_seed(1)
    method = changed(small_method(name), **changes)
    return method if mix is None else mixture(mix, {}).apply(method)


def test_a_schedule_multiplies_the_weight(fabric):
    ramp = Ramp(0.0, 1.0, epochs=2)  # eight steps of two epochs
    plain = losses(fabric, built("simclr"))[0]["clean"]
    for step in (0, 3, 8):
        method = built("simclr", schedule=ramp)
        found = losses(fabric, method, Progress(step, 16, 4.0))[0]["clean"]
        torch.testing.assert_close(found, plain * step / 8)


def test_mixes_share_out_the_weight_and_keep_the_schedule(fabric):
    ramp = Ramp(0.0, 1.0, epochs=2)
    plain, mixed = (built("moco-v3", "sdmp", schedule=s) for s in (1.0, ramp))
    assert [t.weight for t in plain.terms] == [t.weight for t in mixed.terms]
    assert {term.schedule for term in mixed.terms} == {ramp}
    before = losses(fabric, plain, Progress(4, 16, 4.0))[0]
    after = losses(fabric, mixed, Progress(4, 16, 4.0))[0]
    assert set(before) == {"clean", "source", "mix"}
    for name, loss in before.items():
        torch.testing.assert_close(after[name], loss / 2)


def test_the_mean_is_over_rows_with_kin_or_over_all(fabric):
    """Half of the labels are known; the sum stays, and what it is divided by does not."""
    few, _, context = losses(fabric, built("simclr", kin=SameLabel()))
    every, *_ = losses(fabric, built("simclr", kin=SameLabel(), rows="all"))
    items = context.rows(A).composition.sources[:, 0]
    known = LABELS[items]
    with_kin = (known >= 0).sum() / len(items)  # a view's other view has its label
    assert 0 < with_kin < 1
    torch.testing.assert_close(every["clean"], few["clean"] * with_kin)
    none, *_ = losses(fabric, built("simclr", kin=Counterpart() & SameLabel(), rows="all"))
    assert torch.isfinite(none["clean"])


def test_the_number_of_classes_is_checked(fabric):
    method = built("dino", candidates=(Classes(13),))
    with pytest.raises(UserError, match="term clean: queries must be scores over 13 classes"):
        losses(fabric, method)


def test_a_rule_over_rows_does_not_decide_on_classes(fabric):
    method = built("dino", kin=Itself())
    with pytest.raises(UserError, match="among 12 candidates, got"):
        losses(fabric, method)


def test_a_mix_that_would_leave_no_candidates_is_refused():
    """A query beside its own view alone: nothing clean stands against a mix of it."""
    method = built("simclr", candidates=(B,), queries=(B,), objective=MeanShift())
    with pytest.raises(UserError, match="mix sdmp: .* what the same view of it shows"):
        mixture("sdmp", {}).apply(method)


@pytest.mark.parametrize("name", ["byol", "vicreg", "moco-v3"])
def test_counterparts_train_as_kin_by_source(fabric, name):
    found = {}
    for rule in (CommonSource(), Counterpart()):
        loss, trainer, context = losses(fabric, built(name, kin=rule))
        loss["clean"].backward()
        found[type(rule).__name__] = [
            loss["clean"].detach(),
            *(p.grad for p in trainer.student.parameters() if p.grad is not None),
        ]
        record = context.kin_records[0]
        table = record.table(slice(1, 3)).weights
        assert table.tolist() == torch.eye(8)[1:3].tolist()
    for ours, theirs in zip(*found.values(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_kin_of_one_candidate_refuse_a_mix_with_their_reason():
    method = built("byol", kin=Counterpart())
    with pytest.raises(UserError, match="mixed images, but its queries have one kin each"):
        mixture("sdmp", {}).apply(method)
