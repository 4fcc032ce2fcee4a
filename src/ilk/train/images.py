"""The images of a run, with the labels that it is to learn from."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ilk.core import UNKNOWN, UserError
from ilk.core.counts import count
from ilk.core.facts import LABEL, PSEUDO_LABEL, Fact
from ilk.curate import curated
from ilk.data import (
    Source,
    Subset,
    WithFacts,
    fact,
    fact_names,
    labels,
    left_out,
    monitor_labels,
    open_source,
    pooled,
    with_labelled,
    with_table,
)
from ilk.data.account import summary
from ilk.data.pairs import MARKED, with_pairs
from ilk.embedding import read_predictions
from ilk.method import KnownShare, PseudoLabels
from ilk.train.assemble import method_without_weights
from ilk.train.processes.ranks import check_same, several, together
from ilk.train.records.record import recorded_settings
from ilk.train.settings import Settings, absolute_places, pairs_of

ONE_CLASS = 0.9  # of the predictions, from which on a line says so


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
    return taught_images(settings, _given_images(settings, data))


def _given_images(settings: Settings, data: Any) -> Source:
    """The images with the labels that people gave them."""
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
    return source


def taught_images(settings: Settings, source: Source) -> Source:
    """The images that a stage sees, with the labels that one before it gave and all marks.

    Args:
        settings: of the stage, or of a run without any.
        source: the images of the whole run.

    Raises:
        UserError: a table of labels or of pairs cannot be read, or is of other images.
    """
    rule = method_without_weights(settings).pseudo
    if rule is not None:
        source = _taught(source, rule, settings.seed)
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


def shared_images(settings: Settings, data: Any, images: Source | None = None) -> Source:
    """The same, which must be the same wherever processes look for them.

    Args:
        settings: of the run.
        data: anything that `ilk.data.open_source` takes.
        images: of the whole run, where they are open; the data are not looked at then.
    """
    source = together(
        lambda: (
            open_images(settings, data) if images is None else taught_images(settings, images)
        )
    )
    if several():
        known = zlib.crc32(labels(source).tobytes())
        found = f"{len(source)} items ({source.fingerprint[:8]}, labels {known:08x})"
        check_same(found, "data", f"files and labels in {source.name}")
    return source


def unlabelled(source: Source) -> Subset:
    """The items without a label: those that a network labels for another one."""
    return Subset(source, np.flatnonzero(labels(source) < 0))


def _taught(source: Source, rule: PseudoLabels, seed: int) -> Source:
    """Labelled items, then those of the others whose class was predicted well enough.

    One that is to come several times is several items.
    """
    others = unlabelled(source)
    found = read_predictions(Path(rule.table), others, source.classes, whole=rule.soft)
    chosen = rule.choose(found.classes, found.sure, seed)
    if not len(chosen):
        raise UserError(
            f"pseudo-labels: {rule.table} must hold predictions of a probability of "
            f"{rule.threshold:g} at least, got {found.sure.max(initial=0):.3g} at most; train "
            "the teacher for longer, or let a student learn from this one, in a new run with a "
            f'lower threshold and method_options={{"pseudo_labels": "{rule.table}"}}'
        )
    given = np.flatnonzero(labels(source) >= 0)
    taken = Subset(source, np.concatenate([given, others.chosen[found.items[chosen]]]))
    codes = np.concatenate([np.full(len(given), UNKNOWN, np.int32), found.classes[chosen]])
    shares = found.shares
    if shares is not None:
        shares = np.concatenate(
            [np.zeros_like(shares, shape=(len(given), shares.shape[1])), shares[chosen]]
        )
    known = Fact(source.classes, codes, "labelled images have none", shares)
    return WithFacts(taken, {PSEUDO_LABEL: known})


def label_counts(images: Source, rule: PseudoLabels, seed: int) -> dict[str, Any]:
    """How many predictions become labels, and how many are right where that is known.

    Labels that no stage sees are looked at here, for people to read.

    Args:
        images: labelled and others.
        rule: with the table of predictions of the others.
        seed: of the run.
    """
    others = unlabelled(images)
    found = read_predictions(Path(rule.table), others, images.classes, whole=False)
    chosen = rule.choose(found.classes, found.sure, seed)
    truth = monitor_labels(images)[others.chosen[found.items]]
    right, known = found.classes == truth, truth >= 0
    reached = known & (found.sure >= rule.threshold)
    counts: dict[str, Any] = {
        "images": len(others),
        "reached": int((found.sure >= rule.threshold).sum()),
        "taken": len(chosen),
        "different": len(np.unique(chosen)),
    }
    if len(found.classes):
        counts["commonest"] = float(np.bincount(found.classes).max() / len(found.classes))
    shares = {"accuracy": known, "accuracy_reached": reached}
    return counts | {name: float(right[of].mean()) for name, of in shares.items() if of.any()}


def label_words(labels: Mapping[str, Any] | None) -> str:
    """What ``label_counts`` found, to be added to a line; empty for None."""
    if labels is None:
        return ""
    out = (
        f": {labels['by']} labels {labels['different']:,} of {labels['images']:,} images, "
        f"{labels['taken']:,} with repetitions"
    )
    if labels["reached"] < labels["images"] / 10:
        out += " (few: a lower threshold takes more)"
    if labels.get("commonest", 0) > ONE_CLASS:  # records of earlier runs have no such share
        out += f"; {labels['commonest']:.1%} of all are of one class, so they say little"
    if "accuracy_reached" in labels:
        out += f"; {labels['accuracy_reached']:.1%} of those sure enough are right"
    return out


def _check_classes(settings: Settings, source: Source) -> None:
    known = labels(source)
    present = len(np.unique(known[known >= 0]))
    if present < 2:
        raise UserError(
            f"labels: {settings.method} must have labelled images of two classes at least, got "
            f"those of {present} in {source.name}; give labelled=FOLDER with a folder for each "
            "class, or labels=FILE.csv with the columns path and label"
        )
