"""Laws of every method that learns from a few labels; a new one is listed here."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import Output
from ilk.core.facts import Fact
from ilk.method import KnownShare, label_head, unlabelled_terms
from ilk.methods import METHODS
from ilk.train.loop.monitor import signs
from ilk.train.loop.pseudo_labels import unlabelled_norm
from tests.laws.world import LABELS, batch, built, progress, small_method, small_trainer
from tests.oracles import world as oracles

# By name: passes of a step for each labelled image and each unlabelled one, as the paper counts
# them: of student, then of teacher.
FEW = {
    "supervised": {"labelled": (1, 0), "unlabelled": (0, 0)},
    "noisy-student": {"labelled": (1, 0), "unlabelled": (1, 0)},
    "fixmatch": {"labelled": (1, 0), "unlabelled": (2, 0)},
    "flexmatch": {"labelled": (1, 0), "unlabelled": (2, 0)},
    "uda": {"labelled": (1, 0), "unlabelled": (2, 0)},
    "mixmatch": {"labelled": (1, 0), "unlabelled": (4, 0)},  # two guesses, two mixes
    "s4l-rotation": {"labelled": (4, 0), "unlabelled": (4, 0)},
    "s4l-exemplar": {"labelled": (2, 0), "unlabelled": (2, 0)},  # eight crops in the paper
    # Four rotations, the image, and VAT's two.
    "s4l-moam": {"labelled": (7, 0), "unlabelled": (7, 0)},
    "pseudo-label": {"labelled": (1, 0), "unlabelled": (1, 0)},
    "pi-model": {"labelled": (2, 0), "unlabelled": (2, 0)},
    "temporal-ensembling": {"labelled": (1, 0), "unlabelled": (1, 0)},
    "mean-teacher": {"labelled": (1, 1), "unlabelled": (1, 1)},
    "fast-swa": {"labelled": (2, 0), "unlabelled": (2, 0)},
    "vat": {"labelled": (3, 0), "unlabelled": (3, 0)},
    "vat-entmin": {"labelled": (3, 0), "unlabelled": (3, 0)},
}
DECAYS_ALL = {"mean-teacher", "fast-swa"}  # as their authors do
WITHOUT = {"supervised"}  # has no unlabelled term
STEP = 4  # of eight; ramps have begun


def test_every_method_that_draws_labelled_images_is_held_to_these_laws():
    drawn = {name for name in METHODS if isinstance(small_method(name).sampling, KnownShare)}
    assert drawn == set(FEW)


@pytest.mark.parametrize("name", sorted(set(FEW) - WITHOUT))
def test_the_unlabelled_term_has_a_gradient(fabric: Fabric, name):
    trainer = built(fabric, name)
    shown = batch(trainer.method.views, 0)
    if trainer.memory:  # what was predicted before is a target only once there was a before
        trainer.take_step([shown], progress(0))
    context = trainer._look(shown, progress(STEP), first=True)
    for term in unlabelled_terms(trainer.method):
        trainer.student.zero_grad()
        context.loss(term).backward(retain_graph=True)
        slopes = [p.grad for p in trainer.student.parameters() if p.grad is not None]
        assert sum(float(slope.abs().sum()) for slope in slopes) > 0, term.name


@pytest.mark.parametrize("name", FEW)
def test_the_teacher_differs_from_the_student_after_a_step(fabric: Fabric, name):
    trainer = built(fabric, name)
    if trainer.teacher is None:
        pytest.skip("it has no teacher")
    for step in range(2):
        trainer.take_step([batch(trainer.method.views, step)], progress(step))
    theirs = dict(trainer.student.named_parameters())
    own = dict(trainer.teacher.network.named_parameters())
    assert all((own[name] != theirs[name]).any() for name in own)


@pytest.mark.parametrize("name", FEW)
def test_labels_that_are_not_known_never_change_a_loss(fabric: Fabric, name):
    """The labelled set is what the fact says; what monitors know beside it does not matter."""
    losses = []
    for seed in range(2):
        trainer = built(fabric, name)
        hidden = torch.randint(4, LABELS.shape, generator=torch.manual_seed(seed))
        labels = torch.where(LABELS >= 0, LABELS, hidden)
        losses.append([
            trainer.take_step(
                [batch(trainer.method.views, step)], progress(step), monitor_labels=labels
            ).loss
            for step in range(3)
        ])  # fmt: skip
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", FEW)
def test_passes_of_a_step_are_those_of_the_paper(fabric: Fabric, name):
    trainer = built(fabric, name)
    shown = batch(trainer.method.views, 0)
    known = (LABELS[torch.from_numpy(shown.items)] >= 0).sum().item()
    seen = {"student": 0, "teacher": 0}

    def count(role):
        def hook(module, args):
            seen[role] += len(args[0])

        return hook

    trainer.student.backbone.register_forward_pre_hook(count("student"))
    if trainer.teacher is not None:
        trainer.teacher.network.backbone.register_forward_pre_hook(count("teacher"))
    trainer.take_step([shown], progress(0))
    paper = [
        known * labelled + (len(shown.items) - known) * unlabelled
        for labelled, unlabelled in zip(*FEW[name].values(), strict=True)
    ]
    assert list(seen.values()) == paper


@pytest.mark.parametrize("name", FEW)
def test_batches_are_disjoint_over_ranks_and_a_step_needs_no_other(name):
    rule = small_method(name).sampling
    values = np.where(np.arange(4000) % 8 == 0, np.arange(4000) % 5, -1).astype(np.int32)
    known = Fact(tuple("abcde"), values)
    draw = rule.draw(known, batch=64, seed=3)
    every = [draw(step) for step in range(9)]
    again = rule.draw(known, batch=64, seed=3)
    assert all(np.array_equal(again(step), every[step]) for step in (8, 0, 5))
    shares = every[0].reshape(4, 16)  # of four ranks
    assert len(set(shares.reshape(-1).tolist())) == 64
    labelled = (values[shares] >= 0).sum(axis=1)
    assert labelled.max() - labelled.min() <= 1
    assert labelled.sum() == round(64 * rule.share)


@pytest.mark.parametrize("name", FEW)
def test_decay_spares_biases_and_norms_or_is_of_all(fabric: Fabric, name):
    """The optimisers differ: SGD adds decay to gradients, AdamW scales weights."""
    trainer = built(fabric, name)
    groups, everything = trainer.optimiser.optimizer.param_groups, name in DECAYS_ALL
    assert trainer.method.optimisation.decay_all == everything
    assert all(
        (everything or entry.ndim > 1) == group["decays"]
        for group in groups
        for entry in group["params"]
    )


# Rows of each pass of the student: so many for each labelled image, and for each other one.
PASSES = {
    "noisy-student": [(1, 1)],
    "fixmatch": [(1, 2)],  # labelled, weak and strong rows
    "flexmatch": [(1, 2)],
    "uda": [(1, 2)],
    "mixmatch": [(1, 2), (0, 2)],  # mixed rows, and those that guess
    "s4l-rotation": [(4, 4)],
    "s4l-exemplar": [(2, 2)],
    "s4l-moam": [(5, 5), (1, 1), (1, 1)],  # with rotations; the search; the moved rows
}


@pytest.mark.parametrize("name", PASSES)
def test_batch_norm_sees_the_rows_of_a_pass_together(fabric: Fabric, name):
    trainer = built(fabric, name)
    sizes = []
    trainer.student.backbone.register_forward_pre_hook(
        lambda _, args: sizes.append(len(args[0]))
    )
    shown = batch(trainer.method.views, 0)
    known = (LABELS[torch.from_numpy(shown.items)] >= 0).sum().item()
    trainer.take_step([shown], progress(0))
    others = len(shown.items) - known
    assert sizes == [known * labelled + others * other for labelled, other in PASSES[name]]


def test_rejected_rows_of_fixmatch_count_in_the_mean(fabric: Fabric):
    trainer = built(fabric, "fixmatch")
    term = trainer.method.terms[1]
    context = trainer._look(batch(trainer.method.views, 0), progress(0), first=True)
    sure = context.rows(term.kin.by[0]).vectors.softmax(dim=1).amax(dim=1)
    between = float(sure.sort().values[1:3].mean())
    all_of_them = context.loss(replace(term, kin=replace(term.kin, threshold=0.0)))
    some = replace(term, kin=replace(term.kin, threshold=between))
    selected = context.loss(replace(some, rows="with kin"))
    kept = float((sure >= between).float().mean())
    assert 0 < kept < 1
    assert context.loss(some).item() == pytest.approx(kept * selected.item())
    assert all_of_them.item() != pytest.approx(selected.item())


def test_running_statistics_of_an_average_without_passes_are_averaged(fabric: Fabric):
    trainer = oracles.trainer_of(fabric, "supervised", momentum=0.75)
    start = {n: b.clone() for n, b in trainer.student.named_buffers()}
    trainer.take_step([oracles.batch(trainer, 0)], oracles.progress(0))
    for name, own in trainer.teacher.network.named_buffers():
        now = dict(trainer.student.named_buffers())[name]
        expected = now if name.endswith("tracked") else 0.75 * start[name] + 0.25 * now
        torch.testing.assert_close(own, expected)
        assert not torch.equal(now, start[name])


def test_the_average_is_kept(fabric: Fabric):
    for name in FEW:
        method = small_method(name)
        trainer = small_trainer(fabric, method)
        if trainer.teacher is None:
            assert trainer.encoder_network() is trainer.student.backbone
        else:
            assert trainer.encoder_network() is trainer.teacher.network.backbone


@pytest.mark.parametrize("name", FEW)
def test_the_classifier_is_known_and_so_are_the_unlabelled_terms(name):
    method = small_method(name)
    assert label_head(method) == "classifier"
    names = {term.name for term in unlabelled_terms(method)}
    assert "labelled" not in names
    assert bool(names) == (name not in WITHOUT)


@pytest.mark.parametrize("name", FEW)
def test_monitors_change_nothing_and_count_what_is_right(fabric: Fabric, name):
    states = []
    for labels in (None, torch.arange(len(LABELS)) % 4):
        trainer = built(fabric, name)
        for step in (STEP, STEP + 1):
            shown = batch(trainer.method.views, step)
            result = trainer.take_step([shown], progress(step), monitor_labels=labels)
        states.append(trainer.state())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    found = signs(trainer.method, result.context)
    if name in WITHOUT:
        assert "pseudo_share" not in found
        assert "unlabelled_grad_norm" not in found
        return
    assert found["unlabelled_grad_norm"] > 0
    other = name in {
        "s4l-rotation",
        "s4l-exemplar",
    }  # whose unlabelled terms are over other classes
    assert ("pseudo_share" in found) == (not other)
    assert 0 <= found.get("pseudo_share", 0) <= 1


def test_pseudo_labels_are_counted_row_by_row(fabric: Fabric):
    trainer = built(fabric, "fixmatch")
    term = trainer.method.terms[1]
    shown = batch(trainer.method.views, 0)
    truth = torch.arange(len(LABELS)) % 3  # another truth than the labels
    context = trainer._look(shown, progress(0), first=True, monitor_labels=truth)
    rows = context.rows(term.kin.by[0]).vectors.softmax(dim=1)
    bar = float(rows.amax(dim=1).median())
    changed = replace(term, kin=replace(term.kin, threshold=bar))
    trainer.method = replace(trainer.method, terms=(trainer.method.terms[0], changed))
    losses = trainer._losses(context)
    found = signs(trainer.method, context)
    sure = [(int(row.argmax()), int(item)) for row, item in
            zip(rows, shown.subsets["weak"], strict=True) if row.max() >= bar]  # fmt: skip
    assert found["pseudo_share"] == pytest.approx(len(sure) / len(rows))
    right = sum(best == truth[item] for best, item in sure)
    assert found["pseudo_accuracy"] == pytest.approx(float(right) / len(sure))
    norm = unlabelled_norm(trainer.method, losses, trainer.student)["unlabelled_grad_norm"]
    losses["unlabelled"].backward()
    slopes = [p.grad.norm() for p in trainer.student.parameters() if p.grad is not None]
    assert norm == pytest.approx(float(torch.stack(slopes).norm()))


def test_answers_of_a_teacher_are_counted_as_pseudo_labels(fabric: Fabric):
    trainer = built(fabric, "mean-teacher")
    shown, truth = batch(trainer.method.views, 0), torch.arange(len(LABELS)) % 3
    context = trainer._look(shown, progress(0), first=True, monitor_labels=truth)
    trainer._losses(context)
    found = signs(trainer.method, context)
    best = context.rows(Output("teacher", "b", "classifier")).vectors.argmax(dim=1)
    right = best == truth[torch.from_numpy(shown.items)]
    assert found["pseudo_share"] == 1
    assert found["pseudo_accuracy"] == pytest.approx(float(right.float().mean()))


@pytest.mark.parametrize("name", ["fixmatch", "vat", "mean-teacher"])
def test_half_precision_trains_and_is_watched(name):
    trainer = built(Fabric(accelerator="cpu", devices=1, precision="bf16-mixed"), name)
    shown, truth = batch(trainer.method.views, 0), torch.arange(len(LABELS)) % 4
    result = trainer.take_step([shown], progress(STEP), monitor_labels=truth)
    assert result.context.numbers["unlabelled_grad_norm"] > 0
    single = built(Fabric(accelerator="cpu", devices=1), name)
    exact = single.take_step([shown], progress(STEP), monitor_labels=truth)
    assert result.loss == pytest.approx(exact.loss, rel=0.02)


@pytest.mark.parametrize("name", ["fixmatch", "mean-teacher"])
def test_a_compiled_network_tells_the_norm_too(fabric: Fabric, monkeypatch, name):
    compiled = torch.nn.Module.compile  # with a backend that builds no kernels
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda module: compiled(module, backend="aot_eager")
    )
    results = []
    for whether in (False, True):
        trainer = built(fabric, name, compiled=whether)
        shown = batch(trainer.method.views, 0)
        results.append(trainer.take_step([shown], progress(0), LABELS))
    assert results[1].loss == pytest.approx(results[0].loss, rel=1e-5)
    norms = [one.context.numbers["unlabelled_grad_norm"] for one in results]
    assert norms[1] == pytest.approx(norms[0], rel=1e-4)
