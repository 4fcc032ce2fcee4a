"""How many prototypes small data should have: one for 10 or for 50 images?

    python -m benchmarks.plan_prototypes imagenette96-5k.parquet

DINO learns from 1,500 images of the training part with the settings that are chosen
for them, and classifies 1,000 others of it by those; the test part is never opened.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.grid import RESULTS, facts, write
from benchmarks.plan_choice import Silent
from ilk.core import seeding
from ilk.data import Source, Subset, open_source
from ilk.embedding import embed
from ilk.evaluate import evaluate
from ilk.networks import load_encoder
from ilk.train import Settings, train

METHODS = ("dino",)
IMAGES_EACH = (10, 50)
LEARNED, ASKED, EPOCHS, SEED = 1500, 1000, 40, 1


def cell(method: str, each: int, learned: Source, asked: Source) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        settings = Settings(
            method=method, method_options={"prototypes": LEARNED // each}, epochs=EPOCHS,
            device="cpu", knn_every=0, seed=SEED,
        )  # fmt: skip
        train(settings, learned, place, Silent())
        trained = load_encoder(place)
    results = evaluate(embed(trained, learned), embed(trained, asked), seed=0)
    return {
        "method": method,
        "prototypes": LEARNED // each,
        "epochs": EPOCHS,
        "scores": {result.protocol: round(result.value, 4) for result in results},
    }


def main(path: Path) -> None:
    images = open_source(f"{path}:train")
    order = seeding.permutation(7, 0, len(images))
    parts = np.split(order, np.cumsum([LEARNED, ASKED]))[:2]
    learned, asked = (Subset(images, np.sort(part)) for part in parts)
    cells: list[dict[str, Any]] = []
    for method in METHODS:
        for each in IMAGES_EACH:
            cells.append(cell(method, each, learned, asked))
            found = {**facts("python -m benchmarks.plan_prototypes"), "learned": LEARNED}
            write(RESULTS / "plan" / "prototypes.json", {**found, "cells": cells})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="imagenette96-5k.parquet")
    main(parser.parse_args().data)
