"""A tiny world in which every method trains in milliseconds."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

import ilk.train.loop.view_maker as pictures_module
from ilk.core import Progress
from ilk.core.facts import Fact
from ilk.kin_rules import kin_rule
from ilk.method import Given, Method
from ilk.methods import recipe
from ilk.mixes import Mixture, mixture
from ilk.networks import Network, backbone
from ilk.train.loop.loader import Batch
from ilk.train.loop.memories import fill
from ilk.train.loop.trainer import Trainer
from ilk.views import MaskedView, Tiles, View

# Small heads and memories; everything else is the paper's.
SMALL: Mapping[str, Mapping[str, Any]] = {
    "simclr": {"hidden": 16, "dim": 8},
    "moco-v2": {"hidden": 16, "dim": 32, "queue_size": 32},
    "moco-v3": {"hidden": 16, "dim": 8, "warmup_epochs": 1},
    "byol": {"hidden": 16, "dim": 8},
    "simsiam": {"hidden": 16, "dim": 16, "predictor_hidden": 8},
    "barlow-twins": {"hidden": 16, "dim": 16},
    "vicreg": {"hidden": 16, "dim": 16},
    "swav": {"hidden": 16, "dim": 8, "prototypes": 12, "local_views": 2, "frozen_steps": 2},
    "dino": {"hidden": 16, "dim": 8, "prototypes": 12, "local_views": 4, "drop_path": 0.0},
    "nnclr": {"hidden": 16, "dim": 8, "predictor_hidden": 16, "queue_size": 32},
    "fnc": {"hidden": 16, "dim": 8, "queue_size": 64, "view_count": 4, "top": 2},
    "supcon": {"hidden": 16, "dim": 8},
    "ressl": {"hidden": 16, "dim": 8, "queue_size": 32},
    "msf": {"hidden": 16, "dim": 8, "queue_size": 32, "k": 3},
    "cmsf": {"hidden": 16, "dim": 8, "queue_size": 8, "k": 2, "constrained_to": 4},
    "ifnd": {"hidden": 16, "dim": 32, "queue_size": 32, "clusters": (3, 5)},
    "deepcluster-v2": {"hidden": 16, "dim": 8, "clusters": 6, "local_views": 2},
    "mochi": {
        "hidden": 16,
        "dim": 32,
        "queue_size": 32,
        "hardest": 6,
        "pairs": 4,
        "own": 3,
        "from_epoch": 0.5,
    },
    "relic-v2": {"hidden": 16, "dim": 8, "negatives": 3, "large_views": 2, "local_views": 1},
    "iic": {"classes": 4, "overclasses": 7, "heads": 2, "copies": 2},
    "imsat": {"classes": 4, "hidden": 16},
    "dac": {"classes": 4, "hidden": 16},
    "uic": {"classes": 5, "hidden": 16},
    "deepcluster": {"clusters": 5, "axes": 6},
    "rekd": {"teacher": "random:resnet_mini", "hidden": 16, "queue_size": 32, "k": 2},
    "interclr": {
        "hidden": 16,
        "dim": 32,
        "queue_size": 32,
        "clusters": 3,
        "smallest": 4,
        "every": 2,
        "pool": 20,
        "negatives": 6,
    },
    "revisiting": {"hidden": 16, "dim": 32, "queue_size": 32, "k": 3, "local_views": 2},
    "rotation": {},
    "w-mse": {"hidden": 16, "dim": 2, "sub_batch": 4},
    "diet": {"warmup_epochs": 1},
    "distill": {"teacher": "random:resnet_mini"},
    "supervised": {},
    "noisy-student": {"pseudo_labels": "table", "dropout": 0.0},
    "fixmatch": {"threshold": 0.25},
    "flexmatch": {"threshold": 0.25},
    "uda": {"threshold": 0.25},
    "mixmatch": {"ramp_steps": 164},
    "s4l-rotation": {},
    "s4l-exemplar": {"view_count": 2, "dim": 8},
    "s4l-moam": {"pseudo_labels": "table"},
    "pseudo-label": {"threshold": 0.25},
    "pi-model": {"ramp_epochs": 4.0, "rise_epochs": 1.0},
    "temporal-ensembling": {"ramp_epochs": 4.0, "rise_epochs": 1.0},
    "mean-teacher": {},
    "fast-swa": {"average_from": 0.25, "cycle_share": 1.0, "average_share": 1.0},
    "vat": {},
    "vat-entmin": {},
    "mae": {"decoder_dim": 16, "decoder_depth": 1, "decoder_heads": 2, "warmup_epochs": 1},
    "simmim": {"drop_path": 0.0},
    "denoising": {"hidden": 8},
    "variational": {"dim": 8, "hidden": 8},
    "inpainting": {"hidden": 8},
    "colorization": {"hidden": 8},
    "densecl": {"hidden": 16, "dim": 32, "queue_size": 32},
    "vicregl": {"hidden": 16, "dim": 16, "local_dim": 8, "matches": 6},
    "context": {"dim": 8, "hidden": 16},
    "jigsaw": {"dim": 8, "permutations": 5},
    "exemplar": {"view_count": 2, "dim": 8},
    "dcl": {"hidden": 16, "dim": 8},
    "tico": {"hidden": 16, "dim": 8},
    "ibot": {"hidden": 16, "dim": 8, "prototypes": 12, "local_views": 4, "drop_path": 0.0},
    "dinov2": {
        "hidden": 16,
        "dim": 8,
        "patch_dim": 8,
        "prototypes": 12,
        "local_views": 4,
        "drop_path": 0.0,
    },
    "i-jepa": {
        "predictor_dim": 16,
        "predictor_depth": 1,
        "predictor_heads": 2,
        "warmup_epochs": 1,
    },
    "dim": {"dim": 8, "units": 16, "critic": 10, "side": 2},
    "amdim": {"dim": 16, "side": 2},
    "cpc": {"hidden": 8, "depth": 2, "side": 3, "furthest": 2, "negatives": 2},
    "msn": {"hidden": 16, "dim": 8, "prototypes": 12, "local_views": 4, "warmup_epochs": 1},
}
# Methods that take no mixed images.
ONE_HOT = {
    "barlow-twins", "vicreg", "imsat", "dac", "mixmatch", "s4l-exemplar", "s4l-moam", "vat",
    "vat-entmin", "mae", "simmim", "denoising", "variational", "inpainting", "colorization",
    "densecl", "vicregl",
    "context", "jigsaw", "exemplar", "tico",
    "i-jepa",
    "dim", "cpc",
}  # fmt: skip
# Methods of crops with a part hidden, which have targets place by place.
TOKENS = {"ibot", "dinov2"}
# Methods whose labelled and unlabelled images share a view.
SHARED = {"pi-model", "temporal-ensembling", "mean-teacher", "fast-swa"}
ITEMS = 64
# Half of the labels are known, of four classes; only methods that say so read them.
LABELS = torch.where(torch.arange(ITEMS) % 8 < 4, torch.arange(ITEMS) % 4, -1)
PER_EPOCH = 4.0


class Trunk(nn.Module):
    """Two convolutions; takes any image size."""

    num_features = 12

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 12, 3, stride=2, padding=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body(images)


# Methods that ask for places or hide patches: they have a small transformer.
VITS = {
    "mae", "simmim", "inpainting", "colorization", "densecl", "vicregl", "ibot", "dinov2",
    "i-jepa", "dim", "amdim", "msn",
}  # fmt: skip
# Methods that read mixed images place by place, which boxes do not fit.
BY_PLACE = {"amdim"}
GIVEN_VIT = Given(
    width=16, size=32, place_width=16, stride=8, early=(16, 4), patch=8,
    patch_width=16, items=ITEMS, classes=4,
)  # fmt: skip


def vit() -> nn.Module:
    """16 patches of 8 pixels, two blocks."""
    options = {"patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
    return backbone("vit_tiny_patch16_224", image_size=32, options=options)


CASES = [
    *((name, None) for name in SMALL),
    *((name, "sdmp") for name in SMALL if name not in ONE_HOT | BY_PLACE),
    *((name, "sdmp:mixup") for name in BY_PLACE),
    ("moco-v3", "i-mix"),
    ("moco-v3", "un-mix"),
    ("moco-v3", "mixco"),
    ("simclr", "dacl"),
    ("dino", "i-mix"),
    ("moco-v3", "sdmp:cutout"),
    ("dino", "sdmp:saliencymix"),
    ("simclr", "sdmp:puzzlemix"),
    ("fnc", "mixco"),
    ("moco-v3", "sdmp", "neighbours:2"),
    ("simclr", None, "fnc-eliminate:0.2"),
    ("moco-v3", None, "labels:0.5"),
]


def label(case: tuple[str | None, ...]) -> str:
    return "+".join(part for part in case if part)


def small_method(
    name: str,
    mix: str | None = None,
    kin: str | None = None,
    *,
    items: int = ITEMS,
    **options: Any,
) -> Method:
    given = Given(width=Trunk.num_features, size=32, items=items, classes=4)
    method = recipe(name, {**SMALL[name], **options}).build(
        GIVEN_VIT if name in VITS else given
    )
    if name == "iic":
        # Where all answers are the same its loss and gradient vanish; it takes long to leave.
        with torch.no_grad():
            method.heads["projector"].module[-1].weight.mul_(50)
    if kin is not None:
        sizes = {"queue_size": 32} if kin.startswith("neighbours") else {}
        method = kin_rule(kin, sizes).apply(method)
    return method if mix is None else small_mix(mix).apply(method)


def small_mix(mix: str) -> Mixture:
    """A mix by its name, and after a colon by which strategy alone."""
    name, _, strategy = mix.partition(":")
    return mixture(name, {"strategies": (strategy,)} if strategy else {})


def small_trainer(fabric: Fabric, method: Method, *, seed: int = 0, lr: float | None = None,
                  batch_size: int = 8, labels: torch.Tensor = LABELS,
                  compiled: bool = False) -> Trainer:  # fmt: skip
    torch.manual_seed(seed)
    student = Network(trunk_for(method), method.heads)
    trainer = Trainer(
        method, student, fabric=fabric, batch_size=batch_size, lr=lr,
        statistics=((0.5,) * 3, (0.25,) * 3), seed=seed, compiled=compiled,
    )  # fmt: skip
    trainer.reveal("label", labels)
    fill(trainer.memory, lambda _: predictions(labels))
    return trainer


def trunk_for(method: Method) -> nn.Module:
    """Two convolutions, or a transformer where places are asked for or hidden."""
    if any(isinstance(view, Tiles) for view in method.derived):
        return Trunk()
    places = any(head.on not in ("feature", *method.heads) for head in method.heads.values())
    masked = any(isinstance(view, MaskedView) for view in method.derived)
    return vit() if places or masked else Trunk()


def built(
    fabric: Fabric, name: str, mix: str | None = None, kin: str | None = None, **settings: Any
) -> Trainer:
    """A trainer whose weights depend on the names alone."""
    torch.manual_seed(1)
    return small_trainer(fabric, small_method(name, mix, kin), **settings)


def predictions(labels: torch.Tensor) -> Fact:
    """What a network may have said of the items without a label: a share for each class."""
    chance = np.random.default_rng(3)
    shares = chance.dirichlet(np.full(4, 0.5), len(labels)).astype(np.float16)
    unknown = labels.numpy() < 0
    best = np.where(unknown, shares.argmax(axis=1), -1).astype(np.int32)
    return Fact(tuple("abcd"), best, "", shares * unknown[:, None])


@contextmanager
def in_float64(trainer: Trainer) -> Generator[None]:
    """Steps whose rounding is too small for machines to differ by."""
    for part in trainer._parts().values():
        part.double()
    with patch.object(pictures_module, "normalise", _in_float64):
        yield


def _in_float64(pixels: torch.Tensor, mean: Sequence[float], std: Sequence[float]):
    scale, shift = (
        torch.tensor(x, dtype=torch.float64, device=pixels.device).view(-1, 1, 1)
        for x in (std, mean)
    )
    return (pixels.double() / 255 - shift) / scale


def batch(views: tuple[View, ...], step: int, *, size: int = 8, world: int = 1,
          rank: int = 0) -> Batch:  # fmt: skip
    """Images of a step, of which a rank sees its part; the same in every call.

    Views of labelled or unlabelled images go by ``LABELS``, half of which are known.
    """
    chance = np.random.default_rng(step)
    items = chance.permutation(ITEMS)[: size * world]
    own = items[rank * size : (rank + 1) * size]
    shown = {view.name: subset_of(own, view, LABELS) for view in views}
    pixels = {
        view.name: torch.from_numpy(
            np.array([
                np.random.default_rng([int(i), step, n]).integers(0, 256, (3, *[view.size] * 2))
                for i in shown[view.name]
            ], np.uint8).reshape(-1, 3, view.size, view.size)
        )
        for n, view in enumerate(views)
    }  # fmt: skip
    return Batch(
        own,
        pixels,
        {view.name: places(shown[view.name], [step, n]) for n, view in enumerate(views)},
        subsets={v.name: shown[v.name] for v in views if v.subset != "all"},
    )


def places(items: np.ndarray, seed: list[int]) -> torch.Tensor:
    """Where views lie in their images: a half to all of each side; some are mirrored."""
    edges = []
    for item in items:
        top, left, high, wide, mirrored = np.random.default_rng([int(item), *seed, 7]).random(5)
        high, wide = (1 + high) / 2, (1 + wide) / 2
        top, left = top * (1 - high), left * (1 - wide)
        sides = (left, left + wide) if mirrored < 0.5 else (left + wide, left)
        edges.append((top, sides[0], top + high, sides[1]))
    return torch.tensor(edges, dtype=torch.float32).reshape(-1, 4)


def subset_of(items: np.ndarray, view: View, labels: torch.Tensor) -> np.ndarray:
    """Which of some items a view is made of."""
    if view.subset == "all":
        return items
    return items[(labels.numpy()[items] >= 0) == (view.subset == "labelled")]


def progress(step: int, steps: int = 8) -> Progress:
    return Progress(step, steps, PER_EPOCH)
