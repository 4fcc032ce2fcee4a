"""Kin over classes: by what is known of a query, or by what a network predicts for it.

The queries are scores over K classes; so the candidates of these rules are the classes, and the
candidate rows are not looked at. Axes: Q queries, N rows that decide, K classes.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot

from ilk.core import (
    UNKNOWN,
    Kin,
    Output,
    Rows,
    Scalar,
    StepContext,
    check_probability,
    full,
    overlap,
    value,
)
from ilk.core.facts import LABEL
from ilk.kin.algebra import decides_kin, normalize_rows, source_shares

WHOLE = 1 - 1e-4  # shares that add up to less are not all decided


@decides_kin
class KnownClass:
    """The class that each query is known to be of: supervised learning.

    A mix has the classes of its sources by their shares, as in Mixup (Zhang et al., ICLR 2018,
    https://arxiv.org/abs/1710.09412). A query of which any part is not known has no kin.

    Args:
        classes: K.
        fact: that says the class.
    """

    classes: int
    fact: str = LABEL

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """The shares of each class."""
        known = queries.shown.relabel(context.fact(self.fact))
        return Kin(whole_rows(source_shares(known, self.classes)))


@decides_kin
class Predicted:
    """The class that a network predicts, as far as a query shares sources with its rows.

    Probabilities of several views of an image are averaged, then sharpened. A temperature of 0
    leaves the most probable class alone: with a threshold FixMatch (Sohn et al., NeurIPS 2020,
    https://arxiv.org/abs/2001.07685, Eq. 4), without one Pseudo-Label (Lee, ICML workshops
    2013). Another temperature raises probabilities to its inverse: MixMatch (Berthelot et al.,
    NeurIPS 2019, https://arxiv.org/abs/1905.02249, Eq. 6 and 7), with a threshold UDA (Xie et
    al., NeurIPS 2020, https://arxiv.org/abs/1904.12848, section 3). A query of which any part
    is not decided has no kin.

    Args:
        by: scores of views of the same images, one row an image.
        temperature: not negative; 1 leaves probabilities as they are.
        threshold: which the largest probability must reach, before it is sharpened.
    """

    by: tuple[Output, ...]
    temperature: Scalar = 0.0
    threshold: Scalar = 0.0

    def __post_init__(self) -> None:
        check_probability("threshold", self.threshold)

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Hard or sharpened predictions."""
        probabilities = mean_prediction(self.by, context)
        sure = probabilities.amax(dim=1) >= value(self.threshold, context.progress)
        targets = sharpen(probabilities, value(self.temperature, context.progress))
        return spread_classes(queries, context.rows(self.by[0]), targets * sure[:, None])


@decides_kin
class KnownOrPredicted:
    """The class of each source of a query where it is known, else what a network predicts.

    MixMatch, Berthelot et al., NeurIPS 2019, https://arxiv.org/abs/1905.02249, Eq. 6, 7 and 10:
    labelled and other images are mixed with one another, and so are their labels and guesses.
    A query of which any part is neither known nor predicted has no kin.

    Args:
        classes: K.
        by: scores of views of the images whose class is not known, one row an image.
        temperature: as of ``Predicted``.
        fact: that says the class.
    """

    classes: int
    by: tuple[Output, ...]
    temperature: Scalar = 0.5
    fact: str = LABEL

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Labels and sharpened predictions by the shares of their sources."""
        labels, deciding = context.fact(self.fact), context.rows(self.by[0])
        guesses = sharpen(
            mean_prediction(self.by, context), value(self.temperature, context.progress)
        )
        known = source_shares(queries.shown.relabel(labels), self.classes).to(guesses)
        unknown = deciding.composition.relabel(labels).sources[:, 0] == UNKNOWN
        shares = overlap(queries.composition, deciding.composition).to(guesses)
        return Kin(whole_rows(known + shares @ (guesses * unknown[:, None])))


def mean_prediction(by: tuple[Output, ...], context: StepContext) -> Float[Tensor, "N K"]:
    """Probabilities, not scores, averaged over views of the same images."""
    scores = torch.stack([full(context.rows(output).vectors) for output in by])
    return scores.softmax(dim=2).mean(dim=0)


def sharpen(probabilities: Float[Tensor, "N K"], temperature: float) -> Float[Tensor, "N K"]:
    """Probabilities to the power of 1 / temperature, normalised; at 0 one-hot.

    Example:
        >>> sharpen(torch.tensor([[0.6, 0.3, 0.1]]).double(), 0.5).round(decimals=4).tolist()
        [[0.7826, 0.1957, 0.0217]]
    """
    if temperature == 0:
        best = probabilities.argmax(dim=1)
        return one_hot(best, probabilities.shape[1]).to(probabilities)
    return (probabilities.log() / temperature).softmax(dim=1)


def spread_classes(queries: Rows, deciding: Rows, targets: Float[Tensor, "N K"]) -> Kin:
    """Targets of other rows, by the shares that a query has of their sources.

    Args:
        queries: of the term.
        deciding: rows with a target, one of each source.
        targets: rows that sum to one, or zeros for a row that is not decided.
    """
    shares = overlap(queries.composition, deciding.composition)
    return Kin(whole_rows(shares.to(targets) @ targets))


def whole_rows(weights: Float[Tensor, "Q K"]) -> Float[Tensor, "Q K"]:
    """Each row divided by its sum; zeros where the shares do not add up to one."""
    whole = weights.sum(dim=1, keepdim=True) > WHOLE
    return normalize_rows(weights * whole)
