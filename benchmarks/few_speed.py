"""FixMatch's step beside its bare passes, and predictions beside vectors: time, and memory.

Images of predictions are tiny and few different ones, so that what is measured is what a table
costs for each image and not decoding. Memory is the most that a process of its own took,
network and libraries included.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.data_speed import peak
from benchmarks.step_speed import Work, compared, interleaved, trainer
from ilk.core import Progress
from ilk.embedding import embed_to_table, predict_to_table
from ilk.networks import Classifier, Encoder, backbone
from ilk.train.loop.loader import Batch
from ilk.train.loop.trainer import Trainer
from ilk.views import moments, normalise

CLASSES, LABELLED, RATIO = 10, 16, 7
COUNT = 8_192  # images of a timed table
FEW, MANY = 100_000, 1_000_000  # of tables whose memory is compared
SIDE = 8


@dataclass(frozen=True)
class Repeated:
    """So many items, of 256 different images."""

    count: int
    name: str = "repeated"
    classes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        return f"{self.count:032x}"

    def __len__(self) -> int:
        return self.count

    def item(self, index: int) -> np.ndarray:
        return np.full((SIDE, SIDE, 3), index % 256, np.uint8)

    def label(self, index: int) -> int:
        return -1

    def key(self, index: int) -> str:
        return f"{index:09}.png"


def rows(runs: int) -> list[dict[str, Any]]:
    """The rows of the table that are about few labels."""
    made = fixmatch()
    spent = interleaved({"step": fixmatch_step(made), "bare": bare(made)}, runs)
    with tempfile.TemporaryDirectory() as folder:
        works = {
            "predict": table(Path(folder), "predict"),
            "embed": table(Path(folder), "embed"),
        }
        tables = interleaved(works, max(runs // 5, 2))
    small, large = (memory(count) for count in (FEW, MANY))
    return [
        compared("FixMatch step", spent["step"], "its bare passes", spent["bare"], at_most=1.1),
        compared("ilk predict", tables["predict"], "ilk embed", tables["embed"], at_most=1.05),
        {
            "work": f"memory of ilk predict on {MANY:,} images",
            "against": f"{FEW:,} images", "at_most": 1.1,
            "ratio": large / small, "bytes": large, "bytes_against": small,
        },
    ]  # fmt: skip


def fixmatch() -> Trainer:
    """A trainer on a batch of 128, an eighth of them labelled."""
    made = trainer("fixmatch", {"ratio": RATIO}, classes=CLASSES)
    labels = torch.where(torch.arange(128) < LABELLED, torch.arange(128) % CLASSES, -1)
    made.reveal("label", labels)
    return made


def views(made: Trainer) -> Batch:
    """Views of noise, of labelled and of other items."""
    chance, items = np.random.default_rng(0), np.arange(128)
    known, others = items[:LABELLED], items[LABELLED:]
    subsets = {v.name: known if v.subset == "labelled" else others for v in made.method.views}
    pixels = {
        name: torch.from_numpy(chance.integers(0, 256, (len(own), 3, 32, 32), dtype=np.uint8))
        for name, own in subsets.items()
    }
    return Batch(items, pixels, subsets=subsets)


def fixmatch_step(made: Trainer) -> Work:
    """Everything but decoding and rendering."""
    batch = views(made)
    return lambda: made.take_step([batch], Progress(made.step, 10_000, 400.0))


def bare(made: Trainer) -> Work:
    """All rows through the network at once, forward and backward."""
    shown = torch.cat([normalise(rows, *moments(3)) for rows in views(made).views.values()])
    shown = shown.contiguous(memory_format=made.layout)

    def work() -> None:
        made.student.zero_grad(set_to_none=True)
        made.student(shown, {"classifier"})["classifier"].sum().backward()

    return work


def table(folder: Path, what: str) -> Work:
    """A table of many tiny images, from nothing each time."""
    trunk = backbone(
        "resnet_mini",
        image_size=SIDE,
        options={"stem": "small", "widths": (8, 8), "depths": (1, 1)},
    )
    encoder = Encoder.of(
        trunk, name="resnet_mini", options={}, image_size=SIDE, channels=3,
        statistics=moments(3),
    )  # fmt: skip
    width = encoder.feature_dim
    classifier = Classifier(
        classes=tuple(map(str, range(CLASSES))), weight=torch.randn(CLASSES, width),
        bias=torch.zeros(CLASSES), encoder=encoder.fingerprint,
    )  # fmt: skip
    file = folder / f"{what}.parquet"

    def work(count: int = COUNT) -> None:
        file.unlink(missing_ok=True)
        source = Repeated(count)
        if what == "embed":
            embed_to_table(encoder, source, file, shard_rows=count, workers=1)
        else:
            predict_to_table(encoder, classifier, source, file, shard_rows=count, workers=1)

    return work


def memory(count: int) -> int:
    """Bytes that a process took at most for the predictions of so many images."""
    words = [sys.executable, "-m", "benchmarks.few_speed", str(count)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """The memory of one table, in a process of its own."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        table(Path(folder), "predict")(int(sys.argv[1]))
    print(peak(os.getpid()))


if __name__ == "__main__":
    main()
