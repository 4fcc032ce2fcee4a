"""How cost grows: each row is a curve, drawn on logarithmic axes into ``docs/images``."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import svg
from benchmarks.step_speed import MOCO, step, trainer
from ilk.data import Arrays
from ilk.embedding import embed, nearest
from ilk.networks import load_encoder
from ilk.views import byol_pair

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZES = (32, 64, 96, 128, 160, 224)
BATCHES = (16, 32, 64, 128, 256)
QUEUES = (1024, 4096, 16_384, 65_536)
EMBEDDED = (256, 1024, 4096, 16_384, 65_536)
GALLERIES = (1000, 10_000, 100_000, 1_000_000)
DIM, ASKED = 128, 256
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 420, 260, 64, 28, 44
Point = tuple[float, float]


def rows(runs: int) -> list[dict[str, Any]]:
    """Every curve with its numbers and the exponent of its last step; draws them as well."""
    curves = [
        ("views", "size in pixels", "seconds a view", views(runs)),
        ("step-batch", "images in a batch", "seconds a MoCo v3 step", batches(runs)),
        ("step-queue", "keys in the queue", "seconds a MoCo v2 step", queues(runs)),
        ("embedding", "images", "seconds to embed them", embedding(runs)),
        ("knn", "vectors in the gallery", f"seconds for {ASKED} queries", galleries(runs)),
    ]
    for name, across, up, points in curves:
        (IMAGES / f"growth-{name}.svg").write_text(drawn(points, across, up))
    return [
        {"name": name, "x": x, "y": y, "points": points, "exponent": exponent(points)}
        for name, x, y, points in curves
    ]


def views(runs: int) -> list[Point]:
    """Views of photographs of 500 x 375 pixels, decoded already."""
    chance = np.random.default_rng(0)
    images = [chance.integers(0, 256, (375, 500, 3), dtype=np.uint8) for _ in range(8)]
    items = np.arange(len(images))

    def work(size: int) -> Callable[[], object]:
        pair = byol_pair(size, interpolation="bilinear")
        return lambda: [view.render(images, items, 0, 0) for view in pair]

    return [(size, fastest(work(size), runs) / (2 * len(images))) for size in SIZES]


def batches(runs: int) -> list[Point]:
    """The mini backbone at 32 pixels."""
    return [
        (count, fastest(step(trainer("moco-v3", MOCO, batch_size=count), count), runs))
        for count in BATCHES
    ]


def queues(runs: int) -> list[Point]:
    """The same with MoCo v2's queue and a batch of 128."""
    return [
        (size, fastest(step(trainer("moco-v2", {"hidden": 256, "queue_size": size})), runs))
        for size in QUEUES
    ]


def embedding(runs: int) -> list[Point]:
    """The mini backbone at 32 pixels, vectors held in memory."""
    encoder = load_encoder("random:resnet_mini", image_size=32)
    pixels = np.random.default_rng(0).integers(0, 256, (EMBEDDED[-1], 32, 32, 3), np.uint8)
    return [
        (n, fastest(lambda n=n: embed(encoder, Arrays(pixels[:n]), workers=1), min(runs, 3)))
        for n in EMBEDDED
    ]


def galleries(runs: int) -> list[Point]:
    """The 20 nearest of synthetic vectors."""
    vectors = torch.randn(GALLERIES[-1], DIM, generator=torch.Generator().manual_seed(0))
    return [
        (n, fastest(lambda n=n: nearest(vectors[:ASKED], vectors[:n], 20), min(runs, 3)))
        for n in GALLERIES
    ]


def fastest(work: Callable[[], object], runs: int) -> float:
    """The least processor seconds of some rounds, after one that is not counted."""
    work()
    spent: list[float] = []
    for _ in range(runs):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


def exponent(points: Sequence[Point]) -> float:
    """The slope between the last two points: 1 is linear, 2 quadratic, 0 constant."""
    (x, y), (further, higher) = points[-2:]
    return math.log(higher / y) / math.log(further / x)


def drawn(points: Sequence[Point], across: str, up: str) -> str:
    """One curve on logarithmic axes, as SVG."""
    xs, ys = zip(*points, strict=True)
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
    left, right = math.log10(xs[0]), math.log10(xs[-1])

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (math.log10(x) - left) / (right - left) * (WIDTH - LEFT - 24),
            HEIGHT - BOTTOM - (math.log10(y) - low) / (high - low) * (HEIGHT - BOTTOM - TOP),
        )

    places = [place(x, y) for x, y in points]
    parts = [
        svg.text(x, HEIGHT - BOTTOM + 16, f"{number:g}", "middle")
        + f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#2563eb"/>'
        for (x, y), number in zip(places, xs, strict=True)
    ]
    for power in range(low, high + 1):
        y = place(xs[0], 10.0**power)[1]
        parts.append(
            f'<path d="M{LEFT} {y:.1f}H{WIDTH - 24}" stroke="#d4d4d8"/>'
            + svg.text(LEFT - 6, y + 4, f"{10.0**power:g}", "end")
        )
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts += [
        f'<polyline points="{line}" fill="none" stroke="#2563eb" stroke-width="2"/>',
        svg.text((LEFT + WIDTH) / 2, HEIGHT - 6, across, "middle"),
        svg.text(8, 16, up),
    ]
    return svg.page(WIDTH, HEIGHT, f"{up} by {across}", parts)
