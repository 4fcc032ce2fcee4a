"""Few labelled items, drawn evenly from every class, and the curves over their number.

Axes: W ways, A amounts, R resamples, N train items, M test items.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from ilk.core.seeding import uniforms
from ilk.evaluate.metrics.interval import crossed
from ilk.evaluate.metrics.labels_needed import Point


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """How many items of each class are labelled.

    Args:
        name: like ``5 a class`` or ``10 %``.
        wanted: for each train item how many of its class.
        labels: how many in all.
    """

    name: str
    wanted: Int64[np.ndarray, " N"]
    labels: int


def amounts(
    labels: Int64[np.ndarray, " N"], per_class: Sequence[int], shares: Sequence[float]
) -> list[Amount]:
    """First the numbers per class, at most all of a class, then the shares, at least one."""
    _, firsts, where, sizes = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    counts = {f"{count} a class": np.minimum(count, sizes) for count in per_class}
    counts |= {
        f"{100 * share:g} %": np.maximum(np.rint(share * sizes), 1).astype(np.int64)
        for share in shares
    }
    return [
        Amount(name=name, wanted=wanted[where], labels=int(wanted[where][firsts].sum()))
        for name, wanted in counts.items()
    ]


def ranks(labels: Int64[np.ndarray, " N"], seed: int, resample: int) -> Int64[np.ndarray, " N"]:
    """The place of each item within its class, by chance, from 0.

    Those below an amount are drawn, so a larger draw contains the smaller ones.
    """
    chance = uniforms(seed, resample, np.arange(len(labels)), "evaluate/few-label", 1)[:, 0]
    order = np.lexsort((chance, labels))
    _, firsts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(firsts, sizes)
    return rank


def curves(
    ways: Sequence[str],
    drawn: Sequence[Amount],
    right: Float64[np.ndarray, "W A R M"],
    seed: int,
) -> dict[str, list[Point]]:
    """Accuracy by amount for each way, with intervals over draws of labels and test items."""
    flat = right.reshape(-1, *right.shape[2:])
    ends = crossed(flat, seed, (0.0, 1.0)).reshape(*right.shape[:2], 2)
    return {
        way: [
            Point(
                amount=amount.name,
                labels=amount.labels,
                value=float(right[row, column].mean()),
                low=float(ends[row, column, 0]),
                high=float(ends[row, column, 1]),
            )
            for column, amount in enumerate(drawn)
        ]
        for row, way in enumerate(ways)
    }
