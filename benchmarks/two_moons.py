"""What do unlabelled points add to ten labels on two moons, by method, over seeds?

    .venv/bin/python -m benchmarks.two_moons [draw]

Points are items of rank one: they go through the trainer as images do, with a small network of
two hidden layers. All methods have the same points, labels, jitter of views, optimiser, steps
and batch; what else a method needs to know of so small a world stands in ``METHODS``. The error
is that of the network a method keeps, on other points, at the last step. ``draw`` draws what
was measured.
"""

import argparse
import itertools
import json
import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from lightning_fabric import Fabric
from PIL import Image, ImageDraw
from torch import Tensor, nn

from benchmarks.grid import RESULTS, facts, write
from ilk.core import Progress
from ilk.core.facts import Fact
from ilk.method import Given
from ilk.methods import recipe
from ilk.networks import Network
from ilk.train.loop.loader import Batch
from ilk.train.loop.trainer import Trainer

POINTS, TESTED, LABELS, NOISE = 500, 1000, 10, 0.1
SEEDS, STEPS, BATCH, JITTER, RATE = 5, 600, 100, 0.1, 0.01
WIDTH, HEIGHT = 96, 64  # cells of the map of answers
EDGES = (-1.75, 1.75), (-1.15, 1.15)  # of the map, with the moons in its middle
FILE = RESULTS / "two-moons" / "two-moons.json"
DRAWING = Path(__file__).parents[1] / "docs" / "images" / "two-moons.png"

RAMP = {"ramp_epochs": 30.0}  # of 120
SHARE = {"labelled": LABELS / BATCH}
RADIUS = {**SHARE, "radius": 0.3}
METHODS: Mapping[str, Mapping[str, Any]] = {
    "supervised": {},
    "pseudo-label": SHARE,
    "pi-model": {**SHARE, **RAMP},
    "temporal-ensembling": {**SHARE, **RAMP},
    "mean-teacher": {**SHARE, **RAMP, "weight": 10.0},
    "fast-swa": {
        **SHARE,
        **RAMP,
        "weight": 10.0,
        "average_from": 70.0,
        "measured": 0,
    },
    "vat": RADIUS,
    "vat-entmin": RADIUS,
}


class Trunk(nn.Module):
    """Two hidden layers, without batch norm."""

    num_features = 64

    def __init__(self) -> None:
        super().__init__()
        width = self.num_features
        self.body = nn.Sequential(
            nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )

    def forward(self, points: Float[Tensor, "B 2"]) -> Float[Tensor, "B 64"]:
        """Features of points."""
        return self.body(points)


def moons(
    count: int, chance: np.random.Generator
) -> tuple[Float[np.ndarray, "N 2"], Int[np.ndarray, " N"]]:
    """Points on two half circles that hold one another, and the moon of each."""
    classes = np.arange(count) % 2
    angles = chance.uniform(0, np.pi, count)
    upper = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lower = np.stack([1 - np.cos(angles), 0.5 - np.sin(angles)], axis=1)
    points = np.where(classes[:, None] == 0, upper, lower) - (0.5, 0.25)
    return points + NOISE * chance.standard_normal(points.shape), classes


