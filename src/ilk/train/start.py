"""Which weights a run begins with: given ones, or random ones.

A run that was given weights keeps the network that it began with, as ``start.safetensors``: as
large as its encoder. It goes on and is compared with from there, wherever the given file went.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ilk.core import UserError
from ilk.method import Method, Pretrained
from ilk.networks import (
    Encoder,
    GivenWeights,
    check_patches,
    load_encoder,
    patch_side,
    read_given,
    start_from,
    write_encoder,
)
from ilk.networks.options import PRETRAINED
from ilk.train.assemble import assemble, named_backbone
from ilk.train.records.record import read_record, recorded_settings
from ilk.train.settings import Settings

START = "start.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Beginning:
    """Given weights in the network that is to be trained.

    Args:
        encoder: that network, before any step.
        facts: what became of the weights, for the record; JSON values.
        words: the same in a line; empty when everything fitted as it was.
    """

    encoder: Encoder
    facts: dict[str, Any]
    words: str


def begin(settings: Settings) -> tuple[Settings, Beginning | None]:
    """Read the weights that settings name, and take from them what is not set.

    Args:
        settings: of a run that is to begin.

    Returns:
        Settings with backbone, its options and image size decided, and the network with its
        weights; the settings as they are and None where no weights are given.

    Raises:
        UserError: the weights cannot be read, or are of another network.
    """
    settings = _from_published(settings)
    if settings.weights is None:
        if settings.anchor is not None:
            raise UserError(
                f"anchor: {settings.anchor} must hold features near those of given weights, "
                f'got none; give weights="FILE", or leave the anchor out'
            )
        return settings, None
    given = read_given(settings.weights)
    named = settings.backbone is not None or given.name is None
    if given.name is None and settings.backbone is None:
        raise UserError(
            f"weights: {settings.weights} does not say which network its weights are of, and "
            f'no backbone is named; give backbone="NAME"'
        )
    _check_size(settings, given)
    start = start_from(
        given,
        settings.backbone if named else None,
        image_size=settings.image_size,
        channels=settings.channels,
        options=settings.backbone_options,
    )
    encoder, fitted = start.encoder, start.fitted
    settings = replace(
        settings,
        backbone=encoder.name,
        backbone_options=dict(encoder.options),
        image_size=encoder.image_size,
    )
    facts = {
        "weights": settings.weights,
        "fingerprint": encoder.fingerprint,
        "notes": list(fitted.notes),
        "behind_features": list(fitted.heads),
        "unused": list(fitted.unused),
        "missing": list(fitted.missing),
    }
    return settings, Beginning(encoder=encoder, facts=facts, words=fitted.words)


def _check_size(settings: Settings, given: GivenWeights) -> None:
    """Refuse a named image size that the network of the weights would pad or crop."""
    name = settings.backbone or given.name
    if settings.image_size is None or name is None:
        return
    options = {**(given.options if name == given.name else {}), **settings.backbone_options}
    patch = patch_side(name, channels=settings.channels, options=options)
    check_patches(name, patch, settings.image_size)


def _from_published(settings: Settings) -> Settings:
    """``pretrained`` among the options of a backbone means its published weights."""
    options = dict(settings.backbone_options)
    if not options.pop(PRETRAINED, False):
        return replace(settings, backbone_options=options)
    if settings.weights is None and settings.backbone is None:
        raise UserError(
            f'backbone: {PRETRAINED} must be of a network, got none; give backbone="NAME"'
        )
    weights = settings.weights or f"timm:{settings.backbone}"
    return replace(settings, backbone_options=options, weights=weights)


def keep(beginning: Beginning, directory: Path) -> None:
    """Write the network that a run begins with into its directory.

    Raises:
        UserError: it cannot be written.
    """
    write_encoder(beginning.encoder, directory / START)


def kept(settings: Settings, directory: Path) -> Encoder | None:
    """The network that a run began with, where it was given weights.

    Raises:
        UserError: it was, and its file is gone or damaged. Nothing is looked for elsewhere.
    """
    if settings.weights is None and not settings.backbone_options.get(PRETRAINED):
        return None
    if not (directory / START).is_file():
        raise UserError(
            f"run: {directory} must hold {START}, the weights that it began with, got none; "
            f"put it back"
        )
    return load_encoder(directory / START)


def kept_weights(settings: Settings, places: Sequence[Path]) -> Settings:
    """Settings whose given weights are those that a stage kept: no record makes us fetch any.

    Args:
        settings: as they were recorded.
        places: directories of the stages of a run.

    Raises:
        UserError: none has begun, and the weights are published ones.
    """
    options = dict(settings.backbone_options)
    published = options.pop(PRETRAINED, False) or (settings.weights or "").startswith("timm:")
    if settings.weights is None and not published:
        return settings
    kept = [place / START for place in places if (place / START).is_file()]
    if kept:
        return replace(settings, weights=str(kept[0]), backbone_options=options)
    if published:
        raise UserError(
            f"resume: {places[0]} must hold {START}, the published weights that the run began "
            "with, got none; remove the run and repeat the command that began it"
        )
    return settings


def check_teacher(method: Method, directory: Path) -> None:
    """Refuse to begin again with a published teacher, which no record may make us fetch.

    Args:
        method: of a run without a checkpoint.
        directory: of the run.

    Raises:
        UserError: it has one.
    """
    teacher = method.teacher
    if isinstance(teacher, Pretrained) and teacher.encoder.endswith("@random"):
        raise UserError(
            f"resume: {directory} must hold a checkpoint of a run that begins with published "
            f"weights, got none; remove the directory and repeat the command that began the run"
        )


def before(directory: Path) -> Encoder:
    """The network of a run as it was before training: its given weights, or its random ones.

    Raises:
        UserError: there is no run, or the weights that it was given are gone.
    """
    record = read_record(directory)
    settings = recorded_settings(record)
    found = kept(settings, directory)
    if found is not None:
        return found
    size = settings.image_size
    assert size is not None, "a run records what it decided"
    data, shown = record["data"], load_encoder(directory)
    _, student = assemble(settings, size, data["items"], data["classes"])
    return Encoder.of(
        student.backbone,
        name=named_backbone(settings),
        options=settings.backbone_options,
        image_size=size,
        channels=settings.channels,
        statistics=(shown.mean, shown.std),  # those of the run, also of windows
    )
