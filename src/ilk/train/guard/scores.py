"""Scores of the same images each time, so that their differences are paired.

Axes: N images, M labelled ones, V views of each, D features, k neighbours, R effective ranks.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from ilk.core import seeding
from ilk.data import Source, Subset, labels
from ilk.embedding import (
    Looked,
    embed_batches,
    lidar,
    nearest,
    nearest_others,
    rankme,
    rankme_without,
    vote,
)
from ilk.networks import Encoder
from ilk.train.loop.probe import (
    GALLERY,
    NEIGHBOURS,
    QUERIES,
    TEMPERATURE,
    Probe,
    online_probe,
    queries_of,
)
from ilk.views import fitted, moco_v2_pair

IMAGES, FEWEST = 500, 10  # of which neighbours are looked for
VIEWS, KEPT = 4, 10  # of each image; neighbours that may stay
PARTS = 20  # of the images, each of which is left out of their rank once
ENOUGH = 100  # labelled queries; with fewer a fall of 20 points may lie within the interval
LEAST_AREA, DELTA = 0.2, 1e-4  # as in the protocol views-quality


@dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """What an encoder reaches.

    Args:
        each: scores of every image, in [0, 1]; not a number where it could not be read.
        rankme: effective rank of the features of these images.
        lidar: the same between images over within them; None where no views were made.
        ranks: effective rank of all images, then without each of `PARTS` parts of them; None
            where labels decide alone.
        labelled: whether k-NN classifies each of a few labelled images right, beside a score
            that needs no labels; None where there are none, or enough.
    """

    each: Float64[np.ndarray, " N"]
    rankme: float
    lidar: float | None
    ranks: Float64[np.ndarray, " R"] | None = None
    labelled: Float64[np.ndarray, " M"] | None = None

    @property
    def value(self) -> float:
        """The mean over images that could be read."""
        return mean(self.each)


@dataclass(frozen=True, slots=True)
class RightNeighbours:
    """Whether k-NN classifies each image right: the online k-NN, image by image.

    Args:
        probe: gallery and queries.
    """

    key: ClassVar[str] = "knn"
    name: ClassVar[str] = "k-NN accuracy"
    probe: Probe

    def __call__(self, encoder: Encoder) -> Scores:
        """Scores of the queries, by their neighbours in the gallery."""
        probe = self.probe
        asked, known = (
            _Vectors.of(encoder, part, probe) for part in (probe.queries, probe.gallery)
        )
        there = known.readable & known.finite
        right = np.zeros(len(probe.queries))
        if there.any():
            names = torch.from_numpy(labels(probe.gallery))[torch.from_numpy(there)]
            rows = known.rows[torch.from_numpy(there)]
            places, cosines = nearest(asked.rows, rows, NEIGHBOURS)
            named = vote(
                names[places], cosines, temperature=TEMPERATURE,
                classes=len(probe.gallery.classes),
            )  # fmt: skip
            right = (named.numpy() == labels(probe.queries)).astype(np.float64)
        right[~asked.finite] = 0.0
        right[~asked.readable] = np.nan
        rows = asked.rows[torch.from_numpy(asked.readable)]
        return Scores(each=right, rankme=_known(rankme(rows)), lidar=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class StableNeighbours:
    """Which share of its neighbours an image keeps when every image looks otherwise.

    The k images nearest to an image by cosine are found among the plain images, and once more
    where every image, itself and all others, is replaced by a view of it: MoCo v2's crop and
    colours, the same in every call. The score of an image is the share of the first k that is
    among the second k, as a mean over the views. Equal distances are ranked in one order the
    first time and in the opposite one the second time, so that an encoder that gives all
    images one vector keeps none. By chance it is k / (N - 1).

    Args:
        images: N of them.
        seed: the seed of the views.
        workers: threads that read and decode.
        device: where vectors are made.
    """

    key: ClassVar[str] = "stable"
    name: ClassVar[str] = "share of stable neighbours"
    images: Subset
    seed: int
    workers: int
    device: torch.device

    def __call__(self, encoder: Encoder) -> Scores:
        """Scores of all images."""
        (view,) = fitted((moco_v2_pair(encoder.image_size, LEAST_AREA)[0],))
        looked = Looked(
            source=self.images, view=view, views=VIEWS, channels=encoder.channels,
            seed=self.seed,
        )  # fmt: skip
        plain, views = (_Vectors.of(encoder, part, self) for part in (self.images, looked))
        readable = plain.readable & views.readable.reshape(-1, VIEWS).all(1)
        finite = plain.finite & views.finite.reshape(-1, VIEWS).all(1)
        chosen = torch.from_numpy(readable)
        rows, seen = plain.rows[chosen], views.rows.unflatten(0, (-1, VIEWS))[chosen]
        each = np.full(len(self.images), np.nan)
        each[readable] = kept_neighbours(rows, seen, min(KEPT, len(rows) - 1)).numpy()
        each[readable & ~finite] = 0.0
        ranks = rankme_without(rows, PARTS)
        whole = (_known(rankme(rows)), _known(lidar(seen, DELTA)))
        return Scores(each=each, rankme=whole[0], lidar=whole[1], ranks=ranks)


@dataclass(frozen=True, slots=True)
class FewLabels:
    """The score without labels, and k-NN accuracy of the few labelled images beside it.

    Args:
        neighbours: of any images.
        right: of the labelled ones.
    """

    key: ClassVar[str] = StableNeighbours.key
    name: ClassVar[str] = StableNeighbours.name
    neighbours: StableNeighbours
    right: RightNeighbours

    def __call__(self, encoder: Encoder) -> Scores:
        """Both scores."""
        return replace(self.neighbours(encoder), labelled=self.right(encoder).each)


Scorer = RightNeighbours | StableNeighbours | FewLabels


def kept_neighbours(
    plain: Float[Tensor, "N D"], views: Float[Tensor, "N V D"], k: int
) -> Float[Tensor, " N"]:
    """The share of its k nearest others that each image keeps among views, see above."""
    own = torch.arange(len(plain))
    before = nearest_others(plain, plain, own, k)
    shares: list[Tensor] = []
    for seen in views.unbind(dim=1):
        after = len(plain) - 1 - nearest_others(seen, seen.flip(0), own.flip(0), k)
        shares.append((before[:, :, None] == after[:, None]).any(dim=2).double().mean(dim=1))
    return torch.stack(shares).mean(dim=0)


def scorer_for(
    source: Source, *, kind: str, seed: int, workers: int, device: torch.device
) -> Scorer | None:
    """What scores encoders of some images: by labels alone where enough of them are known.

    Args:
        source: the images of the run.
        kind: what its items are, such as ``image``.
        seed: the seed of the run.
        workers: threads that read and decode.
        device: where vectors are made.

    Returns:
        None where there are too few images, or unlabelled items that are no images.
    """
    probe = online_probe(source, seed=seed, workers=workers, device=device)
    right = None if probe is None else RightNeighbours(probe)
    enough = probe is not None and len(probe.queries) >= ENOUGH
    if enough or kind != "image" or len(source) < FEWEST:
        return right
    # An image that stands there twice would have itself for a neighbour.
    drawn = seeding.permutation(seed, 0, len(source))[:IMAGES].tolist()
    rows = np.sort([*{source.key(index): index for index in drawn}.values()])
    stable = StableNeighbours(
        images=Subset(source, rows), seed=seed, workers=workers, device=device
    )
    return stable if right is None else FewLabels(stable, right)


def images_embedded(images: int, labelled: int) -> int:
    """How many vectors one score needs, for a plan.

    Args:
        images: the images of the run.
        labelled: how many of them have a label.
    """
    right = min(labelled, GALLERY + QUERIES)
    enough = queries_of(labelled) >= ENOUGH
    return right if enough else right + min(images, IMAGES) * (1 + VIEWS)


def mean(each: Float64[np.ndarray, " N"]) -> float:
    """The mean of what is known; 0 where nothing is."""
    known = each[~np.isnan(each)]
    return float(known.mean()) if len(known) else 0.0


def _known(rank: float) -> float:
    """A rank as a record can hold it; vectors of no measurable length have none."""
    return rank if math.isfinite(rank) else 0.0


@dataclass(frozen=True, slots=True)
class _Vectors:
    """Vectors of a source, one row an item; zeros where there is none, or none that is finite.

    A network that was destroyed may give what no distance can be taken of. It must not end a
    run that is about to be turned back.
    """

    rows: Float[Tensor, "N D"]
    readable: Bool[np.ndarray, " N"]
    finite: Bool[np.ndarray, " N"]

    @staticmethod
    def of(encoder: Encoder, source: Source, where: "Probe | StableNeighbours") -> "_Vectors":
        rows = np.zeros((len(source), encoder.feature_dim), np.float32)
        readable = np.ones(len(source), np.bool_)
        batches = embed_batches(
            encoder, source, device=str(where.device), workers=where.workers
        )
        for batch in batches:
            readable[[entry.index for entry in batch.bad]] = False
            items = np.arange(batch.items.start, batch.items.stop)
            rows[items[readable[items]]] = batch.vectors
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        rows[~finite] = 0.0
        return _Vectors(torch.from_numpy(rows), readable, finite)
