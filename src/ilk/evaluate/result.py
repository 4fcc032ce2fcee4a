"""What is kept of a measurement."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Result:
    """One protocol on one encoder and one pair of sets.

    Args:
        protocol: name with version.
        protocol_hash: of name and settings.
        settings: of the protocol.
        metric: what ``value`` is.
        value: the number itself.
        interval: of 95 %, around ``value``.
        interval_kind: how the interval was found.
        selected: settings that were chosen, by name.
        selected_on: what they were chosen on; never on test.
        seed: of everything drawn.
        encoder: fingerprint.
        train_data: fingerprint.
        test_data: fingerprint.
        n_train: labelled items that were used.
        n_test: labelled items that were measured on.
        classes: how many occur in train.
        seconds: wall clock, without embedding.
        date: when it ended, ISO 8601 in UTC.
        version: of ilk.
        correct: for each labelled test item, in order, whether it was right; not in the JSON.
    """

    protocol: str
    protocol_hash: str
    settings: Mapping[str, object]
    metric: str
    value: float
    interval: tuple[float, float]
    interval_kind: str
    selected: Mapping[str, float]
    selected_on: str
    seed: int
    encoder: str
    train_data: str
    test_data: str
    n_train: int
    n_test: int
    classes: int
    seconds: float
    date: str
    version: str
    correct: Bool[np.ndarray, " N"]

    def to_dict(self) -> dict[str, object]:
        """All but ``correct``, as JSON can hold it."""
        names = (name for name in self.__slots__ if name != "correct")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> str:
        """All but ``correct``."""
        return json.dumps(self.to_dict(), indent=2)
