"""Write the tables of the README and the docs from ``results/`` and the methods themselves.

.venv/bin/python -m benchmarks.tables
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import (
    continued_page,
    family_page,
    learning,
    mixing_page,
    places_page,
    selection_page,
    semi_page,
    semi_plot,
)
from benchmarks.gains import regimes
from benchmarks.grid import in_percent
from benchmarks.pixels import CELLS, EPOCHS
from benchmarks.speed_tables import halves, kin, speed
from ilk.core.counts import count

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CONTINUE = ROOT / "docs" / "continue.md"
CURATE = ROOT / "docs" / "curate.md"
SPEED = ROOT / "docs" / "speed.md"
PAGE = ROOT / "docs" / "results.md"
RESULTS = Path(__file__).parent / "results"
PUBLISHED = Path(__file__).parent / "published"
COLUMNS = (
    "knn@1", "linear@1", "finetune-mini@1", "finetune-10@1", "finetune-1@1", "robustness@1",
)  # fmt: skip


def readme(text: str) -> str:
    """The README with its table as it must be."""
    return between(between(text, "glance", glance()), "minutes", minutes())


def results_page(text: str) -> str:
    """The page of results with its tables as they must be."""
    made = {
        "results": results(),
        "mixing": mixing_page.table(regimes()),
        "semi": semi_page.page(),
        "learning": learned(),
        "speed": "\n".join([*speed(), *engines()]) + "\n",
        "family": family_page.learned(),
        "methods": family_page.methods(),
        "pixels": pixels(),
        "places": places_page.tables(),
    }
    for mark, content in made.items():
        text = between(text, mark, content.replace("](benchmarks/", "](../benchmarks/"))
    return text


def speed_page(text: str) -> str:
    """The page on speed with its tables as they must be."""
    return between(between(text, "kin", kin()), "halves", halves())


def continue_page(text: str) -> str:
    """The page on pretrained networks with its tables as they must be."""
    return between(text, "continued", continued_page.table(RESULTS / "continue"))


def curate_page(text: str) -> str:
    """The page on curation with its tables as they must be."""
    return between(text, "selection", selection_page.table(RESULTS / "selection"))


def between(text: str, mark: str, content: str) -> str:
    """The text with other content between two marks."""
    begin, end = f"<!-- {mark}:begin -->\n", f"<!-- {mark}:end -->"
    head, rest = text.split(begin)
    return head + begin + content + end + rest.split(end, 1)[1]


def glance() -> str:
    """The learning check in a few rows."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for name in ("moco-v3", "moco-v3-sdmp", "dino", "pixels", "untrained"):
        cell = json.loads((RESULTS / "mini" / f"{name}-seed0.json").read_text())
        rows[name] = cell["results"]
    lines = [
        "60 epochs of 10,000 images of CIFAR-10 at 32 px, `resnet_mini`, one core, one seed "
        "(`make mini`), with 95 % intervals over test images:",
        "",
        *table(rows),
    ]
    return "\n".join(lines) + "\n"


def minutes() -> str:
    """What is learned in some minutes with no other choice, in a few sentences."""
    cells = learning.finished(RESULTS / "learning", learning.MINUTES)
    half = learning.finished(RESULTS / "learning", learning.MINUTES / 2)
    peers = [name for name in learning.PEERS if name in cells]
    left = [name for name in learning.PEERS if name not in cells]
    seeds, lacking, single = count(len(cells["ilk"]), "seed"), "", ""
    if all(cell.get("precision", "32-true") == "32-true" for cell in cells["ilk"]):
        single = ", in single precision"
    if left:
        lacking = f", and not measured yet are {', '.join(f'`{name}`' for name in left)}"
    return (
        f"Who chooses nothing gets {knn(cells['ilk'])} by k-NN from `ilk train FOLDER --time "
        f"{learning.MINUTES:g}m` on two threads of a processor (20,000 images of CIFAR-10 at "
        f"32 px, {seeds}{single}), and {knn(half['ilk'])} in half of the time. Methods put "
        "together as lightly's pages say, on the same network, threads and minutes, have "
        f"{', '.join(f'{knn(cells[name])} (`{name}`)' for name in peers)}. Our defaults for so "
        f"small a network were chosen on other runs of CIFAR-10's training images{lacking}: "
        "[what is learned in some minutes](docs/results.md#what-is-learned-in-some-minutes).\n"
    )


def knn(cells: Sequence[Mapping[str, Any]]) -> str:
    """The mean k-NN accuracy over seeds."""
    scores = [r["value"] for c in cells for r in c["results"] if r["protocol"] == "knn@1"]
    return f"{100 * sum(scores) / len(scores):.1f} %"


def results() -> str:
    """Every result there is, with the command that made it."""
    parts = [cli(path) for path in sorted((RESULTS / "cli").glob("*.json"))]
    return "\n".join([*parts, *mini(), *paper()])


def cli(path: Path) -> str:
    """One run of the whole command line."""
    content = json.loads(path.read_text())
    commands = "\n".join(f"    {short(command)}" for command in content["commands"])
    epochs = content["settings"]["epochs"]
    lines = [
        f"**{path.stem}**: {content['images']:,} training images, {epochs:g} epochs, "
        f"{content['train_seconds'] / 60:.0f} minutes on "
        f"{content['machine']['processors']} busy CPU cores, seed {content['seed']}, "
        f"{content['date'][:10]}. A short run, to show the road from end to end "
        f"([JSON](benchmarks/results/cli/{path.name})).",
        "",
        commands,
        "",
        *table({row: entry["results"] for row, entry in content["results"].items()}),
    ]
    return "\n".join(lines) + "\n"


