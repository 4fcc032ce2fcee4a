"""What labels and names say of a comparison before any image is read. Axes: N items."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from ilk.data import Source, labels, unlabelled_because
from ilk.embedding import Embeddings
from ilk.evaluate.class_map import ClassMap, mapped
from ilk.evaluate.overlap import shared_images
from ilk.evaluate.suite import protocol
from ilk.evaluate.task import EmbeddedSets, check_labels


def check_sources(
    sources: Mapping[str, Source], protocols: Sequence[str], classes: ClassMap | None = None
) -> None:
    """Refuse what would fail after all images were embedded, as far as labels show it.

    Items that turn out to be unreadable have no row later, so that `evaluate` looks again.

    Args:
        sources: by name: ``test``, and ``train`` and ``gallery`` where they are given.
        protocols: names; without a version the latest one.
        classes: which classes of train each class of test stands for.

    Raises:
        UserError: a protocol is not known or needs a train set, a set has no labels, their
            classes do not fit, or one set is the test set itself.
    """
    parts = {name: _without_vectors(source) for name, source in sources.items()}
    if classes is not None and "train" in parts:
        parts["train"], parts["test"] = mapped(parts["train"], parts["test"], classes)
    sets = EmbeddedSets(
        test=parts["test"], train=parts.get("train"), gallery=parts.get("gallery")
    )
    used = {part for name in protocols for part in check_labels(sets, protocol(name)).there}
    test = sources["test"]
    for name in sorted(used - {"test"}):
        if sources[name].fingerprint == test.fingerprint:
            raise shared_images(name, len(test), len(test), test.key(0))


def _without_vectors(source: Source) -> Embeddings:
    """What is known of a source before it is embedded."""
    return Embeddings(
        vectors=np.empty((len(source), 0), np.float32),
        labels=labels(source),
        keys=pa.array([], pa.large_string()),
        classes=source.classes,
        encoder="",
        data="",
        unlabelled_because=unlabelled_because(source),
    )
