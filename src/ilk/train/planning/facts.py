"""What the table of defaults goes by."""

import math
from dataclasses import dataclass

SMALL_NETWORK = 5_000_000  # parameters
LONG_RUN = 20_000  # steps


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of images, machine and run.

    Args:
        images: in the data.
        side: median of their shorter sides, in pixels.
        device: cpu, cuda or mps.
        parameters: parameters of the backbone; 0 before it is known.
        patches: whether the backbone cuts images into patches, as transformers do.
        batch: images of a step; 0 before it is known.
        epochs: epochs of the run; infinite before it is known.
        steps: steps of the run, likewise.
        weights: whether the run begins with a person's own weights.
        tune: what of these learns; None where all of it learns as from random ones.
        learning: parameters of the backbone that learn.
    """

    images: int
    side: float
    device: str
    parameters: int = 0
    patches: bool = False
    batch: int = 0
    epochs: float = math.inf
    steps: float = math.inf
    weights: bool = False
    tune: str | None = None
    learning: int = 0


def small(facts: Facts) -> bool:
    """Whether the network is small."""
    return facts.parameters < SMALL_NETWORK


def short(facts: Facts) -> bool:
    """Whether the network is small or the run short."""
    return small(facts) or facts.steps < LONG_RUN
