"""What a table holds of each image beside its key: its vector, or what a classifier says.

Axes: N rows, D features, K classes.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import torch

from ilk.core import UserError
from ilk.embedding.batches import Batch
from ilk.networks import Classifier, Encoder


@runtime_checkable
class Columns(Protocol):
    """The last columns of a table."""

    @property
    def made(self) -> dict[str, Any]:
        """What makes them, as JSON values; equal for all pieces of one table."""
        ...

    @property
    def fields(self) -> list[pa.Field]:
        """Names and types."""
        ...

    def arrays(self, batch: Batch) -> dict[str, pa.Array]:
        """The columns of some rows, by name."""
        ...


@dataclass(frozen=True, slots=True)
class VectorColumn:
    """The vector of each image.

    Args:
        encoder: that makes it.
        dtype: type of its numbers.
    """

    encoder: Encoder
    dtype: Literal["float16", "float32"]

    @property
    def made(self) -> dict[str, Any]:
        """The type of the numbers."""
        return {"dtype": self.dtype}

    @property
    def fields(self) -> list[pa.Field]:
        """One list of fixed size."""
        number = pa.float16() if self.dtype == "float16" else pa.float32()
        return [pa.field("vector", pa.list_(number, self.encoder.feature_dim))]

    def arrays(self, batch: Batch) -> dict[str, pa.Array]:
        """The vectors.

        Raises:
            UserError: a number does not fit float16.
        """
        with np.errstate(over="ignore"):
            vectors = batch.vectors.astype(self.dtype)
        if np.isinf(vectors).any():
            row = int(np.abs(batch.vectors).max(1).argmax())
            raise UserError(
                f"embed: vectors must stay below 65504 to fit float16, {batch.keys[row]} has"
                f" {np.abs(batch.vectors[row]).max():.4g}; use float32"
            )
        return {"vector": _lists(vectors.ravel(), self.encoder.feature_dim)}


@dataclass(frozen=True, slots=True)
class ClassColumns:
    """The most probable class of each image, its probability, and by how much it leads.

    Args:
        classifier: one of the encoder's features.
        whole: whether the probabilities of all classes stand beside them, in half precision.
    """

    classifier: Classifier
    whole: bool = False

    @property
    def made(self) -> dict[str, Any]:
        """The classifier and its classes."""
        return {
            "classifier": self.classifier.fingerprint,
            "predicted": list(self.classifier.classes),
            **({"probabilities": "float16"} if self.whole else {}),
        }

    @property
    def fields(self) -> list[pa.Field]:
        """A name, two numbers in [0, 1], and one for each class where they are wanted."""
        every = pa.list_(pa.float16(), len(self.classifier.classes))
        return [
            pa.field("class", pa.string()),
            pa.field("probability", pa.float32()),
            pa.field("margin", pa.float32()),
            *([pa.field("probabilities", every)] if self.whole else []),
        ]

    def arrays(self, batch: Batch) -> dict[str, pa.Array]:
        """The margin is the distance of the two largest probabilities."""
        found = self.classifier.probabilities(torch.from_numpy(batch.vectors))
        best = found.topk(min(2, found.shape[1]), dim=1)
        margin = best.values[:, 0] - best.values[:, -1]
        names = self.classifier.classes
        halves = found.numpy().astype(np.float16).ravel()
        return {
            **({"probabilities": _lists(halves, len(names))} if self.whole else {}),
            "class": pa.array([names[k] for k in best.indices[:, 0].tolist()], pa.string()),
            "probability": pa.array(best.values[:, 0].numpy(), pa.float32()),
            "margin": pa.array(margin.numpy(), pa.float32()),
        }


def _lists(numbers: np.ndarray, width: int) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers), width)
