"""Encoders that differ by their seed alone stand together. Axes: S seeds, N test items."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from ilk.evaluate import Result, SeedMean, mean_over_seeds
from ilk.train.records.record import FINISHED

APART = ("seed", "workers", "device", "checkpoint_every")


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """One row of the report.

    Args:
        name: of the encoder, or of the method and the number of its seeds.
        members: names of the encoders.
    """

    name: str
    members: tuple[str, ...]


def groups(records: Mapping[str, Mapping[str, Any] | None]) -> list[Group]:
    """Encoders whose finished runs have the same settings and data, the seed apart.

    Args:
        records: of each encoder's run by its name; None for what is no run.
    """
    found: dict[str, list[str]] = {}
    for name, record in records.items():
        kind = f"alone {name}"
        if record is not None and record.get("status") == FINISHED:
            kind = _kind(record)
        found.setdefault(kind, []).append(name)
    return [_group(names, records[names[0]]) for names in found.values()]


def stacked(
    group: Group, results: Mapping[str, Mapping[str, Result]], protocol: str
) -> Float64[np.ndarray, "S N"] | None:
    """Scores of every member, or None where one was not measured item by item as the others."""
    found = [results[name].get(protocol) for name in group.members]
    scores = [one.scores for one in found if one is not None and one.scores is not None]
    if len(scores) < len(found) or len({len(one) for one in scores}) > 1:
        return None
    return np.stack(scores) if learned_from(group, results, protocol) is not None else None


def learned_from(
    group: Group, results: Mapping[str, Mapping[str, Result]], protocol: str
) -> str | None:
    """The data that probes of all members learned from; None where they differ."""
    found = {one.train_data for m in group.members if (one := results[m].get(protocol))}
    return found.pop() if len(found) == 1 else None


def over_seeds(
    group: Group, results: Mapping[str, Mapping[str, Result]], protocol: str
) -> SeedMean | None:
    """The mean of a group of several, or None."""
    if len(group.members) == 1:
        return None
    scores = stacked(group, results, protocol)
    return None if scores is None else mean_over_seeds(scores)


def _kind(record: Mapping[str, Any]) -> str:
    settings = {k: v for k, v in record["settings"].items() if k not in APART}
    length = dict(record["length"])
    legs = [(leg["from"], leg["to"]) for leg in length.pop("legs", [])]
    parts = [settings, length, legs, record["data"]["fingerprint"]]
    return json.dumps(parts, sort_keys=True, default=str)


def _group(names: Sequence[str], record: Mapping[str, Any] | None) -> Group:
    if len(names) == 1 or record is None:
        return Group(name=names[0], members=tuple(names))
    settings = record["settings"]
    parts = (settings.get("method"), settings.get("kin"), settings.get("mix"))
    what = " + ".join(str(part) for part in parts if part)
    return Group(name=f"{what}, {len(names)} seeds", members=tuple(names))
