"""Which items make a batch, where it is not the next ones of a random order.

Batches are pure functions of seed and step, so that a run resumes exactly; the items of a batch
differ, so that ranks share none. Axes: N items, B of a batch over all ranks.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from ilk.core import UserError
from ilk.core.facts import LABEL, Fact
from ilk.method.cycles import Cycle

StepItems = Callable[[int], Int[np.ndarray, " B"]]  # from a step to its items, all different


@runtime_checkable
class Sampling(Protocol):
    """A rule by which items are drawn."""

    @property
    def fact(self) -> str:
        """The name of the fact that it goes by."""
        ...

    def draw(self, known: Fact, *, batch: int, seed: int) -> StepItems:
        """What gives the items of a step.

        Args:
            known: the fact of every item.
            batch: B, items at once over all ranks.
            seed: of the run.

        Raises:
            UserError: items of some kind are too few for a batch.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownShare:
    """A share of every batch is items whose fact is known; the others are not known.

    Both kinds are spread evenly over the batch, so that ranks have equally many of each up to
    one, and exactly where the share of a rank's batch is whole. Each kind is gone through in
    random order, then in another, as FixMatch goes through labelled and unlabelled images (Sohn
    et al., NeurIPS 2020, https://arxiv.org/abs/2001.07685). Where fewer items are known than
    the share asks for, all of them come in every batch: no item comes in one twice.

    Args:
        share: of the batch, above 0 and up to 1; rounded to whole items. Of a share of 1 the
            others never come.
        fact: that is known or not.
        pooled: whether labelled images are among the unlabelled ones too, as items of their own
            whose label is hidden; whoever opens the data sees to it.
    """

    share: float
    fact: str = LABEL
    pooled: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UserError(
                f"sampling: the share of images whose {self.fact} is known must be above 0 and "
                f"at most 1, got {self.share:g}"
            )

    @property
    def twice(self) -> bool:
        """Whether labelled images are items of two kinds."""
        return self.pooled and self.share < 1

    def draw(self, known: Fact, *, batch: int, seed: int) -> StepItems:
        """Both kinds of every step; see ``Sampling``."""
        counts = self._counts(known, batch)
        chosen = known.values >= 0, known.values < 0
        check_batch(self, int(chosen[0].sum()), len(known.values), batch)
        kinds = [
            Cycle(np.flatnonzero(which), count, seed, f"sampling/{self.fact}/{number}")
            for number, (which, count) in enumerate(zip(chosen, counts, strict=True))
            if count
        ]
        ends = np.arange(batch + 1) * counts[0] // batch
        first = np.diff(ends) > 0

        def items(step: int) -> Int[np.ndarray, " B"]:
            made = np.empty(batch, np.int64)
            for place, kind in zip((first, ~first), kinds, strict=False):
                made[place] = kind(step)
            return made

        return items

    def known_of(self, batch: int, known: int) -> int:
        """How many known items a batch has; they come at most once in it.

        Args:
            batch: items at once.
            known: items of the data whose fact is known.
        """
        wanted = round(self.share * batch)
        return wanted if self.share == 1 else min(wanted, known)

    def _counts(self, known: Fact, batch: int) -> tuple[int, int]:
        mine = self.known_of(batch, int((known.values >= 0).sum()))
        return mine, batch - mine


def labelled_share(ratio: float) -> float:
    """The share of labelled images where there are so many unlabelled ones for each.

    Raises:
        UserError: the ratio is negative.
    """
    if not ratio >= 0:
        raise UserError(
            f"ratio: must be 0 or more unlabelled images for each labelled one, got {ratio:g}"
        )
    return 1 / (1 + ratio)


