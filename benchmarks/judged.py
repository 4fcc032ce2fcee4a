"""Pairs of images, how many of them are right, and sheets of those that only an eye can judge.

Of what a tool found beyond the planted copies a sample is judged. Pairs have one random order,
the same for all tools, and the first of each tool's are drawn: a tool's sample is fair, and
tools that found the same pairs share it.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations, takewhile
from pathlib import Path
from typing import Any

import numpy as np

SAMPLED = 60  # pairs of each tool and setting that are judged
ACROSS, DOWN = 8, 10  # pairs on a sheet
Pair = tuple[str, str]
Planted = dict[str, tuple[str, str]]  # of each copy its original and kind


def in_order(first: str, second: str) -> Pair:
    return min(first, second), max(first, second)


def pairs_of(groups: Iterable[Iterable[str]]) -> set[Pair]:
    return {in_order(*pair) for group in groups for pair in combinations(group, 2)}


def unplanted(found: set[Pair], planted: Planted) -> list[Pair]:
    """Pairs of two images of which neither is a planted copy of the other, in their order."""
    family = {copy: original for copy, (original, _) in planted.items()}
    others = (p for p in found if family.get(p[0], p[0]) != family.get(p[1], p[1]))
    return sorted(others, key=lambda p: hashlib.blake2b(" ".join(p).encode()).digest())


def to_judge(found: Iterable[set[Pair]], planted: Planted) -> list[Pair]:
    """The sample of each tool, in an order that says nothing of who found them."""
    asked = {pair for pairs in found for pair in unplanted(pairs, planted)[:SAMPLED]}
    return unplanted(asked, planted)


def scores(found: set[Pair], planted: Planted, judged: dict[str, bool]) -> dict[str, Any]:
    """Recall by kind and part, and precision; others count by the share of the sample."""
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for copy, (original, kind) in planted.items():
        hit = in_order(copy, original) in found
        for key in (kind, f"{kind}, {original[:5]}", "all", f"all, {original[:5]}"):
            by_kind[key].append(hit)
    others = unplanted(found, planted)
    known = [
        judged[" ".join(pair)] for pair in takewhile(lambda p: " ".join(p) in judged, others)
    ]
    real = len(others) * float(np.mean(known)) if known else 0.0
    return {
        "recall": {kind: round(float(np.mean(hits)), 4) for kind, hits in by_kind.items()},
        "pairs": len(found),
        "pairs_not_planted": len(others),
        "of_which_judged": len(known),
        "of_which_copies": int(np.sum(known)),
        "precision": round((len(found) - len(others) + real) / max(len(found), 1), 4),
    }


def draw(pairs: list[Pair], images: Path, out: Path) -> None:
    """Sheets of pairs with their numbers."""
    from PIL import Image, ImageDraw

    for start in range(0, len(pairs), ACROSS * DOWN):
        sheet = Image.new("RGB", (ACROSS * 210, DOWN * 116), "white")
        pen = ImageDraw.Draw(sheet)
        for n, pair in enumerate(pairs[start : start + ACROSS * DOWN]):
            left, top = n % ACROSS * 210, n // ACROSS * 116
            pen.text((left + 2, top), str(start + n), "black")
            for side, name in enumerate(pair):
                image = Image.open(images / name).convert("RGB").resize((98, 98))
                sheet.paste(image, (left + 102 * side + 2, top + 14))
        sheet.save(out / f"sheet-{start // (ACROSS * DOWN)}.png")
