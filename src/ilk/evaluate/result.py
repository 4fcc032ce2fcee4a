"""What is kept of a measurement."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, cast

import numpy as np
from jaxtyping import Float64

from ilk.core.fields import (
    ANYTHING,
    Kind,
    check_fields,
    fixed,
    keyed,
    listed,
    maybe,
    number,
    text,
    whole,
)
from ilk.evaluate.protocols.protocol import Protocol

DIGITS = 6  # of a score in JSON
_NAME, _COUNT, _SCORE = text(10**4), whole(0, 10**12), number(-1e15, 1e15)
_COUNTED, _SPAN = {"images": _COUNT}, {"value": _SCORE, "low": _SCORE, "high": _SCORE}
FIELDS: Mapping[str, Kind] = {
    **dict.fromkeys(("protocol", "protocol_hash", "metric", "unit", "interval_kind"), _NAME),
    **dict.fromkeys(("selected_on", "encoder", "train_data", "test_data"), _NAME),
    **dict.fromkeys(("gallery_data", "masks_data", "date", "version"), _NAME),
    **dict.fromkeys(("n_train", "n_test", "classes"), _COUNT),
    "settings": keyed(ANYTHING),
    "value": _SCORE,
    "interval": Kind(
        "two numbers, the lower one first, or null",
        lambda given: given is None or (
            listed(_SCORE, 2).fits(given) and len(given) == 2 and given[0] <= given[1]
        ),
    ),
    "selected": keyed(number(-1e15, 1e15)),
    "details": keyed(ANYTHING),
    "seed": whole(-(2**63), 2**63),
    "seconds": number(0, 1e12),
}  # fmt: skip
# What is used again of the details; the others are only shown.
DETAILS: Mapping[str, Kind] = {
    "in words": listed(_NAME, 10**4),
    "by class": listed(
        fixed({"name": _NAME, "correct": _COUNT, "images": whole(1, 10**12)}), 10**6
    ),
    "confused": listed(fixed({"true": _NAME, "predicted": _NAME, **_COUNTED}), 10**6),
    "confusion": maybe(fixed({
        "classes": listed(_NAME, 10**4), "images": listed(listed(_COUNT, 10**4), 10**4),
    })),
    "curves": keyed(listed(fixed({"labels": number(1e-9, 1e12), **_SPAN}), 10**4)),
    "clean_accuracy": _SCORE,
    "accuracy": keyed(listed(_SCORE, 100)),
    "by_severity": listed(
        fixed({"severity": _SCORE, "accuracy": _SCORE, "low": _SCORE, "high": _SCORE}), 100
    ),
}  # fmt: skip
SCORES = maybe(listed(_SCORE, 10**9))


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What makes two results the same measurement.

    Args:
        protocol_hash: of name and settings.
        encoder: fingerprint.
        train_data: fingerprint; empty where the protocol needs no train.
        test_data: fingerprint.
        gallery_data: fingerprint; empty where there is none.
        seed: of everything drawn.
        version: of ilk.
        masks_data: fingerprint of the masks of train and test; empty where none take part.
    """

    protocol_hash: str
    encoder: str
    train_data: str
    test_data: str
    gallery_data: str
    seed: int
    version: str
    masks_data: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Result:
    """One protocol on one encoder and one pair of sets.

    Args:
        protocol: name with version.
        protocol_hash: of name and settings.
        settings: of the protocol.
        metric: what ``value`` is.
        value: the number itself; a share where ``unit`` is ``%``.
        unit: ``%`` or empty.
        interval: of 95 %, around ``value``; None where there is no honest one.
        interval_kind: how the interval was found.
        selected: settings that were chosen, by name.
        selected_on: what they were chosen on; never on test.
        details: what else the protocol has to say.
        seed: of everything drawn.
        encoder: fingerprint.
        train_data: fingerprint; empty where the protocol needs no train.
        test_data: fingerprint.
        gallery_data: fingerprint; empty where there is none.
        n_train: items that were used.
        n_test: items that were measured on.
        classes: how many occur in train, or in test where no train is needed.
        seconds: wall clock, without embedding.
        date: when it ended, ISO 8601 in UTC.
        version: of ilk.
        masks_data: fingerprint of the masks; empty where none take part.
        scores: for each test item, in order, what it contributes to ``value``, their mean.
    """

    protocol: str
    protocol_hash: str
    settings: Mapping[str, object]
    metric: str
    value: float
    unit: str = "%"
    interval: tuple[float, float] | None
    interval_kind: str
    selected: Mapping[str, float]
    selected_on: str
    details: Mapping[str, object] = field(default_factory=dict[str, object])
    seed: int
    encoder: str
    train_data: str
    test_data: str
    gallery_data: str = ""
    n_train: int
    n_test: int
    classes: int
    seconds: float
    date: str
    version: str
    masks_data: str = ""
    scores: Float64[np.ndarray, " N"] | None

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval, or the value itself where there is none."""
        return self.interval or (self.value, self.value)

    @property
    def words(self) -> tuple[str, ...]:
        """What the protocol says in words: ``in words`` of the details."""
        return tuple(map(str, cast("Sequence[object]", self.details.get("in words", ()))))

    @property
    def identity(self) -> Identity:
        """What makes it the same measurement as another."""
        return Identity(**{part.name: getattr(self, part.name) for part in fields(Identity)})

    def to_dict(self) -> dict[str, object]:
        """All but ``scores``, as JSON can hold it."""
        names = (part.name for part in fields(self) if part.name != "scores")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> str:
        """All but ``scores``."""
        return json.dumps(self.to_dict(), indent=2)

    def rounded_scores(self) -> list[float] | None:
        """The scores as JSON holds them."""
        if self.scores is None:
            return None
        whole = self.scores == np.rint(self.scores)
        if whole.all():
            return self.scores.astype(int).tolist()
        return self.scores.round(DIGITS).tolist()

    @staticmethod
    def of_dict(content: Mapping[str, Any], scores: Any, where: str) -> "Result":
        """What ``to_dict`` and ``rounded_scores`` gave, read from a file.

        Args:
            content: JSON values; may come from anybody.
            scores: likewise.
            where: they stand, for the message.

        Raises:
            UserError: something is missing, too much, or not of its kind.
        """
        check_fields(content, FIELDS, where, optional=("masks_data",))
        check_fields(
            content["details"], DETAILS, f"{where}: details", optional=DETAILS, others=True
        )
        check_fields({"scores": scores}, {"scores": SCORES}, where)
        interval = content["interval"]
        given: dict[str, Any] = {
            **content,
            "interval": None if interval is None else tuple(interval),
            "scores": None if scores is None else np.array(scores, np.float64),
        }
        return Result(**given)


def identity(
    protocol: Protocol, data: Mapping[str, str], encoder: str, seed: int, version: str
) -> Identity:
    """Of a measurement that is to be made.

    Args:
        protocol: what is measured.
        data: fingerprints of ``train``, ``test``, ``gallery`` and ``masks``, where they are.
        encoder: fingerprint.
        seed: of everything drawn.
        version: of ilk.
    """
    return Identity(
        protocol_hash=protocol.hash,
        encoder=encoder,
        train_data=data.get("train", "") if "train" in protocol.needs else "",
        test_data=data["test"],
        gallery_data=data.get("gallery", "") if protocol.takes_gallery else "",
        seed=seed,
        version=version,
        masks_data=data.get("masks", "") if "masks" in protocol.needs else "",
    )
