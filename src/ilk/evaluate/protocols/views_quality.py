"""The views-quality protocol: what stays the same when an image is looked at otherwise.

Axes: N images, V views of each, D features, k neighbours.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from ilk.core import UserError
from ilk.core.seeding import permutation
from ilk.data import Subset
from ilk.embedding import Looked, alignment, embed, lidar, nearest_others
from ilk.evaluate.protocols.protocol import Measured, Task
from ilk.views import fitted, moco_v2_pair

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
    before = nearest_others(plain, plain, own, k)
    after = nearest_others(views.flatten(0, 1), plain, own.repeat_interleave(views.shape[1]), k)
    after = after.view(len(plain), -1, k)
    kept = (after[..., None] == before[:, None, None]).any(3)
    return kept.double().mean().item()