def mini() -> list[str]:
    """The learning check, seed by seed, and the same of other lengths."""
    lines: list[str] = []
    for place in sorted(RESULTS.glob("mini*")):
        cells = [json.loads(path.read_text()) for path in sorted(place.glob("*.json"))]
        rows = {f"{cell['cell']}, seed {cell['seed']}": cell["results"] for cell in cells}
        epochs = max(cell["settings"]["epochs"] for cell in cells if cell["settings"])
        what = f"{epochs:g} epochs of CIFAR-10, 10,000 images, `resnet_mini`, 32 px"
        where = f"benchmarks/results/{place.name}"
        head = f"**Learning check** (`make mini`): {what}; cells under [{where}]({where})."
        lines += [head, "", *table(rows), ""]
    return lines


def learned() -> str:
    """What is learned in some minutes, ours and peers, a table for each length."""
    lines: list[str] = []
    for minutes in (learning.MINUTES, learning.MINUTES / 2):
        cells = learning.finished(RESULTS / "learning", minutes)
        lines += [f"**{minutes:g} minutes:**", "", *learning.table(cells), ""]
    return "\n".join(lines)


def engines() -> list[str]:
    """What the fast views teach beside torchvision's, seed by seed."""
    checks = [
        json.loads(path.read_text()) for path in sorted((RESULTS / "engines").glob("*.json"))
    ]
    if not checks:
        return []
    rows = {
        f"views of {name}, seed {check['seed']}": found["results"]
        for check in checks
        for name, found in check["engines"].items()
    }
    apart = [
        f"Seed {check['seed']}, {line['protocol']}, ours against theirs: {line['verdict']}."
        for check in checks
        for line in check["compared"]
    ]
    return [
        "",
        "The same training with either engine (`python -m benchmarks.engines`): "
        f"{checks[0]['settings']['method']}, {checks[0]['epochs']} epochs of the learning "
        "check's 10,000 images ([JSON](benchmarks/results/engines)).",
        "",
        *table(rows),
        "",
        *apart,
    ]


def paper() -> list[str]:
    """What the paper measures on ImageNet, on the encoders of the learning check."""
    cells = [
        json.loads(path.read_text()) for path in sorted((RESULTS / "paper").glob("*.json"))
    ]
    if not cells:
        return []
    published = json.loads((PUBLISHED / "sdmp.json").read_text())
    rows = {
        f"{cell['cell']}, seed {cell['seed']}": sorted(cell["results"], key=column)
        for cell in cells
    }
    return [
        "**The paper's columns** (`make paper`) on the same encoders: linear probe, "
        "fine-tuning on all (30 epochs), 10 % and 1 % of the labels (100 epochs), and mean "
        "accuracy under ImageNet-C's 15 corruptions of the test images, all on CIFAR-10 at "
        "32 px ([JSON](benchmarks/results/paper)).",
        "",
        *table(rows),
        "",
        f"Beside it what the paper reports ({published['where']}): another data set, network "
        "and budget, and fine-tuned networks under the corruptions where ours are linear "
        "probes, so only the direction of the differences can be compared "
        f"([{published['paper']}]({published['address']})).",
        "",
        f"| features | {' | '.join(published['columns'])} |",
        f"|---|{'---|' * len(published['columns'])}",
        *(
            f"| {name} | {' | '.join(f'{number:.1f} %' for number in row)} |"
            for name, row in published["rows"].items()
        ),
        "",
    ]


def column(result: dict[str, Any]) -> int:
    """Where a protocol stands in the paper's table."""
    return COLUMNS.index(result["protocol"])


def table(rows: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Accuracy and 95 % interval, a column a protocol."""
    names = [result["protocol"] for result in next(iter(rows.values()))]
    lines = [f"| features | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for row, found in rows.items():
        lines.append(f"| {row} | {' | '.join(map(in_percent, found))} |")
    return lines


def pixels() -> str:
    """What methods whose targets are pixels learned, of `python -m benchmarks.pixels`."""
    found = [json.loads(path.read_text()) for path in (RESULTS / "pixels").glob("*.json")]
    if not found:
        return "Not measured yet.\n"
    order = [cell.name for cell in CELLS]
    rows = {
        cell["cell"]: cell["results"]
        for cell in sorted(found, key=lambda cell: order.index(cell["cell"]))
    }
    lines = [
        f"4,000 images of CIFAR-10 at 32 px, {EPOCHS} epochs, one seed, scored on 2,000: this "
        "tells learning from chance and ranks nothing ([JSON](benchmarks/results/pixels)). "
        "`mae`, `simmim` and `untrained` have `vit_mini`, the others `resnet_mini`.",
        "",
        *table(rows),
    ]
    return "\n".join(lines) + "\n"


def short(command: str) -> str:
    """A command without the folders of the machine it ran on."""
    return " ".join(
        "/".join(word.split("/")[-1:]) if word.startswith("/") else word
        for word in command.split()
    )


if __name__ == "__main__":
    mixing_page.write()
    family_page.PLOT.write_text(family_page.drawn())
    semi_plot.PLOT.write_text(semi_plot.drawn())
    README.write_text(readme(README.read_text()))
    PAGE.write_text(results_page(PAGE.read_text()))
    SPEED.write_text(speed_page(SPEED.read_text()))
    CONTINUE.write_text(continue_page(CONTINUE.read_text()))
    CURATE.write_text(curate_page(CURATE.read_text()))
