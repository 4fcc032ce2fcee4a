"""Encoders in files, and by name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ilk.core import UserError, write_whole
from ilk.networks.backbone import OWN, backbone
from ilk.networks.encoder import Encoder

WEIGHTS, FACTS = "encoder.safetensors", "encoder.json"
FORMAT = 1
OWN_SIZE = 32  # pixels; what our own networks are for


def save_encoder(encoder: Encoder, directory: Path | str) -> None:
    """Write ``encoder.safetensors`` and ``encoder.json``, each whole or not at all.

    The first holds all there is, facts in its header included, so that one rename replaces
    everything; the second repeats the facts for people and other programs.

    Raises:
        UserError: they cannot be written (a full disk, say); the old ones stay.
    """
    folder = Path(directory)
    facts = {"format": FORMAT, **encoder.facts()}
    write_weights(folder / WEIGHTS, encoder.module.state_dict(), {"ilk": json.dumps(facts)})
    write_whole(folder / FACTS, json.dumps(facts, indent=2) + "\n", "encoder")


def write_weights(path: Path, state: Mapping[str, Tensor], header: Mapping[str, str]) -> None:
    """Write a safetensors file beside its place, sync it to the disk, rename it.

    Raises:
        UserError: it cannot be written; the old one stays.
    """
    from safetensors.torch import save

    # Copies: the format refuses tensors that share memory or are not contiguous.
    owned = {name: t.detach().cpu().contiguous().clone() for name, t in state.items()}
    write_whole(path, save(owned, dict(header)), "encoder")


def load_encoder(
    spec: str | Path,
    *,
    image_size: int | None = None,
    channels: int = 3,
    options: Mapping[str, object] | None = None,
    seed: int = 0,
) -> Encoder:
    """Read a trained encoder, or make one of a known network.

    Args:
        spec: a folder that holds ``encoder.safetensors`` (a run, say) or that file;
            ``timm:NAME`` for published weights; ``random:NAME`` or ``timm:NAME@random`` for an
            untrained network of timm or of our own.
        image_size: of a network given by name, None is the size it was made for; a trained
            encoder has its own.
        channels: of a network given by name.
        options: of a network given by name, see `backbone`.
        seed: of random weights.

    Raises:
        UserError: there is no such encoder, its file is not whole, or published weights are
            neither in the local cache nor within reach.
    """
    kind, _, name = str(spec).partition(":")
    given = dict(options or {})
    if kind == "timm" and not name.endswith("@random"):
        if name in OWN:
            raise UserError(f"encoder: {name} has no published weights; use random:{name}")
        return _named(name, image_size, channels, given | {"pretrained": True}, seed)
    if kind in {"timm", "random"}:
        return _named(name.removesuffix("@random"), image_size, channels, given, seed)
    encoder = _saved(Path(spec))
    if image_size not in {None, encoder.image_size}:
        raise UserError(
            f"encoder: {spec} was trained at {encoder.image_size} px, got {image_size}; "
            f"leave the size out"
        )
    return encoder


def feature_dim(spec: str) -> int:
    """F of an encoder that `load_encoder` would give, without its weights.

    Raises:
        UserError: there is no such encoder.
    """
    kind, _, name = spec.partition(":")
    if kind not in {"timm", "random"}:
        return _read(Path(spec))[0]["feature_dim"]
    name = name.removesuffix("@random")
    size, mean, _ = _made_for(name)
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        network = backbone(name, image_size=size, channels=len(mean))
    return int(cast(int, network.num_features))


def _named(
    name: str, image_size: int | None, channels: int, options: dict[str, object], seed: int
) -> Encoder:
    shape, mean, std = _made_for(name)
    size = image_size or shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = backbone(name, image_size=size, channels=channels, options=options)
    known = channels == len(mean)
    return Encoder.of(
        module,
        name=name,
        options=options,
        image_size=size,
        channels=channels,
        statistics=(mean, std) if known else ((0.5,) * channels, (0.25,) * channels),
    )


def _made_for(name: str) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """Image size, mean and standard deviation that a network was made for."""
    import timm
    from timm.data.constants import (
        IMAGENET_DEFAULT_MEAN,
        IMAGENET_DEFAULT_STD,
    )

    made = None if name in OWN or not timm.is_model(name) else timm.get_pretrained_cfg(name)
    if made is None:
        return OWN_SIZE, IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
    return made.input_size[-1], made.mean, made.std


def _saved(path: Path) -> Encoder:
    facts, state = _read(path)
    return _rebuilt(facts, state)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Facts and weights of a trained encoder."""
    from safetensors import SafetensorError, safe_open

    file = (
        path / WEIGHTS
        if path.is_dir()
        else path.with_name(WEIGHTS)
        if path.name == FACTS
        else path
    )
    if not file.is_file():
        raise UserError(
            f"encoder: {path} must be a run or a folder that holds {WEIGHTS}, and holds none; "
            f"timm:NAME and random:NAME are networks by name"
        )
    try:
        with safe_open(file, framework="pt") as stored:
            facts = json.loads((stored.metadata() or {}).get("ilk", "{}"))
            state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(
            f"encoder: {file} must be whole, got {error}; write it again"
        ) from error
    if facts.get("format") != FORMAT or "name" not in facts:
        raise UserError(
            f"encoder: {file} must be of format {FORMAT}, got {facts.get('format')}; was it "
            f"written by save_encoder of this version?"
        )
    return facts, state


def _rebuilt(facts: dict[str, Any], state: dict[str, Tensor]) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        module = backbone(
            facts["name"],
            image_size=facts["image_size"],
            channels=facts["channels"],
            options=facts["options"],
        )
    module.load_state_dict(state)
    return Encoder.of(
        module,
        name=facts["name"],
        options=facts["options"],
        image_size=facts["image_size"],
        channels=facts["channels"],
        statistics=(facts["mean"], facts["std"]),
    )
