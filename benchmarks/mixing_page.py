"""When does mixing pay? The plot, the table and the evidence of `--mix auto`, from JSON files.

`python -m benchmarks.tables` writes them. All are made whatever was measured so far, and say
what is missing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import svg
from benchmarks.gains import PROTOCOLS, Gain, Regime, gain, regimes
from benchmarks.grid import RESULTS, kept_cells
from benchmarks.regimes import ABLATIONS, AXES, cell_name
from ilk.train.planning.mixing import EVIDENCE, read
from ilk.train.planning.mixing import Regime as Planned

PLOT = Path(__file__).parents[1] / "docs" / "images" / "mixing.svg"
KNN, LINEAR, CORRUPTED = PROTOCOLS
PANELS = {KNN: "k-NN", LINEAR: "linear probe"}
COLOURS = {KNN: svg.BLUE, LINEAR: svg.VERMILION}
WIDTH, LABELS, ROW, TOP, BOTTOM, GAP = 890.0, 360.0, 34.0, 44.0, 64.0, 44.0
AUGMENTS = ("full", "no-hue", "crops")
LEAST = 0.03  # share that an axis shows on either side of zero


def evidence(found: Sequence[Regime]) -> list[dict[str, Any]]:
    """What `--mix auto` goes by: every regime that was measured."""
    return [
        {
            "method": one.method,
            "mix": one.mix,
            "mix_options": dict(one.mix_options),
            "images": one.images,
            "seen": one.seen,
            "augment": one.augment,
            "backbone": one.backbone,
            "parameters": one.parameters,
            "seeds": max(each.seeds for each in one.gains.values()),
            "gains": {
                name: [round(number, 4) for number in (each.difference, each.low, each.high)]
                for name, each in one.gains.items()
            },
            "where": one.where,
        }
        for one in found
        if one.gains
    ]


def table(found: Sequence[Regime]) -> str:
    """Accuracy with and without the mix, and the gain with its interval."""
    lines = [
        verdict(found),
        "",
        "![Gains by mixing in every regime, with intervals](images/mixing.svg)",
        "",
        "Accuracy without and with the mix, and gain in points with its 95 % interval, paired "
        "over test images where scores of single images were kept. With several seeds the "
        "interval covers seeds and test images; with one seed test images alone, so that "
        "another seed may reverse the sign.",
        "",
        "| regime | where | seeds | k-NN | gain | linear | gain | corrupted, gain |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(one) for one in ordered(found) if one.gains]
    missing = [name for one in found for name in one.missing]
    if missing:
        lines += ["", f"Not measured yet: {', '.join(f'`{name}`' for name in missing)}."]
    return "\n".join([*lines, *ablations()]) + "\n"


def verdict(found: Sequence[Regime]) -> str:
    """Whether mixing pays anywhere, by what `--mix auto` counts as a gain."""
    known = [read(entry) for entry in evidence(found)]
    paid = [one for one in known if one.pays]
    if paid:
        return f"**Mixing pays outside the interval** in: {'; '.join(o.words for o in paid)}."
    none = "**No regime that was measured shows a gain by mixing outside its interval**, "
    none += "over two seeds at least, and so `ilk train --mix auto` mixes nothing."
    if not known:
        return none
    best = max(known, key=lambda one: one.gains[KNN][0])
    return f"{none} It comes nearest to one by {best.words}."


def _line(one: Regime) -> str:
    folder = one.where.rpartition("/")[2]
    seeds = max(each.seeds for each in one.gains.values())
    parts = ["{} ({})".format(*names_of(one)), f"[{folder}]({one.where})", str(seeds)]
    for protocol in (KNN, LINEAR):
        each = one.gains.get(protocol)
        parts += ["", ""] if each is None else [_accuracies(each), points(each)]
    corrupted = one.gains.get(CORRUPTED)
    parts.append("" if corrupted is None else points(corrupted))
    return f"| {' | '.join(parts)} |"


def ablations(results: Path = RESULTS) -> list[str]:
    """What is changed of SDMP, beside the plain method at the same axis."""
    lines: list[str] = []
    for axis in AXES:
        plain = kept_cells(results / "regimes", cell_name(axis, "none"))
        places = {"sdmp": results / "regimes"}
        places |= dict.fromkeys(("i-mix", *ABLATIONS), results / "regimes-ablations")
        rows = [
            f"| {name} | {_accuracies(each)} | {points(each)} | {each.seeds} |"
            for name, place in places.items()
            if (each := gain(plain, kept_cells(place, cell_name(axis, name)), KNN)) is not None
        ]
        if len(rows) > 1:
            lines += ["", f"Changed at {axis} (k-NN, against the plain method):", ""]
            lines += ["| SDMP with | k-NN | gain | seeds |", "|---|---|---|---|", *rows]
    return lines


def names_of(one: Regime) -> tuple[str, str]:
    """A regime in the words of the plan, in two lines, and the network that was measured."""
    known = Planned(
        method=one.method, images=one.images, seen=one.seen, augment=one.augment,
        parameters=one.parameters,
    )  # fmt: skip
    return f"{one.mix} with {known.what}", f"{known.how}, {one.backbone}"


def points(each: Gain) -> str:
    """A gain and its interval in percentage points."""
    low, high = 100 * each.low, 100 * each.high
    return f"{100 * each.difference:+.1f} ({low:+.1f} to {high:+.1f})"


def _accuracies(each: Gain) -> str:
    return f"{100 * each.plain:.1f}, {100 * each.mixed:.1f} %"


def ordered(found: Sequence[Regime]) -> list[Regime]:
    """The regimes in the order of method, mix, augmentation, images, length and network."""
    return sorted(
        found,
        key=lambda one: (
            one.method != "moco-v3", one.mix != "sdmp", AUGMENTS.index(one.augment),
            one.images, one.seen, one.parameters, one.where,
        ),
    )  # fmt: skip


def drawn(found: Sequence[Regime]) -> str:
    """A row a regime, a panel a protocol: the gain and its interval beside a line at zero."""
    found = ordered(found)
    ends = [
        abs(end)
        for one in found
        for name in PANELS
        if name in one.gains
        for end in (one.gains[name].low, one.gains[name].high)
    ]
    reach = max([LEAST, *ends]) * 1.05
    height = TOP + ROW * len(found) + BOTTOM
    parts = list(_panels(len(found), reach))
    for number, one in enumerate(found):
        parts += _row(one, TOP + ROW * (number + 0.5), reach)
    below = height - BOTTOM
    parts += [
        svg.text(
            WIDTH - (WIDTH - LABELS) / 2, below + 36, "gain in percentage points", "middle",
        ),
        svg.text(
            8, below + 56,
            "Bars: 95 %, over test images, and over seeds where there are several. Hollow: one "
            "seed, which another may reverse.",
        ),
    ]  # fmt: skip
    title = "Gain in accuracy by mixing, with intervals, by regime"
    return svg.page(WIDTH, height, title, parts)


def _panels(rows: int, reach: float) -> Iterator[str]:
    bottom = TOP + ROW * rows
    for number, (protocol, name) in enumerate(PANELS.items()):
        middle = _place(number, 0.0, reach)
        yield svg.text(middle, 20, name, "middle", COLOURS[protocol], "bold")
        step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2) if reach / s <= 4)
        for tick in range(-4, 5):
            if abs(tick * step) > reach:
                continue
            x = _place(number, tick * step, reach)
            dark = svg.FAINT if tick == 0 else svg.LIGHT
            yield f'<path d="M{x:.1f} {TOP - 8:g}V{bottom:g}" stroke="{dark}"/>'
            yield svg.text(
                x, bottom + 16, f"{100 * tick * step:+.0f}" if tick else "0", "middle"
            )


def _row(one: Regime, y: float, reach: float) -> Iterator[str]:
    what, how = names_of(one)
    yield svg.text(8, y - 2, what)
    yield svg.text(8, y + 12, how, fill=svg.FAINT)
    for number, protocol in enumerate(PANELS):
        each = one.gains.get(protocol)
        if each is None:
            x = _place(number, 0.0, reach)
            left = f"{len(one.missing)} of 2 cells" if one.missing else "protocol"
            yield svg.text(x + 6, y + 4, f"{left} not run yet", fill=svg.FAINT)
            continue
        yield _marked(number, each, y, reach, COLOURS[protocol])


def _marked(panel: int, each: Gain, y: float, reach: float, colour: str) -> str:
    """A bar, and a circle for k-NN or a square for the linear probe."""
    low, at, high = (_place(panel, v, reach) for v in (each.low, each.difference, each.high))
    fill = "white" if each.seeds == 1 else ""
    shape = svg.marked((low, at, high), y, panel == 1, colour, fill)
    return f"<g><title>{points(each)}, {each.covers}</title>{shape}</g>"


def _place(panel: int, share: float, reach: float) -> float:
    """Where a gain lies in a panel, from left to right."""
    width = (WIDTH - LABELS) / len(PANELS)
    left = LABELS + panel * width + GAP / 2
    return left + (share + reach) / (2 * reach) * (width - GAP)


def as_json(entries: Sequence[Mapping[str, Any]]) -> str:
    """The evidence as it is kept, an entry a line."""
    return "[\n" + ",\n".join(f" {json.dumps(entry)}" for entry in entries) + "\n]\n"


def write() -> None:
    """Write plot and evidence."""
    found = regimes()
    PLOT.write_text(drawn(found))
    EVIDENCE.write_text(as_json(evidence(found)))
