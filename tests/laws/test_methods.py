"""Laws over every method and mix; a new one inherits them by being listed."""

import copy
import inspect
import sys
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import UserError
from ilk.kin_rules import KIN_RULES
from ilk.method import FromMemory, passes
from ilk.methods import METHODS
from ilk.mixes import MIXES
from ilk.objectives import SmoothDistance, SoftCrossEntropy, SquaredDistance
from ilk.train.loop.loader import Batch
from ilk.train.loop.step import add_columns
from ilk.train.records.checkpoint import flattened_optimiser, restore_optimiser
from tests.laws.world import (
    BY_PLACE,
    CASES,
    LABELS,
    ONE_HOT,
    SHARED,
    SMALL,
    TOKENS,
    batch,
    built,
    label,
    progress,
    small_method,
    small_mix,
)

FILLED_IN = SmoothDistance | SquaredDistance  # what a part that is hidden is compared by


def whole_state(trainer) -> dict[str, torch.Tensor]:
    state = trainer.state() | flattened_optimiser(trainer.optimiser.optimizer)
    return {name: tensor.clone() for name, tensor in state.items()}


def test_every_method_is_held_to_the_laws():
    assert set(SMALL) == set(METHODS)


@pytest.mark.parametrize(
    "kind",
    [*METHODS.values(), *MIXES.values(), *KIN_RULES.values()],
    ids=lambda k: k.__name__,
)
def test_file_says_what_it_is(kind):
    text = inspect.getdoc(sys.modules[kind.__module__])
    lines = [line for line in text.splitlines() if line and not line.startswith(" ")]
    heads = [line.split(":")[0].split(" ")[0] for line in lines[1:]]
    assert heads == ["Paper", "Idea", "Against", "Departures", "Checked"]
    source = inspect.getsource(sys.modules[kind.__module__])
    assert len(source.splitlines()) <= 120


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("name", METHODS)
def test_mix_fits_or_refuses_with_its_reason(name, mix):
    if name in ONE_HOT:
        with pytest.raises(UserError, match="must take mixed images, but"):
            small_method(name, mix)
        return
    if name in TOKENS and mix != "sdmp":  # which mixes small crops, and not those with a mask
        with pytest.raises(UserError, match="its queries have one kin each"):
            small_method(name, mix)
        return
    if name in SHARED and mix in ("i-mix", "dacl"):  # which keep no clean query
        with pytest.raises(UserError, match="labels must stay known"):
            small_method(name, mix)
        return
    if name in BY_PLACE and mix in ("sdmp", "un-mix"):  # which paste boxes too
        with pytest.raises(UserError, match="must be mixed by mixup"):
            small_method(name, mix)
        mix = f"{mix}:mixup"
    method = small_method(name, mix)
    assert any(entry.view in method.mixes for entry in passes(method))
    with pytest.raises(UserError, match="mixed already"):
        small_mix(mix).apply(method)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_overfits_one_batch(fabric: Fabric, case):
    trainer = built(fabric, *case)
    # A long step puts all images into one class, where IIC has no gradient any more.
    rate = 1e-3 if case[0] == "iic" else 1e-2
    optimiser = torch.optim.Adam(trainer.student.parameters(), lr=rate)
    shown, steps = batch(trainer.method.views, 0), 40
    if any(isinstance(term.objective, FILLED_IN) for term in trainer.method.terms):
        shown, steps = coarse(shown), 160  # noise is nothing that pixels could be found by
    before = objective(trainer, shown)
    for step in range(steps):
        loss = sum(trainer._losses(trainer._look(shown, progress(4), first=False)).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 8 == 7:
            floor = target_entropy(trainer, shown)
            if objective(trainer, shown) - floor < 0.7 * (before - floor):
                return
    pytest.fail(f"after {steps} steps the loss is still above 0.7 of {before:.4f}")


def coarse(shown: Batch) -> Batch:
    """The same items as squares of one colour."""
    squares = {
        name: pixels[:, :, ::8, ::8].repeat_interleave(8, 2).repeat_interleave(8, 3) // 2
        + pixels[:, :, ::4, ::4].repeat_interleave(4, 2).repeat_interleave(4, 3) // 2
        for name, pixels in shown.views.items()
    }
    return replace(shown, views=squares)


def objective(trainer, shown) -> float:
    with torch.no_grad():
        return sum(
            trainer._losses(trainer._look(shown, progress(4), first=False)).values()
        ).item()


def target_entropy(trainer, shown) -> float:
    """What perfect queries would pay: the entropy of soft targets, or a queue's negatives."""
    with torch.no_grad():
        context = trainer._look(shown, progress(4), first=False)
        floor = 0.0
        for term in trainer.method.terms:
            context.loss(term)
            if not isinstance(term.objective, SoftCrossEntropy):
                continue
            kin_record = context.kin_records[-1]
            kin = kin_record.table(slice(0, len(kin_record.queries)))
            weights = kin.weights
            if any(isinstance(entry, FromMemory) for entry in term.candidates):
                best = weights @ torch.nn.functional.normalize(
                    kin_record.candidates.vectors, dim=1
                )
                given = (kin_record.candidates.vectors,)
                if term.negatives is not None:  # mixes with the query are hard for any query
                    asking = replace(kin_record.queries, vectors=best)
                    made, none = term.negatives(asking, kin_record.candidates, kin, context)
                    given, kin = (*given, made), add_columns(kin, none)
                floor += term.weight * term.objective(best, given, kin, progress(4)).item()
            else:
                related = (weights.sum(1) > 0).sum().clamp(min=1)
                entropy = torch.special.entr(weights).sum(1)
                if term.rows == "images":
                    entropy = entropy * kin_record.kin.importance
                    related = len(shown.items)
                floor += term.weight * (entropy.sum() / related).item()
    return floor


@pytest.mark.parametrize("case", CASES, ids=label)
def test_no_gradient_reaches_teacher_or_memory(fabric: Fabric, case):
    trainer = built(fabric, *case)
    for step in range(2):
        trainer.take_step([batch(trainer.method.views, step)], progress(step))
    still = list(trainer.memory.parameters()) + list(trainer.memory.buffers())
    if trainer.teacher is not None:
        still += list(trainer.teacher.network.parameters())
    assert all(tensor.grad is None and not tensor.requires_grad for tensor in still)
    moved = [p for p in trainer.student.parameters() if p.requires_grad]
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in moved)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_resume_at_every_step_of_eight_is_bitwise_equal(fabric: Fabric, case):
    trainer = built(fabric, *case)
    states = [whole_state(trainer)]
    for step in range(8):
        trainer.take_step([batch(trainer.method.views, step)], progress(step))
        states.append(whole_state(trainer))
    for start in range(8):
        other = built(fabric, *case, seed=0)
        # Weights unlike the run's show that nothing survives but what the state holds.
        with torch.no_grad():
            for tensor in other.student.parameters():
                tensor.add_(1.0)
        other.load_state(copy.deepcopy(states[start]))
        restore_optimiser(other.optimiser.optimizer, copy.deepcopy(states[start]))
        other.step = start
        other.take_step([batch(other.method.views, start)], progress(start))
        now = whole_state(other)
        assert now.keys() == states[start + 1].keys()
        assert all(torch.equal(now[k], states[start + 1][k]) for k in now)


