"""The oracles notice faults: each is planted in a method that agrees without it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import Cosine, Line, MeanMomentum, Rows, WarmMomentum
from ilk.kin import OwnTask
from ilk.memory import Queue
from ilk.method import EMA, Method, substituted
from ilk.views import Rotations
from tests.oracles.table import ORACLES
from tests.oracles.world import differences, trainer_of

ALL = tuple(ORACLES)
LEARNS_FROM_ITSELF = {
    "simclr", "simsiam", "barlow-twins", "vicreg", "swav", "nnclr", "supcon", "deepcluster-v2",
    "iic", "imsat", "dac", "uic", "deepcluster", "rekd", "rotation", "w-mse", "diet",
    "distill", "s4l-rotation", "s4l-exemplar", "pseudo-label", "pi-model",
    "temporal-ensembling", "vat", "vat-entmin", "mae", "simmim", "denoising", "variational",
    "inpainting", "colorization", "context", "jigsaw", "exemplar", "dcl",
    "dim", "amdim", "cpc", "vicregl",
}  # fmt: skip
TEACHERS = tuple(name for name in ALL if name not in LEARNS_FROM_ITSELF)


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def temperature(method: Method) -> Method:
    """One part in a hundred."""
    terms = tuple(
        replace(t, objective=replace(t.objective, temperature=1.01 * t.objective.temperature))
        if hasattr(t.objective, "temperature")
        else t
        for t in method.terms
    )
    return replace(method, terms=terms)


def weight_of_a_term(method: Method) -> Method:
    """One part in a hundred, of the last."""
    *others, last = method.terms
    return replace(method, terms=(*others, replace(last, weight=1.01 * last.weight)))


def teacher_momentum(method: Method) -> Method:
    """A thousandth."""
    teacher = method.teacher
    assert isinstance(teacher, EMA)
    momentum = teacher.momentum
    if isinstance(momentum, Cosine | Line):
        changed: Any = replace(momentum, start=momentum.start - 0.001)
    elif isinstance(momentum, WarmMomentum):
        changed = replace(momentum, end=momentum.end - 0.001)
    elif isinstance(momentum, MeanMomentum):
        changed = replace(momentum, first=momentum.first + 1 / 3)  # a step later
    else:
        assert isinstance(momentum, float)
        changed = momentum - 0.001
    return replace(method, teacher=replace(teacher, momentum=changed))


def teacher_at_the_other_end(method: Method) -> Method:
    """Before the teacher's pass in place of after the step, or the other way round."""
    teacher = method.teacher
    assert isinstance(teacher, EMA)
    other = "after" if teacher.update == "before" else "before"
    return replace(method, teacher=replace(teacher, update=other))


def _optimised(method: Method, **changes: Any) -> Method:
    return replace(method, optimisation=replace(method.optimisation, **changes))


def _heads(method: Method, **changes: Any) -> Method:
    heads = {name: replace(head, **changes) for name, head in method.heads.items()}
    return replace(method, heads=heads)


def learning_rate(method: Method) -> Method:
    """One part in ten thousand."""
    return _optimised(method, lr=1.0001 * method.optimisation.lr)


def scaling_of_the_rate(method: Method) -> Method:
    """With the root of the batch in place of the batch, or the other way round."""
    other = "linear" if method.optimisation.scaling == "sqrt" else "sqrt"
    return _optimised(method, scaling=other)


def optimiser_momentum(method: Method) -> Method:
    """A thousandth."""
    return _optimised(method, momentum=0.901, betas=(0.901, 0.999))


def decay(method: Method) -> Method:
    """Ten times as much."""
    assert isinstance(method.optimisation.weight_decay, float)
    return _optimised(method, weight_decay=10 * method.optimisation.weight_decay)


def decay_of_biases(method: Method) -> Method:
    """Decayed where they are not, or not where they are."""
    return _optimised(method, decay_all=not method.optimisation.decay_all)


def lars_for_larc(method: Method) -> Method:
    """Biases and norms are not adapted."""
    return _optimised(method, name="lars")


def warm_up(method: Method) -> Method:
    """Longer by a tenth of an epoch."""
    return _optimised(method, warmup_epochs=method.optimisation.warmup_epochs + 0.1)


