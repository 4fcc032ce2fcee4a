"""One summand of a loss: where its rows come from, and whether its parts fit together."""

from dataclasses import dataclass
from typing import ClassVar, Literal, cast

from ilk.core import (
    AlignedObjective,
    AlignedRule,
    KinRule,
    MemoryName,
    NegativeSynthesis,
    Objective,
    Output,
    Scalar,
    UserError,
    ViewName,
)


@dataclass(frozen=True, slots=True)
class FromMemory:
    """All rows of a memory, as candidates.

    Args:
        memory: its name in ``Method.memory``.
    """

    memory: MemoryName


@dataclass(frozen=True, slots=True)
class NearestNeighbour:
    """Each row's nearest neighbour in a memory, with the composition of the row.

    Args:
        of: the output whose rows are looked up.
        memory: name of the memory that is searched.
    """

    of: Output
    memory: MemoryName


@dataclass(frozen=True, slots=True)
class Classes:
    """Classes as candidates: the queries are scores over them.

    Args:
        count: of the classes, which is the width of the queries.
    """

    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Patches:
    """The pixels of a view as candidates, a row for each patch by raster; without gradient.

    Pixels are those that a network is given, normalised by the statistics of the data.

    Args:
        view: whose pixels.
        side: the side of a patch in pixels; that of the view gives one row an image.
        standard: whether each patch is brought to mean 0 and variance 1 (MAE, He et al., CVPR
            2022, section 3: "normalized pixel values").
    """

    view: ViewName
    side: int
    standard: bool = False

    unmixable: ClassVar[str] = (
        "it predicts the pixels of an image, and those of a mix are of two"
    )


RowSource = Output | FromMemory | NearestNeighbour | Patches
Source = RowSource | Classes


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """One summand of the loss: queries, candidates, which of them are kin, and an objective.

    Args:
        name: under which the loss is logged; terms of one name are logged as their sum.
        queries: whose rows are the queries, one after the other.
        candidates: whose rows are the columns; `Classes` alone where the queries are scores.
        kin: decides weights and ignored pairs.
        objective: turns them into a loss.
        negatives: makes further negatives for each query.
        weight: factor of the summand, a number, so that mixes can share it out.
        schedule: what the weight is multiplied by as training goes on.
        rows: over which the loss is a mean: those with kin; all, where a row without kin costs
            nothing (FixMatch); those with kin that are places which the network did not see; or
            all images, each with the mean over its own places, where one without any with kin
            costs nothing (iBOT).

    Raises:
        UserError: the parts do not fit one another.
    """

    name: str
    queries: tuple[Output | NearestNeighbour, ...]
    candidates: tuple[Source, ...]
    kin: KinRule
    objective: Objective
    negatives: NegativeSynthesis | None = None
    weight: float = 1.0
    schedule: Scalar = 1.0
    rows: Literal["with kin", "all", "hidden", "images"] = "with kin"

    def __post_init__(self) -> None:
        reason = self._misfit()
        if reason:
            raise UserError(f"term {self.name}: {reason}")

    @property
    def classes(self) -> Classes | None:
        """The classes that the queries are scores over, where the candidates are classes."""
        first = self.candidates[0]
        return first if isinstance(first, Classes) else None

    @property
    def row_sources(self) -> tuple[RowSource, ...]:
        """The candidates that have rows; none where they are classes."""
        return tuple(entry for entry in self.candidates if not isinstance(entry, Classes))

    def _misfit(self) -> str:
        if not self.candidates:
            return "candidates must be given, Classes(count) where queries are scores, got none"
        if len(self.candidates) > 1 and len(self.row_sources) < len(self.candidates):
            return "classes must be the only candidates, got others beside them"
        if self.classes is not None and self.negatives is not None:
            return "further negatives must stand beside rows, got classes as candidates"
        weight = cast("object", self.weight)
        if not isinstance(weight, int | float):
            return (
                f"weight must be a number, got {type(weight).__name__}; a schedule goes beside "
                "it, as schedule"
            )
        if self.rows in ("all", "images") and self.objective.joint:
            return (
                f"rows may be {self.rows} where the loss is a mean over rows, but it is a "
                "statistic"
            )
        return self._misalignment()

    def _misalignment(self) -> str:
        if not isinstance(self.kin, AlignedRule):
            return ""
        name = type(self.kin).__name__
        if not isinstance(self.objective, AlignedObjective):
            return (
                f"the objective must do without a table of all pairs, which {name} does not "
                f"make, but {type(self.objective).__name__} needs one"
            )
        if self.negatives is not None:
            return f"further negatives need a table of all pairs, which {name} does not make"
        return ""
