"""Every method of the family on one small set of real images, with two networks and one budget.

    make family                                                 all of them, one seed
    .venv/bin/python -m benchmarks.family --network vit_mini    one network
    .venv/bin/python -m benchmarks.family --cell fnc            one method
    .venv/bin/python -m benchmarks.family --epochs 1            a try, kept apart from results

Data, backbone, image size and batch are those of `benchmarks.mini`, but for methods that need a
transformer; on `vit_mini` all others are a grid of their own, `family-vit`. Every method is
trained for the same number of epochs by the same optimiser, the one that mini's settings were
chosen with, a transformer at an eighth of its rate; heads, queues and numbers of clusters are
small; all else is the method's own default. Nothing was chosen by the scores of this table, but
for what did not beat the untrained network at first: when SwAV begins to use its queue, the
classes of UIC, the views of DAC, and the rate of transformers.

How the epochs were chosen: one seed should take two hours of two cores at most, on which other
work goes on. An idle process of one thread makes 700 to 850 images a second of MoCo v3 and 400
of DINO with two small crops; by the processor time of a few steps of every cell beside MoCo
v3's, an epoch of 10,000 images is 7 (MSF) to 35 seconds (FNC, four views), 13 in the mean.
Scores are another minute a cell: twenty epochs of all methods are 2.3 hours of a process.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.grid import Cell, Grid
from benchmarks.mini import DATA, DINO, MOCO_V3, SHARED, grid, lasting
from ilk.core import UserError

EPOCHS = 20
OPTIMISER = {
    "name": "adamw",
    "lr": 8e-3,  # for a batch of 256
    "end_lr": 0.0,
    "end_share": 0.0,
    "scaling": "linear",
    "weight_decay": 0.01,
    "warmup_epochs": 3,
}
TRANSFORMER = OPTIMISER | {"lr": 1e-3}  # at 8e-3 vit_mini gives all images nearly one feature
HEAD = {"hidden": 1024, "dim": 128}
TEACHER = {"momentum": 0.99}
QUEUE = {"queue_size": 4096}
CROPS = {"local_views": 2, "min_local_scale": 0.2}  # 5 % of 32 pixels is a patch of 7

TOKENS = {
    name: value
    for name, value in DINO["method_options"].items()
    if name not in ("batch_norm", "base_lr", "warmup_epochs")
}

# A new method needs a line here; a test says which one has none.
METHOD_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "simclr": HEAD,
    "moco-v2": HEAD | TEACHER | QUEUE,
    "moco-v3": MOCO_V3["method_options"],
    "byol": HEAD | TEACHER,
    "simsiam": {"hidden": 1024, "dim": 1024, "predictor_hidden": 256},
    "barlow-twins": {"hidden": 1024, "dim": 1024},
    "vicreg": {"hidden": 1024, "dim": 1024},
    "w-mse": {"dim": 32, "sub_batch": 64},
    # From epoch 3 on, before anything is learned, the queue made it collapse.
    "swav": HEAD | CROPS | {"prototypes": 200, "queue_size": 1024, "queue_steps": 624,
                            "frozen_steps": 78},
    "dino": DINO["method_options"],
    "nnclr": HEAD | {"predictor_hidden": 1024, "queue_size": 8192},
    "fnc": HEAD | TEACHER | QUEUE | {"view_count": 4},
    "supcon": HEAD,
    "ressl": HEAD | TEACHER | QUEUE,
    "msf": HEAD | TEACHER | QUEUE,
    "cmsf": HEAD | TEACHER | QUEUE,
    "ifnd": HEAD | TEACHER | QUEUE | {"clusters": (200,)},
    "deepcluster-v2": HEAD | CROPS | {"clusters": 200},
    "mochi": HEAD | TEACHER | QUEUE | {"hardest": 256, "pairs": 128, "own": 64,
                                       "from_epoch": 3},
    "relic-v2": HEAD | TEACHER | {"large_views": 2, "local_views": 2},
    "iic": {},
    "imsat": {},
    "dac": {},
    # As many images of a class as the authors have; of 200 classes most stayed random.
    "uic": {"hidden": 1024, "classes": 25},
    "deepcluster": {"clusters": 200},
    "interclr": HEAD | TEACHER | QUEUE | {"clusters": 100, "smallest": 2, "pool": 2048,
                                          "negatives": 512},
    "revisiting": HEAD | TEACHER | QUEUE | CROPS,
    "rotation": {},
    "diet": {},
    "mae": {"decoder_dim": 32, "decoder_depth": 1, "decoder_heads": 4},
    "simmim": {"drop_path": 0.0},
    "denoising": {},
    "variational": {},
    "inpainting": {},
    "colorization": {},
    "densecl": HEAD | TEACHER | QUEUE,
    "vicregl": {"hidden": 1024, "dim": 1024, "local_dim": 256},
    "context": {"dim": 128, "hidden": 512},
    "jigsaw": {"dim": 128},
    "exemplar": {"view_count": 4, "dim": 128},
    "dcl": HEAD,
    "tico": HEAD | TEACHER,
    "ibot": TOKENS,
    "dinov2": TOKENS | {"patch_dim": 128},
    "i-jepa": {"predictor_dim": 32, "predictor_depth": 2, "predictor_heads": 4,
               "momentum": 0.99},
    "dim": {"units": 256},
    "amdim": {"dim": 256},
    # Seven by seven patches of 8 pixels would cost six times an image, these a little over two.
    "cpc": {"side": 3, "furthest": 2, "hidden": 64, "depth": 3},
    "msn": TEACHER | CROPS | {"hidden": 512, "dim": 128},
    # Another cell teaches these two.
    "rekd": QUEUE | {"hidden": 1024, "teacher": "runs/family/moco-v3/seed0"},
    "distill": {"teacher": "runs/family/moco-v3/seed0"},
}  # fmt: skip


VIT = {"backbone": "vit_mini"}
# Where nothing asks anything of a class token, the feature is the mean of all patches.
MEAN = VIT | {"backbone_options": {"global_pool": "avg"}}
# Methods that leave patches out or ask for them need a transformer.
# Patches of CPC must not see one another through a batch norm.
BACKBONES: Mapping[str, Mapping[str, Any]] = {
    "mae": MEAN,
    "ibot": VIT,
    "dinov2": VIT,
    "i-jepa": MEAN,
    "msn": VIT,
    "cpc": {"backbone_options": {"norm_layer": "groupnorm1"}},
}
AVERAGED = ("simmim", "colorization")  # of those that any network can learn by
GRIDS = {"resnet_mini": "family", "vit_mini": "family-vit"}
PROTOCOLS = ("knn@1", "linear@1", "attentive@1")


def cells() -> tuple[Cell, ...]:
    """What has to be beaten, then a run for each method, and AMDIM's with its own encoder."""
    runs = (run(name, BACKBONES.get(name, {})) for name in METHOD_OPTIONS)
    beaten = (
        Cell(name="pixels"),
        Cell(name="untrained", encoder="random:resnet_mini"),
        Cell(name="untrained-vit", encoder="random:vit_mini"),
        Cell(name="untrained-amdim", encoder="random:amdim_mini"),
    )
    own = replace(run("amdim", {"backbone": "amdim_mini"}), name="amdim-own")
    return (*beaten, *runs, own)


