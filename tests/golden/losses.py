"""The first twenty losses of every method and mix, on one tiny world."""

import json
from dataclasses import replace
from pathlib import Path

import torch

from tests.laws.world import batch, in_float64, progress

FILE = Path(__file__).with_name("losses.json")
STEPS = 20
# Large enough that the weights of so small a world move in so few steps.
RATES = {"adamw": 0.005, "lars": 0.2, "larc": 0.2, "sgd": 0.02}


def first_losses(trainer) -> list[float]:
    torch.set_num_threads(1)  # neighbours at the same distance follow the order of summation
    trainer.pace = replace(trainer.pace, peak=RATES[trainer.method.optimisation.name])
    with in_float64(trainer):
        return [
            trainer.take_step([batch(trainer.method.views, s)], progress(s, STEPS)).loss
            for s in range(STEPS)
        ]


def recorded() -> dict[str, list[float]]:
    return json.loads(FILE.read_text())
