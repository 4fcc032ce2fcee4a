"""How fast everything is, side by side with what it is measured against.

    make bench         all of it on this machine, without the peers unless they are installed
    make bench-peers   installs lightly and albumentations beside, then the same

One thread; ratios, medians over interleaved rounds. Each part is kept as a JSON file under
``results/speed/``, from which the README's table is made.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import torch

from benchmarks import (
    data_speed,
    few_speed,
    growth,
    half_speed,
    kin_speed,
    probe_speed,
    step_speed,
    token_speed,
)
from benchmarks.grid import RESULTS, write
from ilk.cli.allocator import keep_freed_memory
from ilk.train.records.record import now, surroundings

PEERS = ("lightly", "albumentations")
WANTED = {  # times as fast as the peer, by kind of work
    "decode + 2 x 224 BYOL": {"lightly": 5.0, "albumentations": 1.5},
    "decode + 2 x 224 + 8 x 96 DINO": {"lightly": 5.0},
    "2 x 32 BYOL of arrays": {"lightly": 12.0, "albumentations": 3.0},
    "packed at 256 + 2 x 224 BYOL": {"lightly": 4.0, "albumentations": 2.5},
    "packed at 256 + 2 x 224 + 8 x 96 DINO": {"lightly": 4.0, "albumentations": 2.5},
    "packed at 512 + 2 x 224 BYOL of 12 megapixels": {"lightly": 10.0, "albumentations": 2.5},
    "packed at 512 + 2 x 224 + 8 x 96 DINO of 12 megapixels": {
        "lightly": 10.0,
        "albumentations": 2.5,
    },
    # Nobody asked for more here than not to be worse.
    "decode + 2 x 224 BYOL of 12 megapixels": {"lightly": 1.0, "albumentations": 1.0},
    "decode + 2 x 224 + 8 x 96 DINO of 12 megapixels": {"lightly": 1.0, "albumentations": 1.0},
}
Part = Callable[[int], list[dict[str, Any]]]


def views(runs: int) -> list[dict[str, Any]]:
    """The rows of the table that are about views."""
    from benchmarks.view_speed import rows

    return [row for work in grouped(rows(runs)).items() for row in against_peers(*work)]


def shares(runs: int) -> list[dict[str, Any]]:
    """Where the time of two views goes; in no table."""
    from benchmarks.view_speed import shares

    return shares(runs)


def grouped(found: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """What was measured, by work and engine."""
    works: dict[str, dict[str, dict[str, Any]]] = {}
    for row in found:
        works.setdefault(row["work"], {})[row["engine"]] = row
    return works


def against_peers(work: str, engines: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for every peer that this work is compared with, there or not."""
    out: list[dict[str, Any]] = []
    for peer, floor in WANTED.get(work, {}).items():
        row: dict[str, Any] = {"work": work, "against": peer, "at_least": floor}
        if peer in engines:
            row["ratio"] = engines[peer]["times_slower_than_ilk"]
            row["images_per_second"] = engines["ilk"]["images_per_second"]
            row["images_per_second_against"] = engines[peer]["images_per_second"]
        else:
            row["skipped"] = f"{peer} is not installed; make bench-peers"
        out.append(row)
    return out


PARTS: dict[str, Part] = {
    "views": views,
    "shares": shares,
    "steps": step_speed.rows,
    "tokens": token_speed.rows,
    "data": data_speed.rows,
    "few": few_speed.rows,
    "probes": probe_speed.rows,
    "growth": growth.rows,
    "kin": kin_speed.rows,
    "halves": half_speed.rows,
}


def facts() -> dict[str, Any]:
    """What figures depend on."""
    around = surroundings()
    load = os.getloadavg()[0]
    return {
        "date": now(),
        "commit": around["commit"],
        "machine": around["machine"] | {"processor": _processor(), "threads": 1},
        # Above the one thread of the benchmark itself others were at work.
        "load": round(load, 1),
        "shared": load > 1.5,
        "versions": around["versions"] | {peer: _version(peer) for peer in PEERS},
    }


def measure(name: str, runs: int) -> None:
    """Measure one part and keep it."""
    began = time.perf_counter()
    found = PARTS[name](runs)
    seconds = round(time.perf_counter() - began, 1)
    command = f"python -m benchmarks.speed {name} --runs {runs}"
    content = {"command": command, "runs": runs, "seconds": seconds, **facts(), "rows": found}
    write(RESULTS / "speed" / f"{name}.json", content)
    for row in found:
        if name != "growth":
            ratio = row.get("ratio", row.get("seconds"))
            shown = row.get("skipped") or f"{ratio:.3g}"
            beside = row.get("against") or ("its step" if name == "kin" else "nothing")
            print(f"{row['work']} against {beside}: {shown}", flush=True)
    print(f"{name}: {seconds:.0f} s", flush=True)


def _processor() -> str:
    """The name of the processor where Linux tells it."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123
            names = [line.partition(":")[2] for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0].strip() if names else platform.processor()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all when none")
    parser.add_argument("--runs", type=int, default=15, help="interleaved rounds")
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        sys.exit(f"parts: must be of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    keep_freed_memory()
    torch.set_num_threads(1)
    for name in chosen.parts or PARTS:
        measure(name, chosen.runs)


if __name__ == "__main__":
    main()
