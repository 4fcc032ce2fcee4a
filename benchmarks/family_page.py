"""The table of methods in ``docs/results.md``: what each is, and what it learned."""

import json
import re
from collections.abc import Sequence
from typing import Any

from benchmarks.family import BACKBONES
from benchmarks.grid import RESULTS, in_percent
from ilk.cli.methods import header
from ilk.cli.needs import needs
from ilk.kin_rules import KIN_RULES
from ilk.methods import METHODS
from ilk.mixes import MIXES


def methods() -> str:
    """What each method, mix and kin rule is, and what each method learned in `make family`."""
    cells = family()
    rules = {f"kin.{name}": kind for name, kind in KIN_RULES.items()}
    heads, lines = ["name", "what it is", "paper", "needs"], list[str]()
    if cells:
        heads += ["k-NN", "minutes"]
        lines += [caption(cells), ""]
    lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for name, kind in {**METHODS, **MIXES, **rules}.items():
        head = header(kind)
        what = head["title"].partition(": ")[2]
        row = [f"`{name}`", what, linked(head["Paper"]), needs(name)]
        if cells:
            found = cells.get(name, []) if name in METHODS else []
            row.append(", ".join(in_percent(cell["results"][0]) for cell in found))
            row.append(", ".join(minutes(cell) for cell in found))
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def linked(papers: str) -> str:
    """Papers, each followed by its address, as links."""
    return re.sub(r"(?:^|(?<=[;,] ))(.+?), (https?://[^\s;,]+)", r"[\1](\2)", papers)


def family() -> dict[str, list[dict[str, Any]]]:
    """The cells of the family benchmark by name, seed by seed."""
    cells: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((RESULTS / "family").glob("*.json")):
        cell = json.loads(path.read_text())
        cells.setdefault(cell["cell"], []).append(cell)
    return cells


def minutes(cell: dict[str, Any]) -> str:
    """What training took of a processor, where it is known."""
    seconds = cell.get("train_processor_seconds")
    return "" if seconds is None else f"{seconds / 60:.0f}"


def caption(cells: dict[str, list[dict[str, Any]]]) -> str:
    """What the last columns are, and what has to be beaten."""
    lengths = {
        c["settings"]["epochs"] for found in cells.values() for c in found if c["settings"]
    }
    beaten = (
        f"{in_percent(cells[name][0]['results'][0])} by {what}"
        for name, what in (
            ("untrained", "the untrained network"),
            ("untrained-vit", "an untrained `vit_mini`"),
            ("pixels", "raw pixels"),
        )
        if name in cells
    )
    transformers = [f"`{name}`" for name, own in BACKBONES.items() if "backbone" in own]
    return (
        "k-NN and minutes are of `make family`: CIFAR-10, 10,000 images, `resnet_mini` "
        f"({words(transformers)}: `vit_mini`), 32 px, "
        f"{' or '.join(f'{length:g}' for length in sorted(lengths))} epochs, one seed, small "
        "heads and one optimiser for all, minutes of a processor. Settings were not chosen by "
        "these scores, but where a method did not beat the untrained network (`swav`, `uic`, "
        "`dac`): this is what learns at once, not a ranking. `supcon` sees the labels, `rekd` "
        "is taught by the run of `moco-v3`. "
        f"To be beaten: {words(list(beaten))} "
        "([JSON](benchmarks/results/family))."
    )


def words(parts: Sequence[str]) -> str:
    """Some things as a sentence has them."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
