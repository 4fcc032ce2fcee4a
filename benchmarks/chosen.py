"""Settings of the map of regimes: what `benchmarks.regimes choose` found to be best.

Plain and mixed methods each have their own, by k-NN on the choosing images: rate and
temperature of MoCo v3, number of small crops and their weighting in DINO, whose rate is that of
the learning check for both. They are read from the JSON files of that grid. Where the two sides
of DINO have other numbers of crops, they differ in passes too, which their settings tell.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.grid import RESULTS, kept_cells
from ilk.core import UserError

CHOICE = "regimes-choice"
RATES = (4e-3, 8e-3, 1.6e-2, 3.2e-2)
TEMPERATURES = (0.2, 0.5)
SMALL_CROPS = (2, 6, 8)
WEIGHTINGS = ("paper", "pairs", "crops")


def tried(method: str, mix: str) -> dict[str, dict[str, Any]]:
    """What is tried for a method with a mix or with ``none``, by the name of its cell.

    Args:
        method: ``moco-v3`` or ``dino``.
        mix: ``none`` or ``sdmp``.
    """
    if method == "moco-v3":
        return {
            f"moco-v3-{mix}-lr-{rate:g}-t-{temperature:g}": _options(
                mix, {"base_lr": rate, "temperature": temperature}
            )
            for rate, temperature in itertools.product(RATES, TEMPERATURES)
        }
    if mix == "none":
        return {
            f"dino-{crops}-crops-none": _options(mix, {"local_views": crops})
            for crops in SMALL_CROPS
        }
    return {
        f"dino-{crops}-crops-{weighting}": _options(
            mix, {"local_views": crops}, {"weighting": weighting}
        )
        for crops, weighting in itertools.product(SMALL_CROPS, WEIGHTINGS)
    }


def best(method: str, mix: str, results: Path = RESULTS) -> dict[str, Any]:
    """The settings of the best cell.

    Args:
        method: ``moco-v3`` or ``dino``.
        mix: ``none`` or ``sdmp``.
        results: folder that holds the folder of the choosing grid.

    Raises:
        UserError: a cell is missing.
    """
    return tried(method, mix)[best_cell(method, mix, results)]


def best_cell(method: str, mix: str, results: Path = RESULTS) -> str:
    """The cell with the highest k-NN accuracy; the first of equal ones.

    Args:
        method: ``moco-v3`` or ``dino``.
        mix: ``none`` or ``sdmp``.
        results: folder that holds the folder of the choosing grid.

    Raises:
        UserError: a cell is missing.
    """
    place = results / CHOICE
    found = {name: _accuracies(place, name) for name in tried(method, mix)}
    missing = [name for name, values in found.items() if not values]
    if missing:
        raise UserError(
            f"regimes: settings of {method} with mix {mix} must be chosen first, and "
            f"{len(missing)} of {len(found)} cells are missing in {place}: "
            f"{', '.join(missing)}; run python -m benchmarks.regimes choose"
        )
    return max(found, key=lambda name: sum(found[name]) / len(found[name]))


def _options(
    mix: str, method: Mapping[str, Any], mixed: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    plain = {"method_options": dict(method)}
    return plain if mix == "none" else plain | {"mix": mix, "mix_options": dict(mixed or {})}


def _accuracies(place: Path, name: str) -> list[float]:
    """k-NN accuracy of a cell, a value a seed."""
    return [
        result["value"]
        for cell in kept_cells(place, name)
        for result in cell["results"]
        if result["protocol"].partition("@")[0] == "knn"
    ]
