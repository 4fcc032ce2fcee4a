"""Positives, negatives and ignored images of a run's losses, as plain records to be drawn.

A batch goes through the networks of the last checkpoint; no weight and no memory is changed.
Axes: B images, H W C pixels, Q queries, K candidates.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ilk.core import UNKNOWN, Composition, Output, Rows, UserError, overlap, similarities
from ilk.data import Reader, Source
from ilk.method import NearestNeighbour, Patches, RowSource
from ilk.train.images import images_like
from ilk.train.loop.step import KinRecord
from ilk.train.previews.records import (
    Candidate,
    CandidateGroup,
    LossPreview,
    QueryPreview,
    Relation,
    RowImage,
)
from ilk.train.previews.step import StepPreview, preview_step
from ilk.train.records.record import read_record

# A candidate that shows the same image twice is drawn in the first of these alone.
ORDER: tuple[Relation, ...] = ("positives", "ignored", "negatives", "shared classes")
Members = tuple[Relation, Bool[Tensor, " K"], Float[Tensor, " K"]]
BLANK = np.full((1, 1, 3), 200, np.uint8)  # of a past key whose image is not known


def preview_losses(
    directory: Path, images: Source, *, queries: int = 4, best: int = 8
) -> tuple[LossPreview, ...]:
    """As `losses_seen`, of the next batch.

    Args:
        directory: the directory of a run that has a checkpoint.
        images: of which a batch is taken.
        queries: how many are kept at most.
        best: candidates of each group that are kept at most.

    Raises:
        UserError: there is no run, or it cannot be shown these images.
    """
    seen = preview_step(directory, images)
    return losses_seen(seen, directory, images, queries=queries, best=best)


def losses_seen(
    seen: StepPreview, directory: Path, images: Source, *, queries: int = 4, best: int = 8
) -> tuple[LossPreview, ...]:
    """Positives, negatives and ignored images of a batch, for the first term of every name.

    Terms whose queries are places of images, or whose candidates are pixels, are left out.

    Args:
        seen: the batch.
        directory: the directory of the run.
        images: of which the batch was taken; past keys have pixels when they are of these or of
            the run's own data.
        queries: how many are kept at most.
        best: candidates of each group that are kept at most.
    """
    album = _Album(seen, images, _own(directory, images, seen.first))
    records = [record for record in seen.kin_records if album.shows(record)]
    firsts = {kin_record.term.name: kin_record for kin_record in reversed(records)}
    names = dict.fromkeys(kin_record.term.name for kin_record in records)
    return tuple(
        LossPreview(
            name=name,
            candidates="classes" if firsts[name].term.classes else "images",
            negatives=firsts[name].term.objective.contrasts,
            queries=tuple(
                _query(album, firsts[name], row, best)
                for row in range(min(queries, len(firsts[name].queries)))
            ),
        )
        for name in names
    )


def _own(directory: Path, images: Source, first: int) -> Source | None:
    """The data that the run learned from, where it can still be read."""
    if first == 0:
        return images
    record = read_record(directory)
    spec, fingerprint = (record["data"][name] for name in ("spec", "fingerprint"))
    with contextlib.suppress(UserError):
        source = images_like(record, spec) if spec is not None else None
        if source is not None and source.fingerprint == fingerprint:
            return source
    return None


@dataclass(frozen=True)
class _Album:
    """Images of rows, wherever they come from."""

    seen: StepPreview
    images: Source
    own: Source | None

    def row(self, kin_record: KinRecord, row: int, *, query: bool) -> RowImage:
        """The image behind a row of queries or candidates."""
        rows = kin_record.queries if query else kin_record.candidates
        asked = query or kin_record.term.classes is not None
        at = row
        for entry in kin_record.term.queries if asked else kin_record.term.row_sources:
            if at < self.seen.counts[entry]:
                return self._image(entry, at, rows, row)
            at -= self.seen.counts[entry]
        raise IndexError(row)

    def shows(self, kin_record: KinRecord) -> bool:
        """Whether the queries of a term are whole images, and its candidates no pixels."""
        for entry in kin_record.term.queries:
            view = entry.of.view if isinstance(entry, NearestNeighbour) else entry.view
            if self.seen.counts[entry] != len(self.seen.views[view]):
                return False
        return not any(isinstance(entry, Patches) for entry in kin_record.term.candidates)

    def _image(self, entry: RowSource, at: int, rows: Rows, row: int) -> RowImage:
        made_of = tuple(
            (self._name(source), share) for source, share in _shares(rows.shown, row)
        )
        if isinstance(entry, Output | Patches):
            shown = self.seen.views[entry.view]  # image after image, each with all its rows
            pixels = shown[at * len(shown) // self.seen.counts[entry]]
            kind = f"view {entry.view}"
        else:
            pixels, kind = self._item(int(rows.shown.sources[row, 0])), "past key"
        return RowImage(pixels=pixels, kind=kind, made_of=made_of)

    def _name(self, item: int) -> str:
        """The file of an item, or its number where the file is not known."""
        source, index = self._place(item)
        if item == UNKNOWN:
            return "an unknown image"
        return f"item {item}" if source is None else PurePosixPath(source.key(index)).name

    def _item(self, item: int) -> np.ndarray:
        source, index = self._place(item)
        return BLANK if source is None or item < 0 else Reader(source).read(index)[0]

    def _place(self, item: int) -> tuple[Source | None, int]:
        first = self.seen.first
        return (self.images, item - first) if item >= first else (self.own, item)


def _query(album: _Album, kin_record: KinRecord, row: int, best: int) -> QueryPreview:
    by_rows = kin_record.term.classes is None
    groups = _by_rows(kin_record, row) if by_rows else _by_classes(kin_record, row)
    same, known = _agreement(kin_record, row, album.seen.labels)
    found: dict[str, CandidateGroup] = {}
    for relation, members in _once(groups, kin_record.candidates if by_rows else None):
        found[relation] = CandidateGroup(
            relation=relation,
            count=len(members),
            best=tuple(
                Candidate(
                    image=album.row(kin_record, at, query=False),
                    score=score,
                    same_label=bool(same[at]) if known[at] else None,
                )
                for at, score in members[:best]
            ),
        )
    return QueryPreview(
        image=album.row(kin_record, row, query=True),
        groups=tuple(found[name] for name, _, _ in groups if found[name].count),
    )


def _once(
    groups: Sequence[Members], rows: Rows | None
) -> Iterator[tuple[Relation, list[tuple[int, float]]]]:
    """Candidates of each group with their score, best first, each image in one group alone.

    Args:
        groups: in any order; images are given to them in that of ``ORDER``.
        rows: candidates; None where every candidate is an image of its own.
    """
    taken: set[tuple[int, ...]] = set()
    for relation, members, score in sorted(groups, key=lambda group: ORDER.index(group[0])):
        best: list[tuple[int, float]] = []
        for at in score.argsort(descending=True, stable=True).tolist():
            image = (at,) if rows is None else _identity(rows, at)
            if members[at] and image not in taken:
                taken.add(image)
                best.append((at, float(score[at])))
        yield relation, best


def _identity(rows: Rows, at: int) -> tuple[int, ...]:
    """What tells an image or a mix from others; unknown images are all different."""
    shown = sorted(source for source, _ in _shares(rows.shown, at))
    return (UNKNOWN, at) if UNKNOWN in shown or not shown else tuple(shown)


def _by_rows(kin_record: KinRecord, row: int) -> list[Members]:
    decided = kin_record.table(slice(row, row + 1))
    weights = decided.weights[0].cpu()
    query = kin_record.queries.vectors[row : row + 1]
    cosines = similarities(query, (kin_record.candidates.vectors,))[0].cpu()
    ignored = torch.zeros_like(weights, dtype=torch.bool)
    if decided.ignored is not None:
        ignored = decided.ignored[0].cpu()
    positive = weights > 0
    found: list[Members] = [("positives", positive, weights)]
    if kin_record.term.objective.contrasts:
        found.append(("negatives", ~positive & ~ignored, cosines))
    return [*found, ("ignored", ignored, cosines)]


def _by_classes(kin_record: KinRecord, row: int) -> list[Members]:
    """The other rows by the classes that they share with this one, the most similar first."""
    weights = kin_record.table(slice(None)).weights.float().cpu()
    common = torch.minimum(weights[row], weights).sum(dim=1)
    others = torch.ones(len(common), dtype=torch.bool)
    others[row] = False
    return [("shared classes", others, common)]


def _agreement(kin_record: KinRecord, row: int, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which candidates have a label in common with a query, and of which that is known."""
    sides = (kin_record.queries.shown, kin_record.candidates.shown)
    mine, theirs = (
        Composition(side.sources.cpu(), side.shares.cpu()).relabel(labels) for side in sides
    )
    mine = Composition(mine.sources[row : row + 1], mine.shares[row : row + 1])
    known = [((s.sources >= 0) | (s.shares == 0)).all(dim=1) for s in (mine, theirs)]
    return overlap(mine, theirs)[0] > 0, known[0] & known[1]


def _shares(shown: Composition, row: int) -> tuple[tuple[int, float], ...]:
    pairs = zip(shown.sources[row].tolist(), shown.shares[row].tolist(), strict=True)
    return tuple((source, share) for source, share in pairs if share > 0)
