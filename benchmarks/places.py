"""Do methods over places help protocols over places more than methods over images?

    .venv/bin/python -m benchmarks.places prepare FOLDER    magnetic tiles, as parquet
    .venv/bin/python -m benchmarks.places tiles             every cell on them, one seed
    .venv/bin/python -m benchmarks.places rendered          the same on drawn images

Tiles: the photographs of magnetic tiles of Huang, Qiu and Yuan (The Visual Computer 2020), of
which a defect's pixels are marked. Every run learns from the tiles without a defect and from
half of those with one; probes learn from that half and are scored on the other. Drawn images
know their object, and ten classes; 2,000 are learned from, 1,000 of these probed, and 500
others scored.

All runs see equally many images by the optimisers and the small heads of
`benchmarks.family`; nothing was chosen by these scores. `moco-v2` and `densecl`, `vicreg` and
`vicregl`, `dino` and `ibot` are pairs: the second of each adds a loss over places.
"""

import argparse
from pathlib import Path

from benchmarks.family import MEAN, TOKENS, VIT, run
from benchmarks.grid import Cell, Grid, absent
from benchmarks.mini import SHARED
from benchmarks.places_data import drawn, prepared, tiles

FOLDER = Path(__file__).parents[2] / "shared" / "data"
FILE = "magnetic-tiles.parquet"
SIZE, BATCH, SEEN = 64, 64, 20_000  # pixels; images of a step and of a run
PROTOCOLS = ("knn@1", "linear@1", "attentive@1", "patch-knn@1", "segment-linear@1")
# Eight by eight places at 64 px, as `vit_mini` has: two stages, and no max-pool.
RESNET = {"backbone_options": {"widths": (48, 96), "depths": (1, 1), "stem": "small"}}
DINO = {**run("dino", VIT).settings, "method_options": TOKENS}
CELLS = (
    *(run(name, RESNET) for name in ("moco-v2", "densecl", "vicreg", "vicregl")),
    Cell(name="dino", settings=DINO),
    run("ibot", VIT),
    run("mae", MEAN),
    Cell(name="untrained"),  # the network of the first cell
    Cell(name="untrained-vit", encoder="random:vit_mini"),
)
TRANSFORMERS = ("dino", "ibot", "mae", "untrained-vit")


def grid(name: str, folder: Path) -> Grid:
    """The grid on one of the two kinds of images.

    Raises:
        UserError: the file of the tiles is not there.
    """
    path = folder / FILE
    if name == "tiles" and not path.exists():
        raise absent(path)
    data = tiles(path) if name == "tiles" else drawn(SIZE)
    epochs = SEEN / len(data.learned)
    return Grid(
        name=f"places-{name}",
        shared=SHARED
        | {"image_size": SIZE, "batch_size": BATCH, "epochs": epochs, "knn_every": 0},
        learned=data.learned,
        train=data.train,
        test=data.test,
        masks=data.masks,
        cells=CELLS,
        command=f"python -m benchmarks.places {name}",
        protocols=PROTOCOLS,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["prepare", "tiles", "rendered"])
    parser.add_argument(
        "images", nargs="?", type=Path, help="folder with MT_Blowhole and so on"
    )
    parser.add_argument("--data", type=Path, default=FOLDER, help=f"folder of {FILE}")
    parser.add_argument("--cell", choices=[cell.name for cell in CELLS])
    parser.add_argument("--seeds", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.what == "prepare":
        prepared(chosen.images, chosen.data / FILE)
    else:
        grid(chosen.what, chosen.data).run(chosen.seeds, chosen.cell)
