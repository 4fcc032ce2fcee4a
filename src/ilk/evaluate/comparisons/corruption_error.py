"""Errors under corruption, relative to those of a reference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ilk.core import UserError
from ilk.corruptions import COMMON
from ilk.evaluate.result import Result


@dataclass(frozen=True, kw_only=True, slots=True)
class CorruptionErrors:
    """Mean corruption errors of Hendrycks and Dietterich, ICLR 2019, section 4.

    Args:
        mce: mean over corruptions of sum of errors / sum of the reference's errors.
        relative_mce: the same of what each adds to its own clean error.
    """

    mce: float
    relative_mce: float


def corruption_errors(
    ours: Mapping[str, Sequence[float]],
    clean: float,
    reference: Mapping[str, Sequence[float]],
    reference_clean: float,
) -> CorruptionErrors:
    """The errors of one encoder as shares of those of another; 1 where they are equal.

    Published figures take AlexNet on ImageNet-C as the reference; any other makes figures that
    are comparable among themselves only.

    Args:
        ours: accuracies by corruption, one a severity.
        clean: accuracy on clean images.
        reference: likewise, of the same corruptions and severities.
        reference_clean: likewise.

    Raises:
        UserError: corruptions or severities differ, or the reference makes no errors.
    """
    if {k: len(v) for k, v in ours.items()} != {k: len(v) for k, v in reference.items()}:
        raise UserError(
            "mCE: the reference must have the same corruptions and severities, it has others;"
            " measure it with the same protocol"
        )
    shares: list[float] = []
    relative: list[float] = []
    for name, accuracies in ours.items():
        theirs = reference[name]
        below = len(theirs) - sum(theirs)
        added = below - len(theirs) * (1 - reference_clean)
        if below <= 0 or added == 0:
            raise UserError(
                f"mCE: the reference must lose accuracy under {name}, it does not; take another"
            )
        errors = len(accuracies) - sum(accuracies)
        shares.append(errors / below)
        relative.append((errors - len(accuracies) * (1 - clean)) / added)
    count = len(shares)
    return CorruptionErrors(mce=sum(shares) / count, relative_mce=sum(relative) / count)


def relative_to(ours: Result, reference: Result) -> CorruptionErrors | None:
    """Over the common corruptions of two results of one robustness protocol.

    None where the results are of another protocol.

    Raises:
        UserError: the reference loses nothing under some corruption.
    """
    mine: Any = ours.details
    theirs: Any = reference.details
    if ours.protocol != reference.protocol or "clean_accuracy" not in mine:
        return None
    rows = [
        {name: row for name, row in part["accuracy"].items() if name in COMMON}
        for part in (mine, theirs)
    ]
    return corruption_errors(rows[0], mine["clean_accuracy"], rows[1], theirs["clean_accuracy"])