def last_rate(method: Method) -> Method:
    """Zero."""
    return _optimised(method, end_lr=0.0, end_share=0.0)


def falling_rate(method: Method) -> Method:
    """The rate of what should stay at the peak."""
    method = _heads(method, constant_lr=False)
    return method if method.optimisation.end_share < 1 else _optimised(method, end_share=0.0)


def no_clipping(method: Method) -> Method:
    """Gradients stay as long as they are."""
    return _optimised(method, clip=None)


def shifted_queue(method: Method) -> Method:
    """Each row is written in the place of the next one."""
    queue = next(m for m in method.memory.values() if isinstance(m, Queue))

    def remember(rows: Rows) -> None:
        Queue.remember(queue, replace(rows, vectors=rows.vectors.roll(1, dims=0)))

    queue.remember = remember  # pyright: ignore[reportAttributeAccessIssue]
    return method


def forgotten_memory(method: Method) -> Method:
    """The last of what should be remembered is not."""
    return replace(method, remember=method.remember[:-1])


def centre_momentum(method: Method) -> Method:
    """A thousandth."""
    centre: Any = method.memory["centre"]
    centre.momentum += 0.001
    return method


def swapped_views(method: Method) -> Method:
    """Queries and keys change views."""
    first, second = (view.name for view in method.views[:2])
    views = {first: second, second: first}
    return replace(method, terms=tuple(substituted(term, views) for term in method.terms))


def open_targets(method: Method) -> Method:
    """Gradients flow into targets."""
    terms = tuple(
        replace(t, candidates=tuple(replace(c, stopped=False) for c in t.candidates))  # pyright: ignore
        for t in method.terms
    )
    return replace(method, terms=terms)


def apart(method: Method) -> Method:
    """Each view has a pass of its own, and with it batch statistics of its own."""
    return replace(method, together="view")


def joined(method: Method) -> Method:
    """Views of one size share a pass."""
    return replace(method, together="size")


def never_frozen(method: Method) -> Method:
    """What should stand still at first moves."""
    return _heads(method, freeze_epochs=0.0, freeze_steps=0)


def never_renewed(method: Method) -> Method:
    """What should get fresh weights in each epoch keeps its own."""
    return _heads(method, renew=None)


class Clockwise(Rotations):
    """Turned the other way round."""

    def __call__(self, views, chance):
        made = super().__call__(views, chance)[self.name]
        none, one, two, three = made.images.chunk(4)
        return {self.name: replace(made, images=torch.cat([none, three, two, one]))}


def clockwise(method: Method) -> Method:
    """Images are turned the other way round."""
    (view,) = method.derived
    return replace(method, derived=(Clockwise(name=view.name, view=view.view),))


def half_the_rotations(method: Method) -> Method:
    """What is turned by 180 and 270 degrees is said to be turned by 0 and 90."""
    (term,) = method.terms
    return replace(method, terms=(replace(term, kin=Halved(classes=4)),))


class Halved(OwnTask):
    """Rotations modulo two."""

    def __call__(self, queries, candidates, context):
        seen = replace(queries, task=queries.task % 2)
        return super().__call__(seen, candidates, context)


