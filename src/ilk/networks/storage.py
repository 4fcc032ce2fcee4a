"""Encoders in files, and by name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

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
from ilk.networks.backbone import OWN, backbone, parameter_shapes
from ilk.networks.encoder import Encoder
from ilk.networks.options import (
    MAX_CHANNELS,
    MAX_SIDE,
    check_file_options,
    check_image,
    check_name,
)
from ilk.networks.weights import FINGERPRINT, check_shapes, check_whole, read_weights

WEIGHTS, FACTS = "encoder.safetensors", "encoder.json"
FORMAT = 1
OWN_SIZE = 32  # pixels; what our own networks are for
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
        UserError: there is no such encoder, its file is not whole or says what is not safe to
            build, or published weights are neither in the local cache nor within reach.
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


def without_weights(spec: str) -> str:
    """The same network with random weights, where a spec asks for published ones."""
    published = spec.startswith("timm:") and not spec.endswith("@random")
    return f"{spec}@random" if published else spec


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
    size = shape if image_size is None else image_size
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

    check_name(name)
    made = None if name in OWN or not timm.is_model(name) else timm.get_pretrained_cfg(name)
    if made is None:
        return OWN_SIZE, IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
    return made.input_size[-1], made.mean, made.std


def _saved(path: Path) -> Encoder:
    """A trained encoder. Nothing that its file says is more than data: see ``SECURITY.md``."""
    facts, state = _read(path)
    given = {name: facts[name] for name in ("image_size", "channels", "options")}
    where = f"encoder: {path}"
    # Before anything is built: a small file cannot ask for a large network.
    check_shapes(state, parameter_shapes(facts["name"], **given), where)
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


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
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
            f"timm:NAME and random:NAME are networks by name"
        )
    state, facts = read_weights(file, "encoder")
    where = f"encoder: {file}"
    if facts.get("format") != FORMAT:
        raise UserError(
            f"{where} must be of format {FORMAT}, got {str(facts.get('format'))[:60]}; was it "
            f"written by save_encoder of this version?"
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
