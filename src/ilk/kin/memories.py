"""Memories as rules ask for them: by what they can do.

Axes: M entries, N rows, K classes, D features.
"""

from typing import Protocol, TypeVar, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from ilk.core import Rows, StepContext
from ilk.core.kinds import require_kind

M = TypeVar("M")


def memory_of(context: StepContext, name: str, kind: type[M]) -> M:
    """A memory of the method, known to be of a kind.

    Raises:
        UserError: it is of another.
    """
    return require_kind(context.memory(name), kind, f"memory {name}")


@runtime_checkable
class HasRows(Protocol):
    """Keeps rows."""

    def rows(self) -> Rows:
        """All of them, in the order of its entries."""
        ...


@runtime_checkable
class Written(HasRows, Protocol):
    """Keeps rows, and knows which of them are more than a beginning."""

    def written(self) -> Bool[Tensor, " M"]:
        """Which entries have been written at least once."""
        ...


@runtime_checkable
class Centred(Protocol):
    """Keeps a mean of scores."""

    value: Float[Tensor, " K"]


@runtime_checkable
class Clustered(Protocol):
    """Keeps clusters and the one that each item belongs to, -1 where it is not known."""

    centroids: Float[Tensor, "K D"]
    labels: Int[Tensor, " M"]


@runtime_checkable
class Doubted(Protocol):
    """Keeps the cluster of each item, and the share of items that are surer of theirs."""

    labels: Int[Tensor, " M"]
    doubt: Float[Tensor, " M"]


@runtime_checkable
class Classed(Protocol):
    """Keeps a class of each item, and how much rows of each class count."""

    labels: Int[Tensor, " M"]
    rarity: Float[Tensor, " K"]


@runtime_checkable
class HasLabels(Protocol):
    """Keeps a class of each item, -1 where there is none."""

    labels: Int[Tensor, " M"]


@runtime_checkable
class Predicting(Protocol):
    """Keeps class probabilities of each item."""

    def predicted(
        self, items: Int[Tensor, " N"]
    ) -> tuple[Float[Tensor, "N K"], Bool[Tensor, " N"]]:
        """Those of some items, and of which there are any."""
        ...


@runtime_checkable
class Visited(Protocol):
    """Keeps former embeddings of each item."""

    def before(self, rows: Rows) -> Float[Tensor, "N D"]:
        """The embedding of each row's item one visit before the row itself."""
        ...
