"""One step whose ranks have unequally many rows with kin, on one rank of two."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric

from ilk.core import Output
from ilk.kin import SameLabel
from ilk.method import Term
from ilk.networks import Network
from ilk.objectives import Divergence, Margin, MeanShift, SoftCrossEntropy
from ilk.train.devices import data_parallel
from ilk.train.loop.trainer import Trainer
from tests.laws.world import LABELS, Trunk, batch, in_float64, progress, small_method

SIZE = 8
OBJECTIVES = (
    SoftCrossEntropy(temperature=0.5),
    Divergence(temperature=0.5),
    Margin(),
    MeanShift(),
)


def labels() -> torch.Tensor:
    """One of the images that the first rank shows has a label, three of the second's."""
    items = batch((), 0, size=SIZE).items
    known = torch.full_like(LABELS, -1)
    known[torch.from_numpy(items[[0, 4, 5, 7]])] = torch.tensor([0, 0, 1, 1])
    return known


def stepped(fabric: Fabric, rows: str, world: int, rank: int) -> dict[str, torch.Tensor]:
    """Loss and gradients of a step with terms of every objective that is a mean over rows."""
    torch.manual_seed(1)
    method = small_method("simclr")
    a, b = (Output("student", view, "projector") for view in "ab")
    terms = tuple(
        Term(name=type(one).__name__, queries=(a,), candidates=(b,), kin=SameLabel(),
             objective=one, rows=rows)
        for one in OBJECTIVES
    )  # fmt: skip
    method = replace(method, terms=terms, facts={"label": 1.0}, together="view")
    student = Network(Trunk(), method.heads).double()
    trainer = Trainer(
        method, student, fabric=fabric, batch_size=SIZE, lr=0.05,
        statistics=((0.5,) * 3, (0.25,) * 3), seed=0,
    )  # fmt: skip
    trainer.reveal("label", labels())
    shown = batch(method.views, 0, size=SIZE // world, world=world, rank=rank)
    with in_float64(trainer):
        for module in trainer.student.modules():
            module.eval()
        result = trainer.take_step([shown], progress(0))
    grads = {n: p.grad for n, p in trainer.student.named_parameters() if p.grad is not None}
    return {"loss": torch.tensor(result.loss)} | grads


def main(target: Path) -> None:
    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=2, strategy=data_parallel())
    fabric.launch()
    rank = fabric.global_rank
    found = {rows: stepped(fabric, rows, 2, rank) for rows in ("with kin", "all")}
    torch.save(found, target / f"rank{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
