"""What a protocol is, what it is given and what it finds. Axes: N items, D features."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import Field, asdict, dataclass, field
from typing import Any, ClassVar, Literal, runtime_checkable
from typing import Protocol as Interface

from jaxtyping import Bool, Float32, Float64, Int64, Shaped
from torch import Tensor

from ilk.data import LabelMaps, Source
from ilk.evaluate.metrics.interval import clopper_pearson
from ilk.networks import Classifier, Encoder
from ilk.networks.encoder import has_places

Need = Literal["train", "labels", "images", "weights", "classifier", "places", "masks"]
Tell = Callable[[int, int], None]  # steps done and their number


def silent(done: int, of: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """Items and their classes.

    Args:
        vectors: their features, finite.
        labels: their classes, in the numbering of the task. For a protocol that needs no labels
            -1 where not known.
    """

    vectors: Float32[Tensor, "N D"]
    labels: Int64[Tensor, " N"]

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: Bool[Tensor, " N"]) -> "Labelled":
        """The items where the mask holds."""
        return Labelled(vectors=self.vectors[mask], labels=self.labels[mask])


@dataclass(frozen=True, kw_only=True, slots=True)
class Images:
    """The encoder and the images behind the vectors, for protocols that look at them.

    In a task, item i of ``train`` is row i of ``task.train``, and likewise for ``test``: items
    that cannot be read or have no label are already left out.

    Args:
        encoder: stays as it is.
        train: what its vectors were made of; None where there is no training set.
        test: likewise.
        batch_size: images that go through the encoder at once.
        device: to compute on, see ``ilk.embedding.embed``.
        workers: threads that read and decode.
        classifier: that was learned with the encoder; None where there is none.
        train_masks: what each pixel of train shows; None where that is not known.
        test_masks: likewise.
    """

    encoder: Encoder
    train: Source | None
    test: Source
    batch_size: int = 256
    device: str = "auto"
    workers: int = 2
    classifier: Classifier | None = None
    train_masks: LabelMaps | None = None
    test_masks: LabelMaps | None = None

    @property
    def has_places(self) -> bool:
        """Whether the encoder shows an image place by place."""
        return has_places(self.encoder)

    @property
    def has_weights(self) -> bool:
        """Whether there is anything to train: raw pixels and gradients are fixed."""
        return any(True for _ in self.encoder.module.parameters())


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What a protocol measures on.

    Args:
        train: all choices are made on these; no rows where the protocol needs no train.
        test: looked at once, at the end.
        gallery: in which the test items are looked for; None is test itself.
        classes: names. Where train is needed every class of test occurs in it.
        seed: of everything drawn.
        images: behind the vectors; None where only vectors are known.
        tell: called with the steps done and their number by what takes long.
    """

    train: Labelled
    test: Labelled
    classes: tuple[str, ...]
    seed: int
    gallery: Labelled | None = None
    images: Images | None = None
    tell: Tell = silent


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a protocol found.

    Args:
        metric: what ``value`` is.
        value: the number itself; a share where ``unit`` is ``%``.
        interval: of 95 %, around ``value``; None where there is no honest one.
        interval_kind: how the interval was found, or why there is none.
        selected: settings that were chosen, by name.
        selected_on: what they were chosen on.
        scores: for each test item what it contributes: ``value`` is their mean. With them two
            encoders are compared item by item. None where items have no score of their own.
        unit: ``%`` for shares in [0, 1], else empty.
        details: anything more that JSON can hold, such as the value per class. Lines under
            ``in words`` are printed.
    """

    metric: str
    value: float
    interval: tuple[float, float] | None
    interval_kind: str
    selected: Mapping[str, float]
    selected_on: str
    scores: Float64[Tensor, " N"] | None
    unit: Literal["%", ""] = "%"
    details: Mapping[str, object] = field(default_factory=dict[str, object])


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
        needs: what it cannot do without beside the vectors of test: ``train``, ``labels``,
            ``images``, which stand for the encoder too, ``weights`` of it to be trained, the
            ``classifier`` that it was trained with, ``places`` that it shows images by, and
            ``masks`` of all images.
        takes_gallery: whether it looks for the test items in a gallery where one is given.
    """

    name: str
    procedure: Procedure
    needs: frozenset[Need] = frozenset({"train", "labels"})
    takes_gallery: bool = False

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
    correct: Shaped[Tensor, " N"],
    selected: Mapping[str, float],
    selected_on: str,
    details: Mapping[str, object] | None = None,
) -> Measured:
    """Top-1 accuracy over test items, each right or not, with its exact interval."""
    return Measured(
        metric="top-1 accuracy",
        value=correct.double().mean().item(),
        interval=clopper_pearson(int(correct.sum()), len(correct)),
        interval_kind="Clopper-Pearson, 95 %, over test items",
        selected=selected,
        selected_on=selected_on,
        scores=correct.double(),
        details=details or {},
    )
