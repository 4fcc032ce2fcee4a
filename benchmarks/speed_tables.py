"""The tables of speed: what is fast and against what, and what kin rules cost."""

import json
from typing import Any

from benchmarks.grid import RESULTS, in_percent


def speed() -> list[str]:
    """What is fast and against what; measured by ``make bench-peers``."""
    parts = [
        json.loads(path.read_text())
        for name in ("views", "steps", "tokens", "data", "few", "probes")
        if (path := RESULTS / "speed" / f"{name}.json").exists()
    ]
    if not parts:
        return []
    last = parts[-1]
    shared = ", shared with other work" if any(part["shared"] for part in parts) else ""
    lines = [
        f"**Speed** (`make bench-peers`): one thread of {last['machine']['processor']}"
        f"{shared}, {last['date'][:10]}; medians over interleaved rounds "
        "([JSON](benchmarks/results/speed/steps.json), [how cost grows](speed.md)).",
        "",
        "| work | against | measured | wanted |",
        "|---|---|---|---|",
    ]
    return [*lines, *(pace(row) for part in parts for row in part["rows"])]


def pace(row: dict[str, Any]) -> str:
    """A line of the table of speeds."""
    if "skipped" in row:
        found = f"not measured: {row['skipped']}"
    elif "unit" in row:
        found = f"{row['ratio' if 'ratio' in row else 'seconds']:.3g} {row['unit']}"
    elif "at_least" in row:
        found = f"{row['ratio']:.2f} x as fast"
    else:
        found = f"{row['ratio']:.3f} x the time"
    wanted = (
        f"{row['at_least']:g} or more" if "at_least" in row else f"{row['at_most']:g} or less"
    )
    return f"| {row['work']} | {row.get('against', '')} | {found} | {wanted} |"


def kin() -> str:
    """What kin rules cost, beside the step that they are part of."""
    path = RESULTS / "speed" / "kin.json"
    if not path.exists():
        return ""
    content = json.loads(path.read_text())
    shared = ", shared with other work" if content["shared"] else ""
    lines = [
        f"One thread of {content['machine']['processor']}{shared}, {content['date'][:10]}; "
        "`resnet_mini`, batch 128, 32 px, 128 dimensions; medians of processor time "
        "([JSON](../benchmarks/results/speed/kin.json)).",
        "",
        "| method or rule | rows remembered | rule, ms a step | whole step, ms | share |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['work']} | {'' if row['rows'] is None else format(row['rows'], ',')} | "
        f"{row['milliseconds']:.3g} | {row['step_milliseconds']:.0f} | {row['ratio']:.1%} |"
        for row in content["rows"]
    ]
    return "\n".join(lines) + "\n"


def halves() -> str:
    """How much faster networks are in bfloat16, and what methods learn in it."""
    path = RESULTS / "speed" / "halves.json"
    if not path.exists():
        return ""
    content = json.loads(path.read_text())
    shared = ", shared with other work" if content["shared"] else ""
    lines = [
        f"One thread of {content['machine']['processor']}{shared}, {content['date'][:10]}; a "
        "forward and a backward pass, medians of processor time "
        "([JSON](../benchmarks/results/speed/halves.json)).",
        "",
        "| network | bfloat16, times as fast | taken when the precision is open |",
        "|---|---|---|",
        *(
            f"| {row['work']} | {row['ratio']:.2f} | {'yes' if row['chosen'] else 'no'} |"
            for row in content["rows"]
            if "skipped" not in row
        ),
    ]
    return "\n".join([*lines, "", *_learned()]) + "\n"


def _learned() -> list[str]:
    """Scores of the cells of `benchmarks.precision`, beside the family's own."""
    lines = [
        "Twenty epochs of 10,000 images of CIFAR-10, `resnet_mini`, one seed, with 95 % "
        "intervals over test images, and the processor seconds of training "
        "([JSON](../benchmarks/results/precision)):",
        "",
        "| method | precision | k-NN | linear | seconds |",
        "|---|---|---|---|---|",
    ]
    for path in sorted((RESULTS / "precision").glob("*-seed0.json")):
        for words, folder in (("single", "family"), ("bfloat16", "precision")):
            cell = json.loads((RESULTS / folder / path.name).read_text())
            scores = [in_percent(r) for r in cell["results"] if r["protocol"] != "attentive@1"]
            spent = cell["train_processor_seconds"]
            shown = "" if spent is None else f"{spent:.0f}"
            lines.append(f"| {cell['cell']} | {words} | {' | '.join(scores)} | {shown} |")
    return lines
