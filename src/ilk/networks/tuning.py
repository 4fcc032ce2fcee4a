"""Which weights of a given backbone learn, how fast, and from when."""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from ilk.core import UserError
from ilk.networks.lora import LowRank, add_lora, lora_places

Parts = Literal["lora", "last", "norms", "full"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuning:
    """How a backbone with given weights is continued; heads always learn.

    The defaults of ``rank`` and ``blocks`` are those of ExPLoRA, Khanna et al., ICML 2025,
    https://arxiv.org/abs/2406.10973.

    Args:
        parts: what learns. ``full``: everything. ``last``: the last blocks, and every norm.
            ``norms``: the weights and biases of every norm. ``lora``: the same as ``last``, and
            a change of low rank to queries and values of all other blocks.
        rank: of that change.
        blocks: how many blocks are the last ones.
        rate: share of the learning rate by which the backbone learns, in (0, 1]; heads learn by
            all of it.
        layer_decay: factor on the rate from each layer to the one below, in (0, 1].
        head_steps: steps in which the heads learn alone, on the backbone as it was given; its
            rate then grows over as many steps.

    Raises:
        UserError: a number is not in its range.
    """

    parts: Parts
    rank: int = 64
    blocks: int = 1
    rate: float = 1.0
    layer_decay: float = 1.0
    head_steps: int = 0

    def __post_init__(self) -> None:
        for name, least in (("rank", 1), ("blocks", 0 if self.parts == "lora" else 1),
                            ("head_steps", 0)):  # fmt: skip
            if getattr(self, name) < least:
                raise UserError(
                    f"tune: {name} must be {least} or more, got {getattr(self, name)}"
                )
        for name in ("rate", "layer_decay"):
            if not 0 < getattr(self, name) <= 1:
                raise UserError(
                    f"tune: {name} must be above 0 and at most 1, got {getattr(self, name)}"
                )


def tune(backbone: nn.Module, tuning: Tuning) -> None:
    """Freeze what is not to learn, and add LoRA where it is asked for, in place.

    What the backbone computes does not change.

    Raises:
        UserError: the backbone has no such parts.
    """
    if tuning.parts == "full":
        return
    learning = norms(backbone)
    if tuning.parts != "norms":
        learning |= last_blocks(backbone, tuning.blocks)
    for name, parameter in backbone.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and name in learning)
    if tuning.parts == "lora":
        places = lora_places(backbone)
        if not places:
            raise UserError(
                "tune: lora changes the queries and values of attention, and must have a "
                'backbone with some, got one without; give tune="last"'
            )
        below = {name: shares for name, shares in places.items() if name not in learning}
        if not below:
            raise UserError(
                f"tune: lora must have attention below the last {tuning.blocks} blocks, which "
                f'learn whole, got none; give fewer blocks, or tune="last"'
            )
        add_lora(backbone, below, tuning.rank)


def possible_parts(backbone: nn.Module) -> set[Parts]:
    """What can be tuned of a network that is not tuned yet."""
    out: set[Parts] = {"full"}
    if norms(backbone):
        out.add("norms")
    if len(_blocks(backbone)) > 1:
        out.add("last")
        if set(lora_places(backbone)) - last_blocks(backbone, 1):
            out.add("lora")
    return out


def layers(backbone: nn.Module) -> dict[str, int]:
    """The layer of each parameter, counted from the input; all 0 where they are not known."""
    from timm.models import group_parameters

    known: Any = getattr(backbone, "group_matcher", None)
    if known is None:
        return {name: 0 for name, _ in backbone.named_parameters()}
    return group_parameters(backbone, known(coarse=False), reverse=True)


def last_blocks(backbone: nn.Module, count: int) -> set[str]:
    """Parameters of the last blocks and of what follows them.

    A block is a layer with a matrix in it, such as one of a transformer or a residual one.

    Raises:
        UserError: there are not so many blocks and one below them.
    """
    blocks = _blocks(backbone)
    if count >= len(blocks):
        raise UserError(
            f"tune: blocks must be fewer than the {len(blocks)} layers of the backbone, got "
            f'{count}; give tune="norms" or tune="full" where it has no layers'
        )
    first = blocks[len(blocks) - count] if count else math.inf
    return {name for name, layer in layers(backbone).items() if layer >= first}


def _blocks(backbone: nn.Module) -> list[int]:
    """Layers with a matrix in them, from the input."""
    found, parameters = layers(backbone), dict(backbone.named_parameters())
    return sorted({layer for name, layer in found.items() if parameters[name].ndim > 1})


def norms(backbone: nn.Module) -> set[str]:
    """Weights and biases of norms: timm has a dozen, with nothing but their name in common."""
    return {
        f"{place}.{name}" if place else name
        for place, module in backbone.named_modules()
        if re.search("norm", type(module).__name__, re.IGNORECASE)
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim == 1
    }


def rates(backbone: nn.Module, tuning: Tuning) -> dict[str, float]:
    """The share of the learning rate by which each parameter learns that is not frozen."""
    found = layers(backbone)
    top = max(found.values())
    return {
        name: tuning.rate * tuning.layer_decay ** (top - found[name])
        for name, parameter in backbone.named_parameters()
        if parameter.requires_grad
    }


def set_modes(backbone: nn.Module, tuning: Tuning, *, resting: bool) -> None:
    """Training or evaluation mode for each part.

    Statistics of frozen parts stay: batch norms outside of what learns whole normalise by the
    statistics that they came with, though their weights and biases may learn. A backbone that
    rests is in evaluation mode altogether.

    Args:
        backbone: of a student, or a teacher that follows it.
        tuning: of the student.
        resting: whether nothing of it learns now.
    """
    backbone.train(not resting)
    if tuning.parts == "full":
        return
    whole = last_blocks(backbone, tuning.blocks) if tuning.parts != "norms" else set[str]()
    for place, module in backbone.named_modules():
        own = {f"{place}.{name}" for name, _ in module.named_parameters(recurse=False)}
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not own & whole:
            module.eval()


def parts_in_words(backbone: nn.Module, tuning: Tuning) -> dict[str, Any]:
    """How many parameters learn and which, as JSON values for a record."""
    learning = [p.numel() for p in backbone.parameters() if p.requires_grad]
    added = [
        p for part in backbone.modules() if isinstance(part, LowRank) for p in part.parameters()
    ]
    return {
        "parts": tuning.parts,
        "parameters": sum(learning),
        "of": sum(p.numel() for p in backbone.parameters()) - sum(p.numel() for p in added),
        "words": in_words(tuning),
    }


def in_words(tuning: Tuning) -> str:
    """What learns."""
    return _WORDS[tuning.parts].format(rank=tuning.rank, blocks=_last(tuning.blocks))


_WORDS = {
    "full": "everything",
    "last": "{blocks}, and every norm",
    "norms": "every norm",
    "lora": "LoRA of rank {rank} on queries and values, {blocks}, and every norm",
}


def _last(count: int) -> str:
    words = {0: "no block", 1: "the last block"}
    return words.get(count, f"the last {count} blocks")
