"""DINOv2's step beside the one of lightly's example, both on one network.

Crops, batch, heads, prototypes and shares of what is hidden are the same. Targets are centred
on both sides, for lightly does not balance them. Ours also turns bytes to floats and clips the
gradient. What either multiplies in a step is counted first; the rest is what masks draw.
"""

import copy
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.family import TOKENS
from benchmarks.step_speed import Work, batch_for, compared, interleaved, step, trainer
from ilk.networks import backbone
from ilk.views import moments, normalise

HIDDEN, DIM, PROTOTYPES, SMALL_CROPS = 512, 128, 1024, 8
OPTIONS: dict[str, Any] = TOKENS | {
    "hidden": HIDDEN,
    "dim": DIM,
    "patch_dim": DIM,
    "prototypes": PROTOTYPES,
    "targets": "mean",
    "local_views": SMALL_CROPS,
}
# Pixels, images, and how much fewer rounds there are, since a step takes seconds.
NETWORKS = (("vit_mini", 32, 128, 1), ("vit_small_patch16_224", 224, 4, 3))
COUNTED = 2  # steps whose products are counted
TEMPERATURE = 0.04  # of the teacher


def rows(runs: int) -> list[dict[str, Any]]:
    """A row for each network."""
    return [row(*network, max(runs // less, 3)) for *network, less in NETWORKS]


def row(name: str, size: int, count: int, runs: int) -> dict[str, Any]:
    """Our time and theirs, and what both multiply."""
    work = f"DINOv2 step, `{name}` at {size} px"
    if not find_spec("lightly"):
        absent = "lightly is not installed; make bench-peers"
        return {"work": work, "against": "lightly", "at_least": 1.0, "skipped": absent}
    made = trainer(
        "dinov2", OPTIONS, backbone=name, image_size=size, batch_size=count, items=count
    )
    views = [normalise(view, *moments(3)) for view in batch_for(made, count).views.values()]
    works = {"ours": step(made, count), "lightly": Lightly(name, size, views)}
    counted = {who: multiplied(each) for who, each in works.items()}
    spent = interleaved(works, runs)
    found = compared(work, spent["ours"], "lightly", spent["lightly"], at_least=1.0)
    return found | {"images": count, "operations": counted}


def multiplied(work: Work) -> int:
    """Floating point operations of the products in a step, as a mean."""
    with FlopCounterMode(display=False) as counter:
        for _ in range(COUNTED):
            work()
    return counter.get_total_flops() // COUNTED


class Lightly:
    """The step of examples/pytorch/dinov2.py, with a head of their own for patches.

    Args:
        name: of the network.
        size: side of the large crops.
        views: the crops, large ones first.
    """

    def __init__(self, name: str, size: int, views: list[Tensor]) -> None:
        from lightly.loss import DINOLoss, IBOTPatchLoss, KoLeoLoss
        from lightly.models.modules import DINOv2ProjectionHead, MaskedVisionTransformerTIMM

        vit = backbone(name, image_size=size)
        network = MaskedVisionTransformerTIMM(
            vit=vit, antialias=False, pos_embed_initialization="skip"
        )
        sizes = (vit.num_features, HIDDEN, DIM, PROTOTYPES)
        self.student, self.teacher = (
            nn.ModuleDict(
                {
                    "network": copy.deepcopy(network),
                    "crops": DINOv2ProjectionHead(*sizes),
                    "patches": DINOv2ProjectionHead(*sizes),
                }
            )
            for _ in range(2)
        )
        self.teacher.requires_grad_(False).eval()
        self.grid = vit.patch_embed.grid_size
        self.large, self.small = torch.cat(views[:2]), torch.cat(views[2:])
        self.crops = DINOLoss(output_dim=PROTOTYPES)
        self.patches = IBOTPatchLoss(output_dim=PROTOTYPES)
        self.apart = KoLeoLoss()
        self.optimiser = torch.optim.AdamW(self.student.parameters(), lr=1e-3)

    def __call__(self) -> None:
        from lightly.models.utils import random_block_mask, update_momentum

        hidden = random_block_mask(size=(len(self.large), *self.grid))
        mask = torch.cat([hidden.new_zeros(len(hidden), 1), hidden.flatten(1)], dim=1)
        with torch.no_grad():
            taught, known = self._said(self.teacher, self.large, mask, hide=False)
        large, guessed = self._said(self.student, self.large, mask, hide=True)
        small = self.student["network"].encode(self.small)[:, 0]
        said = self.student["crops"](large), self.student["crops"](small)
        self._loss(taught, torch.cat(said), known, guessed, hidden, large).backward()
        self.optimiser.step()
        self.optimiser.zero_grad()
        for part, network in self.student.items():
            update_momentum(network, self.teacher[part], m=0.99)

    def _said(
        self, networks: nn.ModuleDict, images: Tensor, mask: Tensor, *, hide: bool
    ) -> tuple[Tensor, Tensor]:
        """Class tokens, and class scores of the hidden patches."""
        tokens = networks["network"].encode(images, mask=mask if hide else None)
        return tokens[:, 0], networks["patches"](tokens[mask])

    def _loss(
        self, taught: Tensor, said: Tensor, known: Tensor, guessed: Tensor, hidden: Tensor,
        large: Tensor,
    ) -> Tensor:  # fmt: skip
        targets = self.teacher["crops"](taught).chunk(2)
        views = said.chunk(2 + SMALL_CROPS)
        crops = self.crops(targets, views, teacher_temp=TEMPERATURE)
        patches = self.patches(known, guessed, mask=hidden, teacher_temp=TEMPERATURE)
        return crops + patches + 0.1 * sum(self.apart(part) for part in large.chunk(2))
