"""Images whose pixels are known: magnetic tiles, and drawn ones."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ilk.core import seeding
from ilk.data import Arrays, LabelMaps, Source, Subset, labels, open_label_maps, open_source
from ilk.rendered import Rendered

FREE = "Free"  # the label of tiles without a defect
BRIGHT = 128  # masks have soft edges
DRAWN = {"train": 2_000, "test": 500}


@dataclass(frozen=True, kw_only=True)
class Data:
    """What a grid is about.

    Args:
        learned: images that runs learn from.
        train: those of them that probes are trained on.
        test: images that are scored.
        masks: what pixels of ``train`` and ``test`` show, by these names.
    """

    learned: Source
    train: Source
    test: Source
    masks: Mapping[str, LabelMaps | None]


def prepared(folder: Path, path: Path) -> None:
    """Write the tiles as they are published into one file, masks as foreground alone.

    Args:
        folder: with MT_Blowhole/Imgs and the others, a PNG as the mask of each JPEG.
        path: where the parquet file is to be.
    """
    rows = []
    for place in sorted(folder.glob("MT_*/Imgs/*.jpg")):
        mask = io.BytesIO()
        with Image.open(place.with_suffix(".png")) as image:
            image.point(lambda value: 255 * (value >= BRIGHT)).save(mask, "PNG")
        label = place.parts[-3].removeprefix("MT_")
        rows.append({"image": place.read_bytes(), "mask": mask.getvalue(), "label": label})
    pq.write_table(pa.Table.from_pylist(rows), path)


def tiles(path: Path) -> Data:
    """Tiles with a defect in two halves, and those without one beside the first."""
    images = open_source(str(path))
    free = images.classes.index(FREE)
    every = np.arange(len(images))
    marked = np.flatnonzero(labels(images) != free)
    order = marked[seeding.permutation(0, 0, len(marked))]
    half = len(order) // 2
    test = np.sort(order[half:])
    parts = {"train": Subset(images, np.sort(order[:half])), "test": Subset(images, test)}
    masks = open_source(f"{path}:images=mask")
    return Data(
        learned=Subset(images, np.setdiff1d(every, test)),
        masks={name: open_label_maps(masks, part) for name, part in parts.items()},
        **parts,
    )


def drawn(size: int) -> Data:
    """Images of the renderer, drawn once; every ten show each class."""
    parts, masks = dict[str, Source](), dict[str, LabelMaps | None]()
    for split, count in DRAWN.items():
        source = Rendered(count, size=size, split=split)
        images = np.stack([source.item(index) for index in range(count)])
        classes = labels(source)
        parts[split] = Arrays(images, classes, name=source.name, classes=source.classes)
        masks[split] = open_label_maps(None, source)
    half = Subset(parts["train"], np.arange(DRAWN["train"] // 2))
    return Data(learned=parts["train"], train=half, test=parts["test"], masks=masks)
