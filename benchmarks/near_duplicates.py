"""How many altered copies does the near-duplicate warning find, and how often is it wrong?

    .venv/bin/python -m benchmarks.near_duplicates     after make mini

Train is 4,000 images of CIFAR-10's training set; test is an altered copy of each of the first
1,000 of them, and, for false alarms, 1,000 images of the test set. CIFAR-10 has real
near-duplicates across its sets, some 3 % of test by Barz and Denzler, Journal of Imaging 2020,
so not every alarm there is false.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks.grid import RESULTS, RUNS, absent, facts, write
from benchmarks.mini import DATA
from ilk.data import Arrays, Source, Subset, decode, open_source
from ilk.embedding import embed
from ilk.evaluate import load_encoder_or_baseline
from ilk.evaluate.overlap import agreement, most_similar, thumbnail

KNOWN, ASKED, SIDE = 4000, 1000, 32
THRESHOLDS = (0.9, 0.95, 0.97, 0.99)
AGREEMENTS = (0.9, 0.95, 0.97, 0.98, 0.99)
ENCODERS = ("pixels", "hog", "random:resnet_mini", "moco-v3", "dino")
RUN = ("moco-v3", "dino")  # left out where they were not trained


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


def rows(data: Path, name: str) -> dict[str, dict[str, float]]:
    """Share of images whose neighbour in train passes each threshold, by what was done.

    Thresholds are of the cosine alone, or of the cosine and the agreement of pixels.
    """
    encoder = load_encoder_or_baseline(str(_run(name)) if name in RUN else name)
    train, test = open_source(f"{data}:train"), open_source(f"{data}:test")
    known = embed(encoder, Subset(train, np.arange(KNOWN)))
    small = [thumbnail(train.item(item)) for item in range(KNOWN)]

    def shares(source: Source) -> dict[str, float]:
        nearest, cosines = most_similar(known, embed(encoder, source))
        agreed = np.array(
            [
                agreement(small[row], thumbnail(source.item(item)))
                for item, row in enumerate(nearest.tolist())
            ]
        )
        by_vector = {f"{at:g}": float((cosines >= at).mean()) for at in THRESHOLDS}
        by_pixels = {
            f"{close:g}, pixels {at:g}": float(((cosines >= close) & (agreed >= at)).mean())
            for close in (-1, 0.8, 0.9)
            for at in AGREEMENTS
        }
        return by_vector | by_pixels

    def altered(change: Callable[[Image.Image], Image.Image]) -> Source:
        images = (
            Image.fromarray(decode(train.item(item), channels=3)) for item in range(ASKED)
        )
        return Arrays(np.stack([np.asarray(change(image).convert("RGB")) for image in images]))

    found = {what: shares(altered(change)) for what, change in ALTERED.items()}
    return found | {"other images": shares(Subset(test, np.arange(ASKED)))}


def _run(name: str) -> Path:
    return RUNS / "mini" / name / "seed0"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    chosen = parser.parse_args()
    if not chosen.data.exists():
        raise absent(chosen.data)
    command = "python -m benchmarks.near_duplicates"
    content = {
        "known": KNOWN,
        "asked": ASKED,
        "shares": {
            n: rows(chosen.data, n) for n in ENCODERS if n not in RUN or _run(n).exists()
        },
    }
    write(RESULTS / "near-duplicates" / "cifar10-verified.json", facts(command) | content)
