"""What a table holds of each image beside its key: its vector, its places, or a class.

Axes: N rows, D features, K classes.
"""

# pyarrow has no types
# pyright: reportUnknownParameterType=false

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import torch

from ilk.core import UserError
from ilk.embedding.batches import Batch
from ilk.networks import FEATURE, Classifier, Encoder, Field


@runtime_checkable
class Columns(Protocol):
    """The last columns of a table."""

    @property
    def field(self) -> Field:
        """What of the images they are made of."""
        ...

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
    def field(self) -> Field:
        """The feature."""
        return FEATURE

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
        return {"vector": _lists(_narrowed(batch, self.dtype), self.encoder.feature_dim)}


@dataclass(frozen=True, slots=True)
class PlacesColumn:
    """The map or the tokens of each image, in a column of that name.

    Args:
        field: which of both.
        shape: what one image has, [D, H, W] or [N, D].
        dtype: type of the numbers.
    """

    field: Field
    shape: tuple[int, ...]
    dtype: Literal["float16", "float32"]

    @property
    def made(self) -> dict[str, Any]:
        """The field, its shape and the type of the numbers."""
        return {"dtype": self.dtype, "field": self.field, "shape": list(self.shape)}

    @property
    def fields(self) -> list[pa.Field]:
        """One list of fixed size, which Arrow knows to be a tensor of fixed shape."""
        return [pa.field(self.field, tensor_type(self.dtype, self.shape))]

    def arrays(self, batch: Batch) -> dict[str, pa.Array]:
        """The maps or tokens.

        Raises:
            UserError: a number does not fit float16.
        """
        lists = _lists(_narrowed(batch, self.dtype), math.prod(self.shape))
        kind = tensor_type(self.dtype, self.shape)
        return {self.field: pa.ExtensionArray.from_storage(kind, lists)}


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
    def field(self) -> Field:
        """The feature."""
        return FEATURE

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


def tensor_type(dtype: str, shape: Sequence[int]) -> pa.DataType:
    """Lists of fixed size that are tensors of a shape: Arrow's ``fixed_shape_tensor``."""
    return pa.fixed_shape_tensor(pa.from_numpy_dtype(np.dtype(dtype)), tuple(shape))


def _narrowed(batch: Batch, dtype: str) -> np.ndarray:
    """All numbers of the vectors of a batch, one after the other."""
    with np.errstate(over="ignore"):
        numbers = batch.vectors.astype(dtype)
    if np.isinf(numbers).any():
        largest = np.abs(batch.vectors).reshape(len(batch.keys), -1).max(1)
        row = int(largest.argmax())
        raise UserError(
            f"embed: vectors must stay below 65504 to fit float16, {batch.keys[row]} has"
            f" {largest[row]:.4g}; use float32"
        )
    return numbers.ravel()


def _lists(numbers: np.ndarray, width: int) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers), width)
