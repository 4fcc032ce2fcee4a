"""How long a run of very few photos should be: k-NN and linear accuracy by epochs.

    python -m benchmarks.plan_length imagenette96-5k.parquet

Learns from 200 images of the training part with the settings that are chosen for them, and
classifies 1,000 others of it by 1,500 further ones; the test part is never opened.
"""

import argparse
import tempfile
import time
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
from ilk.train import Settings, read_record, train

EPOCHS = (25, 50, 100, 200, 400, 800)
LEARNED, KNOWN, ASKED, SEED = 200, 1500, 1000, 1


def cell(epochs: int, learned: Source, known: Source, asked: Source) -> dict[str, Any]:
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        settings = Settings(epochs=epochs, device="cpu", knn_every=0, seed=SEED)
        train(settings, learned, place, Silent())
        trained, record = load_encoder(place), read_record(place)
    size = trained.image_size
    networks = {
        "trained": trained,
        "untrained": load_encoder("random:resnet_mini", image_size=size),
    }
    scores = {
        name: evaluate(embed(network, known), embed(network, asked), seed=0)
        for name, network in networks.items()
    }
    return {
        "epochs": epochs,
        "steps": record["step"],
        "image_size": size,
        "batch_size": record["settings"]["batch_size"],
        "processor_seconds": round(time.process_time() - began, 1),
        "scores": {
            name: {result.protocol: round(result.value, 4) for result in results}
            for name, results in scores.items()
        },
    }


def main(path: Path) -> None:
    images = open_source(f"{path}:train")
    order = seeding.permutation(7, 0, len(images))
    parts = np.split(order, np.cumsum([LEARNED, KNOWN, ASKED]))[:3]
    learned, known, asked = (Subset(images, np.sort(part)) for part in parts)
    found: dict[str, Any] = {
        **facts("python -m benchmarks.plan_length"),
        "learned": LEARNED,
        "cells": [],
    }
    for epochs in EPOCHS:
        found["cells"].append(cell(epochs, learned, known, asked))
        write(RESULTS / "plan" / "length.json", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="imagenette96-5k.parquet")
    main(parser.parse_args().data)
