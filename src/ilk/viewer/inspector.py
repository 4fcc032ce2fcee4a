"""The kin inspector: positives, negatives and ignored images of a run's terms, drawn.

Axes: Q queries, K candidates.
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
from ilk.data import Reader, Source, open_source
from ilk.method import FromMemory, NearestNeighbour
from ilk.train import StepPreview, preview_step
from ilk.train.loop.step import KinRecord
from ilk.train.records.record import read_record
from ilk.viewer.report import Kinship, Lookup, Neighbour, Picture

TOLD = (
    "A query and the images that it is compared with. Kin are shown with their weight, others "
    "with their cosine, the most similar first; an image stands in one row alone, as kin "
    "before all else. Where labels are known, those in common are ticked and framed."
)
ATTRACTED = (
    "A query and its kin with their weight, the largest first. This loss has no negatives. "
    "Where labels are known, those in common are ticked and framed."
)
CLASSES = (
    "A query and the other images of the batch. Kin of this loss are classes, not images, so "
    "each is shown with the share of classes that it has in common with the query. Where "
    "labels are known, those in common are ticked and framed."
)
KIN, NEGATIVES, IGNORED, COMMON = "kin", "negatives", "ignored", "by classes in common"
ORDER = (KIN, IGNORED, NEGATIVES, COMMON)  # who claims an image first
Group = tuple[str, Bool[Tensor, " K"], Float[Tensor, " K"]]
BLANK = np.full((1, 1, 3), 200, np.uint8)  # a key whose image is not known


def inspected(
    directory: Path, images: Source, *, queries: int = 4, shown: int = 8
) -> tuple[Kinship, ...]:
    """The kin of queries in a batch of images, for the first term of every name.

    Args:
        directory: of a run that has a checkpoint.
        images: any; past keys are drawn when they are of these or of the run's own data.
        queries: how many are drawn at most.
        shown: images of each kind that are drawn at most.

    Raises:
        UserError: there is no run, or it cannot be shown these images.
    """
    seen = preview_step(directory, images)
    album = _Album(seen, images, _own(directory, images, seen.first))
    firsts = {kin_record.term.name: kin_record for kin_record in reversed(seen.kin_records)}
    names = dict.fromkeys(kin_record.term.name for kin_record in seen.kin_records)
    return tuple(
        Kinship(
            term=name,
            told=_told(firsts[name]),
            lookups=tuple(
                _lookup(album, firsts[name], row, shown)
                for row in range(min(queries, len(firsts[name].queries)))
            ),
        )
        for name in names
    )


def _told(kin_record: KinRecord) -> str:
    if not kin_record.term.candidates:
        return CLASSES
    return TOLD if kin_record.term.objective.contrasts else ATTRACTED


def _own(directory: Path, images: Source, first: int) -> Source | None:
    """The data that the run learned from, where it can still be read."""
    if first == 0:
        return images
    data = read_record(directory)["data"]
    with contextlib.suppress(UserError):
        source = open_source(data["spec"]) if data["spec"] is not None else None
        if source is not None and source.fingerprint == data["fingerprint"]:
            return source
    return None


@dataclass(frozen=True)
class _Album:
    """Images of rows, wherever they come from."""

    seen: StepPreview
    images: Source
    own: Source | None

    def row(self, kin_record: KinRecord, row: int, *, query: bool) -> Picture:
        """The image behind a row of queries or candidates, without a caption."""
        rows = kin_record.queries if query else kin_record.candidates
        asked = query or not kin_record.term.candidates
        at = row
        for entry in kin_record.term.queries if asked else kin_record.term.candidates:
            length = self._length(entry, len(rows))
            if at < length:
                return self._drawn(entry, at, rows, row)
            at -= length
        raise IndexError(row)

    def _length(self, entry: Output | NearestNeighbour | FromMemory, rest: int) -> int:
        if isinstance(entry, FromMemory):
            return rest
        return len(self.seen.views[entry.view if isinstance(entry, Output) else entry.of.view])

    def _drawn(
        self, entry: Output | NearestNeighbour | FromMemory, at: int, rows: Rows, row: int
    ) -> Picture:
        shares = tuple((self.name(source), share) for source, share in _shares(rows.shown, row))
        if isinstance(entry, Output):
            kind, pixels = f"view {entry.view}", self.seen.views[entry.view][at]
        else:
            kind, pixels = "past key", self._item(int(rows.shown.sources[row, 0]))
        if len(shares) == 1:
            kind = f"{kind} of {shares[0][0]}"
            return Picture(pixels=pixels, caption=kind, alt=kind)
        told = " and ".join(f"{share:.2f} of {source}" for source, share in shares)
        return Picture(pixels=pixels, caption=kind, alt=f"{kind}: {told}", shares=shares)

    def name(self, item: int) -> str:
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


def _lookup(album: _Album, kin_record: KinRecord, row: int, shown: int) -> Lookup:
    query = album.row(kin_record, row, query=True)
    groups = (
        _by_classes(kin_record, row)
        if not kin_record.term.candidates
        else _by_rows(kin_record, row)
    )
    same, known = _agreement(kin_record, row, album.seen.labels)
    drawn: dict[str, tuple[str, tuple[Neighbour, ...]]] = {}
    for name, best in _once(
        groups, kin_record.candidates if kin_record.term.candidates else None
    ):
        entries = tuple(
            Neighbour(
                picture=_captioned(album.row(kin_record, at, query=False), f"{score:.2f}"),
                agrees=bool(same[at]) if known[at] else None,
            )
            for at, score in best[:shown]
        )
        if entries:
            drawn[name] = (f"{name}: {_count(len(best), len(entries))}", entries)
    return Lookup(query=query, found=tuple(drawn[n] for n, _, _ in groups if n in drawn))


def _once(
    groups: Sequence[Group], rows: Rows | None
) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Candidates of each group with their score, best first, each image in one group alone.

    Args:
        groups: in the order in which they are drawn; kin are first in any case, and those left
            out come before negatives.
        rows: candidates; None where every candidate is an image of its own.
    """
    taken: set[tuple[int, ...]] = set()
    for name, members, score in sorted(groups, key=lambda group: ORDER.index(group[0])):
        best: list[tuple[int, float]] = []
        for at in score.argsort(descending=True, stable=True).tolist():
            image = (at,) if rows is None else _image(rows, at)
            if members[at] and image not in taken:
                taken.add(image)
                best.append((at, float(score[at])))
        yield name, best


