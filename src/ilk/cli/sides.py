"""What ``ilk evaluate`` compares: encoders and their vectors of every set of images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ilk.cli.encoders import named_encoder
from ilk.core.counts import count
from ilk.core.errors import UserError
from ilk.progress import TrainDisplay

if TYPE_CHECKING:
    from ilk.data import LabelMaps, Source
    from ilk.embedding import Embeddings
    from ilk.evaluate import ClassMap, Images
    from ilk.networks import Classifier, Encoder

VECTORS = "vectors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How images become vectors."""

    batch_size: int
    device: str
    workers: int
    cache: bool
    image_size: int | None
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One encoder with its name, its vectors of each set and the images behind them."""

    name: str
    parts: "Mapping[str, Embeddings]"
    images: "Images | None" = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured.

    Args:
        protocols: names with their versions.
        classes: which classes of train each class of test stands for; None for the same.
        masks: what the person called the masks of ``train`` and of ``test``.
        labels: tables of the labels of ``train`` and of ``test``, in place of their own.
    """

    protocols: Sequence[str]
    classes: "ClassMap | None"
    masks: "Mapping[str, str]"
    labels: "Mapping[str, str]"


def open_sides(
    console: Console, encoders: tuple[str, ...], given: Mapping[str, str], asked: Asked,
    reading: Reading,
) -> Iterator[Side]:  # fmt: skip
    """The encoder and those it is compared with, each embedded when its turn comes.

    Args:
        console: that shows what goes on.
        encoders: specs, that of the encoder which is evaluated first.
        given: what the person called the sets, by ``train``, ``test`` and ``gallery``.
        asked: what is measured.
        reading: how images become vectors.

    Raises:
        UserError: the sets do not serve, which is found out before anything is embedded.
    """
    _check_used(given, asked)
    if VECTORS in encoders:
        sides = _of_vectors(encoders, given, asked)
    else:
        sides = _of_images(console, encoders, _checked(given, asked), asked, reading)
    return _in_classes(sides, asked.classes)


def _check_used(given: Mapping[str, str], asked: Asked) -> None:
    """Refuse what no protocol would look at."""
    from ilk.evaluate import protocol

    if "gallery" in given and not any(protocol(n).takes_gallery for n in asked.protocols):
        raise UserError(
            f"gallery: is for retrieval, got {', '.join(asked.protocols)}; give --protocols "
            "retrieval, or leave the gallery out"
        )
    if asked.classes is not None and "train" not in given:
        raise UserError("class_map: must have --train beside it, got none")


def _checked(given: Mapping[str, str], asked: Asked) -> "dict[str, Source]":
    """The sources, once their labels are known to serve; embedding may take hours."""
    from ilk.data import open_source
    from ilk.evaluate import check_sources

    sources = {name: open_source(spec) for name, spec in given.items()}
    for name, table in asked.labels.items():
        if name not in sources:
            raise UserError(f"{name}_labels: must have --{name} beside it, got none")
        sources[name] = _labelled(sources[name], table)
    check_sources(sources, asked.protocols, asked.classes)
    return sources


def _labelled(source: "Source", table: str) -> "Source":
    """The images to which a table gives a label."""
    import numpy as np

    from ilk.data import Subset, labels, with_table

    known = with_table(source, Path(table))
    return Subset(known, np.flatnonzero(labels(known) >= 0))


def _of_vectors(
    encoders: tuple[str, ...], given: Mapping[str, str], asked: Asked
) -> Iterator[Side]:
    from ilk.embedding import read_embeddings

    for name in asked.labels:
        raise UserError(f"{name}_labels: are for images, got vectors, which have their own")
    if len(encoders) > 1:
        raise UserError(
            "--against needs encoders and images, got vectors; evaluate each set of vectors"
            " with -o FILE of its own, and give the files to ilk report"
        )
    yield Side(
        name=VECTORS, parts={name: read_embeddings(spec) for name, spec in given.items()}
    )


def _of_images(
    console: Console, encoders: tuple[str, ...], sources: "Mapping[str, Source]", asked: Asked,
    reading: Reading,
) -> Iterator[Side]:  # fmt: skip
    from ilk.evaluate import Images, check_encoder, protocol

    ours: Encoder | None = None
    masks = _masks(sources, asked)
    for spec in encoders:
        encoder = named_encoder(
            console, spec, encoders[0], ours, reading.image_size, reading.seed
        )
        images = Images(
            encoder=encoder, train=sources.get("train"), test=sources["test"],
            batch_size=reading.batch_size, device=reading.device, workers=reading.workers,
            classifier=_classifier(spec, encoder, asked, needed=ours is None), **masks,
        )  # fmt: skip
        for name in asked.protocols if ours is None else ():
            check_encoder(images, protocol(name))
        ours = ours or encoder
        title = "embed" if ours is encoder else f"{spec}: embed"
        parts = {
            name: _embedded(console, encoder, source, f"{title} {name}", reading)
            for name, source in sources.items()
        }
        yield Side(name=spec, parts=parts, images=images)


def _masks(sources: "Mapping[str, Source]", asked: Asked) -> "dict[str, LabelMaps | None]":
    """The masks of both sets, where a protocol asks for them."""
    from ilk.data import open_label_maps, open_source
    from ilk.evaluate import protocol

    if not any("masks" in protocol(name).needs for name in asked.protocols):
        for name in asked.masks:
            raise UserError(
                f"{name}_masks: are for protocols of places, got {', '.join(asked.protocols)}; "
                "give --protocols patch-knn,segment-linear, or leave them out"
            )
        return {}
    return {
        f"{name}_masks": open_label_maps(
            open_source(asked.masks[name]) if name in asked.masks else None, sources[name]
        )
        for name in ("train", "test")
        if name in sources
    }


def _classifier(
    spec: str, encoder: "Encoder", asked: Asked, *, needed: bool
) -> "Classifier | None":
    """What a run has learned of classes, where a protocol asks for it."""
    from ilk.evaluate import protocol
    from ilk.networks import load_classifier
    from ilk.networks.classifier import CLASSIFIER

    if not any("classifier" in protocol(name).needs for name in asked.protocols):
        return None
    there = (Path(spec) / CLASSIFIER).exists()
    return load_classifier(spec, encoder) if needed or there else None


def _in_classes(sides: Iterator[Side], classes: "ClassMap | None") -> Iterator[Side]:
    """Both sets in the classes of a map, if there is one."""
    from ilk.evaluate import mapped

    for side in sides:
        if classes is None or "train" not in side.parts:
            yield side
            continue
        train, test = mapped(side.parts["train"], side.parts["test"], classes)
        yield replace(side, parts={**side.parts, "train": train, "test": test})


def _embedded(
    console: Console, encoder: "Encoder", source: "Source", title: str, reading: Reading
) -> "Embeddings":
    from ilk.embedding import cached, embed

    with TrainDisplay(console, title) as display:
        found = (cached if reading.cache else embed)(
            encoder,
            source,
            batch_size=reading.batch_size,
            device=reading.device,
            workers=reading.workers,
            progress=lambda done, of: display.on_step(done, of, {}),
        )
    if found.bad:
        lost = count(len(found.bad), "unreadable image")
        display.on_message(f"{lost} left out of {source.name}, the first is {found.bad[0].key}")
    return found
