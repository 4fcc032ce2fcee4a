"""Two runs side by side: the library's trainer, and an oracle by plain formulas.

Both see the same images and begin with the same weights. After every step the loss, all
weights of student and teacher and all memories must agree. Axes: B images.
"""

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ilk.core import Progress
from ilk.method import EMA, Given, Method, passes
from ilk.methods import recipe
from ilk.networks import Network
from ilk.train.loop.loader import Batch
from ilk.train.loop.memories import fill
from ilk.train.loop.profile import no_clock
from ilk.train.loop.trainer import Trainer
from tests.laws.world import (
    GIVEN_VIT,
    SMALL,
    VITS,
    in_float64,
    places,
    predictions,
    small_mix,
    subset_of,
    vit,
)
from tests.oracles.parts import Net, Run, Step

Oracle = Callable[[Run], Iterator[Tensor]]  # yields the loss of each step once it is taken

TOLERANCE = 1e-6  # of the scale of what is compared
ITEMS, BATCH, PER_EPOCH, STEPS = 24, 8, 3, 36
# Two epochs from the beginning, then one step behind the longest warm-up and a last epoch.
NUMBERS = (0, 1, 2, 3, 4, 31, 33, 34)
STATISTICS = ((0.5,) * 3, (0.25,) * 3)
# Half of the labels are known, of three classes.
LABELS = torch.tensor([item % 3 if item % 4 < 2 else -1 for item in range(ITEMS)])


# No cluster is so small that it is dissolved; tests of the memory see to that.
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "interclr": {"smallest": 1},
    "fixmatch": {"threshold": 0.31},  # some rows reach it and some do not
    "flexmatch": {"threshold": 0.45},
    "uda": {"threshold": 0.31, "annealing": "linear"},
    "noisy-student": {"base_lr": 0.01, "momentum": 0.99},
    "mixmatch": {"ramp_steps": 18},
    "s4l-exemplar": {"view_count": 3},
    "exemplar": {"view_count": 3},
    "s4l-moam": {"momentum": 0.99},
    "pseudo-label": {"threshold": 0.31},
    "fast-swa": {"average_from": 2.0, "cycle_share": 0.75, "average_share": 4 / 9},
}


class Trunk(nn.Module):
    """Two convolutions with a batch norm between, so that it matters who shares a pass.

    Without biases: a norm behind would cancel them, and AdamW would make steps of rounding.
    """

    num_features = 12

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images)


def _as_it_is(method: Method) -> Method:
    return method


def trainer_of(
    fabric: Fabric,
    name: str,
    mix: str | None = None,
    change: Callable[[Method], Method] = _as_it_is,
    **options: Any,
) -> Trainer:
    """A trainer of a small method, whose weights depend on the names alone.

    Biases and norms begin anywhere but at 0 and 1, and the teacher apart from the student, so
    that nothing can be mistaken for anything else.
    """
    torch.manual_seed(1)
    settings = {**SMALL[name], **OPTIONS.get(name, {}), **options}
    method = recipe(name, settings).build(
        GIVEN_VIT
        if name in VITS
        else Given(width=Trunk.num_features, size=32, items=ITEMS, classes=4)
    )
    method = method if mix is None else small_mix(mix).apply(method)
    method = change(method)
    student = Network(vit() if name in VITS else Trunk(), method.heads)
    _stir(student)
    trainer = Trainer(
        method, student, fabric=fabric, batch_size=method.batch_size, lr=None,
        statistics=STATISTICS, seed=0,
    )  # fmt: skip
    trainer.reveal("label", LABELS)
    fill(trainer.memory, lambda _: predictions(LABELS))
    if isinstance(method.teacher, EMA) and trainer.teacher is not None:
        for weight, own in zip(
            trainer.teacher.network.parameters(), _shared(student), strict=True
        ):
            weight.add_(0.1 * torch.randn_like(weight) * own.requires_grad)
    return trainer


def _shared(student: Network) -> Iterator[nn.Parameter]:
    """What a teacher has too."""
    alone = tuple(f"{name}." for name, head in student.heads.items() if not head.teacher)
    return (w for n, w in student.named_parameters() if not n.startswith(alone))


@torch.no_grad()
def _stir(network: nn.Module) -> None:
    for weight in network.parameters():
        if weight.requires_grad:
            weight.add_(0.1 * torch.randn_like(weight))


def differences(trainer: Trainer, oracle: Oracle, still: Collection[str] = ()) -> Iterator[str]:
    """Everything in which the two runs do not agree, step by step.

    Args:
        trainer: has taken no step.
        oracle: of its method.
        still: weights whose gradient is zero.

    Raises:
        AssertionError: the oracle cannot tell, since something never moved or was never used.
    """
    with in_float64(trainer):
        run = run_of(trainer)
        start = {**_named("student", run.student), **_named("teacher", run.teacher)}
        start |= {f"memory.{name}": tensor.clone() for name, tensor in run.memory.items()}
        for step, loss in zip(run.steps, oracle(run), strict=True):
            trainer.step = step.number
            taken = trainer.take_step([batch(trainer, step.number)], progress(step.number))
            expected = loss.item()
            if abs(taken.loss - expected) > TOLERANCE * abs(expected):
                yield f"step {step.number}: loss {taken.loss} and not {expected}"
            yield from _apart(trainer, run, start, step.number, still)
    _seen(trainer, run, start, still)


