"""How long the page of an index of 100,000 images takes to open, in headless Chromium.

    .venv/bin/python -m benchmarks.view_page

An index of vectors at random around a hundred directions is made, over links to a hundred
small files. ``ilk view`` is started as a person would start it, and its page is opened four
times, each time in a browser without memory: the first time maps are not made yet. A page is
open when the map is drawn and the images beside it are asked for.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.grid import RESULTS, facts, write
from ilk.embedding.batches import content_of
from ilk.search import build_index

COUNT, DIM, KINDS, FILES = 100_000, 384, 100, 100
OPENED = 3
ARGUMENTS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
             "--enable-unsafe-swiftshader"]  # fmt: skip
ANSWERS = ("about", "ids", "points/0/pca", "column/0", "order/key", "decisions")


def synthetic(folder: Path, count: int = COUNT, dim: int = DIM) -> Path:
    """An index of so many images in a folder."""
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    contents = [_file(folder / f"{number}.png", rng) for number in range(FILES)]
    keys = [f"{row:06d}.png" for row in range(count)]
    for row, key in enumerate(keys):
        os.link(folder / f"{row % FILES}.png", folder / "photos" / key)
    kinds = rng.integers(0, KINDS, count)
    centres = rng.normal(size=(KINDS, dim))
    vectors = (centres[kinds] + rng.normal(size=(count, dim))).astype(np.float16)
    classes = [f"kind {kind}" for kind in range(KINDS)]
    made = {
        "encoder": "c0de", "encoder_name": "at random", "image_size": 32, "dim": dim,
        "data": "f00d", "items": count, "classes": classes, "shard_rows": count,
    }  # fmt: skip
    about = {"made": made, "bad": [], "roots": {"": str(folder / "photos")}}
    table = pa.table(
        {
            "key": keys,
            "content": pa.array([contents[row % FILES] for row in range(count)], pa.uint64()),
            "width": pa.array(rng.integers(32, 4000, count), pa.int32()),
            "height": pa.array(rng.integers(32, 4000, count), pa.int32()),
            "label": pa.array(kinds, pa.int64()),
            "label_name": pa.array(classes).take(pa.array(kinds)),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dim),
        }
    ).replace_schema_metadata({"ilk": json.dumps(about)})
    pq.write_table(table, folder / "photos.parquet", row_group_size=4096)
    build_index(folder / "photos.parquet", folder / "photos.index")
    return folder / "photos.index"


def _file(path: Path, rng: np.random.Generator) -> int:
    small = rng.integers(0, 255, (4, 4, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(small, (96, 72), interpolation=cv2.INTER_CUBIC))
    return content_of(path.read_bytes())


@contextmanager
def viewed(index: Path) -> Iterator[tuple[str, float]]:
    """The address of a page that ``ilk view`` serves, and the seconds until it was printed."""
    command = [sys.executable, "-m", "ilk.cli", "view", str(index), "--port", "0", "--no-open"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = ""
            while not address and process.stdout is not None and process.poll() is None:
                found = re.search(r"http://\S+", process.stdout.readline())
                address = found[0] if found else ""
            yield address, time.perf_counter() - began
        finally:
            process.terminate()


def answered(address: str) -> dict[str, float]:
    """Seconds of each answer that a page needs first, once its maps are made."""
    out: dict[str, float] = {}
    for path in ANSWERS:
        while True:
            began = time.perf_counter()
            with urllib.request.urlopen(f"{address}api/{path}") as answer:
                answer.read()
                if answer.status == 200:
                    break
            time.sleep(0.1)
        out[path] = time.perf_counter() - began
    return out


def opened(browser: Any, address: str) -> float:
    """Seconds until the page is open."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    began = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("body[data-ready]", timeout=120_000)
    took = time.perf_counter() - began
    context.close()
    return took


def measured(folder: Path, count: int) -> dict[str, Any]:
    """All of it."""
    from playwright.sync_api import sync_playwright

    index = synthetic(folder, count)
    with viewed(index) as (address, started), sync_playwright() as run:
        browser = run.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        first = opened(browser, address)
        answers = answered(address)
        again = [opened(browser, address) for _ in range(OPENED)]
        browser.close()
    return {
        "images": count,
        "dim": DIM,
        "load": os.getloadavg()[0],  # processes that wanted a processor
        "seconds_to_address": started,
        "seconds_first_opened": first,
        "seconds_opened": again,
        "seconds_of_answers": answers,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=COUNT, help="images of the index")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        content = measured(Path(place), chosen.count)
    print(json.dumps(content, indent=2))
    if chosen.count == COUNT:
        command = "python -m benchmarks.view_page"
        write(RESULTS / "view" / "opening.json", facts(command) | content)
