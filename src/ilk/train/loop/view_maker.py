"""From a batch to what networks read: normalised, derived, laid out, on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from ilk.core import Composition, RowFacts
from ilk.method import Method
from ilk.train.loop.loader import Batch
from ilk.train.loop.profile import Clock
from ilk.views import Chance, ViewRows, derive, normalise

Views = dict[str, Tensor]
Facts = dict[str, RowFacts]


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewMaker:
    """Makes the views of a step, and those that are derived from them.

    Args:
        method: whose views.
        wanted: views that a network will see; no others are derived.
        device: where they go.
        layout: of images in memory.
        statistics: mean and standard deviation of each channel, for pixels in [0, 1].
        seed: of the run.
    """

    method: Method
    wanted: frozenset[str]
    device: torch.device
    layout: torch.memory_format
    statistics: tuple[Sequence[float], Sequence[float]]
    seed: int

    def __call__(
        self, batch: Batch, *, epoch: int, step: int, clock: Clock
    ) -> tuple[Views, Facts]:
        """All views of the batch and the wanted ones derived from them, with what is known.

        Args:
            batch: pixels of 0 to 255.
            epoch: of the run.
            step: of the run.
            clock: measures the parts.
        """
        with clock("normalise"):
            views = {
                name: normalise(pixels.to(self.device, non_blocking=True), *self.statistics)
                for name, pixels in batch.views.items()
            }
        whole, places = self._made_of(batch.items), self._places(batch)
        tasks = {
            name: torch.from_numpy(done).to(self.device, non_blocking=True)
            for name, done in batch.tasks.items()
        }
        made_of = {name: self._made_of(items) for name, items in batch.subsets.items()}
        rows = {
            name: ViewRows(
                images,
                RowFacts(
                    made_of.get(name, whole), task=tasks.get(name), place=places.get(name)
                ),
                self.statistics,
            )
            for name, images in views.items()
        }
        if self.method.derived:
            chance = Chance(
                batch.items, epoch=epoch, step=step, seed=self.seed, subsets=batch.subsets
            )
            with clock("mixing"):
                rows = derive(self.method.derived, rows, self.wanted, chance)
        with clock("normalise"):  # pixels are mixed where that is fastest, then laid out
            laid_out = {name: self._laid_out(made.images) for name, made in rows.items()}
        return laid_out, {name: made.facts for name, made in rows.items()}

    def _made_of(self, items: Int[np.ndarray, " b"]) -> Composition:
        return Composition.plain(torch.from_numpy(items).to(self.device, non_blocking=True))

    def _places(self, batch: Batch) -> dict[str, Tensor]:
        return {
            name: edges.to(self.device, non_blocking=True)
            for name, edges in batch.places.items()
        }

    def _laid_out(self, images: Tensor) -> Tensor:
        return images.contiguous(memory_format=self.layout) if images.ndim == 4 else images
