"""What mixing gained in every regime that was measured, from the JSON files of the grids.

A gain is the accuracy with a mix less that without it. It is paired over test images and
independent over seeds, by the code of `ilk compare`. Cells that were run before scores of
single images were kept have Newcombe's interval of two proportions (Statistics in Medicine
1998, method 10), which is wider.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.chosen import CHOICE, best_cell
from benchmarks.grid import CORRUPTED, RESULTS, kept_cells, unpacked
from benchmarks.regimes import AXES, DINO_AXIS, IMAGES, SEEN, cell_name
from ilk.core import UserError
from ilk.evaluate import difference_over_seeds
from ilk.train import Settings
from ilk.train.assemble import sizes

PROTOCOLS = ("knn@1", "linear@1", CORRUPTED)
SIDE = 32  # pixels
Cells = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What one protocol says, as shares; the interval is of 95 %.

    Args:
        plain: mean accuracy without the mix.
        mixed: mean accuracy with it.
        low: least difference of the two in the interval.
        high: greatest difference in it.
        seeds: how many the side with fewer has.
    """

    plain: float
    mixed: float
    low: float
    high: float
    seeds: int

    @property
    def difference(self) -> float:
        """The gain."""
        return self.mixed - self.plain

    @property
    def covers(self) -> str:
        """What the interval covers."""
        return "test images" if self.seeds == 1 else f"test images and {self.seeds} seeds"


@dataclass(frozen=True, kw_only=True)
class Regime:
    """A plain and a mixed cell that differ by the mix, and perhaps by what was chosen for each.

    Args:
        axis: what the map calls it, or where it is from.
        where: folder of the results.
        method: name of the method.
        mix: name of the mix.
        images: how many are learned from.
        seen: images, with repetitions.
        augment: how much images are changed.
        backbone: name of the network.
        backbone_options: its arguments.
        mix_options: what the mixed cell changes of its mix.
        gains: a gain for each protocol; empty where a cell is missing.
        missing: names of cells that were not run yet.
    """

    axis: str
    where: str
    method: str
    mix: str
    images: int
    seen: int
    augment: str
    backbone: str
    backbone_options: Mapping[str, Any]
    mix_options: Mapping[str, Any] = field(default_factory=dict)
    gains: Mapping[str, Gain] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """How many the backbone has."""
        named = Settings(
            backbone=self.backbone, backbone_options=self.backbone_options, image_size=SIDE
        )
        return sizes(named).parameters


def gain(plain: Cells, mixed: Cells, protocol: str) -> Gain | None:
    """The gain by one protocol, or None where a side was not measured by it.

    Args:
        plain: cells without the mix, one a seed.
        mixed: cells with it, likewise.
        protocol: name with version.
    """
    theirs, ours = _results(plain, protocol), _results(mixed, protocol)
    if not theirs or not ours:
        return None
    values = [float(np.mean([one["value"] for one in side])) for side in (theirs, ours)]
    if all(one.get("right") for one in (*theirs, *ours)):
        scores = [np.stack([unpacked(one) for one in side]) for side in (ours, theirs)]
        low, high = difference_over_seeds(*scores).interval
    else:
        low, high = newcombe(ours[0], theirs[0])
        values = [theirs[0]["value"], ours[0]["value"]]
        theirs = theirs[:1]
    seeds = min(len(theirs), len(ours))
    return Gain(plain=values[0], mixed=values[1], low=low, high=high, seeds=seeds)


def newcombe(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[float, float]:
    """The interval of a difference of two proportions from the intervals of each.

    Args:
        ours: a result with ``value`` and ``interval``.
        theirs: likewise.

    Example:
        >>> one, other = {"value": 0.7, "interval": (0.6, 0.78)}, {"value": 0.5,
        ...     "interval": (0.4, 0.6)}
        >>> [round(end, 3) for end in newcombe(one, other)]
        [0.059, 0.328]
    """
    difference = ours["value"] - theirs["value"]
    below = math.hypot(
        ours["value"] - ours["interval"][0], theirs["interval"][1] - theirs["value"]
    )
    above = math.hypot(
        ours["interval"][1] - ours["value"], theirs["value"] - theirs["interval"][0]
    )
    return difference - below, difference + above


def regimes(results: Path = RESULTS) -> list[Regime]:
    """Every regime: those of the map, of the choosing images, and of the learning check."""
    return [*mapped(results), *_chosen(results), *_checked(results)]


def mapped(results: Path = RESULTS, mix: str = "sdmp") -> Iterator[Regime]:
    """The axes of the map, measured or not."""
    for axis in (*AXES, DINO_AXIS):
        further, images, seen = AXES.get(axis, ({}, IMAGES, SEEN))
        yield _regime(
            results / "regimes",
            (cell_name(axis, "none"), cell_name(axis, mix)),
            axis=axis,
            method="dino" if axis == DINO_AXIS else "moco-v3",
            mix=mix,
            images=images,
            seen=seen,
            augment=further.get("augment", "full"),
            backbone=further.get("backbone", "resnet_mini"),
            backbone_options=further.get("backbone_options", {}),
        )


def _regime(place: Path, names: tuple[str, str], **known: Any) -> Regime:
    """A regime with its gains; what cells know of themselves replaces what was planned."""
    plain, mixed = (kept_cells(place, name) for name in names)
    missing = [name for name, side in zip(names, (plain, mixed), strict=True) if not side]
    where = f"benchmarks/results/{place.name}"
    if missing:
        return Regime(where=where, missing=tuple(missing), **known)
    found = {name: one for name in PROTOCOLS if (one := gain(plain, mixed, name))}
    one, other = plain[0], mixed[0]
    return Regime(
        where=where,
        gains=found,
        mix_options=other["settings"]["mix_options"],
        **known
        | {
            "images": one.get("images") or one["results"][0]["n_train"],
            "seen": one["length"]["steps"] * one["settings"]["batch_size"],
        },
    )


def _chosen(results: Path) -> Iterator[Regime]:
    """The best of the choosing cells of each; these images chose, so that gains flatter."""
    for method in ("moco-v3", "dino"):
        try:
            names = tuple(best_cell(method, mix, results) for mix in ("none", "sdmp"))
        except UserError:
            continue
        yield _regime(
            results / CHOICE, (names[0], names[1]),
            axis="choosing", method=method, mix="sdmp", images=IMAGES, seen=0, augment="full",
            backbone="resnet_mini", backbone_options={},
        )  # fmt: skip


def _checked(results: Path) -> Iterator[Regime]:
    """The learning check: settings were chosen for the plain method alone."""
    for folder, method, mix in (
        ("mini", "moco-v3", "sdmp"), ("mini-120-epochs", "moco-v3", "sdmp"),
        ("mini", "moco-v3", "i-mix"), ("mini", "dino", "sdmp"),
    ):  # fmt: skip
        yield _regime(
            results / folder, (method, f"{method}-{mix}"),
            axis="learning check", method=method, mix=mix, images=10_000, seen=0,
            augment="full", backbone="resnet_mini", backbone_options={},
        )  # fmt: skip


def _results(side: Cells, protocol: str) -> list[dict[str, Any]]:
    return [r for cell in side for r in cell["results"] if r["protocol"] == protocol]
