"""Weights from elsewhere put into a network, and all that was not put there named."""

import math
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ilk.core import UserError, shown
from ilk.networks.given import GivenWeights
from ilk.networks.weights import check_finite, check_floating

ENOUGH = 0.9  # of a network's numbers that must be found, and of those given that must be used
SHOWN = 8  # names in a line of words
DEEPEST = 5  # parts of a prefix
# Copies that follow or are followed, where a file has two networks of the same names.
COPIES = {"encoder_k", "momentum_encoder", "target", "target_encoder", "target_network",
          "key_encoder", "student"}  # fmt: skip
# Parts behind the features, by how their names begin: classifiers, and what training added.
HEADS = re.compile(
    r"_?(fc|head|heads|head_dist|classifiers?|last_linear|logits|output|pre_logits|projector|"
    r"projection_head|predictor|prediction_head|prototypes|mlp_head|queue|mask_token|"
    r"decoder\w*)(\.|$)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """What became of weights that were given.

    Args:
        notes: what was chosen and changed, in words.
        heads: names of tensors behind the features, which were left out.
        unused: names of all other tensors that were left out.
        missing: names of the network's weights that were not found and stay random.
    """

    notes: tuple[str, ...]
    heads: tuple[str, ...]
    unused: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def words(self) -> str:
        """All of it in one line; empty when everything fitted as it was."""
        parts = list(self.notes)
        for names, text in (
            (self.heads, "left out what lies behind the features: "),
            (self.unused, "not used: "),
            (self.missing, "not found, stays random: "),
        ):
            if names:
                parts.append(text + _few(names))
        return "; ".join(parts)


@torch.no_grad()
def fit(network: nn.Module, given: GivenWeights) -> Fitted:
    """Put weights into a network, fitting positions and the first convolution to it.

    Names need not agree from the start: the prefix is taken off under which most names are the
    network's, then timm's own rules for the family are tried (positions of another grid, other
    programs' names), then the order of the tensors where every shape and kind agrees. A first
    convolution of other channels is summed or repeated as timm does.

    Args:
        network: built for the images that it will see; changed in place.
        given: the weights.

    Raises:
        UserError: too little of either fits the other, a shape differs, or a weight is a whole
            number or not finite. The network is as it was then.
    """
    wanted = network.state_dict()
    state, notes, beside = _named_like(network, wanted, given)
    state = _with_channels(network, wanted, state, notes)
    own = {name for name, _ in network.named_parameters()}
    used = {n: t for n, t in state.items() if n in wanted and t.shape == wanted[n].shape}
    apart = [n for n in wanted if n in state and n not in used and n in own]
    left = [n for n in state if n not in wanted]
    fitted = Fitted(
        notes=tuple(notes),
        heads=tuple(n for n in left if HEADS.match(n)),
        unused=(*(n for n in left if not HEADS.match(n)), *beside),
        missing=tuple(
            n for n in wanted if n not in used and not n.endswith("num_batches_tracked")
        ),
    )
    _check_enough(given, wanted, state, used, apart)
    check_floating(used, wanted, f"weights: {given.where}")
    check_finite(used, f"weights: {given.where}")
    network.load_state_dict({n: t.to(wanted[n].dtype) for n, t in used.items()}, strict=False)
    return fitted


def _named_like(
    network: nn.Module, wanted: Mapping[str, Tensor], given: GivenWeights
) -> tuple[dict[str, Tensor], list[str], list[str]]:
    """The tensors under the network's names; words on how; names that lie beside them."""
    clean = {name.replace("_orig_mod.", ""): t for name, t in given.state.items()}
    prefix = _prefix(clean, wanted)
    state = {n.removeprefix(prefix): t for n, t in clean.items() if n.startswith(prefix)}
    beside = _grouped([name for name in clean if not name.startswith(prefix)])
    notes = list(given.notes)
    if prefix:
        notes.append(f"took the weights under {shown(prefix[:-1])}")
    if all(n in state and state[n].shape == t.shape for n, t in wanted.items()):
        return state, notes, beside
    filtered, best_of = _by_family(network, wanted, given, (state, clean))
    if _matches(filtered, wanted) > _matches(state, wanted):
        changed = [n for n, t in filtered.items() if n in best_of and best_of[n] is not t]
        text = f"fitted by timm's rules for {type(network).__name__}"
        notes.append(f"{text}: {_few(changed)}" if changed else text)
        kept = {id(tensor) for tensor in filtered.values()}
        gone = [n for n, t in best_of.items() if n not in filtered and id(t) not in kept]
        filtered |= {name: best_of[name] for name in gone}  # named with what is left out
        return filtered, notes, beside if best_of is state else []
    ordered = _by_order(clean, wanted)
    if ordered is not None and 2 * _matches(state, wanted) < len(wanted):
        notes.append("matched by order, since shapes and kinds agree and names do not")
        return ordered, notes, []
    return state, notes, beside


def _prefix(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """What stands before the network's names, with its dot; the copy that is trained wins."""
    found: Counter[str] = Counter()
    for name in state:
        parts = name.split(".")
        for depth in range(min(len(parts), DEEPEST)):
            if ".".join(parts[depth:]) in wanted:
                found["".join(f"{part}." for part in parts[:depth])] += 1
    if not found:
        return ""
    return max(
        found,
        key=lambda prefix: (found[prefix], not COPIES & {*prefix.split(".")}, -len(prefix)),
    )


def _matches(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> int:
    return sum(n in state and state[n].shape == t.shape for n, t in wanted.items())


def _by_family(
    network: nn.Module,
    wanted: Mapping[str, Tensor],
    given: GivenWeights,
    states: Sequence[dict[str, Tensor]],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What timm's filter for the family makes most of, and of which; empty where none is."""
    module = sys.modules[type(network).__module__]
    rules: Any = getattr(module, "checkpoint_filter_fn", None)
    best: dict[str, Tensor] = {}
    source = states[0]
    if rules is None or not type(network).__module__.startswith("timm."):
        return best, source
    for state in states:
        _check_positions(network, wanted, state, given)
        try:
            found = dict(rules(dict(state), network))
        except Exception:  # rules for other programs' files
            continue
        if _matches(found, wanted) > _matches(best, wanted):
            best, source = found, state
    return best, source


def _check_positions(
    network: nn.Module,
    wanted: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    given: GivenWeights,
) -> None:
    """Positions are resampled as a square grid behind the tokens that have one."""
    ours, theirs = wanted.get("pos_embed"), state.get("pos_embed")
    if ours is None or theirs is None or ours.ndim != 3 or theirs.ndim != 3:
        return
    inside: Any = network
    without = bool(getattr(inside, "no_embed_class", False)) or "mask_token" in state
    tokens = 0 if without else int(getattr(inside, "num_prefix_tokens", 0))
    grid = theirs.shape[1] - tokens
    other = ours.shape[1] != theirs.shape[1] and "mask_token" not in state
    if other and (grid < 1 or math.isqrt(grid) ** 2 != grid):
        raise UserError(
            f"weights: positions of {given.where} must be those of a square grid and {tokens} "
            f"tokens, got {theirs.shape[1]}; take the network with their tokens"
        )


def _by_order(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> dict[str, Tensor] | None:
    """The first tensors under the network's names, where each shape and kind agrees."""
    kinds = [(name.rpartition(".")[2], t.shape) for name, t in state.items()]
    if kinds[: len(wanted)] != [(n.rpartition(".")[2], t.shape) for n, t in wanted.items()]:
        return None
    names = [*wanted, *list(state)[len(wanted) :]]
    return dict(zip(names, state.values(), strict=True))


def _with_channels(
    network: nn.Module,
    wanted: Mapping[str, Tensor],
    state: dict[str, Tensor],
    notes: list[str],
) -> dict[str, Tensor]:
    """The state with its first convolution summed or repeated to the network's channels."""
    for name in _first_convolutions(network, wanted):
        theirs, ours = state.get(name), wanted[name]
        if theirs is None or theirs.ndim != 4 or theirs.shape[1] == ours.shape[1]:
            continue
        if theirs.shape[0] != ours.shape[0] or theirs.shape[2:] != ours.shape[2:]:
            continue
        notes.append(f"{name} fitted from {theirs.shape[1]} to {ours.shape[1]} channels")
        state = {**state, name: channels_fitted(theirs, ours.shape[1])}
    return state


def channels_fitted(weight: Tensor, channels: int) -> Tensor:
    """A first convolution for other channels: summed for one, else repeated and scaled.

    A gray image then gives what its three equal channels gave, as timm does it.

    Args:
        weight: [F, C, height, width].
        channels: that it shall read.
    """
    known = weight.shape[1]
    if channels == 1:
        return weight.float().sum(1, keepdim=True).to(weight.dtype)
    repeated = weight.float().repeat(1, -(-channels // known), 1, 1)[:, :channels]
    return (repeated * (known / channels)).to(weight.dtype)


def _first_convolutions(network: nn.Module, wanted: Mapping[str, Tensor]) -> list[str]:
    """Names of the weights that read the image."""
    inside: Any = network
    config: Any = getattr(inside, "default_cfg", None) or {}
    first = config.get("first_conv")
    names = [first] if isinstance(first, str) else list(first or ())
    known = [f"{name}.weight" for name in names if f"{name}.weight" in wanted]
    return known or [name for name, t in wanted.items() if t.ndim == 4][:1]


def _check_enough(
    given: GivenWeights,
    wanted: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    used: Mapping[str, Tensor],
    apart: Sequence[str],
) -> None:
    """Refuse weights that are of another network."""
    found = _numbers(used) / max(_numbers(wanted), 1)
    body = {n: t for n, t in state.items() if n in wanted or not HEADS.match(n)}
    share = _numbers(used) / max(_numbers(body), 1)
    if found >= ENOUGH and share >= ENOUGH and not apart:
        return
    if apart:
        name = apart[0]
        sizes = f"{tuple(wanted[name].shape)}, got {tuple(state[name].shape)}"
        reason = f"{name} must have shape {sizes}"
    elif found < ENOUGH:
        missing = next(n for n in wanted if n not in used)
        reason = f"{missing} is not among its {len(given.state)} tensors"
    else:
        left = next(n for n in body if n not in used)
        reason = f"{shown(left)} and others have no place in it"
    raise UserError(
        f"weights: {given.where} must be of the same network as the backbone, got {len(used)} "
        f"of {len(wanted)} weights that fit: {reason}; name the backbone, stem and patch size "
        f"that they were trained with"
    )


def _numbers(state: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in state.values())


def _grouped(names: Sequence[str]) -> list[str]:
    """Names that share their first part as one, with how many they are."""
    groups = Counter(name.partition(".")[0] for name in names)
    return [f"{part}.* ({many})" if many > 1 else part for part, many in groups.items()]


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(map(shown, names[:SHOWN])) + more
