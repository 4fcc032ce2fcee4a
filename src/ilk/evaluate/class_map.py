"""Test sets that name their classes otherwise, or hold some of the classes only."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from ilk.core import UserError
from ilk.core.fields import Kind, check_fields, listed, parse_json, read_plain, text
from ilk.embedding import Embeddings

ClassMap = Mapping[str, tuple[str, ...]]
_SEVERAL = listed(text(), 10**5)
TARGETS = Kind(
    "a train class or a list of such",
    lambda given: isinstance(given, str) or _SEVERAL.fits(given),
)


def read_class_map(path: Path) -> ClassMap:
    """Read which classes of train each class of test stands for.

    JSON: an object from test class (folder name) to a train class or a list of them. CSV,
    without a header: test class, then one or more train classes; rows of one test class are
    taken together.

    Args:
        path: ``.json`` or ``.csv``.

    Raises:
        UserError: the file cannot be read or is not like this, or a train class stands under
            two test classes.
    """
    data = read_plain(path, "class_map")
    try:
        written = data.decode("utf-8-sig")
        rows = _json(written, path) if path.suffix.lower() == ".json" else _csv(written)
    except (ValueError, csv.Error) as error:
        raise UserError(
            f"class_map: {path} must be JSON {{test class: train class or list}} or CSV rows"
            f" of test class and train classes, got '{error}'"
        ) from error
    owner: dict[str, str] = {}
    for name, targets in rows.items():
        for target in targets:
            if owner.setdefault(target, name) != name:
                raise UserError(
                    f"class_map: a train class must belong to one test class, {target!r}"
                    f" belongs to {owner[target]!r} and {name!r}"
                )
    return rows


def mapped(
    train: Embeddings, test: Embeddings, classes: ClassMap
) -> tuple[Embeddings, Embeddings]:
    """Both sets in the classes of the map, what it does not name unlabelled.

    Train is cut down to the mapped classes too: whatever is fitted on it can answer with no
    other, which is how ImageNet-A, -R and ObjectNet restrict 1,000 classes to theirs.

    Args:
        train: labelled.
        test: labelled.
        classes: from test class to train classes.

    Raises:
        UserError: the map names a train class that train has not, or no class of test.
    """
    missing = sorted({t for targets in classes.values() for t in targets} - {*train.classes})
    if missing:
        raise UserError(
            f"class_map: every train class must be in train, {missing[0]!r} is not"
            f" ({len(missing)} in all)"
        )
    names = tuple(name for name in classes if name in set(test.classes))
    if not names:
        raise UserError("class_map: must name classes of test, it names none of them")
    owner = {target: names.index(name) for name in names for target in classes[name]}
    mark = blake2b(json.dumps(sorted(classes.items())).encode(), digest_size=8).hexdigest()
    return (
        _renamed(train, [owner.get(name, -1) for name in train.classes], names, mark),
        _renamed(
            test, [names.index(n) if n in names else -1 for n in test.classes], names, mark
        ),
    )


def _renamed(
    part: Embeddings, table: Sequence[int], names: tuple[str, ...], mark: str
) -> Embeddings:
    labels = np.array([*table, -1], np.int64)[part.labels]  # -1 stays -1
    return replace(part, labels=labels, classes=names, data=f"{part.data}/{mark}")


def _json(written: str, path: Path) -> dict[str, tuple[str, ...]]:
    where = f"class_map: {path}"
    content = check_fields(parse_json(written, where), {}, where, others=True)
    for name, targets in content.items():
        check_fields({name: targets}, {name: TARGETS}, where)
    return _checked({n: (t,) if isinstance(t, str) else tuple(t) for n, t in content.items()})


def _csv(written: str) -> dict[str, tuple[str, ...]]:
    rows: dict[str, tuple[str, ...]] = {}  # a test class may have a row for each train class
    for line in csv.reader(written.splitlines()):
        name, *targets = (cell.strip() for cell in line or [""])
        if line:
            rows[name] = rows.get(name, ()) + tuple(filter(None, targets))
    return _checked(rows)


def _checked(rows: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    for name, targets in rows.items():
        if not targets:
            raise ValueError(f"{name} has no train class")
    return rows
