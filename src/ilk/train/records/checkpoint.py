"""Checkpoints: one safetensors file, written whole or not at all, nothing to unpickle.

Tensors have the names of the state they belong to; numbers and names stand as JSON in the
file's header, so that one rename replaces both together.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ilk.core import UserError, replacing
from ilk.networks.weights import FINGERPRINT, check_whole, fingerprint, read_weights
from ilk.train.processes.sharding import cut_like, whole

FORMAT = 2


def save(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write a checkpoint beside its place, sync it to the disk, then rename it.

    A fingerprint of all of it stands in the header.

    Raises:
        UserError: it cannot be written (a full disk, say); the old checkpoint stays.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    owned = _owned(tensors)
    written = json.loads(json.dumps({"format": FORMAT, **facts}))
    header = json.dumps(written | {FINGERPRINT: fingerprint(owned, written)})
    with replacing(path, "checkpoint", "make room and resume") as beside:
        try:
            save_file(owned, beside, {"ilk": header})
        except SafetensorError as error:  # what it makes of a full disk
            raise OSError(str(error)) from error


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors on the CPU and the facts of a checkpoint.

    Raises:
        UserError: there is none, it is not one of ours, or not as it was written.
    """
    if not path.exists():
        raise UserError(
            f"checkpoint: {path} must exist, got nothing there; name a run that has saved one"
        )
    where = f"checkpoint: {path}"
    tensors, facts = read_weights(path, "checkpoint")
    if facts.get("format") != FORMAT:
        raise UserError(
            f"{where} must have format {FORMAT}, got {str(facts.get('format'))[:60]}; use the "
            f"version of ilk that wrote it"
        )
    check_whole(tensors, facts, facts.pop(FINGERPRINT, ""), where)
    del facts["format"]
    return tensors, facts


def flattened_optimiser(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state by ``optimiser.<parameter number>.<name>``, uncut."""
    state = optimiser.state_dict()["state"]
    return {
        f"optimiser.{number}.{name}": whole(entry)
        if isinstance(entry, Tensor)
        else torch.tensor(entry)
        for number, entries in state.items()
        for name, entry in entries.items()
        if entry is not None
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `flattened_optimiser` took; groups keep the settings they have now."""
    state: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for key, tensor in tensors.items():
        if key.startswith("optimiser."):
            _, number, name = key.split(".", 2)
            like = parameters[int(number)]
            fits = tensor.shape == like.shape
            state.setdefault(int(number), {})[name] = (
                _lying_like(tensor, like) if fits else tensor
            )
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def restore_scaler(scaler: torch.amp.GradScaler, state: dict[str, Any]) -> None:
    """Put back the state of fp16's loss scaling, whatever came of the last step.

    A step that was given up has unscaled its gradients and must not forbid the next one to.
    """
    scaler.load_state_dict(state)
    scaler._per_optimizer_states.clear()  # pyright: ignore[reportPrivateUsage]


def _lying_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Cut and in the memory format of another, as fused kernels require."""
    cut = cut_like(tensor, like)
    return torch.empty_like(like, dtype=cut.dtype, device=cut.device).copy_(cut)


def _owned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU; the format refuses tensors that share memory."""
    return {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
