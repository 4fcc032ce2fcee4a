"""One step seen by the kin rules: rows of every output, memories, progress."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor, nn

from ilk.core import (
    AlignedKin,
    AlignedObjective,
    AlignedRule,
    Composition,
    Kin,
    KinRule,
    Output,
    Progress,
    Rows,
    UserError,
    full,
)
from ilk.kin import Counterpart, HasRows, memory_of
from ilk.method import FromMemory, NearestNeighbour, Patches, RowSource, Source, Term
from ilk.networks import ASKED, Network
from ilk.objectives import per_rank, rows_in_all, rows_with_kin
from ilk.train.loop.joining import concatenated, still
from ilk.train.loop.kin_counts import kin_counts
from ilk.train.loop.passes import Outputs
from ilk.train.loop.places import (
    as_counted,
    asked_places,
    patch_rows,
    place_by_place,
)
from ilk.train.processes.distributed import gather_rows
from ilk.views import ViewRows


@dataclass(frozen=True, slots=True)
class KinRecord:
    """The kin of a term, for monitors.

    Args:
        term: the term.
        queries: its rows.
        candidates: its columns; the queries once more where columns are classes.
        kin: what its rule decided.
    """

    term: Term
    queries: Rows
    candidates: Rows
    kin: Kin | AlignedKin

    def table(self, queries: slice) -> Kin:
        """What was decided for some of the queries, as a table."""
        if isinstance(self.kin, AlignedKin):
            classes = self.term.classes
            columns = len(self.candidates) if classes is None else classes.count
            return self.kin.part(queries).as_table(columns)
        ignored = None if self.kin.ignored is None else self.kin.ignored[queries]
        return Kin(self.kin.weights[queries], ignored)


class Step:
    """What the networks computed for this step's views.

    Args:
        outputs: by network, view and head.
        views: normalised pixels of each view, and what is known of its rows.
        student: its network, for scores of vectors that are no output of this step.
        memory: by name.
        progress: where the run stands.
        facts: of all items of the data set by name, -1 where unknown.
        seed: of the run.
        monitor_labels: labels of all items, for counting which kin that rules find are right;
            None counts nothing and costs nothing.
    """

    def __init__(
        self,
        *,
        outputs: Mapping[str, Outputs],
        views: Mapping[str, ViewRows],
        student: Network,
        memory: nn.ModuleDict,
        progress: Progress,
        facts: Mapping[str, Int[Tensor, " M"]],
        seed: int,
        monitor_labels: Int[Tensor, " N"] | None = None,
    ) -> None:
        self._facts = facts
        self.seed = seed
        self._outputs = outputs
        self._views = views
        self._numbers = {view: i for i, view in enumerate(sorted(views))}
        self._blocks = max(rows.facts.blocks for rows in views.values())
        self._student = student
        self._memory = memory
        self._progress = progress
        self.monitor_labels = monitor_labels
        self.uneven = False  # whether ranks may have unequal numbers of rows
        self._answering: dict[tuple[Source, ...], Rows] = {}
        self._decided: list[tuple[KinRule, Composition, Rows, Kin]] = []
        self.kin_records: list[KinRecord] = []
        self.kin_counts: list[Tensor] = []
        self.numbers: dict[str, float] = {}  # for monitors

    @property
    def progress(self) -> Progress:
        """Where the run stands."""
        return self._progress

    def fact(self, name: str) -> Int[Tensor, " M"]:
        """What the method may know of every item, -1 where it does not."""
        if name not in self._facts:
            raise ValueError(f"Method.facts must name {name!r}, got {sorted(self._facts)}")
        return self._facts[name]

    def rows(self, output: Output) -> Rows:
        """The rows of an output on this rank, without gradient."""
        return still(self.learning_rows(output))

    def joined(self, output: Output) -> Rows:
        """The rows of an output on all ranks, without gradient."""
        return self._gathered(self.rows(output))

    def _gathered(self, rows: Rows) -> Rows:
        return gather_rows(rows, uneven=self.uneven)

    def learning_rows(self, output: Output) -> Rows:
        """The rows of an output on this rank, with gradient unless it is stopped."""
        vectors = self._outputs[output.network][output.view][output.head]
        asked = self._student.root(output.head) == ASKED
        vectors = vectors.detach() if output.stopped else vectors
        return self._as_rows(output.view, vectors, asked=asked)

    def _as_rows(self, view: str, vectors: Tensor, *, asked: bool = False) -> Rows:
        facts = self._views[view].facts
        made = facts.composition
        # The first source of a row is the item it shows: (item, view, block) names one image.
        slots = made.sources[:, 0] * len(self._numbers) + self._numbers[view]
        block = torch.arange(facts.blocks, device=slots.device)
        slots = slots * self._blocks + block.repeat_interleave(len(slots) // facts.blocks)
        if asked:
            return asked_places(vectors, facts, slots)
        if vectors.ndim > 2:
            return place_by_place(vectors, facts, slots)
        return Rows(vectors, made, slots, task=facts.task, place=facts.place)

    def pixels(self, view: str) -> Float[Tensor, "B C H W"]:
        """The pixels of a view of images, of 0 to 1, as they were before normalisation."""
        rows = self._views[view]
        assert rows.statistics is not None
        mean, std = (rows.images.new_tensor(s).view(-1, 1, 1) for s in rows.statistics)
        return rows.images * std + mean

    def memory(self, name: str) -> nn.Module:
        """A memory by name."""
        return self._memory[name]

    @torch.no_grad()
    def scores(self, head: str, vectors: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """What a head of the student makes of some vectors."""
        return self._student.scores(head, vectors)

    def once(
        self, rule: KinRule, queries: Rows, candidates: Rows, decide: Callable[[], Kin]
    ) -> Kin:
        """What an equal rule decided for the same composition and candidates, or decides."""
        made = queries.composition
        for known, composition, among, kin in self._decided:
            if composition is made and among is candidates and known == rule:
                return kin
        kin = decide()
        self._decided.append((rule, made, candidates, kin))
        return kin

    def own_rows(self, outputs: Sequence[Output]) -> Rows:
        """The rows of some outputs on this rank, without gradient."""
        return concatenated([self.rows(output) for output in outputs])

    def joined_rows(self, outputs: Sequence[Output]) -> Rows:
        """The rows of some outputs on all ranks, without gradient."""
        return concatenated([self.joined(output) for output in outputs])

    def source_rows(self, source: RowSource) -> Rows:
        """The rows of anything that may be a query or a candidate, on this rank."""
        if isinstance(source, Output):
            return self.learning_rows(source)
        if isinstance(source, FromMemory):
            return memory_of(self, source.memory, HasRows).rows()
        if isinstance(source, Patches):
            return self._as_rows(
                source.view, patch_rows(self._views[source.view].images, source)
            )
        return self._nearest_neighbours(source)

    @torch.no_grad()
    def _nearest_neighbours(self, source: NearestNeighbour) -> Rows:
        rows = self.rows(source.of)
        past = memory_of(self, source.memory, HasRows).rows()
        vectors = F.normalize(rows.vectors.float(), dim=-1)
        nearest = (vectors @ past.vectors.T.to(vectors.dtype)).argmax(dim=1)
        shown = Composition(past.shown.sources[nearest], past.shown.shares[nearest])
        return Rows(past.vectors[nearest], rows.composition, rows.slots, shown)

    def loss(self, term: Term) -> Float[Tensor, ""]:
        """The loss of one term, before its weight, in single precision or better."""
        queries = concatenated([self.source_rows(entry) for entry in term.queries])
        if term.objective.joint:
            queries = self._gathered(queries)
        blocks = self._candidates(term)
        columns = sum(map(len, blocks)) if term.classes is None else term.classes.count
        if term.classes is not None and queries.vectors.shape[1] != columns:
            raise UserError(
                f"term {term.name}: queries must be scores over {columns} classes, got "
                f"{queries.vectors.shape[1]}"
            )
        asking = still(queries)
        answering = self._joined_once(term, blocks) if blocks else asking
        vectors = tuple(full(block.vectors) for block in blocks)
        asked = full(queries.vectors)
        if isinstance(term.kin, AlignedRule) and isinstance(term.objective, AlignedObjective):
            kin = as_counted(term, term.kin.align(asking, answering, self), asking)
            self.kin_records.append(KinRecord(term, asking, answering, kin))
            loss = term.objective.aligned(asked, vectors, kin, self._progress)
        else:
            kin, made = self._decide(term, asking, answering, columns)
            vectors = vectors if made is None else (*vectors, made)
            loss = term.objective(asked, vectors, kin, self._progress)
        if term.rows == "all":
            return loss * (rows_with_kin(kin).to(loss) / rows_in_all(kin))
        if term.rows == "images":
            return loss * (rows_with_kin(kin).to(loss) / self._images(term))
        return loss

    def _images(self, term: Term) -> Num[Tensor, ""]:
        """How many images of a rank the queries are places of, on average over ranks."""
        shown = [query.view for query in term.queries if isinstance(query, Output)]
        made = [self._views[view].facts.composition for view in shown]
        return per_rank(torch.tensor(sum(map(len, made)), device=made[0].sources.device))

    @torch.no_grad()
    def _decide(
        self, term: Term, asking: Rows, answering: Rows, columns: int
    ) -> tuple[Kin, Float[Tensor, "Q m D"] | None]:
        """A table of kin, and further negatives of each query, which have columns in it too."""
        kin = term.kin(asking, answering, self)
        if kin.weights.shape[1] != columns:
            raise UserError(
                f"term {term.name}: kin must be decided among {columns} candidates, got "
                f"{kin.weights.shape[1]}"
            )
        kin = as_counted(term, kin, asking)
        self.kin_records.append(KinRecord(term, asking, answering, kin))
        if self.monitor_labels is not None and term.classes is None:
            found = kin_counts(term.kin, asking, answering, kin, self.monitor_labels, self)
            self.kin_counts.append(found)
        made = None if term.negatives is None else term.negatives(asking, answering, kin, self)
        return (kin, None) if made is None else (add_columns(kin, made[1]), made[0])

    def _candidates(self, term: Term) -> list[Rows]:
        """The rows of the candidates of all ranks; none where they are classes.

        Where the one candidate that counts is of the query's own image, this rank's are enough.
        """
        alone = not (term.objective.joint or term.objective.contrasts)
        if alone and isinstance(term.kin, Counterpart):
            return [self.source_rows(entry) for entry in term.row_sources]
        return [
            self.source_rows(entry)
            if isinstance(entry, FromMemory)
            else self._gathered(self.source_rows(entry))
            for entry in term.row_sources
        ]

    def _joined_once(self, term: Term, blocks: list[Rows]) -> Rows:
        """Candidates in one piece, for rules; a copy of a memory that terms share."""
        if term.candidates not in self._answering:
            self._answering[term.candidates] = concatenated([still(block) for block in blocks])
        return self._answering[term.candidates]


def add_columns(kin: Kin, ignored: Bool[Tensor, "Q m"]) -> Kin:
    """The same kin with further columns, which are negatives unless they are ignored."""
    before = kin.ignored
    if before is None:
        before = torch.zeros_like(kin.weights, dtype=torch.bool)
    none = kin.weights.new_zeros(ignored.shape)
    return replace(
        kin,
        weights=torch.cat([kin.weights, none], 1),
        ignored=torch.cat([before, ignored], 1),
    )
