"""Memories before and after a step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import nn

from ilk.core import Progress, Rows
from ilk.core.facts import Fact
from ilk.core.kinds import require_kind
from ilk.method import Method
from ilk.train.loop.joining import concatenated
from ilk.train.loop.step import Step


@runtime_checkable
class _Memory(Protocol):
    def remember(self, rows: Rows) -> None: ...


@runtime_checkable
class _FromData(Protocol):
    """A memory that keeps what the data say of items."""

    fact: str

    def read(self, known: Fact) -> None: ...


@runtime_checkable
class _Refreshing(Protocol):
    """A memory that is put in order at times, such as by clustering."""

    def refresh(
        self, memories: Mapping[str, nn.Module], progress: Progress, seed: int
    ) -> None: ...


def fill(memory: nn.ModuleDict, known: Callable[[str], Fact]) -> None:
    """Let those memories be filled that keep what the data say.

    Args:
        memory: the memories of the method, by name.
        known: a fact of the data by its name.
    """
    for part in memory.values():
        if isinstance(part, _FromData):
            part.read(known(part.fact))


def refresh(memory: nn.ModuleDict, progress: Progress, seed: int) -> None:
    """Let those memories be put in order that ask for it.

    Args:
        memory: the memories of the method, by name.
        progress: before the step.
        seed: the seed of the run.
    """
    memories = dict(memory.items())
    for part in memories.values():
        if isinstance(part, _Refreshing):
            part.refresh(memories, progress, seed)


def to_remember(method: Method, memory: nn.ModuleDict, context: Step) -> list[Rows]:
    """What the method says is to be remembered of a micro-batch, for each of its entries.

    Args:
        method: whose step it is.
        memory: the memories of the method, by name.
        context: the outputs of the micro-batch.
    """
    own = [getattr(memory[entry.memory], "own_rows", False) for entry in method.remember]
    return [
        context.own_rows(entry.outputs) if alone else context.joined_rows(entry.outputs)
        for entry, alone in zip(method.remember, own, strict=True)
    ]


def remember(method: Method, memory: nn.ModuleDict, found: Sequence[Sequence[Rows]]) -> None:
    """Write into memories what the method says, once in a step.

    Args:
        method: whose step it was.
        memory: the memories of the method, by name.
        found: by ``to_remember``, of each micro-batch.
    """
    for entry, parts in zip(method.remember, zip(*found, strict=True), strict=True):
        part = require_kind(memory[entry.memory], _Memory, f"memory {entry.memory}")
        part.remember(concatenated(list(parts)))
