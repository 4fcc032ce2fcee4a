"""Which predictions of a network become labels for another one. Axes: N items, R chosen."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ilk.core import UserError, check_probability, seeding


@dataclass(frozen=True, kw_only=True, slots=True)
class PseudoLabels:
    """Predictions that a method takes as labels of images without one.

    Noisy Student, Xie et al., CVPR 2020, https://arxiv.org/abs/1911.04252, section 3.2: images
    whose largest probability reaches a threshold, and as many of each class, for the network
    that predicts prefers some classes. Of a class with too many the most confident are taken,
    those of a class with too few come several times.

    Args:
        table: of predictions, as `ilk.embedding.predict_to_table` writes it; empty is none, and
            the method does without.
        threshold: probability from which on a prediction is taken, in [0, 1].
        balanced: whether there are as many images of each class.
        per_class: how many; None is the mean over the classes that were predicted.
        soft: whether the label is the probability of every class, or the most probable one.

    Raises:
        UserError: a number is outside of its range.
    """

    table: str
    threshold: float = 0.0
    balanced: bool = False
    per_class: int | None = None
    soft: bool = True

    def __post_init__(self) -> None:
        check_probability("threshold", self.threshold)
        if self.per_class is not None and self.per_class < 1:
            raise UserError(f"per_class: must be 0 (the mean) or more, got {self.per_class}")

    def choose(
        self, classes: Int[np.ndarray, " N"], sure: Float[np.ndarray, " N"], seed: int
    ) -> Int[np.ndarray, " R"]:
        """Which items are taken, ascending; one that comes several times stands side by side.

        An item whose class has too few comes as often as the wanted number holds the size of
        the class: the whole part always, the rest by chance.

        Args:
            classes: the most probable class of each.
            sure: its probability.
            seed: the seed of what is left to chance, a function of it and the item.

        Example:
            >>> import numpy as np
            >>> rule = PseudoLabels(table="p.parquet", threshold=0.3, balanced=True)
            >>> sure = np.array([0.9, 0.8, 0.7, 0.29, 0.3])
            >>> rule.choose(np.array([0, 0, 0, 0, 1]), sure, seed=0).tolist()
            [0, 1, 4, 4]
        """
        kept = np.flatnonzero(sure >= self.threshold)
        if not (self.balanced and len(kept)):
            return kept
        present, sizes = np.unique(classes[kept], return_counts=True)
        wanted = self.per_class or round(len(kept) / len(present))
        chance = seeding.uniforms(seed, 0, kept, "pseudo-labels", 1)[:, 0]
        times = np.zeros(len(kept), np.int64)
        for title, size in zip(present, sizes, strict=True):
            mine = np.flatnonzero(classes[kept] == title)
            if size >= wanted:
                order = np.argsort(-sure[kept[mine]], kind="stable")
                times[mine[order[:wanted]]] = 1
            else:
                whole, rest = divmod(wanted, int(size))
                times[mine] = whole + (chance[mine] < rest / size)
        return np.repeat(kept, times)