FAULTS: dict[Callable[[Method], Method], Sequence[str]] = {
    temperature: [n for n in ALL if n not in (
        "byol", "simsiam", "barlow-twins", "vicreg", "msf", "cmsf", "iic", "dac", "w-mse",
        "distill", "mae", "simmim", "denoising", "variational", "inpainting",
        "exemplar", "tico", "i-jepa", "vicregl",
    )],
    weight_of_a_term: ALL,
    teacher_momentum: TEACHERS,
    teacher_at_the_other_end: TEACHERS,
    learning_rate: ALL,
    scaling_of_the_rate: ("simclr", "fnc", "moco-v3", "uic", "iic"),
    optimiser_momentum: ("simclr", "moco-v2", "moco-v3", "swav"),
    decay: ("simclr", "moco-v2", "moco-v3", "swav"),
    decay_of_biases: ("moco-v2", "moco-v3", "dino", "ressl", "simsiam", "uic", "distill"),
    lars_for_larc: ("swav", "deepcluster-v2"),
    warm_up: ("simclr", "moco-v2", "moco-v3", "dino", "swav", "iic", "diet"),
    last_rate: ("swav", "barlow-twins", "vicreg", "dino", "diet"),
    falling_rate: ("simsiam", "deepcluster"),
    no_clipping: ("dino",),
    shifted_queue: (
        "moco-v2", "nnclr", "fnc", "ressl", "msf", "cmsf", "ifnd", "mochi", "rekd", "interclr",
        "revisiting",
    ),
    forgotten_memory: (
        "moco-v2", "dino", "fnc", "cmsf", "ifnd", "deepcluster-v2", "uic", "deepcluster",
        "interclr", "revisiting",
    ),
    centre_momentum: ("dino",),
    swapped_views: ("moco-v2", "msf", "ressl", "imsat", "interclr"),
    open_targets: ("simsiam",),
    apart: ("swav", "dino", "fnc", "supcon", "relic-v2", "revisiting"),
    joined: ("moco-v3", "byol", "vicreg", "nnclr", "iic"),
    never_frozen: ("swav", "dino"),
    never_renewed: ("deepcluster",),
    clockwise: ("rotation",),
    half_the_rotations: ("rotation",),
}  # fmt: skip
PLANTED = [(fault, name) for fault, names in FAULTS.items() for name in names]


@pytest.mark.parametrize(
    ("fault", "name"), PLANTED, ids=[f"{fault.__name__}-{name}" for fault, name in PLANTED]
)
def test_a_fault_is_noticed(fabric, fault, name):
    trainer = trainer_of(fabric, name, change=fault)
    assert next(differences(trainer, ORACLES[name]), None) is not None


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("byol", {"momentum": 0.995}),
        ("barlow-twins", {"redundancy_weight": 0.0052}),
        ("vicreg", {"covariance": 1.01}),
        ("vicreg", {"variance": 25.1}),
        ("swav", {"epsilon": 0.051}),
        ("swav", {"iterations": 4}),
        ("dino", {"teacher_temperature": 0.08}),
        ("dino", {"warmup_teacher_epochs": 31}),
        ("fnc", {"above": 0.9}),
        ("fnc", {"top": 3}),
        ("fnc", {"attract": False}),
        ("ressl", {"teacher_temperature": 0.041}),
        ("msf", {"k": 4}),
        ("cmsf", {"k": 3}),
        ("cmsf", {"constrained_to": 5}),
        ("ifnd", {"attract": True}),
        ("mochi", {"hardest": 7}),
        ("mochi", {"from_epoch": 1.0}),
        ("relic-v2", {"negatives": 2}),
        ("relic-v2", {"invariance": 3.1}),
        ("iic", {"marginals": 1.1}),
        ("imsat", {"balance": 4.1}),
        ("dac", {"above": 0.9}),
        ("dac", {"below": 0.3}),
        ("deepcluster", {"axes": 5}),
        ("deepcluster", {"iterations": 1}),
        ("rekd", {"k": 3}),
        ("rekd", {"teacher_temperature": 0.06}),
        ("interclr", {"margin": -0.4}),
        ("interclr", {"pool": 12}),
        ("interclr", {"negatives": 5}),
        ("revisiting", {"k": 4}),
        ("revisiting", {"neighbour_weight": 0.41}),
        ("rotation", {"base_lr": 0.0134}),
        ("rotation", {"weight_decay": 6e-4}),
        ("diet", {"smoothing": 0.81}),
        ("diet", {"weight_decay": 0.06}),
        ("distill", {"base_lr": 0.051}),
        ("tico", {"beta": 0.91}),
        ("tico", {"rho": 8.1}),
        ("dcl", {"sigma": 5.0}),
        ("dim", {"prior": 0.11}),
        ("dim", {"bound": "dv"}),
        ("amdim", {"clip": 19.0}),
        ("amdim", {"penalty": 0.051}),
        ("cpc", {"lr": 2.02e-4}),
        ("cpc", {"negatives": 3}),
    ],
    ids=str,
)
def test_another_setting_is_noticed(fabric, name, setting):
    trainer = trainer_of(fabric, name, **setting)
    assert next(differences(trainer, ORACLES[name]), None) is not None
