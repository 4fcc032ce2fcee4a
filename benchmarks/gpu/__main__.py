"""Run all parts within the minutes given, and write JSON after every row.

python -m benchmarks.gpu                              nine minutes of one GPU
python -m benchmarks.gpu --parts laws,speed --minutes 4
python -m benchmarks.gpu --device cpu --tiny          the same with toy sizes
python -m benchmarks.gpu prepare                      what is to be carried there
"""

import argparse
import json
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gpu import cells, prepare
from benchmarks.gpu.crew import Crew
from benchmarks.gpu.place import CARRIED, FULL, TINY, Scale
from benchmarks.gpu.worker import units
from benchmarks.grid import RESULTS, RUNS, facts, online_scores, write

# Each part, and the share of all minutes at which it must have ended.
PARTS = {"laws": 0.25, "speed": 0.55, "vectors": 0.62, "cells": 1.0}
RESERVED = 12.0  # seconds for the end of the script itself
SCORED = 60.0  # seconds that cells take at most to start and to be scored
SAFE = 0.85  # of the pace that was measured is counted on


@dataclass
class Report:
    """Rows of one part, written to a file whenever one is added.

    Args:
        path: where the file is written.
        facts: command, date, machine, commit and versions.
        rows: a row for each unit, by its name.
        left: units that the clock left out, or that a toy does not have.
    """

    path: Path
    facts: dict[str, Any]
    rows: dict[str, Any] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, row: dict[str, Any]) -> None:
        """Keep a row, and say it."""
        with self._lock:
            self.rows[name] = row
            self.write()
            print(f"{name}: {in_a_line(row)}", flush=True)

    def write(self) -> None:
        """All rows so far; failures stand together once more, to be seen at once."""
        failures = [name for name, row in self.rows.items() if failed(row)]
        write(
            self.path,
            {**self.facts, "failures": failures, "left_out": self.left, "rows": self.rows},
        )


def failed(row: dict[str, Any]) -> bool:
    """Whether a unit ended with an error or a law does not hold."""
    return "failed" in row or row.get("holds") is False


def in_a_line(row: dict[str, Any]) -> str:
    """A row in a line."""
    shown = row.get("failed") or json.dumps(
        {name: value for name, value in row.items() if name not in ("results", "profile")},
        default=str,
    )
    return ("FAILED " if failed(row) else "") + shown[:200]


@dataclass
class Timetable:
    """All parts with one clock.

    Args:
        chosen: arguments of the command line.
        began: time of the clock at which the minutes begin.
        failures: how many units failed so far.
    """

    chosen: argparse.Namespace
    began: float = field(default_factory=time.time)
    failures: int = 0

    @property
    def scale(self) -> Scale:
        return TINY if self.chosen.tiny else FULL

    @property
    def end(self) -> float:
        return self.began + 60 * self.chosen.minutes - RESERVED

    def part(self, name: str) -> Report:
        """Work off one part, and say what was left out."""
        surroundings = facts(" ".join(["python -m benchmarks.gpu", *self.chosen.words]))
        surroundings |= prepare.surroundings(self.chosen.data) | {"seed": self.chosen.seed}
        report = Report(self.chosen.out / f"{name}.json", surroundings)
        until = self.began + (self.end - self.began) * PARTS[name]
        if name == "cells":
            self._cells(report, until)
        else:
            side = self.scale.side if name == "laws" else 1
            names = [unit for unit in units(self.scale) if unit.startswith(f"{name}/")]
            report.left += self._crew(report, until).finish(names, side)
        report.write()
        self.failures += sum(map(failed, report.rows.values()))
        print(f"{name}: {len(report.rows)} rows, {len(report.left)} left out", flush=True)
        return report

    def _crew(self, report: Report, until: float, **further: Any) -> Crew:
        chosen = self.chosen
        given = {"device": chosen.device, "data": chosen.data, "runs": chosen.runs,
                 "seed": chosen.seed, **further}  # fmt: skip
        words = [f"--{name}={value}" for name, value in given.items()]
        return Crew(
            arguments=(*words, *(["--tiny"] if chosen.tiny else [])),
            until=until,
            keep=report.add,
            log=chosen.out / "log.txt",
        )

    def _cells(self, report: Report, until: float) -> None:
        """Show each as many images as the slowest of them can see in the time that is left."""
        side = 1 if self.chosen.tiny else cells.SIDE
        runs = cells.folder(self.chosen.runs)
        shutil.rmtree(runs, ignore_errors=True)  # of another length
        names = [f"cells/pace/{mix}" for mix in cells.MIXES]
        report.left += self._crew(report, until).finish(names, side)
        paces = [report.rows.get(name, {}).get("images_per_second") for name in names]
        trained = until - time.time() - (0 if self.chosen.tiny else SCORED)
        names = [f"cells/cell/{mix}" for mix in cells.MIXES]
        if None in paces or trained <= 0:
            report.left += names
            return
        items = 80 if self.chosen.tiny else prepare.counted(self.chosen.data)
        seen = min(int(SAFE * trained * min(paces)), self.scale.epochs * items)
        report.left += self._crew(report, until, seen=seen).finish(names, side)
        for mix in cells.MIXES:
            name = f"cells/cell/{mix}"
            if name in report.left:
                lines = runs / mix / f"seed{self.chosen.seed}" / "metrics.jsonl"
                report.add(
                    name, {"cut": True, "seen": seen, "online_knn": online_scores(lines)}
                )


def main(given: Sequence[str] | None = None) -> int:
    """Run what is asked for; the number of units that failed."""
    words = list(sys.argv[1:] if given is None else given)
    if words[:1] == ["prepare"]:
        prepare.main(words[1:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--tiny", action="store_true", help="toy sizes; compiles nothing")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--parts", default=",".join(PARTS), help="separated by commas")
    parser.add_argument("--data", type=Path, default=CARRIED, help="folder of `prepare`")
    parser.add_argument("--out", type=Path, help="folder for JSON; results/gpu when not tiny")
    parser.add_argument("--runs", type=Path, help="folder for runs, which may be lost")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(words)
    named = "gpu-tiny" if chosen.tiny else "gpu"
    chosen.words = words
    chosen.runs = (chosen.runs or RUNS / named).absolute()
    chosen.out = (
        chosen.out or (RUNS / named / "out" if chosen.tiny else RESULTS / named)
    ).absolute()
    chosen.out.mkdir(parents=True, exist_ok=True)
    timetable = Timetable(chosen)
    for name in chosen.parts.split(","):
        timetable.part(name)
    print(
        f"{timetable.failures} failed, {time.time() - timetable.began:.0f} s; see {chosen.out}"
    )
    return timetable.failures


if __name__ == "__main__":
    sys.exit(main() > 0)
