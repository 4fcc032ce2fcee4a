"""A folder of a million files: how long it takes to list, and what it costs while training.

The files are hard links to a few small images, made for the purpose and removed afterwards.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

FILES, FOLDERS, FEW = 1_000_000, 1000, 10_000
LINKS = 25_000  # of one file; some file systems allow no more than 65,000
TRAIN = (
    "--backbone resnet_mini --batch-size 128 --set hidden=256 dim=64 --steps 4 --workers 1"
    " --image-size 32"
)


def rows(runs: int, files: int = FILES) -> list[dict[str, Any]]:
    """The rows of the table that are about large folders."""
    with tempfile.TemporaryDirectory() as place:
        many, few = Path(place, "many"), Path(place, "few")
        planted(many, files)
        planted(few, min(FEW, files))
        os.environ["ILK_CACHE"] = str(Path(place, "cache"))
        walked, cold, cached = listings(many, min(runs, 5))
        grown = (resident(many, place) - resident(few, place)) / 2**20
    name = f"{files:,} files"
    ratio = statistics.median(a / b for a, b in zip(cold, walked, strict=True))
    return [
        {
            "work": f"listing {name}, cold", "against": "os.walk", "ratio": ratio,
            "at_most": 1.2, "seconds": statistics.median(cold),
            "seconds_against": statistics.median(walked),
        },
        {
            "work": f"listing {name}, cached", "seconds": max(cached), "at_most": 2.0,
            "unit": "s",
        },
        {
            "work": f"memory in training on {name}", "against": f"{min(FEW, files):,} files",
            "ratio": grown, "at_most": 300, "unit": "MiB more",
        },
    ]  # fmt: skip


def planted(root: Path, files: int) -> None:
    """Make a tree of hard links."""
    each = max(files // FOLDERS, 1)
    for number in range(files // each):
        folder = root / f"{number:04}"
        folder.mkdir(parents=True)
        if number % max(LINKS // each, 1) == 0:
            source = folder / f"{0:06}.png"
            pixels = np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8)
            cv2.imwrite(str(source), pixels)
        for place in range(each):
            target = folder / f"{place:06}.png"
            if target != source:
                target.hardlink_to(source)


def listings(root: Path, runs: int) -> tuple[list[float], list[float], list[float]]:
    """Processor seconds of os.walk and of a first listing, clock seconds of a second."""
    from ilk.data.cache import cache_folder
    from ilk.data.folder import listed

    time.sleep(2.5)  # a folder that has only just changed is not trusted
    walked, cold, cached = [], [], []
    for run in range(runs + 1):
        began = time.process_time()
        assert sum(len(names) for _, _, names in os.walk(root)) > 0
        middle = time.process_time()
        shutil.rmtree(cache_folder(), ignore_errors=True)
        listed(root)
        ended = time.process_time()
        mark = time.perf_counter()
        listed(root)
        if run:
            walked.append(middle - began)
            cold.append(ended - middle)
            cached.append(time.perf_counter() - mark)
    return walked, cold, cached


def resident(root: Path, place: str) -> int:
    """The largest memory of a short training, in bytes."""
    directory = Path(place, f"run-{root.name}")
    command = [sys.executable, "-m", "ilk.cli", "train", str(root), *TRAIN.split(), "-o"]
    largest = 0
    with subprocess.Popen([*command, str(directory)], stdout=subprocess.DEVNULL) as child:
        while child.poll() is None:
            largest = max(largest, peak(child.pid))
            time.sleep(0.02)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} left with {child.returncode}")
    return largest


def peak(process: int) -> int:
    """The largest memory of a process so far, in bytes; 0 once it is gone.

    What the system reports at its end is no less than what its parent had when it was started.
    """
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    sizes = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return 1024 * int(sizes[0]) if sizes else 0
