"""The tables of methods in ``docs/results.md``: what each is, what it learned, and its plot."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import svg
from benchmarks.family import BACKBONES, GRIDS, METHOD_OPTIONS, PROTOCOLS
from benchmarks.grid import RESULTS, in_percent, kept_cells
from ilk.cli.methods import header
from ilk.cli.needs import needs
from ilk.kin_rules import KIN_RULES
from ilk.methods import METHODS
from ilk.mixes import MIXES

PLOT = Path(__file__).parents[1] / "docs" / "images" / "family.svg"
RESNET, VIT = GRIDS
UNTRAINED = {RESNET: "untrained", VIT: "untrained-vit"}
COLOURS = {RESNET: svg.BLUE, VIT: svg.VERMILION}
SHOWN = PROTOCOLS[1]  # what the plot is of
WIDTH, LABELS, ROW, TOP, BOTTOM, MARGIN = 760.0, 130.0, 18.0, 40.0, 44.0, 20.0


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What a method, or what has to be beaten, has with one network.

    Args:
        scores: value and interval by protocol, as their JSON has them.
        epochs: length of its training; None where there was none.
        seconds: processor time of its training; None where they are unknown.
    """

    scores: Mapping[str, Mapping[str, Any]]
    epochs: float | None
    seconds: float | None

    @classmethod
    def of(cls, cell: Mapping[str, Any]) -> "Learned":
        """What a cell's JSON says."""
        settings = cell["settings"]
        return cls(
            scores={result["protocol"]: result for result in cell["results"]},
            epochs=None if settings is None else settings["epochs"],
            seconds=cell.get("train_processor_seconds"),
        )

    def beats(self, other: "Learned | None", protocol: str) -> bool:
        """Whether its interval lies above another's."""
        if other is None or protocol not in other.scores:
            return True
        return self.scores[protocol]["interval"][0] > other.scores[protocol]["interval"][1]


Found = Mapping[str, Mapping[str, Learned]]  # by name, then by network


def methods() -> str:
    """What each method, mix and kin rule is."""
    rules = {f"kin.{name}": kind for name, kind in KIN_RULES.items()}
    lines = ["| name | what it is | paper | needs |", "|---|---|---|---|"]
    for name, kind in {**METHODS, **MIXES, **rules}.items():
        head = header(kind)
        what = head["title"].partition(": ")[2]
        lines.append(f"| `{name}` | {what} | {linked(head['Paper'])} | {needs(name)} |")
    return "\n".join(lines) + "\n"


def linked(papers: str) -> str:
    """Papers, each followed by its address, as links."""
    return re.sub(r"(?:^|(?<=[;,] ))(.+?), (https?://[^\s;,]+)", r"[\1](\2)", papers)


def cells(results: Path) -> Found:
    """What `make family` has measured so far, of the first seed."""
    found: dict[str, dict[str, Learned]] = {}
    for name in METHOD_OPTIONS:
        only = BACKBONES.get(name, {}).get("backbone")
        for network, grid in GRIDS.items():
            place = results / ("family" if network == only else grid)
            if only in (None, network) and (kept := kept_cells(place, name)):
                found.setdefault(name, {})[network] = Learned.of(kept[0])
    return found


def beaten(results: Path) -> Mapping[str, Learned]:
    """Raw pixels, and the untrained networks by their names."""
    names = {"pixels": "pixels"} | {network: name for network, name in UNTRAINED.items()}
    kept = {key: kept_cells(results / "family", name) for key, name in names.items()}
    return {key: Learned.of(ones[0]) for key, ones in kept.items() if ones}


def learned(results: Path = RESULTS) -> str:
    """What each method learned with either network, by each protocol."""
    found, below = cells(results), beaten(results)
    if not found:
        return "Not measured yet.\n"
    heads = [f"{name.partition('@')[0]}, {network}" for network in GRIDS for name in PROTOCOLS]
    lines = [
        "![What every method learned, with intervals](images/family.svg)",
        "",
        caption(found, results),
        "",
        f"| method | {' | '.join(heads)} | minutes |",
        f"|---|{'---|' * (len(heads) + 1)}",
    ]
    for name, row in found.items():
        scores = [
            entry(row.get(network), below.get(network), protocol)
            for network in GRIDS
            for protocol in PROTOCOLS
        ]
        lines.append(f"| `{name}` | {' | '.join(scores)} | {minutes(row)} |")
    return "\n".join(lines) + "\n"


def entry(one: Learned | None, untrained: Learned | None, protocol: str) -> str:
    """A score in percent, in italics where it does not beat the untrained network."""
    if one is None or protocol not in one.scores:
        return ""
    number = f"{100 * one.scores[protocol]['value']:.1f}"
    return number if one.beats(untrained, protocol) else f"*{number}*"


def minutes(row: Mapping[str, Learned]) -> str:
    """Minutes of a processor that training took with each network."""
    seconds = (row[network].seconds if network in row else None for network in GRIDS)
    return ", ".join("-" if taken is None else f"{taken / 60:.0f}" for taken in seconds)


