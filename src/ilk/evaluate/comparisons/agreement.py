"""How well a label-free measure predicts which encoder is better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ilk.evaluate.result import Result

FEWEST = 3  # encoders; two always agree or disagree
LABEL_FREE: Mapping[str, tuple[str, ...]] = {
    "quality": ("alpha-ReQ", "uniformity", "feature deviation"),
    "views-quality": ("alignment", "neighbourhood stability"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """Of one number over several encoders.

    Args:
        name: of the number.
        correlation: Spearman's, with the accuracy; -1 where lower numbers went with better
            encoders.
        encoders: how many.
    """

    name: str
    correlation: float
    encoders: int


def agreement(
    encoders: Mapping[str, Sequence[Result]], accuracy: str = "knn"
) -> list[Agreement]:
    """Rank correlation of every label-free number with an accuracy, over encoders.

    With it a person who has labels for some runs or checkpoints learns which number to trust
    where there are none. It says little for few encoders: of five, even one that means nothing
    reaches 0.7 or -0.7 nearly one time in four.

    Args:
        encoders: results of each by its name; those measured on other test items than the
            first are left out.
        accuracy: protocol that needs labels, without version.

    Returns:
        One for every number that three encoders have, and that is not the same for all.
    """
    known = [_accuracy(results, accuracy) for results in encoders.values()]
    first = next((found.test_data for found in known if found is not None), "")
    columns: dict[str, list[tuple[float, float]]] = {}
    for results, found in zip(encoders.values(), known, strict=True):
        if found is None or found.test_data != first:
            continue
        for name, number in _numbers(results, first).items():
            columns.setdefault(name, []).append((number, found.value))
    out: list[Agreement] = []
    for name, pairs in columns.items():
        correlation = _spearman(pairs)
        if correlation is not None:
            out.append(Agreement(name=name, correlation=correlation, encoders=len(pairs)))
    return out


def _accuracy(results: Sequence[Result], name: str) -> Result | None:
    return next((r for r in results if r.protocol.partition("@")[0] == name), None)


def _numbers(results: Sequence[Result], test: str) -> dict[str, float]:
    """All label-free numbers of an encoder, by name."""
    found: dict[str, float] = {}
    for result in results:
        names = LABEL_FREE.get(result.protocol.partition("@")[0])
        if names is None or result.test_data != test:
            continue
        found[result.metric] = result.value
        for name in names:
            number = result.details.get(name)
            if isinstance(number, float):
                found[name] = number
    return found


def _spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    from scipy.stats import spearmanr

    numbers, accuracies = np.array(pairs).T
    if len(pairs) < FEWEST or len(set(numbers)) == 1 or len(set(accuracies)) == 1:
        return None
    found: Any = spearmanr(numbers, accuracies)
    return float(found.statistic)
