"""The views-quality protocol: what stays the same when an image is looked at otherwise.

Axes: N images, V views of each, D features, k neighbours.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from ilk.core import UserError
from ilk.core.seeding import permutation
from ilk.data import Source, Subset, decode, read_item
from ilk.data.source import digest
from ilk.embedding import embed, nearest
from ilk.evaluate.protocols.protocol import Measured, Task
from ilk.views import ImageView, fitted, moco_v2_pair

EPSILON = 1e-7  # of a share, as in RankMe
MEASURES = ("LiDAR", "alignment", "neighbourhood stability")


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewsQuality:
    """LiDAR, alignment and the stability of neighbours, over several views of test images.

    Views are those of MoCo v2, without the blur at 64 pixels or less. No label is looked at.
    The papers of LiDAR and alignment measure behind a projector; here it is the features
    themselves that are measured, as in every protocol.

    Args:
        images: that are looked at, drawn where there are more.
        views: of each, two at least.
        least_area: smallest share of an image that a view shows.
        neighbours: k, among the other images as they are.
        delta: added to the variance within images, see ``lidar``.
    """

    images: int
    views: int
    least_area: float
    neighbours: int
    delta: float

    def measure(self, task: Task) -> Measured:
        """Look at some test images several times each."""
        count = len(task.test)
        if count < 2:
            raise UserError("evaluate: views-quality needs two test images or more, got one")
        rows = np.sort(permutation(task.seed, 0, count)[: self.images])
        views = self._views(task, rows)
        plain = task.test.vectors[torch.from_numpy(rows)].to(views.device)
        k = min(self.neighbours, len(rows) - 1)
        found = (lidar(views, self.delta), alignment(views), stability(plain, views, k))
        return Measured(
            metric=MEASURES[0],
            value=found[0],
            unit="",
            interval=None,
            interval_kind="none: a resample has another rank than the set",
            selected={},
            selected_on="nothing: there is nothing to choose",
            scores=None,
            details={"images": len(rows), **dict(zip(MEASURES[1:], found[1:], strict=True))},
        )

    def _views(self, task: Task, rows: Int64[np.ndarray, " N"]) -> Float32[Tensor, "N V D"]:
        images = task.images
        assert images is not None
        view = moco_v2_pair(images.encoder.image_size, self.least_area)[0]
        source = Looked(
            source=Subset(images.test, rows), view=fitted((view,))[0], views=self.views,
            channels=images.encoder.channels, seed=task.seed,
        )  # fmt: skip
        found = embed(
            images.encoder, source, batch_size=images.batch_size, device=images.device,
            workers=images.workers, progress=task.tell,
        )  # fmt: skip
        if found.bad:
            raise UserError(
                f"evaluate: {found.bad[0].key} must stay readable while it is measured, got"
                f" '{found.bad[0].reason}'; evaluate again"
            )
        return torch.from_numpy(found.vectors).view(len(rows), self.views, -1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """Views of the items of a source, all of one item after another, as items of their own.

    Args:
        source: of images.
        view: a square, which an encoder for this size takes as it is.
        views: of each item.
        channels: of the pixels.
        seed: of the views.
    """

    source: Source
    view: ImageView
    views: int
    channels: int
    seed: int

    @property
    def name(self) -> str:
        """Of the source."""
        return self.source.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the source."""
        return self.source.classes

    @property
    def fingerprint(self) -> str:
        """Of the source, and how it is looked at."""
        how = f"{self.view} {self.views} {self.channels} {self.seed}"
        return digest([self.source.fingerprint.encode(), how.encode()])

    def __len__(self) -> int:
        """All views of all items."""
        return len(self.source) * self.views

    def item(self, index: int) -> UInt8[np.ndarray, "S S C"]:
        """The pixels of a view.

        Raises:
            BadItem: the image cannot be read.
        """
        place, number = divmod(index, self.views)
        image = decode(read_item(self.source, place), channels=self.channels)
        view = replace(self.view, name=f"{self.view.name}{number}")
        (pixels,) = view.render([image], np.array([place]), 0, self.seed)
        return pixels.permute(1, 2, 0).contiguous().numpy()

    def label(self, index: int) -> int:
        """Of the image."""
        return self.source.label(index // self.views)

    def key(self, index: int) -> str:
        """Of the image, and the number of the view."""
        return f"{self.source.key(index // self.views)} view {index % self.views}"


def lidar(vectors: Float32[Tensor, "N V D"], delta: float) -> float:
    r"""Effective rank of between-image over within-image variance.

    Thilak et al., ICLR 2024, https://arxiv.org/abs/2312.04000, section 4: as RankMe, of the
    eigenvalues of $\Sigma_w^{-1/2} \Sigma_b \Sigma_w^{-1/2}$, where each image is a class and
    its views are the items.

    Args:
        vectors: of several views of each image.
        delta: positive; added to the diagonal of the variance within.

    Returns:
        From about 1 to min(N - 1, D); 0 where all images are equal.
    """
    rows = vectors.double()
    centres = rows.mean(1)
    apart = centres - centres.mean(0)
    inside = (rows - centres[:, None]).flatten(0, 1)
    between = apart.T @ apart / len(apart)
    within = inside.T @ inside / len(inside)
    within = within + delta * torch.eye(len(within), dtype=within.dtype, device=within.device)
    root = torch.linalg.cholesky(within)
    half = torch.linalg.solve_triangular(root, between, upper=False)
    whitened = torch.linalg.solve_triangular(root, half.T, upper=False)
    values = torch.linalg.eigvalsh(whitened).clamp_min(0)
    total = values.sum()
    if total.item() == 0:
        return 0.0
    shares = values / total + EPSILON
    return math.exp(-(shares * shares.log()).sum().item())


def alignment(vectors: Float32[Tensor, "N V D"]) -> float:
    """Mean squared distance of two views of an image, on the unit sphere; 0 is best.

    Wang and Isola, ICML 2020, https://arxiv.org/abs/2005.10242, Eq. 5 with alpha = 2.
    """
    rows = F.normalize(vectors.double(), dim=2)
    views = rows.shape[1]
    spread = (rows - rows.mean(1, keepdim=True)).square().sum(2).mean()
    return (2 * views / (views - 1) * spread).item()


def stability(plain: Float32[Tensor, "N D"], views: Float32[Tensor, "N V D"], k: int) -> float:
    """Share of the k nearest other images that an image keeps when it is looked at otherwise.

    Args:
        plain: each image as it is; neighbours are looked for among these, by cosine.
        views: of the same images.
        k: below N.

    Returns:
        From about k / (N - 1), by chance, to 1.
    """
    own = torch.arange(len(plain), device=plain.device)
    before = _others(plain, plain, own, k)
    after = _others(views.flatten(0, 1), plain, own.repeat_interleave(views.shape[1]), k)
    after = after.view(len(plain), -1, k)
    kept = (after[..., None] == before[:, None, None]).any(3)
    return kept.double().mean().item()


def _others(
    queries: Float32[Tensor, "Q D"],
    gallery: Float32[Tensor, "N D"],
    own: Int64[Tensor, " Q"],
    k: int,
) -> Int64[Tensor, "Q k"]:
    """The k nearest of the gallery but for each query's own row."""
    places, _ = nearest(queries, gallery, k + 1)
    columns = (places == own[:, None]).int().argsort(dim=1, stable=True)[:, :k]
    return places.gather(1, columns)
