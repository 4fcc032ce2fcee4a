"""What is drawn of the losses of a run: plain records. Axes: H W C pixels."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt8

Relation = Literal["positives", "ignored", "negatives", "shared classes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RowImage:
    """The image behind a row of queries or candidates.

    Args:
        pixels: the pixels of a view, or of the whole image for a past key.
        kind: ``view NAME`` or ``past key``.
        made_of: files or numbers of the images in it and their shares, which sum to one.
    """

    pixels: UInt8[np.ndarray, "H W C"]
    kind: str
    made_of: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A candidate of a query.

    Args:
        image: behind it.
        score: its weight among positives; the cosine similarity to the query among the others;
            the share of classes in common where candidates are classes.
        same_label: whether it has a label in common with the query; None where not known.
    """

    image: RowImage
    score: float
    same_label: bool | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CandidateGroup:
    """Candidates that stand in one relation to a query.

    Args:
        relation: which one.
        count: how many there are.
        best: those of the largest scores, largest first.
    """

    relation: Relation
    count: int
    best: tuple[Candidate, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class QueryPreview:
    """A query and its candidates.

    Args:
        image: the image of the query.
        groups: those that have a member.
    """

    image: RowImage
    groups: tuple[CandidateGroup, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LossPreview:
    """Some queries of one loss.

    Args:
        name: the name of the loss.
        candidates: what queries are compared with.
        negatives: whether the loss has any.
        queries: of a batch, the first ones.
    """

    name: str
    candidates: Literal["images", "classes"]
    negatives: bool
    queries: tuple[QueryPreview, ...]
