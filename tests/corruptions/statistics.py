"""Golden statistics of every corruption: ``python -m tests.corruptions.statistics`` remakes."""

import json
from pathlib import Path

import numpy as np

from ilk.corruptions import CORRUPTIONS, SEVERITIES, corrupt

GOLDEN = Path(__file__).with_name("statistics.json")


def picture(size: int) -> np.ndarray:
    """Smooth colour, edges and texture, from integers alone."""
    rows, columns = np.mgrid[:size, :size] * 224 // size
    red = 40 + rows * 170 // 224
    green = np.where((rows - 100) ** 2 + (columns - 120) ** 2 < 3600, 210, 90 + columns // 4)
    blue = 60 + ((rows // 16 + columns // 16) % 2) * 100 + (rows * columns) % 23
    return np.dstack([red, green, blue]).astype(np.uint8)


def statistics(size: int) -> dict[str, list[list[float]]]:
    """Mean, deviation and root mean square distance to the clean image, by severity."""
    clean = picture(size)
    found: dict[str, list[list[float]]] = {}
    for name in CORRUPTIONS:
        found[name] = []
        for severity in SEVERITIES:
            spoilt = corrupt(clean, name, severity, item=7, seed=3).astype(float)
            distance = np.sqrt(((spoilt - clean) ** 2).mean())
            found[name].append([round(x, 2) for x in (spoilt.mean(), spoilt.std(), distance)])
    return found


if __name__ == "__main__":
    lines = [
        f'"{size}": {{\n'
        + ",\n".join(f'  "{k}": {json.dumps(v)}' for k, v in rows.items())
        + "}"
        for size, rows in ((size, statistics(size)) for size in (32, 224))
    ]
    GOLDEN.write_text("{" + ",\n".join(lines) + "}\n")
