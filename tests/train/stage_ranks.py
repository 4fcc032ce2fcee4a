"""Runs of a teacher and a student, one of them stopped and resumed; by torchrun."""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path

import torch

from ilk.embedding import table
from ilk.train import Interrupted, Settings, resume, train
from tests.train.conftest import Witness
from tests.train.spread import StopAt
from tests.train.test_stages import FEW_STEPS


def main(few: Path, target: Path) -> None:
    torch.set_num_threads(1)
    table.SHARD = 6  # so that twenty predictions are four shards
    settings = Settings(**{**FEW_STEPS, "labels": str(few / "labels.csv")})
    photos = str(few / "photos")
    train(settings, photos, target / "whole", Witness())
    with contextlib.suppress(Interrupted):
        train(settings, photos, target / "stopped", StopAt(2))
    resume(target / "stopped", Witness())
    weak = replace(settings, method_options={**settings.method_options, "ratio": "9"})
    train(weak, photos, target / "weak", Witness())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
