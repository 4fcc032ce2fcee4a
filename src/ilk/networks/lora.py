"""LoRA: a change of few parameters to the weights of an attention that stay as they are.

Hu et al., ICLR 2022, https://arxiv.org/abs/2106.09685, on queries and values. Axes: O rows of
a weight, one an output, I columns, one an input, R rank.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

Shares = tuple[bool, ...]  # which equal parts of the rows of a weight are changed
FUSED: Shares = (True, False, True)  # queries and values of a matrix for queries, keys, values
WHOLE: Shares = (True,)
SEPARATE = (("q_proj", "v_proj"), ("q", "v"))  # names of matrices of their own


class LowRank(nn.Module):
    """A weight [O, I] plus ``up @ down`` in some of its rows; at first plus nothing.

    The weight itself is changed and not what comes out of it, because several attentions of
    timm read the weight past its module, and because merging then is the same sum. The paper's
    alpha is the rank, so that the product counts as it is.

    Args:
        weight: that is changed.
        shares: see ``Shares``.
        rank: R, at most the shorter side of a share.
    """

    def __init__(self, weight: Float[Tensor, "O I"], shares: Shares, rank: int) -> None:
        super().__init__()
        rows, columns = weight.shape[0] // len(shares), weight.shape[1]
        rank = min(rank, rows, columns)
        self.shares = shares
        self.down = nn.Parameter(weight.new_empty(sum(shares), rank, columns))
        self.up = nn.Parameter(weight.new_zeros(sum(shares), rows, rank))
        for matrix in self.down:
            nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))

    def forward(self, weight: Float[Tensor, "O I"]) -> Float[Tensor, "O I"]:
        """The changed weight, in full precision."""
        plain = (
            nullcontext()
            if weight.is_meta
            else torch.autocast(weight.device.type, enabled=False)
        )
        with plain:
            changes = iter(self.up @ self.down)
            none = self.up.new_zeros(self.up.shape[1], self.down.shape[2])
            return weight + torch.cat([next(changes) if s else none for s in self.shares])


def lora_places(network: nn.Module) -> dict[str, Shares]:
    """Weights of queries and values by name; none where it is not known which rows they are."""
    return {f"{name}.weight": shares for name, shares in _places(network)}


def _places(network: nn.Module) -> Iterator[tuple[str, Shares]]:
    for name, module in network.named_modules():
        fused: Any = getattr(module, "qkv", None)
        if isinstance(fused, nn.Linear) and _one_after_another(module, fused):
            yield f"{name}.qkv", FUSED
        for names in SEPARATE:
            if all(isinstance(getattr(module, part, None), nn.Linear) for part in names):
                yield from ((f"{name}.{part}", WHOLE) for part in names)


def _one_after_another(attention: Any, fused: nn.Linear) -> bool:
    """Whether the rows are all queries, then all keys, then all values, a third each."""
    by_head = getattr(attention, "head_first", False) or hasattr(attention, "val_dim")
    thirds = fused.out_features % 3 == 0 and fused.out_features >= 3 * min(
        fused.in_features, getattr(attention, "attn_dim", fused.in_features)
    )
    return thirds and not by_head and not hasattr(attention, "val_attn_dim")


def add_lora(network: nn.Module, weights: dict[str, Shares], rank: int) -> None:
    """Put a change of low rank on weights, in place; the network computes what it did.

    Args:
        network: whose module of each weight gets parameters ``...weight.0.down`` and ``up``.
        weights: of those that `lora_places` gives.
        rank: R.
    """
    for name, shares in weights.items():
        module = network.get_submodule(name.removesuffix(".weight"))
        change = LowRank(module.get_parameter("weight").detach(), shares, rank)
        parametrize.register_parametrization(module, "weight", change)


def merged(network: nn.Module) -> nn.Module:
    """A plain network that computes the same; the network itself where it is plain already."""
    if not any(isinstance(part, LowRank) for part in network.modules()):
        return network
    plain = copy.deepcopy(network)
    for part in list(plain.modules()):
        if parametrize.is_parametrized(part, "weight"):
            _make_plain(part)
    return plain


def _make_plain(part: Any) -> None:
    """As torch's ``remove_parametrizations``, which spoils all other copies of the module."""
    weight = part.weight.detach().clone()
    part.__class__ = parametrize.type_before_parametrizations(part)
    del part.parametrizations
    part.weight = nn.Parameter(weight)
