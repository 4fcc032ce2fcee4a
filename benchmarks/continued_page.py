"""The table of ``docs/continue.md``: what continuing did to a network, seed by seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.grid import in_percent, kept_cells, unpacked
from ilk.evaluate import difference_over_seeds

PARTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "cifar": (
        "**Half of CIFAR-10's classes to the other half** (`make continue`): a transformer of "
        "10 million multiply-adds, 10,000 images of five classes before, 2,000 of the "
        "other five while it is continued, 100,000 views each; scored on 5,000 test "
        "images of these five.",
        {
            "pretrained": "frozen",
            "full": "continued at the full rate, without a guard",
            "guarded": "the same with the guard",
            "recipe": "continued by `--tune auto`",
            "diet": "continued by `--tune auto --method diet`",
            "scratch": "from scratch on the 2,000 images",
        },
    ),
    "imagenette": (
        "**ImageNet weights on Imagenette** (4,000 images of 96 px, classes that the network "
        "was trained on): EfficientNet-Lite0, 60,000 views, scored on 1,000 images.",
        {
            "frozen": "frozen",
            "diet": "continued by `--tune auto --method diet`",
            "scratch": "from scratch with DIET",
        },
    ),
    "omniglot": (
        "**ImageNet weights on Omniglot** (3,630 drawn characters at 64 px, 242 classes): "
        "EfficientNet-Lite0, 60,000 views, scored on 1,210 characters by other hands.",
        {
            "frozen": "frozen",
            "diet": "continued by `--tune auto --method diet`",
            "scratch": "from scratch with DIET",
        },
    ),
}
PROTOCOLS = {"knn@1": "k-NN", "linear@1": "linear"}
Cells = Mapping[int, Mapping[str, Any]]  # by seed


def table(results: Path) -> str:
    """All cells there are, a part after the other; no table of a part without any.

    Args:
        results: folder of the JSON files.
    """
    lines: list[str] = []
    for part, (what, rows) in PARTS.items():
        cells = {name: _seeds(results, f"{part}-{name}") for name in rows}
        seeds = sorted({seed for found in cells.values() for seed in found})
        if not seeds:
            continue
        heads = [f"{short}, seed {seed}" for seed in seeds for short in PROTOCOLS.values()]
        heads += [f"points of {short} gained" for short in PROTOCOLS.values()]
        frozen = cells[next(iter(rows))]
        lines += [what, "", "| |" + "".join(f" {head} |" for head in heads)]
        lines += ["|---|" + "---|" * len(heads)]
        for name, words in rows.items():
            scores = [
                _score(cells[name].get(seed), protocol)
                for seed in seeds
                for protocol in PROTOCOLS
            ]
            scores += [_gain(cells[name], frozen, protocol) for protocol in PROTOCOLS]
            lines.append(f"| {words} |" + "".join(f" {score} |" for score in scores))
        lines.append("")
    return "\n".join(lines or ["Not measured yet.", ""])


def _seeds(results: Path, cell: str) -> Cells:
    return {content["seed"]: content for content in kept_cells(results, cell)}


def _score(cell: Mapping[str, Any] | None, protocol: str) -> str:
    """A score with its 95 % interval; empty where there is none yet."""
    if cell is None:
        return ""
    return in_percent(_result(cell, protocol))


def _gain(cells: Cells, frozen: Cells, protocol: str) -> str:
    """Points gained on the frozen network, paired by seed and test image; empty for itself.

    The interval, of 95 %, is over test images: that of the mean of the seeds there are.
    """
    seeds = sorted(cells.keys() & frozen.keys())
    if cells is frozen or not seeds:
        return ""
    ours, theirs = (
        np.mean(
            [unpacked(_result(side[seed], protocol)) for seed in seeds], axis=0, keepdims=True
        )
        for side in (cells, frozen)
    )
    gain = difference_over_seeds(ours, theirs)
    low, high = gain.interval
    return f"{100 * gain.difference:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _result(cell: Mapping[str, Any], protocol: str) -> Mapping[str, Any]:
    return next(one for one in cell["results"] if one["protocol"] == protocol)
