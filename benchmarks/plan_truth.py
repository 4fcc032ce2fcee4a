"""What a plan foretells beside what a run takes: time and memory of the defaults and of others.

    python -m benchmarks.plan_truth photos/ labelled/       folders of images
    python -m benchmarks.plan_truth photos/ --minutes 20    the first command at its own length

For every folder the command is run as a person would type it, in a process of its own: first
``ilk train FOLDER`` for ``--minutes`` minutes, then the same with larger networks for a few
steps. Kept are the plan, when its lines came, the seconds of the run, the most memory that the
process held, and by how much the plan was wrong; wanted is within 25 %.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.grid import RESULTS, facts, write

CASES = {
    "defaults": (),
    "dino": ("--method", "dino"),
    "resnet18": ("--backbone", "resnet18", "--steps", "6"),
    "vit-small": ("--backbone", "vit_small_patch16_224", "--batch-size", "32", "--steps", "3"),
}
WANTED = 0.25


def case(folder: Path, words: tuple[str, ...], minutes: float) -> dict[str, Any]:
    """One command: its plan and the truth."""
    if "--steps" not in words:
        words = (*words, "--time", f"{minutes:g}m")
    with tempfile.TemporaryDirectory() as place:
        run = Path(place) / "run"
        command = ["train", str(folder), *words, "-o", str(run)]
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "ilk.cli", *command],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        said = [(round(time.monotonic() - began, 2), line.rstrip()) for line in process.stdout]
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise RuntimeError(f"ilk {' '.join(command)}: must succeed, got status {status}")
        record = json.loads((run / "run.json").read_text())
    plan, memory = record["plan"], usage.ru_maxrss * 1024
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "command": " ".join(["ilk train FOLDER", *words]),
        "said": said[:5],
        "images": record["data"]["items"],
        "steps": record["length"]["steps"],
        "seconds": {"plan": plan["seconds"], "truth": record["seconds"],
                    "off_by": plan["seconds"] / record["seconds"] - 1},
        "memory": {"plan": plan["memory"], "truth": memory,
                   "off_by": plan["memory"] / memory - 1, "share_of_machine": memory / total},
        "chosen": plan["chosen"],
    }  # fmt: skip


def main(folders: list[Path], minutes: float, only: str | None) -> None:
    for folder in folders:
        for name, words in CASES.items():
            if only is not None and only != name:
                continue
            found = case(folder, words, minutes)
            path = RESULTS / "plan" / f"{folder.name}-{name}.json"
            write(path, {**facts("python -m benchmarks.plan_truth"), **found})
            for what in ("seconds", "memory"):
                off = found[what]["off_by"]
                verdict = "as wanted" if abs(off) <= WANTED else "not as wanted"
                print(f"{folder.name} {name}: {what} predicted {off:+.0%}, {verdict}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, help="folders of images")
    parser.add_argument("--minutes", type=float, default=3, help="of runs without steps")
    parser.add_argument("--case", choices=list(CASES))
    chosen = parser.parse_args()
    main(chosen.folders, chosen.minutes, chosen.case)
