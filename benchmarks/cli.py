"""The whole command line on real images: CIFAR-10's file, and JPEG files of mixed sizes.

    .venv/bin/python -m benchmarks.cli

Every command is what a person would type; its JSON is kept under ``results/cli/`` with the
commands, the machine and the date. Short runs: they show that the road is open from end to end,
not how far it goes.
"""

import io
import json
import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.grid import RESULTS, RUNS, absent
from ilk.train.records.record import surroundings

DATA = Path(__file__).parents[2] / "shared" / "data"
ILK = Path(sys.executable).with_name("ilk")
METHOD = (
    "--method moco-v3 --mix sdmp --backbone resnet_mini --batch-size 128 --set hidden=1024"
    " dim=128 projector_layers=2 base_lr=4e-3 weight_decay=0.01 momentum=0.95 warmup_epochs=1"
)


def run(command: str) -> None:
    """Run one command line and stop at the first that fails."""
    print(f"$ {command}", flush=True)
    subprocess.run([str(ILK), *shlex.split(command)[1:]], check=True)


def measured(name: str, train: str, test: str, length: str) -> None:
    """Train, evaluate the encoder and its baselines, and keep everything as one JSON file."""
    directory = RUNS / "cli" / name
    commands = [f"ilk train {train} {METHOD} {length} -o {directory}"]
    rows = {}
    size = 32 if name == "cifar10" else 96
    for row, spec in (
        (name, directory),
        ("untrained", f"random:resnet_mini --image-size {size}"),
        ("pixels", "pixels"),
    ):
        out = directory.with_name(f"{name}-{row}.json")
        commands.append(f"ilk evaluate {spec} --train {train} --test {test} -o {out}")
        rows[row] = out
    done = (directory / "run.json").exists()
    for command in commands[int(done) :]:
        run(command)
    record = json.loads((directory / "run.json").read_text())
    content = {
        "commands": commands,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"platform": platform.platform(), "processors": os.cpu_count()},
        "versions": surroundings()["versions"],
        "train_seconds": record["seconds"],
        "seed": record["settings"]["seed"],
        "settings": record["settings"],
        "length": record["length"],
        "images": record["data"]["items"],
        "bad_files": len(record["bad_files"]),
        "results": {row: without_scores(path) for row, path in rows.items()},
    }
    target = RESULTS / "cli" / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    # Paths of this machine are nobody else's.
    text = json.dumps(content, indent=1).replace(f"{RUNS}/", "runs/").replace(f"{DATA}/", "")
    target.write_text(text + "\n")


def without_scores(path: Path) -> dict[str, Any]:
    """An evaluation, less the thousands of numbers for single images."""
    content = json.loads(path.read_text())
    for result in content["results"]:
        del result["scores"]
    return content


def mixed_jpegs(target: Path) -> None:
    """Write the imagenette bytes as files; three of four scaled to another size and shape."""
    source = DATA / "imagenette96-5k.parquet"
    if not source.exists():
        raise absent(source)
    if target.exists():
        return
    chance = np.random.default_rng(0)
    for number, row in enumerate(pq.read_table(source).to_pylist()):
        place = target / row["split"] / str(row["label_name"]).replace(" ", "-")
        place.mkdir(parents=True, exist_ok=True)
        file = place / f"{number:05}.jpg"
        if number % 4 == 0:
            file.write_bytes(row["image"])
            continue
        image = Image.open(io.BytesIO(row["image"])).convert("RGB")
        scale, aspect = chance.uniform(0.7, 2.2), chance.uniform(0.75, 1.35)
        sides = int(image.width * scale * aspect), int(image.height * scale)
        image.resize(sides).save(file, quality=int(chance.integers(70, 95)))
    (next((target / "train").iterdir()) / "broken.jpg").write_bytes(b"not an image")


if __name__ == "__main__":
    cifar = DATA / "cifar10-20k.parquet"
    if not cifar.exists():
        raise absent(cifar)
    measured("cifar10", f"{cifar}:train", f"{cifar}:test", "--epochs 6")
    folder = RUNS / "cli" / "jpeg-files"
    mixed_jpegs(folder)
    measured("jpegs", f"{folder}/train", f"{folder}/val", "--epochs 6 --image-size 96")