def _image(rows: Rows, at: int) -> tuple[int, ...]:
    """What tells an image or a mix from others; unknown images are all different."""
    shown = sorted(source for source, _ in _shares(rows.shown, at))
    return (UNKNOWN, at) if UNKNOWN in shown or not shown else tuple(shown)


def _by_rows(kin_record: KinRecord, row: int) -> list[Group]:
    weights = kin_record.kin.weights[row].cpu()
    query = kin_record.queries.vectors[row : row + 1]
    cosines = similarities(query, (kin_record.candidates.vectors,))[0].cpu()
    ignored = torch.zeros_like(weights, dtype=torch.bool)
    if kin_record.kin.ignored is not None:
        ignored = kin_record.kin.ignored[row].cpu()
    kin = weights > 0
    found: list[Group] = [(KIN, kin, weights)]
    if kin_record.term.objective.contrasts:
        found.append((NEGATIVES, ~kin & ~ignored, cosines))
    return [*found, (IGNORED, ignored, cosines)]


def _by_classes(kin_record: KinRecord, row: int) -> list[Group]:
    """The other rows by the classes that they share with this one, the most alike first."""
    weights = kin_record.kin.weights.float().cpu()
    common = torch.minimum(weights[row], weights).sum(dim=1)
    others = torch.ones(len(common), dtype=torch.bool)
    others[row] = False
    return [(COMMON, others, common)]


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


def _captioned(picture: Picture, score: str) -> Picture:
    caption = f"{score} {picture.caption}"
    return Picture(
        pixels=picture.pixels, caption=caption, alt=picture.alt, shares=picture.shares
    )


def _count(members: int, drawn: int) -> str:
    return str(members) if members == drawn else f"{drawn} of {members:,}"
