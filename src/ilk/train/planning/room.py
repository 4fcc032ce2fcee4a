"""Whether a run fits into memory, and what would."""

import math

from ilk.core import UserError
from ilk.core.counts import size_words
from ilk.train.planning.facts import Facts
from ilk.train.planning.machine import Memory
from ilk.train.planning.measure import Cost
from ilk.train.settings import Settings

SHARE = 0.6  # of all memory, that a run takes at most where its batch was chosen
SPARE = 0.95  # of what is free, that a run takes at most where its batch was named
COPIES = 2  # of the weights: student and teacher
MOVING = 3  # of those that learn: gradients and two moments
WEIGHT_BYTES = 4


def allowed(memory: Memory, *, named: bool) -> float:
    """Bytes that a run may hold; fewer where its batch was not named."""
    most = SPARE * memory.free + memory.held
    return most if named else min(most, SHARE * memory.total)


def check_weights(settings: Settings, facts: Facts, heads: int, memory: Memory) -> None:
    """Refuse a network whose weights alone do not fit, before they are made.

    Args:
        settings: with the backbone decided.
        facts: facts of the backbone: its parameters, and how many of them learn.
        heads: their parameters; of some methods they grow with the data.
        memory: what there is.

    Raises:
        UserError: they do not.
    """
    kept, moving = facts.parameters + heads, facts.learning + heads
    size = WEIGHT_BYTES * (COPIES * kept + MOVING * moving)
    if size > memory.free:
        what = f"{settings.backbone} with the heads of {settings.method}"
        less = (
            "smaller heads, another method or fewer images"
            if heads > facts.parameters
            else "a smaller backbone"
        )
        raise UserError(
            f"memory: weights, gradients and optimiser of {what} need {size_words(size)}, "
            f"but {size_words(memory.free)} are free; take {less}"
        )


def fitting(
    settings: Settings,
    cost: Cost,
    most: float,
    micro: int,
    fits: int,
    *,
    world: int,
    named: bool,
) -> int:
    """A batch over all devices that fits, in place of one that does not.

    Args:
        settings: with the batch that does not fit.
        cost: of a step.
        most: bytes that may be held.
        micro: images of a micro-batch.
        fits: images of a micro-batch that would fit.
        world: number of processes.
        named: whether a person named the batch, which is then refused.

    Raises:
        UserError: the batch was named, or not even two images fit.
    """
    fits = 2 ** int(math.log2(fits)) if fits else 0
    if fits < 2:
        raise UserError(
            f"memory: two images at {settings.image_size} px need "
            f"{size_words(cost.memory_of(2))} with {settings.backbone}, but "
            f"{size_words(most)} may be held; take a smaller backbone or image_size"
        )
    if not named:
        return fits * world * settings.accumulate
    batch = settings.batch_size
    assert batch is not None
    parts = next(
        n
        for n in range(2, batch + 1)
        if batch % (n * world) == 0 and batch // (n * world) <= fits
    )
    raise UserError(
        f"memory: batch_size={batch} of {settings.backbone} at {settings.image_size} px "
        f"needs about {size_words(cost.memory_of(micro))}, but {size_words(most)} may be "
        f"held; batch_size={fits * world} fits, or batch_size={batch} with "
        f"accumulate={parts}, where the loss compares {batch // parts} images with one "
        f"another in place of {batch}"
    )
