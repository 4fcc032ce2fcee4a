"""Memories take the room their arithmetic says, and reading and writing copy none of it."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ilk.core import Composition, Rows
from ilk.kin import CommonSource
from ilk.memory import Bank, Queue
from tests.kin.context import FakeLook

DIM, BATCH = 256, 16


class Made(TorchDispatchMode):
    """Counts the bytes of every storage that an operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = {_place(leaf) for leaf in tree_leaves((args, kwargs)) if _is(leaf)}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if _is(leaf) and _place(leaf) not in given:
                self.sizes.append(leaf.untyped_storage().nbytes())
        return out


def _is(leaf: object) -> bool:
    return isinstance(leaf, Tensor)


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def taken(memory: nn.Module) -> int:
    """Bytes of all storages behind the buffers, each counted once."""
    found = {_place(part): part.untyped_storage().nbytes() for part in memory.buffers()}
    return sum(found.values())


def rows(chance: torch.Generator) -> Rows:
    vectors = torch.randn(BATCH, DIM, generator=chance)
    return Rows(vectors, Composition.plain(torch.arange(BATCH)), torch.arange(BATCH))


MEMORIES = {
    "queue": (lambda: Queue(65_536, DIM), 65_536),
    "bank": (lambda: Bank(131_072, DIM), 131_072),
}


@pytest.mark.parametrize("name", MEMORIES)
def test_a_memory_takes_its_arithmetic_size_and_reading_and_writing_copy_none_of_it(name: str):
    build, count = MEMORIES[name]
    memory, chance = build(), torch.Generator().manual_seed(0)
    size = count * DIM * 4 + count * 8  # float32 vectors and an item's number
    assert size <= taken(memory) <= size + 64
    places = [_place(part) for part in memory.buffers()]
    for _ in range(3):
        new = rows(chance)
        with Made() as made:
            past = memory.rows()
            memory.remember(new)
        assert max(made.sizes) <= max(BATCH * DIM * 4, count * 8)  # new rows, or an index
        assert _place(past.vectors) == places[0]
        assert [_place(part) for part in memory.buffers()] == places
        assert taken(memory) <= size + 64


@pytest.mark.parametrize("name", MEMORIES)
def test_kin_by_source_makes_nothing_larger_than_a_block_of_overlaps(name: str):
    build, count = MEMORIES[name]
    memory, chance = build(), torch.Generator().manual_seed(0)
    with Made() as made, torch.no_grad():
        CommonSource()(rows(chance), memory.rows(), FakeLook())
    assert max(made.sizes) <= BATCH * count * 8


def test_a_copy_would_be_seen():
    memory = Queue(1024, DIM)
    with Made() as made:
        memory.vectors.clone()
    assert max(made.sizes) == 1024 * DIM * 4