def caption(found: Found, results: Path) -> str:
    """What was measured how, and what has to be beaten."""
    below = beaten(results)
    every = [one for row in found.values() for one in row.values()]
    lengths = sorted({one.epochs for one in every if one.epochs is not None})
    ends = [one["interval"] for each in every for one in each.scores.values()]
    half = max((high - low) / 2 for low, high in ends)
    baselines = (
        f"{what} with {in_percents(below[key])}"
        for key, what in (
            ("pixels", "raw pixels"),
            (RESNET, f"an untrained `{RESNET}`"),
            (VIT, f"an untrained `{VIT}`"),
        )
        if key in below
    )
    return (
        "Accuracy in percent of `make family`: CIFAR-10, 10,000 images, 32 px, "
        f"{' or '.join(f'{length:g}' for length in lengths)} epochs, one seed, small heads, "
        "one optimiser for each network, and minutes of a processor with each. Intervals over "
        f"test images are ±{100 * half:.1f} points at most. In *italics* stands what is not "
        "above the untrained network outside the intervals. Settings were not chosen by these "
        "scores, but where a method did not beat the untrained network (`swav`, `uic`, `dac`): "
        "this is what learns at once, not a ranking. `supcon` sees the labels; the runs of "
        "`moco-v3` teach `rekd` and `distill`. To be beaten, by "
        f"{words([name.partition('@')[0] for name in PROTOCOLS])}: {'; '.join(baselines)} "
        "([JSON](benchmarks/results/family), [of the transformer]"
        "(benchmarks/results/family-vit))." + own_encoder(results) + "".join(missing(found))
    )


def own_encoder(results: Path) -> str:
    """What AMDIM has learned with the encoder of its authors, where that was measured."""
    names = ("amdim-own", "untrained-amdim")
    trained, untrained = (kept_cells(results / "family", name) for name in names)
    if not trained or not untrained:
        return " Not measured yet: `amdim` with its own encoder."
    has, had = (in_percents(Learned.of(ones[0])) for ones in (trained, untrained))
    return f" `amdim` with its own encoder `amdim_mini` has {has}; untrained that has {had}."


def missing(found: Found) -> Iterator[str]:
    """What was not measured with each network yet, a sentence each."""
    for network in GRIDS:
        left = [
            f"`{name}`"
            for name in METHOD_OPTIONS
            if BACKBONES.get(name, {}).get("backbone") in (None, network)
            and network not in found.get(name, {})
        ]
        if left:
            yield f" Not measured yet on `{network}`: {words(left)}."


def in_percents(one: Learned) -> str:
    """The scores of something that has to be beaten."""
    shown = [in_percent(one.scores[name]) for name in PROTOCOLS if name in one.scores]
    return ", ".join(shown)


def words(parts: Sequence[str]) -> str:
    """Some things as a sentence has them."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def drawn(results: Path = RESULTS) -> str:
    """A row a method, the best by either network first; a line where each network begins."""
    found, below = cells(results), beaten(results)
    rows = sorted(found.items(), key=lambda item: -max(map(value, item[1].values())))
    every = [*below.values(), *(one for _, row in rows for one in row.values())]
    ends = [end for one in every for end in one.scores[SHOWN]["interval"]]
    low, high = min(ends) - 0.01, max(ends) + 0.01
    height = TOP + ROW * len(rows) + BOTTOM

    def place(share: float) -> float:
        return LABELS + (share - low) / (high - low) * (WIDTH - LABELS - MARGIN)

    parts = [*axis(low, high, height - BOTTOM, place), *lines_of(below, height - BOTTOM, place)]
    for number, (name, row) in enumerate(rows):
        y = TOP + ROW * (number + 0.5)
        parts.append(svg.text(8, y + 4, name))
        for network, one in row.items():
            start, end = one.scores[SHOWN]["interval"]
            across = (place(start), place(value(one)), place(end))
            shape = svg.marked(across, y, network == VIT, COLOURS[network])
            said = f"{name}, {network}: {in_percent(one.scores[SHOWN])}"
            parts.append(f"<g><title>{said}</title>{shape}</g>")
    middle = LABELS + (WIDTH - LABELS) / 2
    parts.append(svg.text(middle, height - 8, "accuracy of a linear probe, percent", "middle"))
    return svg.page(WIDTH, height, "What every method learned, with intervals", parts)


def value(one: Learned) -> float:
    """What the plot shows of it."""
    return float(one.scores[SHOWN]["value"])


def axis(
    low: float, high: float, bottom: float, place: Callable[[float], float]
) -> Iterator[str]:
    """A faint line at every twentieth."""
    for tick in range(0, 100, 5):
        if low <= tick / 100 <= high:
            x = place(tick / 100)
            yield f'<path d="M{x:.1f} {TOP - 4:g}V{bottom:g}" stroke="{svg.LIGHT}"/>'
            yield svg.text(x, bottom + 16, str(tick), "middle")


def lines_of(
    below: Mapping[str, Learned], bottom: float, place: Callable[[float], float]
) -> Iterable[str]:
    """A dashed line for each untrained network, and the names of both networks."""
    for number, network in enumerate(GRIDS):
        colour, x = COLOURS[network], LABELS + 230.0 * number
        yield svg.marked((x, x + 10, x + 20), 14, network == VIT, colour)
        yield svg.text(x + 28, 18, f"{network} (dashed: untrained)", fill=colour)
        if network in below:
            at = place(value(below[network]))
            yield (
                f'<path d="M{at:.1f} {TOP - 4:g}V{bottom:g}" stroke="{colour}" '
                'stroke-dasharray="4 3"/>'
            )
