"""Weights with facts in one safetensors file: nothing to unpickle, and damage is noticed."""

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ilk.core import UserError
from ilk.core.fields import parse_json, shown

FACTS = "ilk"  # where they stand in the header
FINGERPRINT = "fingerprint"  # among the facts, of all others and of the weights


def fingerprint(state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """A number that changes with any weight, its name, shape or type, and any fact.

    It shows damage, such as a flipped bit. It does not show who wrote a file: whoever changes a
    file on purpose can compute it as well.

    Args:
        state: weights by name.
        facts: JSON values.
    """
    digest = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16)
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_weights(path: Path, what: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights and facts of a file; the facts are JSON that is still to be checked.

    Args:
        path: of a safetensors file.
        what: it should be, for the message.

    Raises:
        UserError: it is no regular file, or not whole.
    """
    from safetensors import safe_open

    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{what}: {path} must be a regular file, it is not")
        with safe_open(path, framework="pt") as stored:
            written = (stored.metadata() or {}).get(FACTS, "{}")
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except UserError:
        raise
    except Exception as error:  # of the file system and of every layer of safetensors
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{what}: {path} must be whole, got '{reason}'; it is damaged or was cut short, "
            f"take a copy of it"
        ) from error
    facts = parse_json(written, f"{what}: header of {path}")
    if not isinstance(facts, dict):
        raise UserError(f"{what}: {path} must have facts in its header, got none")
    return state, cast("dict[str, Any]", facts)


def check_whole(
    state: Mapping[str, Tensor], facts: Mapping[str, Any], known: str, where: str
) -> None:
    """Refuse weights and facts that are not those that were written.

    Args:
        state: weights by name.
        facts: all that the fingerprint covers.
        known: fingerprint that was written with them.
        where: they stand, for the message.

    Raises:
        UserError: the fingerprint is another.
    """
    if fingerprint(state, facts) != known:
        raise UserError(
            f"{where} must be as it was written, got other bytes than its fingerprint is of; "
            f"it is damaged, take a copy of it"
        )


def check_shapes(
    state: Mapping[str, Tensor],
    wanted: Mapping[str, tuple[torch.Size, torch.dtype]],
    where: str,
) -> None:
    """Refuse weights that are not those of a network.

    Args:
        state: weights by name.
        wanted: shape and type of each weight of the network.
        where: they stand, for the message.

    Raises:
        UserError: a weight is missing, not known, of another shape or type.
    """
    for name in sorted({*wanted, *state}):
        if name not in state or name not in wanted:
            problem = "missing" if name in wanted else "not one of the network's"
            raise UserError(
                f"{where} must hold the network's weights, but {shown(name)} is {problem}"
            )
        got = (state[name].shape, state[name].dtype)
        if got != wanted[name]:
            text = " and ".join(
                f"{tuple(shape)} of {dtype}" for shape, dtype in (wanted[name], got)
            )
            raise UserError(f"{where}: {shown(name)} must have the network's shape, got {text}")


def check_floating(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], where: str
) -> None:
    """Refuse whole or quantised numbers in the place of a network's floats.

    Args:
        state: weights of the network by name, not all of them perhaps.
        wanted: the network's own.
        where: they stand, for the message.

    Raises:
        UserError: there are some.
    """
    for name, tensor in state.items():
        if wanted[name].is_floating_point() and not tensor.is_floating_point():
            raise UserError(
                f"{where}: {shown(name)} must be of floats, got {tensor.dtype}; save the "
                f"weights in float, before they are quantised"
            )


def check_finite(state: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that hold NaN or infinity.

    Raises:
        UserError: one does.
    """
    for name, tensor in state.items():
        numbers = tensor.float() if tensor.element_size() == 1 else tensor  # float8 cannot say
        if tensor.is_floating_point() and not torch.isfinite(numbers).all():
            raise UserError(
                f"{where}: {shown(name)} must be finite, got NaN or infinity; take an "
                f"earlier copy"
            )
