"""Which guard a run has, read off its settings."""

from collections.abc import Callable
from pathlib import Path

from ilk.train.guard.guard import Guard
from ilk.train.guard.scores import scorer_for
from ilk.train.length import SCORES
from ilk.train.setup import Setup


def guard_of(setup: Setup, directory: Path, tell: Callable[[str], None]) -> Guard | None:
    """The guard of a run that begins with given weights.

    Args:
        setup: the setup of the run.
        directory: the directory of the run.
        tell: is given why such a run has none, if so.
    """
    settings = setup.settings
    if settings.weights is None:
        return None
    scorer = scorer_for(
        setup.source,
        kind=setup.method.views[0].kind,
        seed=settings.seed,
        workers=setup.workers,
        device=setup.fabric.device,
    )
    if scorer is None:
        tell(
            "guard: the given weights are not scored, because there are too few images, or "
            "they have no labels and are no images; nothing turns the run back"
        )
        return None
    decides = settings.guard != "off"
    steps = setup.length.steps - setup.length.since
    every = max(round(steps / SCORES), 1)
    if settings.guard_every is not None:
        every = max(round(settings.guard_every * setup.length.steps_per_epoch), 1)
    return Guard(setup=setup, directory=directory, scorer=scorer, every=every, decides=decides)
