"""Is it the running statistics? Scores of the learning check with those of clean images.

    .venv/bin/python -m benchmarks.recalibrated

With SDMP a network sees clean and mixed batches in turn, and its running means and variances
are those of both; the probes show it clean images only. Here they are taken anew from the
training images, as they are, before the encoder is scored again. Needs the runs of `make mini`.
"""

import argparse
from pathlib import Path
from typing import Any

from torch import nn

from benchmarks.grid import RESULTS, RUNS, facts, write
from benchmarks.mini import CELLS, DATA, grid
from ilk.data import Source
from ilk.embedding import embed
from ilk.evaluate import evaluate
from ilk.networks import load_encoder


def recalibrate(module: nn.Module, show: Any) -> None:
    """Plain averages over all that is shown, in place of what was gathered in training."""
    norms = [
        part for part in module.modules() if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    show()
    for norm in norms:
        norm.eval()


def scores(
    run: Path, train: Source, test: Source, seed: int
) -> dict[str, list[dict[str, Any]]]:
    encoder = load_encoder(run)
    out = {}
    for name in ("as trained", "recalibrated"):
        if name == "recalibrated":
            recalibrate(encoder.module, lambda: embed(encoder, train))
        found = evaluate(embed(encoder, train), embed(encoder, test), seed=seed)
        out[name] = [result.to_dict() for result in found]
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    whole = grid(chosen.data)
    found = {
        cell.name: scores(run, whole.train, whole.test, chosen.seed)
        for cell in CELLS
        if (run := RUNS / "mini" / cell.name / f"seed{chosen.seed}").is_dir()
    }
    path = RESULTS / "recalibrated" / f"seed{chosen.seed}.json"
    write(
        path, facts("python -m benchmarks.recalibrated") | {"seed": chosen.seed, "cells": found}
    )
    for name, rows in found.items():
        for row, results in rows.items():
            shown = ", ".join(f"{r['protocol']} {100 * r['value']:.1f} %" for r in results)
            print(f"{name}, {row}: {shown}")
