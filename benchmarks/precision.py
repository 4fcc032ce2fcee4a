"""Does a network learn less where it computes in bfloat16? Cells of the family once more.

    .venv/bin/python -m benchmarks.precision                  all of them, one seed
    .venv/bin/python -m benchmarks.precision --cell vicreg    one method

Data, settings, seeds and scores are those of `benchmarks.family`, whose own cells compute in
single precision, and stand beside these in the table. The methods are one of a kind each:
negatives, a predictor, covariances, prototypes, centring. On a processor without instructions
for bfloat16 this takes many times as long.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.family import family
from benchmarks.grid import Grid
from benchmarks.mini import DATA

METHODS = ("moco-v3", "byol", "vicreg", "swav", "dino")
HALF = {"precision": "bf16-mixed"}


def halves(path: Path) -> Grid:
    """Cells of the family in bfloat16, on a copy of the data."""
    whole = family(path)
    chosen = (cell for cell in whole.cells if cell.name in METHODS)
    return replace(
        whole,
        name="precision",
        cells=tuple(replace(cell, settings={**cell.settings, **HALF}) for cell in chosen),
        protocols=("knn@1", "linear@1"),
        command="python -m benchmarks.precision",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--cell", choices=METHODS)
    chosen = parser.parse_args()
    halves(chosen.data).run(chosen.seeds, chosen.cell)
