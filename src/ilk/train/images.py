"""The images of a run, with the labels that it is to learn from."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ilk.core import UserError
from ilk.core.counts import count
from ilk.core.facts import LABEL
from ilk.curate import curated
from ilk.data import (
    Source,
    fact,
    fact_names,
    labels,
    left_out,
    open_source,
    pooled,
    with_labelled,
    with_table,
)
from ilk.data.account import summary
from ilk.data.pairs import MARKED, with_pairs
from ilk.method import KnownShare
from ilk.train.assemble import method_without_weights
from ilk.train.processes.ranks import check_same, several, together
from ilk.train.records.record import recorded_settings
from ilk.train.settings import Settings, absolute_places, pairs_of


def open_images(settings: Settings, data: Any) -> Source:
    """The images, labelled as the settings say.

    A method that draws a share of labelled images has them among the unlabelled ones as well,
    unless its sampling says otherwise.

    Args:
        settings: settings of the run.
        data: anything that `ilk.data.open_source` takes.

    Raises:
        UserError: images or labels cannot be read, or do not fit one another or the method.
    """
    if settings.labelled is not None and settings.labels is not None:
        raise UserError("labels: must come from labels or from labelled, got both; give one")
    source = open_source(data)
    if settings.labels is not None:
        source = with_table(source, Path(settings.labels))
    if settings.subset is not None:
        source = curated(source, settings.subset)
    if settings.labelled is not None:
        source = with_labelled(source, open_source(settings.labelled))
    rule = method_without_weights(settings).sampling
    if isinstance(rule, KnownShare) and rule.fact == LABEL:
        _check_classes(settings, source)
        source = pooled(source) if rule.twice else source
    return with_marks(settings, source)


def with_marks(settings: Settings, source: Source) -> Source:
    """The images with what a table of pairs says of them, where the kin rule asks for one.

    Raises:
        UserError: the table cannot be read.
    """
    pairs = pairs_of(settings)
    if pairs is None or MARKED in fact_names(source):
        return source
    return with_pairs(source, pairs)


def remarks(settings: Settings, source: Source) -> Iterator[tuple[str, str]]:
    """What lists beside the images did: a word and a line for each.

    Args:
        settings: settings of the run.
        source: what ``open_images`` gave.
    """
    if settings.subset is not None:
        yield "subset", summary(left_out(source))
    if pairs_of(settings) is not None:
        known = fact(source, MARKED)
        images = count(int((known.values >= 0).sum()), "image")
        yield "marked", f"{images} of {count(len(known.names), 'group')}; {known.reason}"


def images_like(record: Mapping[str, Any], data: Any) -> Source:
    """Images to be shown to a run, labelled as its own are; its labelled ones as they are.

    Args:
        record: of the run, as ``read_record`` gives it.
        data: anything that `ilk.data.open_source` takes.

    Raises:
        UserError: as `open_images`.
    """
    settings, place = recorded_settings(record), absolute_places(data)
    if settings.labelled is not None and place == settings.labelled:
        return open_source(data)
    if place != record["data"]["spec"]:  # of which its list of decisions knows nothing
        settings = replace(settings, subset=None)
    check_places(beside(settings))
    return open_images(settings, data)


def beside(settings: Settings) -> list[str]:
    """The places that are read beside the images."""
    named = (settings.labelled, settings.labels, settings.subset, pairs_of(settings))
    return [place for place in named if place is not None]


def check_places(spec: str | list[str]) -> None:
    """Refuse a pipe or a device, which a record may name and which would never end."""
    for place in [spec] if isinstance(spec, str) else spec:
        path = Path(place)
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise UserError(f"data: {place} must be a file or a folder, it is neither")


def shared_images(settings: Settings, data: Any) -> Source:
    """The same, which must be the same wherever processes look for them."""
    source = together(lambda: open_images(settings, data))
    if several():
        known = zlib.crc32(labels(source).tobytes())
        found = f"{len(source)} items ({source.fingerprint[:8]}, labels {known:08x})"
        check_same(found, "data", f"files and labels in {source.name}")
    return source


def _check_classes(settings: Settings, source: Source) -> None:
    known = labels(source)
    present = len(np.unique(known[known >= 0]))
    if present < 2:
        raise UserError(
            f"labels: {settings.method} must have labelled images of two classes at least, got "
            f"those of {present} in {source.name}; give labelled=FOLDER with a folder for each "
            "class, or labels=FILE.csv with the columns path and label"
        )
