"""What is learned in some minutes with no other choice: `ilk train FOLDER --time 8m` and peers.

    make learning                                   8 minutes, two seeds, resumable
    make learning LEARNING="--minutes 4"            half of the time
    make learning LEARNING="--seeds 3 --cell lightly-simclr"
    .venv/bin/python -m benchmarks.learning choose  our defaults beside changes of one of them
    .venv/bin/python -m benchmarks.learning --tiny  tries it all out, apart from the results

Every command trains `resnet_mini` on the 20,000 training images of CIFAR-10 as PNG files in one
folder, without labels, on two threads and two loading workers, for the same time from its call
to its end. The encoders are scored by k-NN and linear probe: all 20,000 labels, the whole test
set. lightly is used as its pages say, and by the settings of its CIFAR-10 benchmark
(`benchmarks.learning_peers`). A cell that was cut short begins again. Nothing else may run.

`choose` learns from 15,000 of the images, is scored on the other 5,000 and never on the test
set, and has other seeds. Its cells stand in the order of what is expected of them: at 8 minutes
a run has some twenty epochs, so that steps and rate come first, then what a step costs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gains import gain
from benchmarks.grid import RESULTS, RUNS, facts, opened, packed, write
from benchmarks.mini import DATA, shuffled
from benchmarks.mixing_page import points
from ilk.core import UserError
from ilk.data import Source, Subset, read_item
from ilk.embedding import embed
from ilk.evaluate import evaluate
from ilk.networks import load_encoder

MINUTES, SEEDS, THREADS = 8.0, 2, 2
PROTOCOLS = ("knn", "linear")
PEERS = {
    f"lightly-{name}{further}": [name, *(["--cifar"] if further else [])]
    for further in ("", "-cifar")
    for name in ("simclr", "byol", "moco")
}
# Ours in single precision too, as peers compute: an open precision depends on the processor.
OURS: Mapping[str, Sequence[str]] = {"ilk": (), "ilk-single": ("--precision", "32-true")}
# One change each, those first of which most is expected.
CHOICES: Mapping[str, Sequence[str]] = {
    "defaults": (),
    "rate-twice": ("--lr", "8e-3"),  # best in 100 epochs of 2,000 images, where it was tried
    "batch-64": ("--batch-size", "64"),  # twice the steps; the rate is halved with it
    "batch-64-same-rate": ("--batch-size", "64", "--lr", "4e-3"),
    "batch-256": ("--batch-size", "256"),  # more negatives, fewer steps
    "momentum-0.9": ("--set", "momentum=0.9"),  # few steps leave a slow teacher behind
    "momentum-0.99": ("--set", "momentum=0.99"),
    "temperature-0.1": ("--set", "temperature=0.1"),
    "temperature-0.3": ("--set", "temperature=0.3"),
    "simclr": ("--method", "simclr"),  # no passes of a teacher
    "hidden-512": ("--set", "hidden=512"),  # cheaper heads
    "larger-crops": ("--set", "min_scale=0.3"),  # easier views for few epochs
    "no-hue": ("--augment", "no-hue"),  # likewise, and cheaper
    "24-px": ("--image-size", "24"),  # half the cost of a pass: whether a schedule could pay
    "narrow": ("--backbone-set", "widths=(32,64,128)"),  # less than half the cost
    "wide": ("--backbone-set", "widths=(64,128,256)"),
    "warm-up": ("--set", "optimiser.warmup_epochs=1"),  # half of what is chosen
    "dino": ("--method", "dino"),  # four views
    "byol": ("--method", "byol"),
    "rate-four-times": ("--lr", "1.6e-2"),
    "rate-half": ("--lr", "2e-3"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where cells run and how long.

    Args:
        name: name of the folders of results and runs.
        learned: what is learned from, without labels.
        train: labelled images for the probes.
        test: labelled images that are scored.
        minutes: what each command may take.
        first_seed: the least of the seeds.
        tiny: whether everything is small; the plan then takes most of the time.
    """

    name: str
    learned: Source
    train: Source
    test: Source
    minutes: float
    first_seed: int = 0
    tiny: bool = False

    def run(self, cells: Sequence[str], seeds: int) -> None:
        """Finish every cell that is not finished, first all of the first seed."""
        folder = self.images()
        for seed in range(self.first_seed, self.first_seed + seeds):
            for cell in cells:
                path = self.path(cell, seed)
                if not path.exists():
                    write(path, self.measured(cell, seed, folder))
                    print(f"{cell}, seed {seed}: {_scores(path)}", flush=True)

    @property
    def command_line(self) -> str:
        """What runs all cells."""
        what = " choose" if self.name.startswith("learning-choice") else ""
        tiny = " --tiny" if self.tiny else ""
        return f"python -m benchmarks.learning{what} --minutes {self.minutes:g}{tiny}"

    @property
    def results(self) -> Path:
        """The folder of results."""
        return (RUNS if self.tiny else RESULTS) / self.name

    def path(self, cell: str, seed: int) -> Path:
        """Where a cell's result is kept."""
        return self.results / f"{cell}-{self.minutes:g}m-seed{seed}.json"

    def images(self) -> Path:
        """The folder of files, written once."""
        folder = RUNS / self.name / f"images-{len(self.learned)}"
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            for index in range(len(self.learned)):
                content = read_item(self.learned, index)
                assert isinstance(content, bytes)
                (part / f"{index:05d}.png").write_bytes(content)
            part.rename(folder)
        return folder

    def measured(self, cell: str, seed: int, folder: Path) -> dict[str, Any]:
        """Train by a command of its own, and score."""
        place = RUNS / self.name / cell / f"{self.minutes:g}m-seed{seed}"
        shutil.rmtree(place, ignore_errors=True)
        began, load = time.time(), os.getloadavg()
        words = [] if cell == "untrained" else self.command(cell, seed, folder, place, began)
        if words:
            _called(words)
        seconds = time.time() - began
        name = str(place) if words else "random:resnet_mini"
        encoder = load_encoder(name, image_size=None if words else 32, seed=seed)
        known, asked = (embed(encoder, part) for part in (self.train, self.test))
        results = evaluate(known, asked, PROTOCOLS, seed)
        return {
            "cell": cell,
            "seed": seed,
            "minutes": self.minutes,
            **facts(self.command_line),
            "seconds": round(seconds, 1),
            "called": [word.rpartition("/")[2] for word in words],
            "load_before": load,
            "lightly": version("lightly") if cell in PEERS else None,
            **_account(place),
            "results": [result.to_dict() | packed(result) for result in results],
        }

    def command(
        self, cell: str, seed: int, folder: Path, place: Path, began: float
    ) -> list[str]:
        """What trains a cell."""
        if cell in PEERS:
            return [
                sys.executable, "-m", "benchmarks.learning_peers", *PEERS[cell], str(folder),
                "--output", str(place), "--minutes", f"{self.minutes:g}", "--began", str(began),
                "--seed", str(seed),
            ]  # fmt: skip
        changes = {**OURS, **CHOICES}[cell]
        return [
            sys.executable, "-m", "ilk.cli", "train", str(folder), "-o", str(place),
            "--time", f"{60 * self.minutes:g}s", "--seed", str(seed), *changes,
        ]  # fmt: skip


