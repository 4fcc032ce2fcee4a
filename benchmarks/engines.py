"""Do the fast engine's views teach what torchvision's teach? The same training with either.

    .venv/bin/python -m benchmarks.engines                 one seed
    .venv/bin/python -m benchmarks.engines --seeds 3       more seeds, finished ones are kept

MoCo v3 as in the learning check, on the same images, for fewer epochs. Torchvision draws its
crops, orders and strengths itself, image by image, so that both what is drawn and how it is
rendered are held against it. Its chance comes from torch's global state, which it shares with
the rest of the program: such a run is not repeated bit for bit.
"""

import argparse
import functools
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torchvision.transforms import v2

from benchmarks.grid import RESULTS, facts, write
from benchmarks.mini import DATA, MOCO_V3, SHARED, grid
from ilk.core import seeding
from ilk.data import Source
from ilk.embedding import embed
from ilk.evaluate import Result, compare, evaluate
from ilk.networks import load_encoder
from ilk.progress import TrainDisplay
from ilk.train import Settings, train
from ilk.train.loop import loader
from ilk.views import ImageView, render

EPOCHS = 15
_ONE_AT_A_TIME = threading.Lock()  # the global state of chance is one
Engine = Callable[..., dict[str, Tensor]]


@functools.lru_cache
def chain(view: ImageView) -> v2.Compose:
    """The transforms of torchvision that a view is described by."""
    kernel = view.blur_kernel or 2 * round(5 * view.blur_sigma[1]) + 1
    steps = [
        v2.RandomResizedCrop(
            view.size,
            view.scale,
            view.ratio,
            v2.InterpolationMode(view.interpolation),
            antialias=True,
        ),
        v2.RandomHorizontalFlip(view.flip),
        v2.RandomApply([v2.ColorJitter(*view.jitter)], view.jitter_p),
        v2.RandomGrayscale(view.gray_p),
        v2.RandomApply([v2.GaussianBlur(kernel, view.blur_sigma)], view.blur_p),
        v2.RandomSolarize(view.solarize_threshold, view.solarize_p),
    ]
    return v2.Compose(steps)


def torchvision(
    views: Sequence[ImageView],
    images: Sequence[np.ndarray],
    items: np.ndarray,
    epoch: int,
    seed: int,
    scenery: None = None,
) -> dict[str, Tensor]:
    """What ``ilk.views.render`` makes, by torchvision."""
    tensors = [torch.from_numpy(image.copy()).permute(2, 0, 1) for image in images]
    with _ONE_AT_A_TIME:
        torch.manual_seed(seeding.integer(seed, epoch, f"torchvision/{items[0]}"))
        return {
            view.name: torch.stack([chain(view)(image) for image in tensors]) for view in views
        }


ENGINES: dict[str, Engine] = {"ilk": render, "torchvision": torchvision}


def learned(engine: Engine, seed: int, data: tuple[Source, Source]) -> dict[str, Any]:
    """Train with an engine and score by k-NN; processor seconds of everything."""
    settings = Settings(
        seed=seed,
        precision="32-true",
        **{**SHARED, **MOCO_V3, "epochs": EPOCHS, "knn_every": 0},
    )
    began = time.process_time()
    with (
        tempfile.TemporaryDirectory() as place,
        mock.patch.object(loader, "render", engine),
        TrainDisplay(Console(), "engines") as display,
    ):
        train(settings, data[0], Path(place, "run"), display)
        seconds = time.process_time() - began
        parts = [embed(load_encoder(Path(place, "run")), part) for part in data]
    return {"seconds": seconds, "results": evaluate(*parts, seed=seed)}


def check(seed: int, data: tuple[Source, Source]) -> dict[str, Any]:
    """Both engines and how far they are apart."""
    found = {name: learned(engine, seed, data) for name, engine in ENGINES.items()}
    scores: dict[str, list[Result]] = {name: each["results"] for name, each in found.items()}
    apart = compare(scores["ilk"], scores["torchvision"], "torchvision")
    return {
        "seed": seed,
        "epochs": EPOCHS,
        "settings": {**SHARED, **MOCO_V3},
        "engines": {
            name: {
                "seconds": round(each["seconds"], 1),
                "results": [result.to_dict() for result in each["results"]],
            }
            for name, each in found.items()
        },
        "compared": [each.to_dict() for each in apart],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--seeds", type=int, default=1)
    chosen = parser.parse_args()
    whole = grid(chosen.data)
    for number in range(chosen.seeds):
        path = RESULTS / "engines" / f"seed{number}.json"
        if not path.exists():
            found = check(number, (whole.train, whole.test))
            write(path, facts("python -m benchmarks.engines") | found)
            for line in found["compared"]:
                print(f"seed {number}, {line['protocol']}: {line['verdict']}")
