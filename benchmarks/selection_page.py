"""The table of ``docs/curate.md``: accuracy with few labels, by how they were chosen."""

import json
from pathlib import Path
from typing import Any

HEADS = ("way", "images", "k-NN", "linear", "classes found")


def table(folder: Path) -> str:
    """A table for each pool that was measured."""
    parts = [_pool(path) for path in sorted(folder.glob("*.json"))]
    return "\n".join(line for part in parts for line in [*part, ""])


def _pool(path: Path) -> list[str]:
    content = json.loads(path.read_text())
    rows = content["rows"]
    seeds = len({row["seed"] for row in rows})
    sizes = content["images"]
    of = f"{sizes[0]}" if len(set(sizes)) == 1 else f"{sizes[0]} to {sizes[-1]}"
    lines = [
        f"**{content['pool'].capitalize()}** ({of} images of each class of CIFAR-10, "
        f"`{content['command']}`, {content['date'][:10]}, {seeds} seeds, the lowest and the "
        f"highest in parentheses; [JSON](../benchmarks/results/selection/{path.name})):",
        "",
        f"| {' | '.join(HEADS)} |",
        f"|{'---|' * len(HEADS)}",
    ]
    for n in sorted({row["n"] for row in rows}):
        for way in dict.fromkeys(row["by"] for row in rows):
            own = [row for row in rows if (row["by"], row["n"]) == (way, n)]
            found = sum(row["classes_found"] for row in own) / len(own)
            cells = [way, str(n), _spread(own, "knn"), _spread(own, "linear"), f"{found:.1f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _spread(rows: list[dict[str, Any]], name: str) -> str:
    """The mean over seeds with its ends, in percent."""
    values = [100 * row[name] for row in rows]
    mean = sum(values) / len(values)
    return f"{mean:.1f} % ({min(values):.1f} to {max(values):.1f})"
