"""Encoders by what a person calls them: a file, a name, or a name with weights."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from ilk.core import UserError
from ilk.networks.backbone import backbone, parameter_shapes
from ilk.networks.encoder import Encoder
from ilk.networks.fitting import Fitted, fit
from ilk.networks.given import HUB_CONFIG, GivenWeights, read_given
from ilk.networks.options import check_name
from ilk.networks.own import OWN
from ilk.networks.storage import WEIGHTS, read_encoder, saved_encoder

OWN_SIZE = 32  # pixels; what our own networks are for
PICKLES = {".pth", ".pt", ".bin", ".ckpt"}
LARGER = 4  # times the numbers of a file that a network may have which the file asks for


def warn(words: str) -> None:
    """Print nothing about weights, unless a caller passes a function that does."""
    warnings.warn(words, stacklevel=3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """A network with weights that somebody gave.

    Args:
        encoder: the network, before any training here.
        fitted: what became of the weights.
    """

    encoder: Encoder
    fitted: Fitted


def start_from(
    given: GivenWeights,
    name: str | None = None,
    *,
    image_size: int | None = None,
    channels: int = 3,
    options: Mapping[str, object] | None = None,
) -> Start:
    """Build a network for weights, and put them into it.

    A ResNet keeps the stem that its weights were trained with, whatever the image size. Size
    and normalisation are those of the weights, where they say any, else those of the network.

    Args:
        given: the weights.
        name: of the network; None takes what the weights say.
        image_size: in pixels; None takes what the weights say, then the network's own.
        channels: of images.
        options: of the network, see `backbone`; those that the weights say hold otherwise.

    Raises:
        UserError: the network is not known, or the weights do not belong to it.
    """
    name = name or given.name
    if name is None:
        raise UserError(
            f"weights: {given.where} does not say which network it is of; give "
            f'backbone="NAME", or NAME@{given.where}'
        )
    size, mean, std = _made_for(name)
    image_size = image_size or given.image_size or size
    stated = given.options if name == given.name else {}
    options = {**({} if name in OWN else {"stem": "plain"}), **stated, **(options or {})}
    if given.name is not None:
        _check_size(given, name, image_size, channels, options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = backbone(name, image_size=image_size, channels=channels, options=options)
    fitted = fit(module, given)
    encoder = Encoder.of(
        module,
        name=name,
        options=options,
        image_size=image_size,
        channels=channels,
        statistics=_statistics(given.statistics or (mean, std), channels),
    )
    return Start(encoder=encoder, fitted=fitted)


def _check_size(
    given: GivenWeights,
    name: str,
    image_size: int,
    channels: int,
    options: Mapping[str, object],
) -> None:
    """A small file cannot ask for a large network."""
    shapes = parameter_shapes(
        name, image_size=image_size, channels=channels, options=options
    ).values()
    wanted = sum(shape.numel() for shape, _ in shapes)
    stored = {t.untyped_storage().data_ptr(): t for t in given.state.values()}  # each once
    found = sum(t.untyped_storage().nbytes() // t.element_size() for t in stored.values())
    if wanted > LARGER * found:
        raise UserError(
            f"weights: {given.where} must be of {name}, which has {wanted:,} numbers, got "
            f"{found:,}"
        )


def _statistics(
    known: tuple[Sequence[float], Sequence[float]], channels: int
) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation, where they are of so many channels."""
    fits = len(known[0]) == channels
    return known if fits else ((0.5,) * channels, (0.25,) * channels)


def load_encoder(
    spec: str | Path,
    *,
    image_size: int | None = None,
    channels: int = 3,
    options: Mapping[str, object] | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = warn,
) -> Encoder:
    """Read a trained encoder, or make one of a known network.

    Args:
        spec: a folder that holds ``encoder.safetensors`` (a run, say) or that file;
            ``timm:NAME`` for published weights; ``random:NAME`` or ``timm:NAME@random`` for an
            untrained network of timm or of our own; ``NAME@FILE`` for a network with weights
            of yours, or a hub folder whose ``config.json`` names its network, see
            `read_given`.
        image_size: of a network given by name, None is the size it was made for; a trained
            encoder has its own.
        channels: of a network given by name.
        options: of a network given by name, see `backbone`.
        seed: of random weights.
        tell: what became of given weights that did not fit as they were.

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
    brought = _brought(str(spec))
    if brought is not None:
        network, weights = brought
        start = start_from(
            read_given(weights), network, image_size=image_size, channels=channels,
            options=given,
        )  # fmt: skip
        if start.fitted.words:
            tell(f"weights of {spec}: {start.fitted.words}")
        return start.encoder
    encoder = saved_encoder(Path(spec))
    if image_size not in {None, encoder.image_size}:
        raise UserError(
            f"encoder: {spec} was trained at {encoder.image_size} px, got {image_size}; "
            f"leave the size out"
        )
    return encoder


def lasting(spec: str) -> str:
    """The same encoder, from whatever folder it is asked for: paths become absolute."""
    if spec.partition(":")[0] in {"timm", "random"}:
        return spec
    brought = _brought(spec)
    if brought is not None and brought[0] is not None:
        return f"{brought[0]}@{Path(brought[1]).absolute()}"
    return str(Path(spec).absolute())


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
    brought = _brought(spec)
    if brought is not None:
        with torch.device("cpu"):  # also where a method is built without weights
            return load_encoder(spec, tell=lambda words: None).feature_dim
    if kind not in {"timm", "random"}:
        return read_encoder(Path(spec))[0]["feature_dim"]
    name = name.removesuffix("@random")
    size, mean, _ = _made_for(name)
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        network = backbone(name, image_size=size, channels=len(mean))
    return int(cast(int, network.num_features))


def _brought(spec: str) -> tuple[str | None, str] | None:
    """The network and the weights of ``NAME@FILE`` or of a hub folder; None for all others."""
    place = Path(spec)
    if place.is_dir() and not (place / WEIGHTS).exists() and (place / HUB_CONFIG).exists():
        return None, spec
    if place.is_file() and place.suffix in PICKLES:
        return None, spec
    name, at, weights = spec.partition("@")
    if not at or ":" in name or "/" in name or place.exists():
        return None
    return name, weights


def _named(
    name: str, image_size: int | None, channels: int, options: dict[str, object], seed: int
) -> Encoder:
    shape, mean, std = _made_for(name)
    size = shape if image_size is None else image_size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = backbone(name, image_size=size, channels=channels, options=options)
    return Encoder.of(
        module,
        name=name,
        options=options,
        image_size=size,
        channels=channels,
        statistics=_statistics((mean, std), channels),
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
