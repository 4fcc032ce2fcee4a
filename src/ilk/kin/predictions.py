"""Kin over classes by what the network predicted before. Axes: Q queries, C classes."""

from ilk.core import Kin, MemoryName, Rows, StepContext
from ilk.kin.algebra import decides_kin
from ilk.kin.memories import Predicting, memory_of


@decides_kin
class PastPrediction:
    """The class probabilities that a memory has of each query's item.

    A mixed query has those of its sources by their shares; one with a source of which nothing
    is known yet has no kin.

    Args:
        predictions: name of the memory.
    """

    predictions: MemoryName

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """A distribution over classes for each query."""
        memory = memory_of(context, self.predictions, Predicting)
        sources, shares = queries.composition.sources, queries.composition.shares
        found, known = memory.predicted(sources.flatten())
        found, known = found.unflatten(0, sources.shape), known.unflatten(0, sources.shape)
        whole = (known | (shares == 0)).all(dim=1)
        weights = (shares.to(found)[:, :, None] * found).sum(dim=1)
        return Kin(weights * whole[:, None])