def reported(path: Path, minutes: float = MINUTES) -> Bench:
    """All training images; the whole test set."""
    images, test = opened(path, "train"), opened(path, "test")
    return Bench(name="learning", learned=images, train=images, test=test, minutes=minutes)


def choosing(path: Path, minutes: float = MINUTES) -> Bench:
    """No test image: 15,000 training images, scored on the other 5,000."""
    images, order = shuffled(path)
    learned, test = (Subset(images, np.sort(part)) for part in (order[:15_000], order[15_000:]))
    return Bench(
        name="learning-choice", learned=learned, train=learned, test=test, minutes=minutes,
        first_seed=100,
    )  # fmt: skip


def tiny(bench: Bench) -> Bench:
    """The same with few images and no time to speak of."""
    few = {
        name: Subset(getattr(bench, name), np.arange(count))
        for name, count in (("learned", 512), ("train", 200), ("test", 100))
    }
    return replace(bench, name=f"{bench.name}-tiny", tiny=True, **few)


def finished(folder: Path, minutes: float) -> dict[str, list[dict[str, Any]]]:
    """Every cell of one length with its seeds, ours first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for cell in (*OURS, *PEERS, *CHOICES, "untrained"):
        paths = sorted(folder.glob(f"{cell}-{minutes:g}m-seed*.json"))
        if paths:
            found[cell] = [json.loads(path.read_text()) for path in paths]
    return found


def table(cells: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Every cell, and how far the first one is ahead, over seeds and test images."""
    if not cells:
        return ["Not measured yet."]
    first = next(iter(cells))
    lines = ["| | k-NN | ahead | linear | ahead | images seen | seeds |", "|---|" + "---|" * 6]
    for cell, found in cells.items():
        parts = [cell]
        for protocol in ("knn@1", "linear@1"):
            values = [
                r["value"] for c in found for r in c["results"] if r["protocol"] == protocol
            ]
            one = None if cell == first else gain(found, cells[first], protocol)
            parts += [f"{100 * np.mean(values):.1f} %", "" if one is None else points(one)]
        seen = [one["images_seen"] for one in found if one.get("images_seen")]
        parts += [f"{np.mean(seen):,.0f}" if seen else "", str(len(found))]
        lines.append(f"| {' | '.join(parts)} |")
    return lines


