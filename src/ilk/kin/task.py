"""Kin by what was done to an image, or by which of its places a row is.

Axes: Q queries, K classes.
"""

from torch.nn.functional import one_hot

from ilk.core import UNKNOWN, Kin, Rows, StepContext
from ilk.kin.algebra import decides_kin
from ilk.kin.aligned import number_within


@decides_kin
class OwnTask:
    """The class of what was done to each query; the queries are scores over such classes.

    A query without a task has no kin.

    Args:
        classes: K, of the task, such as four rotations.
    """

    classes: int

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """One class for each query.

        Raises:
            ValueError: nothing was done to the view that the queries show.
        """
        if queries.task is None:
            raise ValueError("OwnTask: queries must show a view with a task, got none")
        known = (queries.task != UNKNOWN)[:, None]
        weights = one_hot(queries.task.clamp(min=0), self.classes) * known
        return Kin(weights.to(queries.composition.shares.dtype))


@decides_kin
class OwnPlace:
    """Which place of its image a query is, by number; the queries are scores over places.

    Args:
        classes: K, places of each image.
    """

    classes: int

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """One class for each query; an image that comes twice has all places twice."""
        number = number_within(queries.composition.sources[:, 0].contiguous()) % self.classes
        return Kin(one_hot(number, self.classes).to(queries.composition.shares.dtype))
