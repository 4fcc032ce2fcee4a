"""The table of the SDMP paper, on the encoders of the learning check instead of ImageNet's.

    make paper                                                   after make mini
    .venv/bin/python -m benchmarks.paper --protocols robustness  one column
    .venv/bin/python -m benchmarks.paper --seed 1                encoders of another seed

Linear probe, fine-tuning on all labels (30 epochs where the paper has 100), on 10 % and 1 % of
them, and corruptions of the test images, for every encoder that `make mini` left and for the
network without training. It can be stopped at any time: finished protocols are kept. Several
processes each take the next encoder.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from benchmarks.grid import RESULTS, facts, watching, write
from benchmarks.mini import CELLS, DATA, grid
from ilk.core import Busy
from ilk.evaluate import protocol
from ilk.study import Study

PROTOCOLS = "knn,linear,finetune-1,finetune-10,robustness,finetune-mini"


def measure(study: Study, only: str | None, console: Console) -> None:
    """Every protocol that is not finished yet, for every encoder that is there."""
    for cell, seed, place in study.places():
        there = study.trained(cell, seed) or cell.name == "untrained"
        if not there or only not in (None, cell.name):
            continue
        path = RESULTS / "paper" / f"{cell.name}-seed{seed}.json"
        for name in study.protocols:
            try:
                replace(study, protocols=(name,)).score(cell, seed, watching(console))
            except Busy as busy:
                console.print(str(busy), markup=False)
                break
            found = study.results(place)[name]
            console.print(f"{cell.name}: {name} {found.value:.4f}")
            kept = json.loads(path.read_text())["results"] if path.exists() else []
            kept = [old for old in kept if old["protocol"] != name] + [found.to_dict()]
            content = {"cell": cell.name, "seed": seed, "results": kept}
            write(path, facts("make paper") | content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--protocols", default=PROTOCOLS)
    parser.add_argument("--cell", choices=[cell.name for cell in CELLS])
    chosen = parser.parse_args()
    asked = tuple(protocol(name).name for name in chosen.protocols.split(","))
    whole = replace(grid(chosen.data), first_seed=chosen.seed).study(1)
    measure(replace(whole, protocols=asked), chosen.cell, Console())
