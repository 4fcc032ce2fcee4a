"""One step of a method with a head on tokens, on two processes."""

import sys
from pathlib import Path

import torch
from lightning_fabric import Fabric

from ilk.train.devices import data_parallel, fully_sharded
from tests.laws.world import progress
from tests.train.test_places import local_method, stepped, trainer_of


def main(target: Path, strategy: str) -> None:
    torch.set_num_threads(1)
    chosen = fully_sharded(2) if strategy == "fsdp" else data_parallel()
    fabric = Fabric(accelerator="cpu", devices=2, strategy=chosen)
    fabric.launch()
    rank = fabric.global_rank
    trainer = trainer_of(local_method("tokens"), "vit_tiny_patch16_224", fabric)
    stepped(trainer, progress(0), world=2, rank=rank)
    torch.save(trainer.state(), target / f"rank{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
