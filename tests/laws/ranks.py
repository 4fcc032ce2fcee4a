"""Two steps of every method on one rank of several; started by torchrun, writes what it got.

They are the first ones of two epochs, in which memories are put in order, and show the same
items, so that all of them have been seen by then.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric

from ilk.method import Method, with_anchor
from ilk.networks import Network, sync_batch_norm
from ilk.train.devices import data_parallel, fully_sharded
from ilk.train.loop.memories import fill
from ilk.train.loop.trainer import Trainer
from ilk.train.processes.sharding import whole
from ilk.views import BlockCells, DerivedView, MaskedView, MixedView
from tests.laws.world import (
    CASES,
    LABELS,
    PER_EPOCH,
    batch,
    in_float64,
    label,
    predictions,
    progress,
    small_method,
    trunk_for,
)

WORLD, SHARE = 2, 4
# Partners lie within a rank, so one process must mix within groups of a rank's size.
UNEQUAL = {
    ("simclr", "dacl"),
    ("moco-v3", "i-mix"),
    ("dino", "i-mix"),
    ("moco-v3", "mixco"),
    ("fnc", "mixco"),
    ("mixmatch", None),
    ("amdim", None),  # what networks draw is a rank's own
    ("amdim", "sdmp:mixup"),
}
# Settings with which networks draw nothing.
WITHOUT_DRAWS = {"variational": {"noise": 0.0}, "dim": {"prior": 0.0, "whole": 0.5}}


def _of_some_items(case) -> bool:
    """Whether it mixes labelled rows, of which ranks have unequal numbers: no equal groups."""
    views = small_method(case[0]).views
    return case[1] is not None and any(view.subset != "all" for view in views)


ANCHORED = [("moco-v3", "sdmp", None, "cosine:0.5"), ("simclr", None, None, "gram:5")]
COMPARED = [
    *(case for case in CASES if case not in UNEQUAL and not _of_some_items(case)),
    *ANCHORED,
]


def prepared(case, fabric: Fabric, groups: int) -> Trainer:
    torch.manual_seed(1)
    method: Method = small_method(*case[:3], **WITHOUT_DRAWS.get(case[0], {}))
    derived = tuple(in_groups(view, groups) for view in method.derived)
    method = replace(method, derived=derived)
    if len(case) > 3:
        method = with_anchor(method, case[3], places=False)
    student = Network(trunk_for(method), method.heads)
    if fabric.world_size > 1:
        student = sync_batch_norm(student, fabric.device)
    trainer = Trainer(
        method, student.double(), fabric=fabric, batch_size=WORLD * SHARE, lr=0.05,
        statistics=((0.5,) * 3, (0.25,) * 3), seed=0,
    )  # fmt: skip
    trainer.reveal("label", LABELS)
    fill(trainer.memory, lambda _: predictions(LABELS))
    return trainer


def in_groups(view: DerivedView, groups: int) -> DerivedView:
    """A view that is laid out over the images of a rank, for several ranks in one process."""
    if isinstance(view, MixedView):
        return replace(view, mixing=replace(view.mixing, groups=groups))
    if isinstance(view, MaskedView) and isinstance(view.masks, BlockCells):
        return replace(view, masks=replace(view.masks, groups=groups))
    return view


def two_steps(trainer: Trainer, world: int, rank: int) -> dict[str, torch.Tensor]:
    out = {}
    size = WORLD * SHARE // world
    for step in range(2):
        shown = batch(trainer.method.views, 0, size=size, world=world, rank=rank)
        with in_float64(trainer):
            result = trainer.take_step([shown], progress(step * int(PER_EPOCH)))
        out[f"loss.{step}"] = torch.tensor(result.loss, dtype=torch.float64)
        for name, parameter in trainer.student.named_parameters():
            if parameter.grad is not None:
                out[f"grad.{step}.{name}"] = whole(parameter.grad).clone()
    return out | trainer.state()


def main(target: Path, strategy: str) -> None:
    torch.set_num_threads(1)
    chosen = fully_sharded(WORLD) if strategy == "fsdp" else data_parallel()
    fabric = Fabric(accelerator="cpu", devices=WORLD, strategy=chosen)
    fabric.launch()
    rank = fabric.global_rank
    results = {
        label(case): two_steps(prepared(case, fabric, 1), WORLD, rank) for case in COMPARED
    }
    torch.save(results, target / f"rank{rank}.pt")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]), sys.argv[2])
