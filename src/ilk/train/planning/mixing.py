"""Whether to mix: a rule that rests on the regimes that were measured.

``mixing.json`` beside this file holds them. ``benchmarks.mixing_page`` writes it from the JSON
files of the benchmarks, and a test holds the two together, so the rule changes when the
evidence does.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from ilk.train.planning.facts import Facts
from ilk.train.settings import Settings

EVIDENCE = Path(__file__).parent / "mixing.json"
NEAR = 2.0  # powers of two, in images, epochs and parameters each, to which a finding reaches
OTHER_VIEWS, OTHER_METHOD = 2.0, 4.0  # in powers of two; no finding reaches so far
SEEDS = 2  # fewer show no gain: another seed may reverse it
KNN, LINEAR = "knn@1", "linear@1"
NAMES = {KNN: "k-NN", LINEAR: "linear"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Regime:
    """What a run is, as far as it may matter to mixing.

    Args:
        method: its name; with what else changes it, such as a kin rule.
        images: that are learned from.
        seen: images, with repetitions.
        augment: how much images are changed: full, no-hue or crops.
        parameters: parameters of the backbone.
    """

    method: str
    images: int
    seen: int
    augment: str
    parameters: int

    @property
    def words(self) -> str:
        """The regime in words."""
        return f"{self.what} ({self.how})"

    @property
    def what(self) -> str:
        """Method, images and length."""
        epochs = self.seen / self.images
        shown = f"{epochs:,.0f}" if epochs >= 10 else f"{epochs:.2g}"
        return f"{self.method} on {self.images:,} images for {shown} epochs"

    @property
    def how(self) -> str:
        """Augmentation and size of the network."""
        return f"{self.augment} augmentation, {self.parameters / 1e6:.2g} M parameters"

    def distance(self, other: "Regime") -> float:
        """How far apart two regimes are, in powers of two."""
        named = OTHER_METHOD * (self.method != other.method)
        return sum(self._ratios(other)) + named + OTHER_VIEWS * (self.augment != other.augment)

    def near(self, other: "Regime") -> bool:
        """Whether what was found in one may be expected in the other."""
        same = self.method == other.method and self.augment == other.augment
        return same and max(self._ratios(other)) <= NEAR

    def _ratios(self, other: "Regime") -> list[float]:
        pairs = (
            (self.images, other.images),
            (self.seen / self.images, other.seen / other.images),
            (self.parameters, other.parameters),
        )
        return [abs(math.log2(max(mine, 1e-9) / max(theirs, 1e-9))) for mine, theirs in pairs]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What a mix gained in a regime.

    Args:
        regime: the regime of both runs.
        mix: its name.
        mix_options: fields of the mix that differ from its defaults.
        seeds: runs of each.
        gains: difference of accuracies and the ends of its 95 % interval, by protocol, as
            shares; positive where the mix is better.
        where: the results are kept.
    """

    regime: Regime
    mix: str
    mix_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seeds: int
    gains: Mapping[str, tuple[float, float, float]]
    where: str

    @property
    def pays(self) -> bool:
        """Whether k-NN gains outside its interval, and the linear probe does not lose."""
        if self.seeds < SEEDS or KNN not in self.gains:
            return False
        return self.gains[KNN][1] > 0 and self.gains.get(LINEAR, (0.0, 0.0, 0.0))[2] >= 0

    @property
    def words(self) -> str:
        """Regime and gains in words."""
        known = [(name, self.gains[key]) for key, name in NAMES.items() if key in self.gains]
        found = ", ".join(
            f"{name} {100 * gain:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
            for name, (gain, low, high) in known
        )
        runs = "one seed" if self.seeds == 1 else f"{self.seeds} seeds"
        return f"{self.mix} with {self.regime.words}: {found}; {runs}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """What the rule chose.

    Args:
        mix: its name, or None.
        mix_options: fields of the mix.
        why: one line.
    """

    mix: str | None
    mix_options: Mapping[str, Any]
    why: str


def advise(run: Regime, evidence: Sequence[Measured]) -> Advice:
    """Whether to mix, by the nearest regime that was measured.

    A mix is chosen where it gained in the nearest regime outside the interval, over two seeds
    at least, and that regime is near: the same method and augmentation, and at most four times
    as many or as few images, epochs and parameters.

    Args:
        run: what it is asked for.
        evidence: what was measured.
    """
    if not evidence:
        return Advice(mix=None, mix_options={}, why="none: no regime was measured")
    nearest = min(evidence, key=lambda one: _order(run, one))
    paid = [one for one in evidence if one.pays]
    if nearest.pays and run.near(nearest.regime):
        why = f"{nearest.mix}: it gained in the nearest measured regime, {nearest.words}"
        return Advice(mix=nearest.mix, mix_options=nearest.mix_options, why=why)
    if not paid:
        why = "no measured regime shows a gain outside its interval over two seeds; nearest is "
    elif not nearest.pays:
        why = "the nearest measured regime shows no gain outside its interval over two seeds, "
    else:
        why = f"this run, {run.words}, is far from the nearest measured regime, "
    return Advice(mix=None, mix_options={}, why=f"none: {why}{nearest.words}")


def advised(settings: Settings, facts: Facts, steps: int) -> Advice:
    """The rule's advice for a run.

    Args:
        settings: with backbone and batch decided.
        facts: facts of images and network.
        steps: steps of the run.
    """
    start = "given weights" if facts.weights else None
    run = Regime(
        method=" + ".join(part for part in (settings.method, settings.kin, start) if part),
        images=facts.images,
        seen=steps * facts.batch,
        augment=settings.augment,
        parameters=facts.parameters,
    )
    return advise(run, measured())


def _order(run: Regime, one: Measured) -> tuple[float, bool, int, float]:
    """Near ones first; of equally near ones those that pay, then those with more seeds."""
    gain = one.gains[KNN][0] if KNN in one.gains else -math.inf
    return round(run.distance(one.regime), 6), not one.pays, -one.seeds, -gain


@lru_cache
def measured() -> tuple[Measured, ...]:
    """The regimes in ``mixing.json``."""
    return tuple(read(entry) for entry in json.loads(EVIDENCE.read_text()))


def read(entry: Mapping[str, Any]) -> Measured:
    """One entry of ``mixing.json``.

    Args:
        entry: a mapping with the fields of both dataclasses.
    """
    return Measured(
        regime=Regime(**{each.name: entry[each.name] for each in fields(Regime)}),
        mix=entry["mix"],
        mix_options=entry["mix_options"],
        seeds=entry["seeds"],
        gains={name: tuple(gain) for name, gain in entry["gains"].items()},
        where=entry["where"],
    )