@pytest.mark.parametrize("case", CASES, ids=label)
def test_labels_are_read_by_methods_that_say_so_alone(fabric: Fabric, case):
    losses = []
    for corrupt in (False, True):
        labels = torch.full_like(LABELS, -1) if corrupt else LABELS
        trainer = built(fabric, *case, labels=labels)
        shown = batch(trainer.method.views, 0)
        losses.append(trainer.take_step([shown], progress(0)).loss)
    assert (losses[0] == losses[1]) == (not trainer.method.facts)


@pytest.mark.parametrize(
    ("mix", "student", "teacher"),
    [(None, 2, 2), ("sdmp", 2, 3), ("i-mix", 2, 2), ("un-mix", 3, 2), ("mixco", 2, 2)],
)
def test_encoder_passes_of_moco_v3(fabric: Fabric, mix, student, teacher):
    trainer = built(fabric, "moco-v3", mix)
    assert counted(trainer) == (student, teacher)


def test_encoder_passes_of_sdmp_with_an_extra_view(fabric: Fabric):
    from ilk.mixes.sdmp import SDMP
    from tests.laws.world import small_trainer

    trainer = small_trainer(fabric, SDMP(version="extra").apply(small_method("moco-v3")))
    assert counted(trainer) == (3, 3)


def counted(trainer) -> tuple[int, int]:
    calls = {"student": 0, "teacher": 0}

    def count(role):
        def hook(*_):
            calls[role] += 1

        return hook

    trainer.student.backbone.register_forward_hook(count("student"))
    trainer.teacher.network.backbone.register_forward_hook(count("teacher"))
    trainer.take_step([batch(trainer.method.views, 0)], progress(0))
    return calls["student"], calls["teacher"]


