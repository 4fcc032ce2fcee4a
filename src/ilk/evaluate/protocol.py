"""What a protocol is, what it is given and what it finds. Axes: N items, D features."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass
from typing import Any, ClassVar, runtime_checkable
from typing import Protocol as Interface

from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from ilk.evaluate.interval import wilson


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """Items whose class is known.

    Args:
        vectors: their features, finite.
        labels: their classes, in the numbering of the task.
    """

    vectors: Float32[Tensor, "N D"]
    labels: Int64[Tensor, " N"]

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: Bool[Tensor, " N"]) -> "Labelled":
        """The items where the mask holds."""
        return Labelled(vectors=self.vectors[mask], labels=self.labels[mask])


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What a protocol measures on.

    Args:
        train: all choices are made on these.
        test: looked at once, at the end.
        classes: names; every class of test occurs in train.
        seed: of everything drawn.
    """

    train: Labelled
    test: Labelled
    classes: tuple[str, ...]
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a protocol found.

    Args:
        metric: what ``value`` is.
        value: the number itself.
        interval: of 95 %, around ``value``.
        interval_kind: how the interval was found.
        selected: settings that were chosen, by name.
        selected_on: what they were chosen on.
        correct: for each test item whether it was right, for paired comparisons.
    """

    metric: str
    value: float
    interval: tuple[float, float]
    interval_kind: str
    selected: Mapping[str, float]
    selected_on: str
    correct: Bool[Tensor, " N"]


@runtime_checkable
class Procedure(Interface):
    """The settings of a protocol, a frozen dataclass, and what is done with them."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def measure(self, task: Task) -> Measured:
        """Measure; a pure function of settings and task."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """A procedure whose settings never change under its name; a change is a new version.

    Args:
        name: with its version, like ``knn@1``.
        procedure: a frozen dataclass.
    """

    name: str
    procedure: Procedure

    @property
    def settings(self) -> dict[str, object]:
        """All settings by name, as JSON can hold them."""
        return asdict(self.procedure)

    @property
    def hash(self) -> str:
        """SHA-256 of name and settings, in hexadecimal."""
        content = json.dumps({"name": self.name, "settings": self.settings}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def top1(
    correct: Bool[Tensor, " N"], selected: Mapping[str, float], selected_on: str
) -> Measured:
    """Top-1 accuracy over test items with its Wilson interval."""
    return Measured(
        metric="top-1 accuracy",
        value=correct.double().mean().item(),
        interval=wilson(int(correct.sum()), len(correct)),
        interval_kind="Wilson score, 95 %, over test items",
        selected=selected,
        selected_on=selected_on,
        correct=correct,
    )
