"""Images drawn once for the whole folder."""

from dataclasses import dataclass

import numpy as np
import pytest

from ilk.rendered import Rendered, Truth


@dataclass(frozen=True)
class Drawn:
    """Images of a split with their labels and facts."""

    source: Rendered
    images: np.ndarray
    labels: np.ndarray
    truths: list[Truth]


def _drawn(source: Rendered) -> Drawn:
    every = range(len(source))
    return Drawn(
        source,
        np.stack([source.item(i) for i in every]),
        np.array([source.label(i) for i in every]),
        [source.truth(i) for i in every],
    )


@pytest.fixture(scope="package")
def train() -> Drawn:
    return _drawn(Rendered(300))


@pytest.fixture(scope="package")
def test() -> Drawn:
    return _drawn(Rendered(150, split="test"))
