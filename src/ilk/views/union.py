"""Rows of several views mixed with one another. Axes: R rows of all views, C channels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ilk.core import Composition, RowFacts
from ilk.core.seeding import uniforms
from ilk.views.derived import Chance, ViewRows
from ilk.views.mixed import mix_pixels, send
from ilk.views.mixing import Draw, beta_shares


@dataclass(frozen=True, kw_only=True, slots=True)
class UnionMix:
    """Views of labelled and other images, all mixed by Mixup with their shuffled union.

    MixMatch, Berthelot et al., NeurIPS 2019, https://arxiv.org/abs/1905.02249, Eq. 8 to 11 and
    Algorithm 1: each row draws a share from Beta(alpha, alpha), of which the larger part is its
    own, and any other row as its partner, whichever view that is of. So labelled rows are
    mixed with others too.

    Args:
        of: names of the views, of one size and a single image a row.
        alpha: of the distribution of shares.
    """

    of: tuple[str, ...]
    alpha: float = 0.75

    unmixable: ClassVar[str] = "its images are mixed already"

    @property
    def names(self) -> tuple[str, ...]:
        """A mixed view for each."""
        return tuple(f"{name}~" for name in self.of)

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> dict[str, ViewRows]:
        """Mixed rows, of which it is not known where they lie.

        Raises:
            ValueError: a view has not one row for each of its images, or rows of several.
        """
        shown = [views[name] for name in self.of]
        items = [chance.subsets.get(name, chance.items) for name in self.of]
        for name, rows, own in zip(self.of, shown, items, strict=True):
            made = rows.facts.composition.sources.shape[1]
            if len(rows.images) != len(own) or made != 1:
                raise ValueError(
                    f"UnionMix: {name!r} must have {len(own)} rows of one image each, got "
                    f"{len(rows.images)} of {made}"
                )
        draw = self._draw(items, chance)
        images = torch.cat([rows.images for rows in shown])
        pixels, share = mix_pixels(images, draw, view="union")
        sources = torch.cat([rows.facts.composition.sources[:, 0] for rows in shown])
        made_of = Composition.mixed(sources, sources[send(draw.partners, images)], share)
        counts = [len(own) for own in items]
        parts = zip(
            self.names, pixels.split(counts), made_of.sources.split(counts),
            made_of.shares.split(counts), strict=True,
        )  # fmt: skip
        return {name: _rows(*part) for name, *part in parts}

    def _draw(self, items: list[np.ndarray], chance: Chance) -> Draw:
        """Shares by the image and its view; partners by the step."""
        shares = [
            uniforms(chance.seed, chance.epoch, own, f"mix/lambda/{name}", 1)[:, 0]
            for name, own in zip(self.names, items, strict=True)
        ]
        share = beta_shares(np.concatenate(shares), self.alpha)
        rows = np.arange(len(share))
        order = uniforms(chance.seed, chance.step, rows, "mix/union", 1)[:, 0].argsort()
        larger = np.maximum(share, 1 - share)
        return Draw(
            "mixup", larger, rows, order, np.concatenate(items), chance.seed, chance.epoch
        )


def _rows(images: Tensor, sources: Tensor, shares: Tensor) -> ViewRows:
    return ViewRows(images, RowFacts(Composition(sources, shares)))
