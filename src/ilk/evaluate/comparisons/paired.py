"""Two encoders on the same test items."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ilk.core import UserError
from ilk.evaluate.metrics.interval import bootstrap
from ilk.evaluate.result import Result

SUBJECT = (  # fields that say whose a comparison is and on what; none is a name people gave
    "protocol", "encoder", "against_encoder", "train_data", "test_data", "gallery_data",
    "masks_data", "seed",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """How much one encoder is better than another by one protocol.

    Args:
        protocol: name with version.
        ours: what the first one is called; empty where it has no name.
        encoder: fingerprint of the first one.
        against: what the other one is called.
        against_encoder: fingerprint of the other one.
        train_data: fingerprint; empty where the protocol needs no train.
        test_data: fingerprint.
        gallery_data: fingerprint; empty where there is none.
        masks_data: fingerprint; empty where none take part.
        seed: that all random draws began with.
        difference: of the values, ours less theirs; positive is better.
        interval: of 95 %, paired bootstrap over test items.
    """

    protocol: str
    ours: str
    encoder: str
    against: str
    against_encoder: str
    train_data: str
    test_data: str
    gallery_data: str
    masks_data: str
    seed: int
    difference: float
    interval: tuple[float, float]

    @property
    def verdict(self) -> str:
        """The finding in words, in percentage points."""
        low, high = (100 * end for end in self.interval)
        if low <= 0 <= high:
            return (
                f"no difference that this test set can show, interval {low:.1f} to {high:.1f}"
            )
        if high < 0:
            low, high = -high, -low
        points = abs(100 * self.difference)
        word = "better" if self.interval[0] > 0 else "worse"
        return f"{word} by {points:.1f} points, interval {low:.1f} to {high:.1f}"

    def to_dict(self) -> dict[str, object]:
        """All of it, as JSON can hold it."""
        return {**asdict(self), "verdict": self.verdict}


def subject(ours: Result, theirs: Result) -> dict[str, Any]:
    """Whose two results of one protocol are put in relation, and on what they were measured.

    Returns:
        The fields of `Comparison` that say so, as ``SUBJECT`` lists them.
    """
    given = {name: getattr(ours, name) for name in SUBJECT if name != "against_encoder"}
    return given | {"against_encoder": theirs.encoder}


def compare(
    ours: Sequence[Result], theirs: Sequence[Result], against: str, name: str = ""
) -> list[Comparison]:
    """By every protocol that both were measured by and that scores single items.

    Items vary together: what is hard for one encoder is hard for the other, so the interval of
    the paired difference is narrower than two intervals side by side suggest.

    Args:
        ours: of one encoder.
        theirs: of the other.
        against: what the other one is called.
        name: what the first one is called.

    Raises:
        UserError: they were measured on other test items.
    """
    others = {result.protocol: result for result in theirs}
    found: list[Comparison] = []
    for mine in ours:
        other = others.get(mine.protocol)
        if other is None or mine.scores is None or other.scores is None:
            continue
        if (mine.test_data, len(mine.scores)) != (other.test_data, len(other.scores)):
            raise UserError(
                f"evaluate: {mine.protocol} must be measured on the same test items to be"
                f" compared, got {len(mine.scores)} and {len(other.scores)} of {against};"
                f" evaluate both on one set"
            )
        differences = mine.scores - other.scores
        found.append(
            Comparison(
                **subject(mine, other),
                ours=name,
                against=against,
                difference=float(np.mean(differences)),
                interval=bootstrap(differences, mine.seed, (-1.0, 1.0)),
            )
        )
    return found
