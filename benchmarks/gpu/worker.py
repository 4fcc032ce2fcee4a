"""One process that works off units and writes a line of JSON for each.

python -m benchmarks.gpu.worker --device cuda laws/golden/moco-v3 laws/half/dino
"""

import argparse
import contextlib
import gc
import json
import sys
import time
import traceback
from pathlib import Path

from benchmarks.gpu import cells, laws, speed, vectors
from benchmarks.gpu.crew import SPOILT
from benchmarks.gpu.place import Place, Scale, Unit

ROOMS = {"laws": laws, "speed": speed, "vectors": vectors, "cells": cells}


def units(scale: Scale) -> dict[str, Unit]:
    """Every unit by its name, in the order in which they should be run."""
    found = ((f"{room}/{name}", unit) for room, module in ROOMS.items()
             for name, unit in module.units(scale).items())  # fmt: skip
    return dict(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--seen", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("names", nargs="+")
    chosen = vars(parser.parse_args())
    names, place = chosen.pop("names"), Place(**chosen)
    known, out = units(place.scale), sys.stdout
    for name in names:
        began = time.perf_counter()
        with contextlib.redirect_stdout(sys.stderr):
            row, spoilt = worked(known[name], place)
        row["seconds"] = round(time.perf_counter() - began, 2)
        print(json.dumps({"unit": name, "row": row}, default=str), file=out, flush=True)
        if spoilt:
            sys.exit(SPOILT)
        gc.collect()  # what this unit held on the device


def worked(unit: Unit, place: Place) -> tuple[dict[str, object], bool]:
    """The row of a unit, and whether the device is of no more use to this process."""
    try:
        return unit(place), False
    except Exception as error:
        traceback.print_exc()
        says = f"{type(error).__name__}: {error}"
        return {"failed": says[:2000]}, "CUDA error" in says or "device-side" in says


if __name__ == "__main__":
    main()
