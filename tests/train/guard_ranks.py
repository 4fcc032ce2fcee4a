"""A guarded run that turns back, on one rank of several; started by torchrun."""

import hashlib
import json
import os
import sys
from pathlib import Path

import torch

import ilk.train.guard.guard as guard_module
from ilk.train import Settings, train
from ilk.train.loop.trainer import Trainer
from ilk.train.run import Run
from tests.train.conftest import TINY, Witness


def fragile() -> None:
    """From step 3 on, a step at the first rate leaves no feature."""
    whole = Trainer.take_step

    def breaking(self, batches, progress, monitor_labels=None):
        result = whole(self, batches, progress, monitor_labels)
        if self.step >= 3 and self.pace.share > 0.5:
            with torch.no_grad():
                for parameter in self.student.backbone.parameters():
                    parameter.zero_()
        return result

    Trainer.take_step = breaking


def blind() -> None:
    """Only the first rank reads and writes."""

    def looks(*_: object) -> None:
        raise AssertionError("only the first rank looks at the directory of a run")

    guard_module.load = guard_module.save = looks


def main(images: str, weights: str, target: Path) -> None:
    torch.set_num_threads(1)
    if os.environ["RANK"] == "1":
        blind()
    fragile()
    seen: list[Run] = []
    began = Run.go
    Run.go = lambda self: (seen.append(self), began(self))[1]
    settings = Settings(**{
        **TINY, "steps": 6, "weights": weights, "lr": 1e-4, "guard_every": 0.2,
        "method_options": {**TINY["method_options"], "warmup_epochs": 0},
    })  # fmt: skip
    train(settings, images, target / "run", Witness())
    (run,) = seen
    digest = hashlib.sha256()
    for tensor in run.setup.trainer.student.state_dict().values():
        digest.update(tensor.detach().numpy().tobytes())
    found = {"turns": run.guard.turns, "share": run.setup.trainer.pace.share}
    kept = {**found, "weights": digest.hexdigest(), "step": run.setup.trainer.step}
    (target / f"{os.environ['RANK']}.json").write_text(json.dumps(kept))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
