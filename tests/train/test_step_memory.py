"""What a step holds besides its memories: tables of queries by candidates, hardly a copy."""

import weakref

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ilk.core import similarities
from tests.laws.world import ITEMS, batch, progress, small_method, small_trainer

DIM, BATCH, FLOAT = 256, 8, 4
TABLES = (
    12  # of queries by candidates that live at once: scores, weights, logarithms, gradients
)
# Where the keys of the batch stand beside a memory, rules see both in one piece, a copy.
CASES = {
    "a queue of 65,536": ("moco-v2", {"queue_size": 65_536, "dim": DIM}, ITEMS, 65_536, 1),
    "a bank of 131,072": ("interclr", {"dim": DIM}, 131_072, 131_072, 0),
}


class Peak(TorchDispatchMode):
    """The most bytes that storages made since held at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.most = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        leaves = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        given = {leaf.untyped_storage().data_ptr() for leaf in leaves}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.untyped_storage().data_ptr() not in given:
                self._born(leaf.untyped_storage())
        return out

    def _born(self, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()
        self.live += size
        self.most = max(self.most, self.live)
        weakref.finalize(storage, self._died, size)

    def _died(self, size: int) -> None:
        self.live -= size


@pytest.mark.parametrize("name", CASES)
def test_a_step_holds_tables_of_queries_by_candidates_and_hardly_a_copy(name: str):
    method_name, options, items, rows, copies = CASES[name]
    torch.manual_seed(1)
    method = small_method(method_name, items=items, **options)
    trainer = small_trainer(Fabric(accelerator="cpu", devices=1), method)
    with Peak() as peak:
        trainer.take_step([batch(method.views, 1, size=BATCH)], progress(1))
    table = BATCH * rows * FLOAT
    assert table < peak.most <= copies * rows * DIM * FLOAT + TABLES * table


def test_cosines_with_a_memory_copy_none_of_it():
    memory = torch.randn(4096, DIM)
    queries = torch.randn(BATCH, DIM, requires_grad=True)
    with Peak() as peak:
        similarities(queries, (memory,)).sum().backward()
    assert peak.most < 5 * BATCH * len(memory) * FLOAT < memory.nbytes


def test_a_copy_would_be_seen():
    memory = torch.randn(4096, DIM)
    with Peak() as peak:
        kept = memory.clone()
        memory.clone()
    assert peak.most == 2 * kept.nbytes
    assert peak.live == kept.nbytes
