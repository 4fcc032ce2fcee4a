"""Methods whose targets are pixels on a small set of real images, against untrained networks.

    .venv/bin/python -m benchmarks.pixels                  all of them, one seed
    .venv/bin/python -m benchmarks.pixels --cell mae       one of them
    .venv/bin/python -m benchmarks.pixels --speed          MAE's step beside a whole one

Image size and batch are those of `benchmarks.mini`. A run sees 4,000 images ten times, one or
two minutes of a core, and 2,000 test images are scored: this tells learning from chance and
ranks nothing. Masked methods have `vit_mini`, the mean of whose patches is the feature,
since nothing asks anything of its class token; the others the small ResNet of the family.
Learning rates are usual ones for networks of this size and were not chosen by these scores.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.grid import RESULTS, Cell, Grid, facts, write
from benchmarks.mini import DATA, SHARED, grid, shuffled
from ilk.data import Subset

EPOCHS = 10
IMAGES, TESTED = 4_000, 2_000
VIT = {"backbone": "vit_mini", "backbone_options": {"global_pool": "avg"}}
TRANSFORMER = {"optimiser_options": {"lr": 2e-3, "warmup_epochs": 2}}
CONVOLUTIONS = {"optimiser_options": {"lr": 2e-3, "warmup_epochs": 2}}
DECODER = {"decoder_dim": 32, "decoder_depth": 1, "decoder_heads": 4}
CELLS = (
    Cell(name="mae", settings=VIT | TRANSFORMER | {"method": "mae", "method_options": DECODER}),
    Cell(name="simmim", settings=VIT | TRANSFORMER | {"method": "simmim"}),
    Cell(name="simmim-resnet", settings=CONVOLUTIONS | {"method": "simmim"}),
    *(
        Cell(name=name, settings=CONVOLUTIONS | {"method": name})
        for name in ("denoising", "variational", "inpainting", "colorization")
    ),
    Cell(name="untrained"),  # the network of the first cell
    Cell(name="untrained-resnet", encoder="random:resnet_mini"),
)
STEPS, BATCH = 12, 128  # of a measurement of speed


def pixels(path: Path) -> Grid:
    """The grid on a copy of the data."""
    images, order = shuffled(path)
    whole = grid(path)
    return replace(
        whole,
        name="pixels",
        train=Subset(images, np.sort(order[:IMAGES])),
        test=Subset(whole.test, np.arange(0, len(whole.test), len(whole.test) // TESTED)),
        shared=SHARED | {"epochs": EPOCHS, "knn_every": 0},
        cells=CELLS,
        command="python -m benchmarks.pixels",
    )


def speed() -> dict[str, object]:
    """MAE's step at 75 % hidden, decoder included, and one of the same network on whole images.

    Both are forward, backward and nothing else, in processor time of one thread, taken in turn
    so that other work on the machine meets both; what counts is their ratio.
    """
    from ilk.core import Mask
    from ilk.networks import Head, Network, TokenDecoder, backbone
    from ilk.views import MaskChance, RandomCells

    torch.set_num_threads(1)
    trunk = backbone("vit_mini", image_size=32)
    decoder = TokenDecoder(64, 48, dim=32, depth=1, heads=4)
    network = Network(trunk, {"decoder": Head(decoder, on="sequence", mask=True)})
    images = torch.randn(BATCH, 3, 32, 32)
    chance = MaskChance(np.arange(BATCH), epoch=0, step=0, seed=0, stream="masked")
    mask: Mask = RandomCells(share=0.75).draw((8, 8), chance)

    def masked() -> None:
        network(images, {"decoder"}, mask=mask)["decoder"].square().mean().backward()

    def encoder() -> None:
        network(images, {"feature"}, mask=mask)["feature"].square().mean().backward()

    def whole() -> None:
        network(images, {"feature"})["feature"].square().mean().backward()

    kinds: dict[str, Callable[[], None]] = {
        "whole": whole,
        "masked": masked,
        "encoder": encoder,
    }
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(STEPS):
        for name, step in kinds.items():
            began = time.process_time()
            step()
            taken[name].append(time.process_time() - began)
    best = {name: float(np.median(times)) for name, times in taken.items()}
    return {
        "images": BATCH,
        "seconds": {name: round(seconds, 5) for name, seconds in best.items()},
        "ratio": round(best["masked"] / best["whole"], 3),
        "ratio_without_decoder": round(best["encoder"] / best["whole"], 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--cell", choices=[cell.name for cell in CELLS])
    parser.add_argument("--speed", action="store_true")
    chosen = parser.parse_args()
    if chosen.speed:
        found = speed() | facts("python -m benchmarks.pixels --speed")
        write(RESULTS / "speed" / "mae.json", found)
        print(json.dumps(found, indent=2))
    else:
        pixels(chosen.data).run(1, chosen.cell)
