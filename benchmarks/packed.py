"""Does an encoder learn as much from packed images?

    .venv/bin/python -m benchmarks.packed

One encoder learns from the JPEG files of Imagenette at 96 px, another from the same images
packed at 72 px, which stand to views of 32 px as 512 px stand to 224 px: crops of less than a
fifth of an image are enlarged. Both are scored on the unpacked images by the same probes. Runs
can be stopped and go on; a seed is some ten minutes of one core.
"""

import argparse
from pathlib import Path

from benchmarks.grid import RUNS, Cell, Grid, opened
from benchmarks.mini import DATA as CIFAR
from benchmarks.mini import MOCO_V3, SHARED
from ilk.data import Packing, open_source, pack

DATA = CIFAR.with_name("imagenette96-5k.parquet")
NAME = "packed"
EPOCHS = 20
SIDE = 72


def grid(data: Path = DATA) -> Grid:
    """Both cells."""
    train = opened(data, "train")
    place = RUNS / NAME / f"train-{SIDE}.tar"
    pack(train, place, Packing(shorter_side=SIDE))
    options = {**MOCO_V3["method_options"], "min_scale": 0.08}
    settings = MOCO_V3 | {"method_options": options}
    return Grid(
        name=NAME,
        shared=SHARED | {"epochs": EPOCHS},
        train=train,
        test=opened(data, "val"),
        cells=(
            Cell(name="originals", settings=settings),
            Cell(name="packed", settings=settings, images=open_source(str(place))),
        ),
        command="python -m benchmarks.packed",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--cell", help="one cell by its name")
    chosen = parser.parse_args()
    grid(chosen.data).run(chosen.seeds, chosen.cell)