def test_student_of_sdmp_on_dino_sees_as_much_as_before(fabric: Fabric):
    seen = {}
    for mix in (None, "sdmp"):
        trainer = built(fabric, "dino", mix)
        images = {"student": 0, "teacher": 0}

        def count(role, images=images):
            def hook(module, args):
                images[role] += len(args[0])

            return hook

        trainer.student.backbone.register_forward_pre_hook(count("student"))
        trainer.teacher.network.backbone.register_forward_pre_hook(count("teacher"))
        trainer.take_step([batch(trainer.method.views, 0)], progress(0))
        seen[mix] = images
    assert seen["sdmp"]["student"] == seen[None]["student"]
    assert seen["sdmp"]["teacher"] == 2 * seen[None]["teacher"]


def test_accumulated_micro_batches_average(fabric: Fabric):
    """A method without contrast between rows: two halves give the gradient of the whole."""
    whole = built(fabric, "byol")
    for module in [*whole.student.modules(), *whole.teacher.network.modules()]:
        module.eval()
    halves = copy.deepcopy(whole.student.state_dict())
    joint = batch(whole.method.views, 0, size=8)
    one = whole.take_step([joint], progress(0)).loss
    other = built(fabric, "byol")
    other.student.load_state_dict(halves)
    for module in [*other.student.modules(), *other.teacher.network.modules()]:
        module.eval()
    parts = [batch(other.method.views, 0, size=4, world=2, rank=r) for r in range(2)]
    two = other.take_step(parts, progress(0)).loss
    assert two == pytest.approx(one, rel=1e-5)


@pytest.mark.parametrize(
    "name", ["dino", "deepcluster", "deepcluster-v2", "ifnd", "moco-v2", "uic",
             "temporal-ensembling", "flexmatch"]
)  # fmt: skip
def test_memories_see_all_micro_batches(fabric: Fabric, name):
    """Two halves leave the memories of the whole, where no statistic of a batch takes part."""
    held = []
    for count in (1, 2):
        trainer = built(fabric, name)
        networks = [trainer.student, *(t.network for t in [trainer.teacher] if t is not None)]
        for network in networks:
            network.eval()
        size = 8 // count
        parts = [
            batch(trainer.method.views, 0, size=size, world=count, rank=r) for r in range(count)
        ]
        before = {key: tensor.clone() for key, tensor in trainer.memory.state_dict().items()}
        trainer.take_step(parts, progress(0))
        held.append(trainer.memory.state_dict())
        assert any(not torch.equal(before[key], now) for key, now in held[-1].items())
    for key, whole in held[0].items():
        torch.testing.assert_close(held[1][key], whole, rtol=1e-5, atol=1e-6)