def _account(place: Path) -> dict[str, Any]:
    """What a run says of itself."""
    if (place / "run.json").exists():
        record = json.loads((place / "run.json").read_text())
        settings = record["settings"]
        return {
            "images_seen": record["step"] * settings["batch_size"],
            "precision": record["precision"],
            "settings": settings,
            "versions": record["versions"],
        }
    kept = place / "seen.json"
    return json.loads(kept.read_text()) if kept.exists() else {}


def _called(words: Sequence[str]) -> None:
    """Run a command of two threads to its end; what it prints goes on."""
    # Waiting threads sleep, as ilk has it: else they take the time of those that load.
    threads = {"OMP_NUM_THREADS": str(THREADS), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(words, env={**os.environ, **threads}, check=False)
    if done.returncode:
        raise UserError(
            f"learning: {' '.join(words[1:4])} must end well, got status {done.returncode}"
        )


def _scores(path: Path) -> str:
    results = json.loads(path.read_text())["results"]
    return ", ".join(f"{one['protocol']} {100 * one['value']:.1f} %" for one in results)


def main(words: Sequence[str] | None = None) -> None:
    """Run what the command line asks for; what finishes is kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=["report", "choose"], default="report")
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--seeds", type=int, help="2 to report, 1 to choose")
    parser.add_argument("--cell", help="one cell by its name")
    parser.add_argument("--tiny", action="store_true")
    asked = parser.parse_args(words)
    chooses = asked.what == "choose"
    cells = list(CHOICES) if chooses else [*OURS, *PEERS, "untrained"]
    if not chooses and find_spec("lightly") is None:
        print("lightly is not installed, its cells are left out; see make learning")
        cells = [cell for cell in cells if cell not in PEERS]
    if asked.cell not in (None, *cells):
        sys.exit(f"learning: --cell must be one of {', '.join(cells)}, got {asked.cell}")
    seeds = asked.seeds or (1 if chooses else SEEDS)
    bench = (choosing if chooses else reported)(asked.data, asked.minutes)
    bench = tiny(bench) if asked.tiny else bench
    try:
        bench.run([cell for cell in cells if asked.cell in (None, cell)], seeds)
    except UserError as error:
        sys.exit(str(error))
    print("\n".join(table(finished(bench.results, bench.minutes))))


if __name__ == "__main__":
    main()
