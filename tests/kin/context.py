"""A step that exists on paper only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ilk.core import UNKNOWN, Composition, Kin, Output, Progress, Rows


@dataclass
class FakeLook:
    """What kin rules may look at, given outright."""

    outputs: Mapping[Output, Rows] = field(default_factory=dict)
    memories: Mapping[str, nn.Module] = field(default_factory=dict)
    prototypes: Tensor | None = None
    progress: Progress = field(default_factory=lambda: Progress(0, 100, 10.0))
    labels: Tensor = field(default_factory=lambda: torch.full((1,), UNKNOWN))
    seed: int = 0
    images: Mapping[str, Tensor] = field(default_factory=dict)

    def pixels(self, view: str) -> Tensor:
        return self.images[view]

    def fact(self, name: str) -> Tensor:
        assert name == "label"
        return self.labels

    def rows(self, output: Output) -> Rows:
        return self.outputs[output]

    def joined(self, output: Output) -> Rows:
        return self.outputs[output]

    def memory(self, name: str) -> nn.Module:
        return self.memories[name]

    def scores(self, head: str, vectors: Tensor) -> Tensor:
        assert head == "prototypes"
        assert self.prototypes is not None
        return vectors @ self.prototypes.T.to(vectors)

    def once(self, rule, queries, candidates, decide) -> Kin:
        return decide()


def plain(vectors, items=None, first_slot=0) -> Rows:
    """Rows of images that are made of one item each."""
    vectors = torch.as_tensor(vectors)
    items = torch.arange(len(vectors)) if items is None else torch.as_tensor(items)
    return Rows(vectors, Composition.plain(items), first_slot + torch.arange(len(vectors)))


def mixed_rows(vectors, share, first_slot=0) -> Rows:
    """Rows of images mixed with their mirror."""
    items = torch.arange(len(vectors))
    composition = Composition.mixed(items, items.flip(0), torch.as_tensor(share))
    return Rows(vectors, composition, first_slot + items)


def joined(*parts: Rows) -> Rows:
    return Rows(
        torch.cat([part.vectors for part in parts]),
        Composition.cat([part.composition for part in parts]),
        torch.cat([part.slots for part in parts]),
    )


def stale(vectors, items=None) -> Rows:
    """Rows of a memory."""
    count = len(vectors)
    composition = (
        Composition.unknown(count, torch.device("cpu"))
        if items is None
        else Composition.plain(torch.as_tensor(items))
    )
    return Rows(torch.as_tensor(vectors), composition, torch.full((count,), -1))