def run_of(trainer: Trainer) -> Run:
    """What the oracle is given."""
    averaged = isinstance(trainer.method.teacher, EMA)
    teacher = trainer.teacher.network if averaged and trainer.teacher else nn.Module()
    standing = None if averaged or trainer.teacher is None else trainer.teacher.network.backbone
    return Run(
        batch=trainer.method.batch_size,
        student=Net(dict(trainer.student.named_parameters()), learns=True),
        teacher=Net(dict(teacher.named_parameters()), learns=False),
        memory={n: t.detach().clone() for n, t in trainer.memory.state_dict().items()},
        pretrained=copy.deepcopy(standing) if standing is not None else _no_teacher,
        steps=[_step(trainer, number) for number in NUMBERS],
    )


def _no_teacher(images: Tensor) -> Tensor:
    raise AssertionError("no teacher has learned before")


def _step(trainer: Trainer, number: int) -> Step:
    shown = batch(trainer, number)
    when = number // PER_EPOCH if trainer.method.sampling is None else number
    views, facts = trainer._view_maker(shown, epoch=when, step=number, clock=no_clock)
    return Step(
        number=number, steps=STEPS, per_epoch=PER_EPOCH, items=shown.items.tolist(),
        views={name: images.detach() for name, images in views.items()},
        made_of={
            name: (known.composition.sources, known.composition.shares)
            for name, known in facts.items()
        },
        labels=LABELS.tolist(), seed=0,
        hidden={
            name: known.mask.hidden.flatten(1).tolist()
            for name, known in facts.items()
            if known.mask is not None
        },
        places={
            name: known.place.tolist()
            for name, known in facts.items()
            if known.place is not None
        },
        tasks={
            name: known.task.tolist() for name, known in facts.items() if known.task is not None
        },
        asked={
            name: known.mask.sets.flatten(2).tolist()
            for name, known in facts.items()
            if known.mask is not None
        },
    )  # fmt: skip


def progress(number: int) -> Progress:
    return Progress(number, STEPS, float(PER_EPOCH))


def batch(trainer: Trainer, number: int) -> Batch:
    """Images of a step: each item's own coarse pattern, under noise of each view's own."""
    epoch, place = divmod(number, PER_EPOCH)
    items = np.random.default_rng(epoch).permutation(ITEMS)[place * BATCH : (place + 1) * BATCH]
    views = trainer.method.views
    shown = {view.name: subset_of(items, view, LABELS) for view in views}
    pixels = {
        view.name: torch.from_numpy(
            np.stack([_image(int(item), view.size, [number, n]) for item in shown[view.name]])
        )
        for n, view in enumerate(views)
    }
    return Batch(
        items,
        pixels,
        {view.name: places(shown[view.name], [number, n]) for n, view in enumerate(views)},
        subsets={v.name: shown[v.name] for v in views if v.subset != "all"},
    )


def _image(item: int, size: int, seed: list[int]) -> np.ndarray:
    coarse = np.random.default_rng(item).integers(0, 256, (3, 4, 4))
    noise = np.random.default_rng([item, *seed]).integers(-60, 61, (3, size, size))
    cell = -(-size // 4)
    pattern = coarse.repeat(cell, axis=1).repeat(cell, axis=2)[:, :size, :size]
    return (pattern + noise).clip(0, 255).astype(np.uint8)


def _named(role: str, net: Net) -> dict[str, Tensor]:
    return {f"{role}.{name}": weight.detach().clone() for name, weight in net.weights.items()}


def _apart(
    trainer: Trainer,
    run: Run,
    start: dict[str, Tensor],
    number: int,
    still: Collection[str],
) -> Iterator[str]:
    """Weights whose change since the beginning, and buffers that, are not the same."""
    networks = {"student": (trainer.student, run.student)}
    if run.teacher.weights and trainer.teacher is not None:
        networks["teacher"] = (trainer.teacher.network, run.teacher)
    for role, (theirs, ours) in networks.items():
        moved = {n: w.detach() - start[f"{role}.{n}"] for n, w in ours.weights.items()}
        # What cancels out but for rounding has no scale of its own.
        most = max(float(change.abs().max()) for change in moved.values())
        for name, weight in theirs.named_parameters():
            least = most if f"student.{name}" in still else 1e-3 * most
            apart = (weight.detach() - start[f"{role}.{name}"] - moved[name]).abs().max()
            if apart > TOLERANCE * max(float(moved[name].abs().max()), least):
                yield f"step {number}: {role}.{name} by {float(apart):.3g}"
    for name, buffer in trainer.memory.state_dict().items():
        ours = run.memory[name]
        assert ours.shape == buffer.shape, f"memory.{name}"
        apart = (buffer.double() - ours.double()).abs().max()
        if apart > TOLERANCE * float(ours.double().abs().max()):
            yield f"step {number}: memory.{name} by {float(apart):.3g}"


def _seen(trainer: Trainer, run: Run, start: dict[str, Tensor], still: Collection[str]) -> None:
    """That agreement meant something: all was used, and all has moved."""
    fixed = {n for n, w in trainer.student.named_parameters() if not w.requires_grad}
    reduction = {*still, *(f"{role}.{n}" for role in ("student", "teacher") for n in fixed)}
    now = {**_named("student", run.student), **_named("teacher", run.teacher)}
    now |= {f"memory.{name}": tensor for name, tensor in run.memory.items()}
    unmoved = {name for name, tensor in now.items() if torch.equal(tensor, start[name])}
    assert unmoved <= reduction, f"never moved: {unmoved - reduction}"
    assert set(run.student.weights) == {n for n, _ in trainer.student.named_parameters()}
    shown = {entry.network for entry in passes(trainer.method)}  # an average may have no pass
    for net in [run.student] + [run.teacher] * ("teacher" in shown):
        unused = set(net.weights) - net.used
        assert unused <= fixed, f"never used: {unused - fixed}"
