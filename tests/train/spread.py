"""Runs that are lengthened, one of them stopped and resumed in both legs; by torchrun."""

import contextlib
import os
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import torch

from ilk.train import Interrupted, Settings, resume, train
from tests.train.conftest import TINY, Witness

VIT = {"depth": 2, "embed_dim": 96, "num_heads": 3, "patch_size": 8}


class StopAt(Witness):
    """The launcher stops all of its processes; here one is enough, the others must agree."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def on_step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        super().on_step(step, steps, numbers)
        if step == self.at and os.environ["RANK"] == "1":
            os.kill(os.getpid(), signal.SIGTERM)


def blind() -> None:
    """On a slow network disk another rank may not see yet what the first has written."""

    def looks(*_: object) -> None:
        raise AssertionError("only the first rank looks at the directory of a run")

    for name in ("fit.read_record", "fit.check_free", "fit._hold", "run.load"):
        module, _, function = name.partition(".")
        setattr(sys.modules[f"ilk.train.{module}"], function, looks)


def main(pictures: str, target: Path, strategy: str) -> None:
    torch.set_num_threads(1)
    if os.environ["RANK"] == "1":
        blind()
    warnings.simplefilter("error", ResourceWarning)
    options = {**TINY["method_options"], "optimiser": "adamw"}
    settings = Settings(**{
        **TINY, "method_options": options, "steps": 4, "strategy": strategy, "knn_every": 1.0,
        "backbone": "vit_tiny_patch16_224", "backbone_options": VIT,
    })  # fmt: skip
    train(settings, pictures, target / "whole", Witness())
    resume(target / "whole", Witness(), steps=6)
    with contextlib.suppress(Interrupted):
        train(settings, pictures, target / "stopped", StopAt(3))
    resume(target / "stopped", Witness())
    with contextlib.suppress(Interrupted):
        resume(target / "stopped", StopAt(5), steps=6)
    resume(target / "stopped", Witness())
    continued(settings, pictures, target)


def continued(settings: Settings, pictures: str, target: Path) -> None:
    """Weights of the run before, of which heads, LoRA and a block learn; stopped in between."""
    settings = replace(
        settings, backbone=None, backbone_options={}, weights=str(target / "whole"),
        tune="lora", tune_options={"head_steps": 1, "rank": 4}, steps=3,
    )  # fmt: skip
    train(settings, pictures, target / "tuned", Witness())
    with contextlib.suppress(Interrupted):
        train(settings, pictures, target / "tuned-stopped", StopAt(1))
    resume(target / "tuned-stopped", Witness())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