def largest(rule: Sampling | None, known: int, items: int) -> int:
    """Items that a batch may hold, for none comes in it twice.

    Args:
        rule: by which they are drawn.
        known: items whose fact is known.
        items: of the data set.

    Example:
        >>> largest(KnownShare(share=0.25), known=61, items=72)  # 4 known and 11 others
        15
    """
    if not isinstance(rule, KnownShare):
        return items
    if rule.share == 1:
        return max(known // 2 * 2, 1)
    others = items - known
    most = min(items, math.ceil((others + 1) / (1 - rule.share)))
    return next((n for n in range(most, 1, -1) if n - rule.known_of(n, known) <= others), 1)


def check_batch(rule: Sampling | None, known: int, items: int, batch: int) -> None:
    """Refuse a batch for which there are too few items of a kind, or that lacks a kind.

    Args:
        rule: by which they are drawn.
        known: items whose fact is known.
        items: of the data set.
        batch: items at once over all ranks.

    Raises:
        UserError: it says how large a batch may be.
    """
    what, most = f"of {items:,} images", largest(rule, known, items)
    if isinstance(rule, KnownShare):
        what += f", of which {known:,} have a known {rule.fact},"
        most = known if rule.share == 1 else most
        _check_kinds(rule, known, items, batch)
    if batch > most:
        raise UserError(
            f"batch_size: {what} a batch must have {most:,} at most in each pass, for none "
            f"comes twice in it, got {batch:,}"
        )


def _check_kinds(rule: KnownShare, known: int, items: int, batch: int) -> None:
    if rule.share == 1:
        return
    if not 0 < known < items:
        raise UserError(
            f"sampling: some images must have a known {rule.fact} and others none, got "
            f"{known:,} and {items - known:,}"
        )
    if not 0 < rule.known_of(batch, known) < batch:
        sizes = itertools.count(max(int(0.5 / min(rule.share, 1 - rule.share)), 2))
        least = next(size for size in sizes if 0 < round(rule.share * size) < size)
        raise UserError(
            f"batch_size: must be {least:,} at least in each pass, so that a share of "
            f"{rule.share:.3g} of the images has a known {rule.fact}, got {batch:,}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Grouped:
    """Every batch holds equally many items of some values of a fact, up to one item.

    ``Grouped(fact="domain", groups=1)`` has one domain in each batch, ``Grouped(fact="label")``
    balances classes, and ``Grouped(fact="video", each=2)`` takes two clips of each video. All
    values are sampled uniformly however many items they have, and so are the items of a value;
    items whose fact is not known never come.

    Args:
        fact: that makes the groups.
        groups: values in each batch; None takes as many as ``each`` allows, else all of them,
            but at most as many as there are items in a batch.
        each: items of a value in each batch, which must divide the batch; they lie side by
            side. Without it the groups are spread evenly over the batch.
    """

    fact: str
    groups: int | None = None
    each: int | None = None

    def __post_init__(self) -> None:
        if self.groups is not None and self.each is not None:
            raise ValueError("Grouped: either groups or each must be given, got both")
        if min(self.groups or 1, self.each or 1) < 1 or 0 in (self.groups, self.each):
            raise ValueError(f"Grouped: numbers must be positive, got {self}")

    def draw(self, known: Fact, *, batch: int, seed: int) -> StepItems:
        """The groups of every step; see ``Sampling``."""
        order = known.values.argsort(kind="stable")
        present, sizes = np.unique(known.values, return_counts=True)
        ends = sizes.cumsum()
        seen = present >= 0
        members = [order[end - n : end] for end, n in zip(ends[seen], sizes[seen], strict=True)]
        names = [known.names[value] for value in present[seen]]
        groups = self._groups(len(members), batch)
        each = -(-batch // groups)
        self._check(names, [len(group) for group in members], groups, each)
        place = np.arange(batch)
        of_group = place // each if self.each is not None else place % groups
        stream = f"sampling/{self.fact}"
        cycles = [Cycle(group, each, seed, stream) for group in members]
        turns = Cycle(np.arange(len(members)), groups, seed, f"{stream}/groups")
        per_round = len(members) // groups

        def items(step: int) -> Int[np.ndarray, " B"]:
            made = np.empty(batch, np.int64)
            # A group comes at most once in each round, whose number is that of its visit.
            for number, group in enumerate(turns(step)):
                mine = of_group == number
                made[mine] = cycles[group](step // per_round)[: mine.sum()]
            return made

        return items

    def _groups(self, found: int, batch: int) -> int:
        """How many groups are in a batch."""
        if self.groups is not None:
            if self.groups > batch:
                raise UserError(
                    f"sampling: a batch must have an item of each of {self.groups} values of "
                    f"{self.fact}, got {batch} items; choose a larger batch_size"
                )
            return self.groups
        if self.each is None:
            return max(min(found, batch), 1)
        if batch % self.each:
            raise UserError(
                f"sampling: a batch must divide by {self.each} items of each {self.fact}, got "
                f"{batch}; choose another batch_size"
            )
        return batch // self.each

    def _check(self, names: list[str], sizes: list[int], groups: int, each: int) -> None:
        """Whether there are enough groups, and enough items in each."""
        if len(names) < groups:
            raise UserError(
                f"sampling: a batch must have {groups} values of {self.fact}, got {len(names)} "
                "in the data; choose a smaller batch_size or fewer of them"
            )
        few = [(name, n) for name, n in zip(names, sizes, strict=True) if n < each]
        if few:
            name, n = few[0]
            raise UserError(
                f"sampling: a batch must have {each} items of each {self.fact}, got {n} of "
                f"{name!r:.80} (too few of {len(few)} in {len(names)}); choose a smaller "
                "batch_size or leave them out of the data"
            )
