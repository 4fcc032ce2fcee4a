"""The kin inspector: whom a method holds for kin, foreign and left out, in pictures.

Axes: Q queries, K candidates.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ilk.core import NOBODY, Composition, Output, Rows, UserError, overlap, similarities
from ilk.data import Reader, Source, open_source
from ilk.method import Remembered, StandIn
from ilk.train import Glance, glance
from ilk.train.record import read_record
from ilk.train.scene import Verdict
from ilk.viewer.report import Kinship, Lookup, Neighbour, Picture

TOLD = (
    "A picture that asks, and pictures that may answer, by their numbers in the data. Kin come "
    "with their weight, the others with their cosine, most alike first. Where labels are "
    "known, those in common are ticked and framed."
)
CLASSES = (
    "A picture that asks, and pictures of the batch. Kin of this loss are classes, not "
    "pictures; so each is shown with the share of classes that it has in common with the one "
    "that asks. Where labels are known, those in common are ticked and framed."
)
BLANK = np.full((1, 1, 3), 200, np.uint8)  # a key whose picture is not known


def inspected(
    directory: Path, images: Source, *, queries: int = 4, shown: int = 8
) -> tuple[Kinship, ...]:
    """Whom a run holds for kin in a batch of images, for the first term of every name.

    Args:
        directory: of a run that has a checkpoint.
        images: any; past keys are drawn when they are of these or of the run's own data.
        queries: pictures that ask, at most.
        shown: of each kind of answer, at most.

    Raises:
        UserError: there is no run, or it cannot be shown these images.
    """
    seen = glance(directory, images)
    album = _Album(seen, images, _own(directory, images, seen.first))
    firsts = {verdict.term.name: verdict for verdict in reversed(seen.verdicts)}
    names = dict.fromkeys(verdict.term.name for verdict in seen.verdicts)
    return tuple(
        Kinship(
            term=name,
            told=TOLD if firsts[name].term.candidates else CLASSES,
            lookups=tuple(
                _lookup(album, firsts[name], row, shown)
                for row in range(min(queries, len(firsts[name].queries)))
            ),
        )
        for name in names
    )


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
    """Pictures of rows, wherever they come from."""

    seen: Glance
    images: Source
    own: Source | None

    def row(self, verdict: Verdict, row: int, *, query: bool) -> Picture:
        """The picture behind a row of queries or candidates, without a caption."""
        rows = verdict.queries if query else verdict.candidates
        asked = query or not verdict.term.candidates
        at = row
        for entry in verdict.term.queries if asked else verdict.term.candidates:
            length = self._length(entry, len(rows))
            if at < length:
                return self._drawn(entry, at, rows, row)
            at -= length
        raise IndexError(row)

    def _length(self, entry: Output | StandIn | Remembered, rest: int) -> int:
        if isinstance(entry, Remembered):
            return rest
        return len(self.seen.views[entry.view if isinstance(entry, Output) else entry.of.view])

    def _drawn(
        self, entry: Output | StandIn | Remembered, at: int, rows: Rows, row: int
    ) -> Picture:
        shares = _shares(rows.shown, row)
        if isinstance(entry, Output):
            kind, pixels = f"view {entry.view}", self.seen.views[entry.view][at]
        else:
            kind, pixels = "past key", self._item(int(rows.shown.sources[row, 0]))
        if len(shares) == 1:
            kind = f"{kind} of {shares[0][0]}"
            return Picture(pixels=pixels, caption=kind, alt=kind)
        told = " and ".join(f"{share:.2f} of {source}" for source, share in shares)
        return Picture(pixels=pixels, caption=kind, alt=f"{kind}: {told}", shares=shares)

    def _item(self, item: int) -> np.ndarray:
        first = self.seen.first
        source, index = (self.images, item - first) if item >= first else (self.own, item)
        return BLANK if source is None or item < 0 else Reader(source).read(index)[0]


def _lookup(album: _Album, verdict: Verdict, row: int, shown: int) -> Lookup:
    query = album.row(verdict, row, query=True)
    groups = (
        _by_classes(verdict, row) if not verdict.term.candidates else _by_rows(verdict, row)
    )
    same, known = _agreement(verdict, row, album.seen.labels)
    found: list[tuple[str, tuple[Neighbour, ...]]] = []
    for name, members, score in groups:
        best = [
            at for at in score.argsort(descending=True, stable=True).tolist() if members[at]
        ][:shown]
        entries = tuple(
            Neighbour(
                picture=_captioned(album.row(verdict, at, query=False), f"{score[at]:.2f}"),
                agrees=bool(same[at]) if known[at] else None,
            )
            for at in best
        )
        if entries:
            found.append((f"{name}: {_count(int(members.sum()), len(best))}", entries))
    return Lookup(query=query, found=tuple(found))


Group = tuple[str, Bool[Tensor, " K"], Float[Tensor, " K"]]


def _by_rows(verdict: Verdict, row: int) -> list[Group]:
    weights = verdict.kin.weights[row].cpu()
    query = verdict.queries.vectors[row : row + 1]
    cosines = similarities(query, (verdict.candidates.vectors,))[0].cpu()
    left_out = torch.zeros_like(weights, dtype=torch.bool)
    if verdict.kin.left_out is not None:
        left_out = verdict.kin.left_out[row].cpu()
    kin = weights > 0
    return [
        ("kin", kin, weights),
        ("foreign", ~kin & ~left_out, cosines),
        ("left out", left_out, cosines),
    ]


def _by_classes(verdict: Verdict, row: int) -> list[Group]:
    """The other rows by the classes that they share with this one, the most alike first."""
    weights = verdict.kin.weights.float().cpu()
    common = torch.minimum(weights[row], weights).sum(dim=1)
    others = torch.ones(len(common), dtype=torch.bool)
    others[row] = False
    return [("by classes in common", others, common)]


def _agreement(verdict: Verdict, row: int, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which candidates have a label in common with a query, and of which that is known."""
    sides = (verdict.queries.shown, verdict.candidates.shown)
    mine, theirs = (
        Composition(side.sources.cpu(), side.shares.cpu()).renamed(labels) for side in sides
    )
    mine = Composition(mine.sources[row : row + 1], mine.shares[row : row + 1])
    known = [((s.sources >= 0) | (s.shares == 0)).all(dim=1) for s in (mine, theirs)]
    return overlap(mine, theirs)[0] > 0, known[0] & known[1]


def _shares(shown: Composition, row: int) -> tuple[tuple[str, float], ...]:
    pairs = zip(shown.sources[row].tolist(), shown.shares[row].tolist(), strict=True)
    return tuple((_name(source), share) for source, share in pairs if share > 0)


def _name(source: int) -> str:
    return "nobody known" if source == NOBODY else str(source)


def _captioned(picture: Picture, score: str) -> Picture:
    caption = f"{score} {picture.caption}"
    return Picture(
        pixels=picture.pixels, caption=caption, alt=picture.alt, shares=picture.shares
    )


def _count(members: int, drawn: int) -> str:
    return str(members) if members == drawn else f"{drawn} of {members:,}"
