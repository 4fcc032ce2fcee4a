"""Views moved to where a network changes its answer. Axes: R rows, C channels, K classes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ilk.core import Output, full
from ilk.core.seeding import uniforms
from ilk.views.derived import Chance, ViewRows

Ask = Callable[[Tensor], Tensor]  # from rows to their scores over classes


@dataclass(frozen=True, kw_only=True, slots=True)
class AdversarialView:
    """Each row of a view, moved by a small step in the direction that changes its scores most.

    Virtual adversarial training, Miyato et al., TPAMI 2018, https://arxiv.org/abs/1704.03976,
    Eq. 5 to 11. What is drawn for a row before any network has seen it is a random unit
    direction d. Each iteration replaces it by the direction of the gradient of
    ``KL(p(x) || p(x + probe d))`` with respect to d, one pass of the power method for the
    largest eigenvector of the divergence's Hessian. The view is ``x + radius d``. No gradient
    flows through the search.

    Args:
        name: of the view.
        by: scores of the student over classes, in the view that is moved; what the moved row is
            compared with.
        radius: epsilon, the length of the step: of the whole row, in units of what a network
            reads.
        probe: xi, how far the network is asked from the row. So small a difference as the
            authors' 1e-6 is lost in float32, where it vanishes beside a pixel.
        iterations: of the power method.
    """

    name: str
    by: Output
    radius: float
    probe: float = 1.0
    iterations: int = 1

    unmixable: ClassVar[str] = (
        "its adversarial rows are moved by the network, which is after images are mixed"
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The one view."""
        return (self.name,)

    @property
    def of(self) -> tuple[str, ...]:
        """The one view that is moved."""
        return (self.by.view,)

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> dict[str, ViewRows]:
        """Directions to begin with, unit vectors; ``worst`` makes the view of them.

        Raises:
            ValueError: a block has not one row for each image of the batch.
        """
        shown = views[self.by.view]
        blocks, count = shown.facts.blocks, len(chance.items)
        if len(shown.images) != blocks * count:
            raise ValueError(
                f"AdversarialView {self.name!r}: {self.by.view!r} must have {blocks * count} "
                f"rows, got {len(shown.images)}"
            )
        shape, keys = shown.images.shape[1:], self._keys(chance, blocks)
        drawn = torch.stack(
            [torch.randn(shape, generator=torch.Generator().manual_seed(key)) for key in keys]
        )
        directions = unit(drawn).to(shown.images, non_blocking=True)
        return {self.name: ViewRows(directions, shown.facts)}

    def _keys(self, chance: Chance, blocks: int) -> list[int]:
        """A seed for each row: of its image, its block and the step."""
        drawn = [
            uniforms(chance.seed, chance.step, chance.items, f"view/{self.name}/{block}", 1)
            for block in range(blocks)
        ]
        return (np.concatenate(drawn)[:, 0] * 2**53).astype(np.int64).tolist()

    def worst(
        self,
        images: Float[Tensor, "R C *axes"],
        directions: Float[Tensor, "R C *axes"],
        scores: Float[Tensor, "R K"],
        ask: Ask,
    ) -> Float[Tensor, "R C *axes"]:
        """The moved rows; the search is in single precision or better.

        Args:
            images: rows of the view that is moved.
            directions: unit vectors to begin with.
            scores: of the images. Where the network computes in half precision, they are asked
                for once more: a difference of two rounded answers has no direction.
            ask: scores of any rows, by the same network with the same chance.
        """
        kind = images.device.type
        rounded = torch.is_autocast_enabled(kind)
        images, directions = full(images), full(directions)  # they may come rounded, too
        with torch.autocast(kind, enabled=False):
            if rounded:
                with torch.no_grad():
                    scores = ask(images)
            target = full(scores.detach()).softmax(dim=1)
            for _ in range(self.iterations):
                directions = self._turned(images, directions, target, ask)
        return images + self.radius * directions

    @torch.enable_grad()
    def _turned(
        self, images: Tensor, directions: Tensor, target: Float[Tensor, "R K"], ask: Ask
    ) -> Tensor:
        """One iteration; the divergence has the gradient of the cross-entropy."""
        directions = directions.detach().requires_grad_()
        logs = full(ask(images + self.probe * directions)).log_softmax(dim=1)
        (grad,) = torch.autograd.grad(-(target * logs).sum(), directions)
        return unit(grad)


def unit(rows: Float[Tensor, "R ..."]) -> Float[Tensor, "R ..."]:
    """Rows of length one over all their axes; rows of zeros stay.

    Small rows are scaled by their largest entry first, whose square a float cannot hold.
    """
    axes = tuple(range(1, rows.ndim))
    least = torch.finfo(rows.dtype).tiny
    rows = rows / rows.abs().amax(dim=axes, keepdim=True).clamp(min=least)
    length = torch.linalg.vector_norm(rows, dim=axes, keepdim=True)
    return rows / torch.where(length > 0, length, torch.ones_like(length))
