"""What a method needs, in words for a reader who does not know the code."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ilk.core.counts import count

if TYPE_CHECKING:
    from ilk.method import Method

# By class of memory: how often it occurs and one of them.
_MEMORIES: Mapping[str, Callable[[int, Any], str]] = {
    "Bank": lambda n, _: _several(n, "memory bank"),
    "Centre": lambda n, _: _several(n, "running mean of scores", "running means of scores"),
    "Clusters": lambda n, memory: _clusterings(n, len(memory.centroids)),
    "Covariance": lambda n, _: _several(n, "running covariance"),
    "GivenClasses": lambda n, _: "the class that an earlier stage gave each image",
    "History": lambda n, _: "the last 2 embeddings of each image",
    "LearningStatus": lambda n, _: "the class in which each image was last found",
    "Labels": lambda n, memory: f"pseudo-labels of {len(memory.rarity):,} classes",
    "OnlineClusters": lambda n, memory: _clusterings(n, len(memory.centroids)),
    "Predictions": lambda n, _: "the class probabilities of each image",
    "Queue": lambda n, memory: (
        f"{_several(n, 'queue')} of {len(memory.vectors):,} keys{' each' if n > 1 else ''}"
    ),
    "WhitenedClusters": lambda n, memory: _clusterings(n, len(memory.rarity)),
}


def needs(name: str) -> str:
    """What a method needs for its training; what a mix or kin rule fits.

    Args:
        name: a method, a mix, or a kin rule with ``kin.`` before its name.
    """
    from ilk.cli.matrix import fits
    from ilk.method import refusals
    from ilk.methods import METHODS

    axis = name.removeprefix("kin.")
    if name not in METHODS:
        return "fits " + ", ".join(other for other, row in fits().items() if not row[axis])
    method = _small(name)
    reasons = refusals(method)
    parts = [
        count(len(method.views), "view"),
        *(f"{fact}s" for fact in method.facts),
        _teacher(method),
        *memories(method),
        f"a batch of {method.batch_size:,}",
        f"cannot be mixed: {reasons[0]}" if reasons else "can be mixed",
    ]
    return ", ".join(part for part in parts if part)


def _teacher(method: "Method") -> str:
    from ilk.method import Pretrained

    if method.teacher is None:
        return ""
    return "a trained teacher" if isinstance(method.teacher, Pretrained) else "a teacher"


def memories(method: "Method") -> list[str]:
    """What a method remembers from step to step."""
    kinds = Counter(type(memory).__name__ for memory in method.memory.values())
    one = {type(memory).__name__: memory for memory in method.memory.values()}
    return [_MEMORIES[kind](number, one[kind]) for kind, number in kinds.items()]


def _several(number: int, noun: str, plural: str = "") -> str:
    return f"a {noun}" if number == 1 else count(number, noun, plural)


def _clusterings(number: int, clusters: int) -> str:
    many = count(clusters, "cluster")
    return many if number == 1 else f"{count(number, 'clustering')} of {many}"


@lru_cache
def _small(name: str) -> "Method":
    """The method without a single number in memory: some heads have millions."""
    import torch

    from ilk.method import Given
    from ilk.methods import whole_recipe

    with torch.device("meta"):
        return whole_recipe(name).build(Given(width=8, size=224))
