"""FSDP: parameters, gradients and optimiser state cut into shards, one a process.

Only large backbones need it. A parameter that is cut is a DTensor; everything here also takes
plain tensors and leaves them alone, so that no other part has to know whether a run is sharded.
"""

import copy
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

# Of a backbone, called by themselves.
CALLED = ("forward_features", "forward_head", "forward_intermediates")
SMALLEST_UNIT = 100_000  # parameters; smaller blocks travel with what they are part of


def shard(network: nn.Module, mesh: DeviceMesh) -> None:
    """Cut all parameters of a network in place, block by block.

    A unit is gathered when it is used and let go after it: each part, since heads are also
    called by themselves, and in a part the members of its lists and sequences, which is how
    the blocks of a backbone are kept.

    Args:
        network: backbone and heads, with all parameters it will ever have, contiguous.
        mesh: of all processes, with one axis.
    """
    # No code writes into what a part returns, which is all that the warning asks for.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")
    for part in network.children():
        for unit in _units(part):
            fully_shard(unit, mesh=mesh, reshard_after_forward=True)
        # Set explicitly: it is not the default for what is called first, a teacher's parts.
        fully_shard(part, mesh=mesh, reshard_after_forward=True)
        for name in CALLED:
            if hasattr(part, name):
                register_fsdp_forward_method(part, name)


def whole(tensor: Tensor) -> Tensor:
    """The uncut tensor; all processes must ask at once."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def cut_like(tensor: Tensor, like: Tensor) -> Tensor:
    """An uncut tensor, cut as another one is."""
    if not isinstance(like, DTensor) or isinstance(tensor, DTensor):
        return tensor
    placed = tensor.to(like.device)
    return distribute_tensor(placed, like.device_mesh, like.placements)


class Uncut:
    """A copy of a module that is not cut, for use on one process alone.

    Args:
        module: is copied to the processor's memory, before it is cut.
    """

    def __init__(self, module: nn.Module) -> None:
        self._copy = copy.deepcopy(module).cpu()

    @torch.no_grad()
    def of(self, module: nn.Module) -> nn.Module:
        """The copy, brought up to date; all processes must ask at once."""
        state = {name: whole(tensor) for name, tensor in module.state_dict().items()}
        self._copy.load_state_dict(state)
        return self._copy


def _units(part: nn.Module) -> Iterator[nn.Module]:
    """Blocks, before the blocks that they are part of: the order that ``fully_shard`` needs."""
    for child in part.children():
        yield from _units(child)
        size = sum(parameter.numel() for parameter in child.parameters())
        listed = isinstance(part, nn.ModuleList | nn.Sequential)
        if listed and size >= SMALLEST_UNIT and not isinstance(child, nn.ModuleList):
            yield child
