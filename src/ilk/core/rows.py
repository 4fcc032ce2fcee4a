"""What the algebra is about: outputs of networks, their rows, and which are kin.

Axes: N rows, D embedding, Q queries, K candidates.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ilk.core.composition import Composition
from ilk.core.kin import AlignedKin, Kin
from ilk.core.masks import Mask
from ilk.core.schedules import Progress

Role = Literal["student", "teacher", "start"]  # start: the student before its first step
# Fields of these types are looked up when a method is built.
HeadName = Annotated[str, "head"]  # in Method.heads, of the student
MemoryName = Annotated[str, "memory"]  # in Method.memory
ViewName = Annotated[str, "view"]  # in Method.views or Method.derived


@dataclass(frozen=True, slots=True)
class Output:
    """A reference to what one network computes for one view.

    Args:
        network: whose output.
        view: the view's name.
        head: by its name in ``Method.heads``, or what the backbone shows: ``feature``, ``map``,
            ``tokens`` or ``asked``. Where there are M places in an image, it has M rows, and of
            ``asked`` ones a row for each place that its mask asks for.
        stopped: no gradient flows through it; always so for teacher and start.
    """

    network: Role
    view: str
    head: str
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What is known of the rows of a view.

    Args:
        composition: what each row is made of.
        blocks: the rows come in so many blocks of equal length, one after the other, each of
            which goes through the batch once.
        task: what was done to each row, as a class from 0 on, such as which of four rotations;
            `UNKNOWN` where nothing that has a class; None where that holds for all rows.
        place: where in its image a row lies: its top, left, bottom and right edge, as shares of
            the image's height and width; of a mirrored row left is larger than right. None
            where it is not known.
        mask: which of its cells are hidden from the network; None where all are seen.
    """

    composition: Composition
    blocks: int = 1
    task: Int[Tensor, " N"] | None = None
    place: Float[Tensor, "N 4"] | None = None
    mask: Mask | None = None

    def in_blocks(self, count: int) -> "RowFacts":
        """The rows so many times, block after block; their task is the number of the block.

        It is not known where they lie.
        """
        made = self.composition
        numbers = torch.arange(count, device=made.sources.device)
        return RowFacts(
            Composition(made.sources.repeat(count, 1), made.shares.repeat(count, 1)),
            count * self.blocks,
            numbers.repeat_interleave(len(made.sources)),
            mask=None if self.mask is None else Mask.cat([self.mask] * count),
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """Embeddings with what is known of each row.

    Args:
        vectors: one embedding a row.
        composition: what each row is made of.
        slots: one number per image, or place of one, shown in this step, so that a row can
            be distinguished from its own copy; -1 for rows from a memory.
        origin: what each row shows, where kin by source must not know of it: the images
            of a queue whose keys are negatives of all queries; None is the composition.
        task: as in `RowFacts`.
        place: as in `RowFacts`; not a number for rows of which it is not known, where other
            rows stand beside them.
        hidden: of rows that are places of images, whether the network did not see them; None
            where all were seen.
    """

    vectors: Float[Tensor, "N D"]
    composition: Composition
    slots: Int[Tensor, " N"]
    origin: Composition | None = None
    task: Int[Tensor, " N"] | None = None
    place: Float[Tensor, "N 4"] | None = None
    hidden: Bool[Tensor, " N"] | None = None

    @property
    def shown(self) -> Composition:
        """What the rows show, for labels and monitors."""
        return self.composition if self.origin is None else self.origin

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.vectors)


@runtime_checkable
class StepContext(Protocol):
    """What a kin rule may look at besides its queries and candidates."""

    @property
    def progress(self) -> Progress:
        """Where the run stands."""
        ...

    @property
    def seed(self) -> int:
        """The run's seed, for rules that draw at random."""
        ...

    def fact(self, name: str) -> Int[Tensor, " M"]:
        """What is known of every item of the data set, such as its label; -1 where it is not.

        The method must name the fact in ``Method.facts``.
        """
        ...

    def rows(self, output: Output) -> Rows:
        """The rows of another output of this step, without gradient."""
        ...

    def joined(self, output: Output) -> Rows:
        """The rows of another output of this step on all ranks, without gradient."""
        ...

    def pixels(self, view: str) -> Float[Tensor, "B C H W"]:
        """The pixels of a view of this step, of 0 to 1, before they were normalised."""
        ...

    def memory(self, name: str) -> nn.Module:
        """A memory of the method, by name."""
        ...

    def scores(self, head: str, vectors: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """What a head of the student makes of some vectors, without gradient."""
        ...

    def once(
        self, rule: "KinRule", queries: Rows, candidates: Rows, decide: Callable[[], Kin]
    ) -> Kin:
        """What an equal rule decided before in this step, or decides now.

        For rules that look at no more of queries than their composition: terms whose queries
        show the same items to the same candidates then share the work. What comes back must
        not be changed in place.
        """
        ...


@runtime_checkable
class KinRule(Protocol):
    """Decides, for every query, which candidates are kin and which are ignored."""

    def __call__(self, queries: Rows, candidates: Rows, context: StepContext) -> Kin:
        """Weights and left-out pairs; never carries a gradient."""
        ...


@runtime_checkable
class AlignedRule(KinRule, Protocol):
    """A rule that decides for every query on one candidate at most, and needs no table for it.

    As the rule of a term it makes none, however many rows there are; within another rule it is
    called for one as any rule is.
    """

    def align(self, queries: Rows, candidates: Rows, context: StepContext) -> AlignedKin:
        """Columns and weights; never carries a gradient."""
        ...


@runtime_checkable
class Mixability(Protocol):
    """A part of a method that says whether it takes mixed images.

    Objectives and derived views must say it; kin rules and makers of negatives may.
    """

    @property
    def unmixable(self) -> str:
        """Why it takes no images that are made of several; empty where it does."""
        ...


@runtime_checkable
class NegativeSynthesis(Protocol):
    """Makes further negatives for each query, which are its own alone."""

    def __call__(
        self, queries: Rows, candidates: Rows, kin: Kin, context: StepContext
    ) -> tuple[Float[Tensor, "Q m D"], Bool[Tensor, "Q m"]] | None:
        """Vectors without gradient, and which are ignored; None where there are none yet."""
        ...


@runtime_checkable
class Objective(Protocol):
    """Turns queries, candidates and their kin into a loss."""

    unmixable: ClassVar[str]  # why it cannot take soft kin weights; empty when it can
    contrasts: ClassVar[bool]  # whether candidates that are not kin push a query away
    joint: ClassVar[bool]  # whether it needs the queries of all ranks, for their statistics

    def __call__(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: Kin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The mean loss over rows that have kin.

        ``candidates`` are shared blocks [K, D] or per-query blocks [Q, m, D], in the order of
        the columns of ``kin``; empty when the queries themselves are scores over classes.
        """
        ...


@runtime_checkable
class AlignedObjective(Protocol):
    """An objective that needs no table where each query has one kin at most."""

    def aligned(
        self,
        queries: Float[Tensor, "Q D"],
        candidates: tuple[Tensor, ...],
        kin: AlignedKin,
        progress: Progress,
    ) -> Float[Tensor, ""]:
        """The loss of the same kin as a table; ``candidates`` are shared blocks."""
        ...
