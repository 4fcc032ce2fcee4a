"""Images to spoil, and what the golden statistics are made of."""

import numpy as np
import pytest

from ilk.data import decode
from ilk.rendered import Rendered


@pytest.fixture(scope="session")
def pictures() -> dict[int, list[np.ndarray]]:
    """Some drawn images of 32 and 64 px."""
    return {
        size: [decode(source.item(index)) for index in range(count)]
        for size, count in ((32, 16), (64, 12))
        for source in [Rendered(count, size=size)]
    }