def known_labels(
    classes: Int[np.ndarray, " N"], chance: np.random.Generator
) -> Int[np.ndarray, " N"]:
    """Equally many labels of each moon; the others are -1."""
    known = np.full(len(classes), -1, np.int32)
    for moon in (0, 1):
        members = np.flatnonzero(classes == moon)
        known[chance.choice(members, LABELS // 2, replace=False)] = moon
    return known


def trained(name: str, seed: int) -> nn.Module:
    """The network that a method keeps, from points to scores."""
    chance = np.random.default_rng(seed)
    points, classes = moons(POINTS, chance)
    labels = known_labels(classes, chance)
    torch.manual_seed(seed)
    method = recipe(name, METHODS[name]).build(
        Given(width=Trunk.num_features, size=32, channels=2, items=POINTS, classes=2)
    )
    plan = replace(
        method.optimisation, name="adamw", lr=RATE, scaling="none", weight_decay=0.0,
        warmup_epochs=0, arc=None,
    )  # fmt: skip
    method = replace(method, optimisation=plan)
    trainer = Trainer(
        method, Network(Trunk(), method.heads), fabric=Fabric(accelerator="cpu", devices=1),
        batch_size=BATCH, lr=None, statistics=((0.0,), (1 / 255,)), seed=seed,
    )  # fmt: skip
    trainer.reveal("label", torch.from_numpy(labels).long())
    assert method.sampling is not None, f"{name} must say how it draws labelled points"
    size = LABELS if name == "supervised" else BATCH
    items = method.sampling.draw(Fact(("0", "1"), labels), batch=size, seed=seed)
    for step in range(STEPS):
        shown = _batch(method.views, points, labels, items(step), [seed, step])
        trainer.take_step([shown], Progress(step, STEPS, POINTS / BATCH))
    averaged = method.encoder == "teacher" and trainer.teacher is not None
    network = trainer.teacher.network if averaged else trainer.student
    return nn.Sequential(network.backbone, network.heads["classifier"].module).eval()


def _batch(
    views: Any,
    points: Float[np.ndarray, "N 2"],
    labels: Int[np.ndarray, " N"],
    items: Int[np.ndarray, " B"],
    seed: list[int],
) -> Batch:
    """Points of a step, with a jitter of each view's own."""
    made, subsets = dict[str, Tensor](), dict[str, np.ndarray]()
    for number, view in enumerate(views):
        own = items
        if view.subset != "all":
            own = items[(labels[items] >= 0) == (view.subset == "labelled")]
            subsets[view.name] = own
        noise = np.random.default_rng([*seed, number]).standard_normal((len(own), 2))
        made[view.name] = torch.from_numpy(points[own] + JITTER * noise).float()
    return Batch(items, made, subsets=subsets)


@torch.no_grad()
def error(network: nn.Module, seed: int) -> float:
    """Share of other points that it holds for the other moon."""
    points, classes = moons(TESTED, np.random.default_rng([seed, 1]))
    answers = network(torch.from_numpy(points).float()).argmax(1).numpy()
    return float((answers != classes).mean())


@torch.no_grad()
def regions(network: nn.Module) -> list[str]:
    """Tenths of the probability of the second moon, a row of the map a text, the top first."""
    (left, right), (low, high) = EDGES
    x, y = np.linspace(left, right, WIDTH), np.linspace(high, low, HEIGHT)
    cells = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    second = network(torch.from_numpy(cells).float()).softmax(1)[:, 1].reshape(HEIGHT, WIDTH)
    return ["".join(str(min(int(10 * cell), 9)) for cell in row) for row in second.tolist()]


def measured() -> dict[str, Any]:
    """Errors of all methods and seeds, and the map of the first seed."""
    out: dict[str, Any] = {}
    for name in METHODS:
        networks = [trained(name, seed) for seed in range(SEEDS)]
        errors = [error(network, seed) for seed, network in enumerate(networks)]
        out[name] = {
            "errors": errors,
            "mean": statistics.mean(errors),
            "settings": dict(METHODS[name]),
            "regions": regions(networks[0]),
        }
        print(f"{name:20} {100 * out[name]['mean']:5.1f} %", [f"{e:.3f}" for e in errors])
    return out


def drawing(results: Mapping[str, Any], scale: int = 3, across: int = 4) -> Image.Image:
    """Maps side by side: regions of both moons, all points, and the labelled ones larger."""
    chance = np.random.default_rng(0)
    points, classes = moons(POINTS, chance)
    labels = known_labels(classes, chance)
    width, height, top = WIDTH * scale, HEIGHT * scale, 18
    down = -(-len(results) // across)
    sheet = Image.new("RGB", (across * (width + 8) - 8, down * (height + top + 6)), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (name, result) in enumerate(results.items()):
        row, column = divmod(number, across)
        x, y = column * (width + 8), row * (height + top + 6)
        draw.text((x, y + 3), f"{name}: {100 * result['mean']:.1f} % wrong", fill="black")
        second = np.array([[int(cell) for cell in line] for line in result["regions"]]) / 9
        blue, orange = np.array([176, 205, 235]), np.array([250, 208, 160])
        cells = blue + (orange - blue) * second[:, :, None]
        tile = Image.fromarray(cells.astype(np.uint8)).resize((width, height))
        pen = ImageDraw.Draw(tile)
        for which, size in itertools.chain(((-1, 1),), ((0, 4), (1, 4))):
            for at in points[labels == which]:
                _dot(pen, at, size, (width, height), which)
        sheet.paste(tile, (x, y + top))
    return sheet


def _dot(
    pen: ImageDraw.ImageDraw,
    at: Float[np.ndarray, " 2"],
    size: int,
    sides: tuple[int, int],
    which: int,
) -> None:
    (left, right), (low, high) = EDGES
    x = (at[0] - left) / (right - left) * sides[0]
    y = (high - at[1]) / (high - low) * sides[1]
    colours = {-1: (110, 110, 110), 0: (0, 60, 140), 1: (190, 70, 0)}
    pen.ellipse((x - size, y - size, x + size, y + size), fill=colours[which])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=["measure", "draw"], default="measure")
    if parser.parse_args().what == "measure":
        torch.set_num_threads(1)
        sizes = {
            "points": POINTS, "tested": TESTED, "labels": LABELS, "noise": NOISE,
            "jitter": JITTER, "steps": STEPS, "batch": BATCH, "lr": RATE, "seeds": SEEDS,
        }  # fmt: skip
        write(FILE, facts("python -m benchmarks.two_moons") | sizes | {"methods": measured()})
    drawing(json.loads(FILE.read_text())["methods"]).save(DRAWING)
