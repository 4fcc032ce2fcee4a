"""Encoders in files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ilk.core import UserError, write_whole
from ilk.core.fields import (
    ANYTHING,
    Kind,
    check_fields,
    keyed,
    listed,
    number,
    text,
    whole,
)
from ilk.core.items import MAX_CHANNELS, MAX_SIDE
from ilk.networks.backbone import backbone, parameter_shapes
from ilk.networks.encoder import Encoder
from ilk.networks.options import (
    check_file_options,
    check_image,
    check_name,
)
from ilk.networks.weights import (
    FINGERPRINT,
    check_finite,
    check_shapes,
    check_whole,
    read_weights,
)

WEIGHTS, FACTS = "encoder.safetensors", "encoder.json"
FORMAT = 1
FIELDS: Mapping[str, Kind] = {
    "format": whole(FORMAT, FORMAT),
    "name": text(128),
    "options": keyed(ANYTHING),
    "image_size": whole(1, MAX_SIDE),
    "channels": whole(1, MAX_CHANNELS),
    "mean": listed(number(-100, 100), MAX_CHANNELS),
    "std": listed(number(1e-6, 100), MAX_CHANNELS),
    "feature_dim": whole(1, 2**24),
    FINGERPRINT: text(64),
}


def save_encoder(encoder: Encoder, directory: Path | str) -> None:
    """Write ``encoder.safetensors`` and ``encoder.json``, each whole or not at all.

    The first holds all there is, facts in its header included, so that one rename replaces
    everything; the second repeats the facts for people and other programs.

    Raises:
        UserError: they cannot be written (a full disk, say); the old ones stay.
    """
    folder = Path(directory)
    facts = write_encoder(encoder, folder / WEIGHTS)
    write_whole(folder / FACTS, json.dumps(facts, indent=2) + "\n", "encoder")


def write_encoder(encoder: Encoder, path: Path) -> dict[str, Any]:
    """Write an encoder as one file, whole or not at all.

    Returns:
        The facts in its header.

    Raises:
        UserError: it cannot be written; the old one stays.
    """
    facts = {"format": FORMAT, **encoder.facts()}
    write_weights(path, encoder.module.state_dict(), {"ilk": json.dumps(facts)})
    return facts


def write_weights(path: Path, state: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Write a safetensors file beside its place, sync it to the disk, rename it.

    Raises:
        UserError: it cannot be written; the old one stays.
    """
    from safetensors.torch import save

    # Copies: the format refuses tensors that share memory or are not contiguous.
    owned = {name: t.detach().cpu().contiguous().clone() for name, t in state.items()}
    write_whole(path, save(owned, dict(header)), "encoder")


def saved_encoder(path: Path) -> Encoder:
    """A trained encoder. Nothing that its file says is more than data: see ``SECURITY.md``."""
    facts, state = read_encoder(path)
    given = {name: facts[name] for name in ("image_size", "channels", "options")}
    where = f"encoder: {path}"
    # Before anything is built: a small file cannot ask for a large network.
    check_shapes(state, parameter_shapes(facts["name"], **given), where)
    check_finite(state, where)
    with torch.random.fork_rng(devices=[]):
        module = backbone(facts["name"], **given)
    if module.num_features != facts["feature_dim"]:
        raise UserError(
            f"{where}: feature_dim must be the network's {module.num_features}, got "
            f"{facts['feature_dim']}"
        )
    module.load_state_dict(state)
    statistics = facts["mean"], facts["std"]
    return Encoder.of(module, name=facts["name"], **given, statistics=statistics)


def read_encoder(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Checked facts and whole weights of a trained encoder."""
    file = (
        path / WEIGHTS
        if path.is_dir()
        else path.with_name(WEIGHTS)
        if path.name == FACTS
        else path
    )
    if not file.exists():
        raise UserError(
            f"encoder: {path} must be a run or a folder that holds {WEIGHTS}, and holds none; "
            f"timm:NAME and random:NAME are networks by name, NAME@FILE has weights of yours"
        )
    state, facts = read_weights(file, "encoder")
    where = f"encoder: {file}"
    if facts.get("format") != FORMAT:
        raise UserError(
            f"{where} must be of format {FORMAT}, got {str(facts.get('format'))[:60]}; take "
            f"one that ilk train wrote, or name the network of other weights: NAME@{file.name}"
        )
    check_fields(facts, FIELDS, where)
    check_name(facts["name"], where)
    check_file_options(facts["options"], where)
    check_image(facts["image_size"], facts["channels"], where)
    if not len(facts["mean"]) == len(facts["std"]) == facts["channels"]:
        raise UserError(
            f"{where}: mean and std must have {facts['channels']} numbers, got "
            f"{len(facts['mean'])} and {len(facts['std'])}"
        )
    covered = {name: facts[name] for name in FIELDS if name not in {"format", FINGERPRINT}}
    check_whole(state, covered, facts[FINGERPRINT], where)
    return facts, state
