"""The first twenty losses of every method and mix, on one tiny world."""

import json
from pathlib import Path

from tests.laws.world import batch, progress

FILE = Path(__file__).with_name("losses.json")
STEPS = 20


def first_losses(trainer) -> list[float]:
    return [
        trainer.take_step([batch(trainer.method.views, s)], progress(s, STEPS)).loss
        for s in range(STEPS)
    ]


def recorded() -> dict[str, list[float]]:
    return json.loads(FILE.read_text())
