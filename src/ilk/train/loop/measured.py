"""The encoder that is kept, whose batch norms measure statistics of their own."""

import contextlib
from collections.abc import Generator

from torch import Tensor, nn

from ilk.networks import with_measured_statistics
from ilk.train.loop.loader import Loader
from ilk.train.loop.profile import no_clock
from ilk.train.loop.trainer import Trainer


def measured_encoder(trainer: Trainer, loader: Loader, most: int) -> nn.Module:
    """A copy of the backbone that is kept, as it is after some training batches.

    A function of weights, data and seed, so that a run that was stopped measures the same.

    Args:
        trainer: whose encoder it is; all processes must ask at once.
        loader: a loader of the run's images, at no other work.
        most: batches, of which an epoch is enough.
    """
    network = trainer.encoder_network().to(trainer.fabric.device)
    steps = min(most, loader.steps_per_epoch)
    return with_measured_statistics(network, _first_views(trainer, loader, steps))


def _first_views(trainer: Trainer, loader: Loader, steps: int) -> Generator[Tensor]:
    """The method's first view in the first steps of a run, as a network reads it."""
    name = trainer.method.views[0].name
    with contextlib.closing(loader.batches(0, steps)) as batches:
        for step, batch in enumerate(batches):
            views, _ = trainer._view_maker(batch, epoch=0, step=step, clock=no_clock)
            yield views[name]