def transformers() -> tuple[Cell, ...]:
    """A run of the transformer for each method that has none among ``cells``."""
    return tuple(
        run(name, MEAN if name in AVERAGED else VIT)
        for name in METHOD_OPTIONS
        if "backbone" not in BACKBONES.get(name, {})
    )


def run(name: str, network: Mapping[str, Any]) -> Cell:
    """A method's cell, with the optimiser that its kind of network has."""
    options, optimiser = dict(METHOD_OPTIONS[name]), OPTIMISER
    if network.get("backbone") == VIT["backbone"]:
        optimiser = TRANSFORMER
        if "teacher" in options:
            options["teacher"] = "runs/family-vit/moco-v3/seed0"
    return Cell(
        name=name,
        settings={
            "method": name,
            "method_options": options,
            "optimiser_options": optimiser,
            **network,
        },
    )


def family(path: Path, epochs: float = EPOCHS, network: str = "resnet_mini") -> Grid:
    """The grid on a copy of the data; of another length it has a name of its own."""
    name = GRIDS[network]
    whole = replace(
        grid(path),
        name=name,
        shared=SHARED | {"epochs": EPOCHS},
        cells=cells() if name == "family" else transformers(),
        protocols=PROTOCOLS,
        command=f"python -m benchmarks.family --network {network}",
    )
    if epochs == EPOCHS:
        return whole
    return replace(lasting(whole, epochs), command=f"{whole.command} --epochs {epochs:g}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    parser.add_argument("--network", choices=list(GRIDS), help="both where none is named")
    parser.add_argument("--cell", choices=[cell.name for cell in cells()])
    chosen = parser.parse_args()
    failed = list[str]()
    for network in [chosen.network] if chosen.network else GRIDS:
        try:  # cells that fail keep no other network waiting
            family(chosen.data, chosen.epochs, network).run(chosen.seeds, chosen.cell)
        except UserError as error:
            failed.append(str(error))
    if failed:
        raise SystemExit("\n".join(failed))
