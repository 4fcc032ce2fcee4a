"""Weights that somebody brings, read as data: of a file, a folder, a run or a name.

Nothing that a file says is run, fetched or written to: pickles are read by torch's list of
plain types alone, names and options pass the same lists as those of encoders.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from ilk.core import UserError
from ilk.core.fields import (
    Kind,
    check_fields,
    keyed,
    listed,
    maybe,
    number,
    parse_json,
    read_json,
    text,
)
from ilk.core.items import MAX_SIDE
from ilk.networks.backbone import sizes_for, timm_network
from ilk.networks.options import PRETRAINED, check_file_options, check_name
from ilk.networks.own import OWN
from ilk.networks.pickled import read_pickled
from ilk.networks.storage import WEIGHTS, read_encoder
from ilk.networks.weights import read_weights

Statistics = tuple[tuple[float, ...], tuple[float, ...]]

HUB_CONFIG, HUB_READING = "config.json", "preprocessor_config.json"
HUB_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
NUMBERS = listed(number(-100, 100), 64)
HUB_FIELDS: Mapping[str, Kind] = {
    "architecture": maybe(text(128)),
    "model_args": maybe(keyed(Kind("anything", lambda given: True))),
    "pretrained_cfg": maybe(keyed(Kind("anything", lambda given: True))),
}
READING_FIELDS: Mapping[str, Kind] = {
    "mean": maybe(NUMBERS),
    "std": maybe(listed(number(1e-6, 100), 64)),
    "input_size": maybe(listed(number(1, MAX_SIDE), 3)),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenWeights:
    """Tensors by name, and what is known of the network that they are of.

    Args:
        state: the tensors, as the file names them.
        where: they come from, as a person names it.
        name: of the network, where the source says it.
        options: of the network, where the source says them.
        image_size: in pixels, that they were trained at.
        statistics: mean and deviation of each channel that they were trained with.
        notes: what was chosen while reading, in words.
    """

    state: Mapping[str, Tensor]
    where: str
    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    image_size: int | None = None
    statistics: Statistics | None = None
    notes: tuple[str, ...] = ()


def read_given(spec: str) -> GivenWeights:
    """Read weights, whoever wrote them.

    Args:
        spec: a safetensors file; a .pth, .pt or .bin file of tensors; a run or the encoder of
            one; a folder with ``config.json`` and ``model.safetensors`` as hubs have them;
            ``timm:NAME`` for published weights.

    Raises:
        UserError: there is nothing, it holds no tensors, it is damaged, it would need code to
            be read, or published weights are neither in the local cache nor within reach.
    """
    if spec.startswith("timm:"):
        return _published(spec.removeprefix("timm:"))
    path = Path(spec)
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise UserError(
            f"weights: {spec} must be a file, a run, a hub folder or timm:NAME, got nothing "
            f"there"
        )
    return _safe(path) if path.suffix == ".safetensors" else _pickled(path)


def _folder(path: Path) -> GivenWeights:
    if (path / WEIGHTS).exists():
        return _encoder(path)
    if (path / HUB_CONFIG).exists():
        return _hub(path)
    raise UserError(
        f"weights: {path} must hold {WEIGHTS} of a run, or {HUB_CONFIG} and {HUB_WEIGHTS[0]} "
        f"as hubs have them, and holds neither; name a file in it"
    )


def _encoder(path: Path) -> GivenWeights:
    """Of one of our own, whose file says all."""
    facts, state = read_encoder(path)
    return GivenWeights(
        state=state,
        where=str(path),
        name=facts["name"],
        options=facts["options"],
        image_size=facts["image_size"],
        statistics=(tuple(facts["mean"]), tuple(facts["std"])),
    )


def _published(name: str) -> GivenWeights:
    import timm

    check_name(name, "weights")
    if name in OWN:
        raise UserError(f"weights: {name} has no published weights; leave them out")
    network, _ = timm_network(name, {PRETRAINED: True}, {})
    made = timm.get_pretrained_cfg(name)
    assert made is not None, "timm has built it"
    return GivenWeights(
        state=network.state_dict(),
        where=f"timm:{name}",
        name=name,
        image_size=made.input_size[-1],
        statistics=(made.mean, made.std),
    )


def _safe(path: Path) -> GivenWeights:
    """A safetensors file: of ours, of ``ilk export --to timm``, or of anybody."""
    from safetensors import safe_open

    state, facts = read_weights(path, "weights")
    if {"name", "options", "fingerprint"} <= facts.keys():
        return _encoder(path)
    with safe_open(path, framework="pt") as stored:
        header = stored.metadata() or {}
    name = header.get("architecture")
    if name is None or "arguments" not in header:
        return GivenWeights(state=state, where=str(path))
    check_name(name, f"weights: {path}")
    stated = parse_json(header["arguments"], f"weights: header of {path}")
    made = check_fields(stated, {}, f"weights: header of {path}", others=True)
    options, size = _options(made, f"weights: {path}")
    return GivenWeights(
        state=state, where=str(path), name=name, options=options, image_size=size
    )


def _options(made: dict[str, Any], where: str) -> tuple[dict[str, Any], int | None]:
    """Options of a network as a file has them, without those of the images; and their size."""
    left = {*sizes_for(0), "in_chans", "num_classes"}
    options = {key: value for key, value in made.items() if key not in left}
    check_file_options(options, where)
    size = made.get("img_size")
    known = type(size) is int and 1 <= size <= MAX_SIDE
    return options, size if known else None


def _pickled(path: Path) -> GivenWeights:
    state, notes = read_pickled(path)
    return GivenWeights(state=state, where=str(path), notes=notes)


def _hub(path: Path) -> GivenWeights:
    """A folder as hubs have it; the names of timm's own format are those of its networks."""
    where = f"weights: {path / HUB_CONFIG}"
    config = check_fields(
        read_json(path / HUB_CONFIG, "weights"),
        HUB_FIELDS,
        where,
        optional=HUB_FIELDS,
        others=True,
    )
    name = config.get("architecture")
    if name is not None:
        check_name(name, where)
    options, made = _options(config.get("model_args") or {}, where)
    file = next((path / each for each in HUB_WEIGHTS if (path / each).is_file()), None)
    if file is None:
        raise UserError(f"weights: {path} must hold {' or '.join(HUB_WEIGHTS)}, got neither")
    found = _safe(file) if file.suffix == ".safetensors" else _pickled(file)
    size, statistics = _reading(config.get("pretrained_cfg") or _preprocessor(path), where)
    return GivenWeights(
        state=found.state,
        where=str(path),
        name=name,
        options=options,
        image_size=size or made,
        statistics=statistics,
        notes=found.notes,
    )


def _preprocessor(path: Path) -> dict[str, Any]:
    """Normalisation as the other common layout of hubs has it."""
    if not (path / HUB_READING).is_file():
        return {}
    found = read_json(path / HUB_READING, "weights")
    if not isinstance(found, dict):
        return {}
    given = cast("dict[str, Any]", found)
    return {"mean": given.get("image_mean"), "std": given.get("image_std")}


def _reading(config: dict[str, Any], where: str) -> tuple[int | None, Statistics | None]:
    """Image size and normalisation."""
    check_fields(config, READING_FIELDS, where, optional=READING_FIELDS, others=True)
    size, mean, std = (config.get(name) for name in ("input_size", "mean", "std"))
    statistics = None
    if mean and std and len(mean) == len(std):
        statistics = tuple(mean), tuple(std)
    return int(size[-1]) if size else None, statistics
