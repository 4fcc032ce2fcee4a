"""Whole runs on two processes, by DDP and FSDP: stopped, resumed, lengthened."""

import json
import sys

import pytest
import torch

from ilk.data import open_source
from ilk.embedding import embed
from ilk.networks import load_encoder
from ilk.train.records.checkpoint import load
from ilk.train.run import CHECKPOINT
from tests.processes import finished, ranks
from tests.train.conftest import TINY


@pytest.mark.xdist_group("ranks")
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_stop_and_resume_bit_for_bit(strategy, folder, tmp_path):
    done = ranks("tests.train.spread", folder, tmp_path, strategy)
    assert [rank.returncode for rank in done] == [0, 0], "".join(r.stderr[-3000:] for r in done)
    record = json.loads((tmp_path / "stopped/run.json").read_text())
    assert record["status"] == "finished"
    assert record["processes"] == 2
    legs = [(leg["from"], leg["to"]) for leg in record["length"]["legs"]]
    assert legs == [(0, 4), (4, 6)]
    for names, steps in ((("whole", "stopped"), 6), (("tuned", "tuned-stopped"), 3)):
        whole, stopped = (load(tmp_path / name / CHECKPOINT) for name in names)
        assert whole[1]["step"] == stopped[1]["step"] == steps
        assert whole[0].keys() == stopped[0].keys()
        assert all(torch.equal(whole[0][name], stopped[0][name]) for name in whole[0])
    encoders = [load_encoder(tmp_path / name) for name in ("whole", "stopped")]
    assert encoders[0].fingerprint == encoders[1].fingerprint
    assert embed(encoders[0], open_source(str(folder))).vectors.shape == (32, 96)
    assert "knn" in (tmp_path / "whole/metrics.jsonl").read_text()


@pytest.mark.xdist_group("ranks")
def test_only_the_first_process_speaks(folder, tmp_path):
    options = [f"--set={k}={v}" for k, v in TINY["method_options"].items()]
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = finished([
        sys.executable, "-m", *torchrun, "-m", "ilk.cli", "train", folder, "--backbone",
        "resnet_mini", *options, "--steps", "2", "--batch-size", "8", "--workers", "1", "-o",
        tmp_path / "run",
    ])  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("encoder is in") == 1
