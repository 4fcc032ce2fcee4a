"""The image size for photos on processors: 64 or 96 px, at the same processor time?

    python -m benchmarks.plan_choice imagenette96-5k.parquet

Learns from 1,500 images of the training part and classifies 500 others of it; the test part is
never opened. Steps are as many as fit into ten minutes of one core, by a few of them.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.grid import RESULTS, facts, write
from benchmarks.mini import MOCO_V3
from ilk.core import seeding
from ilk.data import Source, Subset, open_source
from ilk.embedding import embed
from ilk.evaluate import evaluate, pixels
from ilk.networks import load_encoder
from ilk.train import Settings, train

SIZES = (64, 96)
MINUTES, TIMED, SEED, BATCH = 10, 12, 1, 128
LEARNED, ASKED = 1500, 500


class Silent:
    def on_step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        pass

    def on_message(self, message: str) -> None:
        print(message)


def run(size: int, learned: Source, steps: int, place: Path) -> float:
    """Processor seconds of a run."""
    settings = Settings(
        **MOCO_V3, backbone="resnet_mini", image_size=size, batch_size=BATCH, knn_every=0,
        seed=SEED, steps=steps, defaults="paper",
    )  # fmt: skip
    began = time.process_time()
    train(settings, learned, place, Silent())
    return time.process_time() - began


def cell(size: int, learned: Source, asked: Source) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(size, learned, 3, place / "warm")
        steps = int(MINUTES * 60 * TIMED / run(size, learned, TIMED, place / "timed"))
        seconds = run(size, learned, steps, place / "run")
        networks = {
            "trained": load_encoder(place / "run"),
            "untrained": load_encoder("random:resnet_mini", image_size=size),
        }
        scores = {
            name: evaluate(embed(network, learned), embed(network, asked), seed=0)
            for name, network in networks.items()
        }
    return {
        "image_size": size,
        "steps": steps,
        "epochs": round(steps * BATCH / len(learned), 1),
        "processor_seconds": round(seconds, 1),
        "scores": {
            name: {result.protocol: round(result.value, 4) for result in results}
            for name, results in scores.items()
        },
    }


def main(path: Path) -> None:
    images = open_source(f"{path}:train")
    order = seeding.permutation(7, 0, len(images))
    learned = Subset(images, np.sort(order[:LEARNED]))
    asked = Subset(images, np.sort(order[LEARNED : LEARNED + ASKED]))
    plain = evaluate(pixels(learned), pixels(asked), seed=0)
    found = {
        **facts("python -m benchmarks.plan_choice"),
        "pixels": {result.protocol: round(result.value, 4) for result in plain},
        "cells": [cell(size, learned, asked) for size in SIZES],
    }
    write(RESULTS / "plan" / "choice.json", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="imagenette96-5k.parquet")
    main(parser.parse_args().data)
