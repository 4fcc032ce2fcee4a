"""One table of a study: means over seeds, and differences corrected for their number."""

import itertools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ilk.evaluate import (
    SeedDifference,
    SeedMean,
    difference_over_seeds,
    holm,
    mean_over_seeds,
)
from ilk.study.study import Study
from ilk.train import read_record

ALPHA = 0.05


def percentage_points(share: float) -> float:
    """A difference of shares as it is printed, without a zero of negative sign.

    Example:
        >>> percentage_points(-0.0001)
        0.0
    """
    return round(100 * share, 1) + 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A cell over its seeds.

    Args:
        name: of the cell.
        means: by protocol; only of those that score single items.
        minutes: of training, mean over seeds; None for baselines.
        images_per_second: in training, mean over seeds; None for baselines.
    """

    name: str
    means: Mapping[str, SeedMean]
    minutes: float | None = None
    images_per_second: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Two cells by one protocol.

    Args:
        protocol: by which they were measured.
        ours: name of the first cell.
        theirs: name of the second.
        found: how far apart they are.
        p: corrected for all comparisons by this protocol (Holm).
    """

    protocol: str
    ours: str
    theirs: str
    found: SeedDifference
    p: float

    @property
    def sure(self) -> bool:
        """Whether they differ at 5 % after the correction."""
        return self.p <= ALPHA

    @property
    def words(self) -> str:
        """The finding as a sentence, in percentage points."""
        low, high, points = map(
            percentage_points, (*self.found.interval, self.found.difference)
        )
        sure = f"p = {self.p:.2g} corrected for the number of comparisons"
        if max(self.found.seeds) == 1:
            sure += "; with one seed, another seed may reverse it"
        if not self.sure:
            return (
                f"{self.protocol}: {self.ours} and {self.theirs} do not differ significantly, "
                f"{points:+.1f} points ({low:+.1f} to {high:+.1f}), {sure}"
            )
        word = "better" if self.found.difference > 0 else "worse"
        return (
            f"{self.protocol}: {self.ours} is {word} than {self.theirs} by {abs(points):.1f} "
            f"points ({low:+.1f} to {high:+.1f}), {sure}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """All that a study found.

    Args:
        rows: one for each cell that was scored.
        differences: between every two of them, by every protocol.
        mixes: pairs of a mixed cell and the same without the mix.
    """

    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    mixes: tuple[tuple[str, str], ...] = ()

    @property
    def protocols(self) -> tuple[str, ...]:
        """Those by which any cell was measured."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.means))

    def between(self, ours: str, theirs: str, protocol: str) -> Difference | None:
        """The difference of two cells, either way round."""
        for one in self.differences:
            if one.protocol == protocol and {one.ours, one.theirs} == {ours, theirs}:
                return one if one.ours == ours else _turned(one)
        return None


def summary(study: Study) -> Summary:
    """What has been measured so far."""
    scores: dict[str, dict[str, list[np.ndarray]]] = {}
    for cell, _, place in study.places():
        for name, result in study.results(place).items():
            if name in study.protocols and result.scores is not None:
                scores.setdefault(cell.name, {}).setdefault(name, []).append(result.scores)
    rows = tuple(
        Row(
            name=name,
            means={p: mean_over_seeds(np.stack(found)) for p, found in by.items()},
            **_pace(study, name),
        )
        for name, by in scores.items()
    )
    differences = [
        one for protocol in study.protocols for one in _differences(scores, protocol)
    ]
    mixes = tuple(
        (cell.name, cell.plain)
        for cell in study.cells
        if cell.plain in scores and cell.name in scores
    )
    return Summary(rows=rows, differences=tuple(differences), mixes=mixes)


def _differences(
    scores: Mapping[str, Mapping[str, list[np.ndarray]]], protocol: str
) -> list[Difference]:
    """Every two cells by one protocol; their probabilities are corrected together."""
    there = {name: np.stack(by[protocol]) for name, by in scores.items() if protocol in by}
    found = [
        (ours, theirs, difference_over_seeds(there[ours], there[theirs]))
        for ours, theirs in itertools.combinations(there, 2)
    ]
    corrected = holm([one.p for _, _, one in found])
    return [
        Difference(protocol=protocol, ours=ours, theirs=theirs, found=one, p=p)
        for (ours, theirs, one), p in zip(found, corrected, strict=True)
    ]


def _turned(one: Difference) -> Difference:
    low, high = one.found.interval
    found = replace(
        one.found,
        difference=-one.found.difference,
        interval=(-high, -low),
        seeds=one.found.seeds[::-1],
    )
    return replace(one, ours=one.theirs, theirs=one.ours, found=found)


def _pace(study: Study, name: str) -> dict[str, float]:
    """Minutes and images a second of a cell's finished runs."""
    records = [
        read_record(place)
        for cell, _, place in study.places()
        if cell.name == name and (place / "run.json").exists()
    ]
    seconds = [record["seconds"] for record in records if record["status"] == "finished"]
    if not seconds:
        return {}
    images = [
        record["length"]["steps"] * record["settings"]["batch_size"] / record["seconds"]
        for record in records
        if record["status"] == "finished" and record["seconds"] > 0
    ]
    return {
        "minutes": statistics.mean(seconds) / 60,
        "images_per_second": statistics.mean(images),
    }
