"""The tables of places in ``docs/results.md``: by images, and by places."""

import json
from typing import Any

from benchmarks.grid import RESULTS, in_percent
from benchmarks.places import CELLS, SEEN, TRANSFORMERS

WHAT = {
    "tiles": "magnetic tiles: photographs; classes are five kinds of defects, masks its pixels",
    "rendered": "drawn images: ten classes, masks are the object",
}


def tables() -> str:
    """A table for each kind of images."""
    parts = {name: cells(name) for name in WHAT}
    if not any(parts.values()):
        return "Not measured yet.\n"
    lines = [
        f"{SEEN:,} images seen at 64 px by every run, some minutes of a core, one seed, the "
        "family's settings; intervals over test images. By images: accuracy. By places: "
        "mean IoU of object or defect and background, on eight by eight places; what is "
        "nowhere found leaves half of the background's. "
        f"{', '.join(f'`{name}`' for name in TRANSFORMERS)} have `vit_mini`, the others a "
        "`resnet_mini` of two stages (`python -m benchmarks.places`).",
        "",
    ]
    for name, found in parts.items():
        if found:
            lines += [f"**{WHAT[name]}** ([JSON](benchmarks/results/places-{name})):", ""]
            lines += [*table(found), ""]
    return "\n".join(lines)


def cells(name: str) -> list[dict[str, Any]]:
    """What was measured, in the order of the grid."""
    order = [cell.name for cell in CELLS]
    paths = (RESULTS / f"places-{name}").glob("*.json")
    found = [json.loads(path.read_text()) for path in paths]
    return sorted(found, key=lambda cell: order.index(cell["cell"]))


def table(found: list[dict[str, Any]]) -> list[str]:
    """A row for each cell; a protocol of places has the IoU of what is no background too."""
    names = [result["protocol"] for result in found[0]["results"]]
    heads = [f"{name}, foreground alone" if _of_places(name) else name for name in names]
    rows = [f"| {cell['cell']} | {' | '.join(map(entry, cell['results']))} |" for cell in found]
    return [f"| features | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}", *rows]


def entry(result: dict[str, Any]) -> str:
    """A score with its interval."""
    said = in_percent(result)
    if not _of_places(result["protocol"]):
        return said
    return f"{said}, {100 * result['details']['iou by class']['foreground']:.1f} %"


def _of_places(protocol: str) -> bool:
    return protocol.startswith(("patch-", "segment-"))
