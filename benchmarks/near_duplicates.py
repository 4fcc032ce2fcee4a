"""How many altered copies does the near-duplicate warning find, and how often is it wrong?

    .venv/bin/python -m benchmarks.near_duplicates

Train is 4,000 images of CIFAR-10's training set; test is an altered copy of each of the first
1,000 of them, and, for false alarms, 1,000 images of the test set. CIFAR-10 has real
near-duplicates across its sets, some 3 % of test by Barz and Denzler, Journal of Imaging 2020,
so not every alarm there is false.
"""

import argparse
import io
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks.grid import RESULTS, absent, facts, write
from benchmarks.mini import DATA
from ilk.curate import look_at
from ilk.data import Subset, decode, open_source
from ilk.evaluate.overlap import compared_copies

KNOWN, ASKED, SIDE = 4000, 1000, 32


def compressed(image: Image.Image) -> Image.Image:
    """JPEG of quality 75."""
    kept = io.BytesIO()
    image.save(kept, "JPEG", quality=75)
    return Image.open(kept)


ALTERED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 75": compressed,
    "shrunk to 75 % and back": lambda i: i.resize((24, 24)).resize((SIDE, SIDE)),
    "10 % brighter": lambda i: ImageEnhance.Brightness(i).enhance(1.1),
    "moved by a pixel": lambda i: i.transform(
        i.size, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 1)
    ),
    "middle 88 %, enlarged": lambda i: i.crop((2, 2, 30, 30)).resize((SIDE, SIDE)),
    "mirrored": lambda i: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


def shares_found(data: Path) -> dict[str, float]:
    """Share of images that count as copies of one of train, by what was done to them."""
    train, test = open_source(f"{data}:train"), open_source(f"{data}:test")
    known = look_at(Subset(train, np.arange(KNOWN)))

    def share(images: Iterable[np.ndarray]) -> float:
        return len(compared_copies(known, look_at(open_source(list(images))))[0]) / ASKED

    plain = [Image.fromarray(decode(train.item(item), channels=3)) for item in range(ASKED)]
    found = {
        what: share(np.asarray(change(image).convert("RGB")) for image in plain)
        for what, change in ALTERED.items()
    }
    return found | {"other images": share(decode(test.item(item)) for item in range(ASKED))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    chosen = parser.parse_args()
    if not chosen.data.exists():
        raise absent(chosen.data)
    command = "python -m benchmarks.near_duplicates"
    content = {"known": KNOWN, "asked": ASKED, "shares": shares_found(chosen.data)}
    write(RESULTS / "near-duplicates" / "cifar10-by-pixels.json", facts(command) | content)
