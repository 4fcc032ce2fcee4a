"""From a batch to what networks read: normalised, mixed, laid out, on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ilk.core import Composition, seeding
from ilk.method import Method, is_mixed
from ilk.train.loop.loader import Batch
from ilk.train.loop.profile import Clock
from ilk.views import mix, normalise

Views = dict[str, Tensor]
Compositions = dict[str, Composition]


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewMaker:
    """Makes the clean and the mixed views of a step.

    Args:
        method: whose views.
        wanted: views that a network will see; mixes are made of no others.
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
    ) -> tuple[Views, Compositions]:
        """All views of the batch and the wanted mixes of them, with what they are made of.

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
        if self.method.swap and seeding.uniform(self.seed, step, "swap") < 0.5:
            a, b = self.method.swap
            views[a], views[b] = views[b], views[a]
        items = torch.from_numpy(batch.items).to(self.device, non_blocking=True)
        compositions = {name: Composition.plain(items) for name in views}
        if self.method.mixing is not None:
            with clock("mixing"):
                for view in sorted(filter(is_mixed, self.wanted)):
                    draw = self.method.mixing.draw(
                        batch.items, epoch=epoch, step=step, seed=self.seed, view=view
                    )
                    made = mix(views[view.removesuffix("~")], draw, view=view)
                    views[view], compositions[view] = made.images, made.composition
        with clock("normalise"):  # pixels are mixed where that is fastest, then laid out
            laid_out = {name: self._laid_out(images) for name, images in views.items()}
        return laid_out, compositions

    def _laid_out(self, images: Tensor) -> Tensor:
        return images.contiguous(memory_format=self.layout) if images.ndim == 4 else images
