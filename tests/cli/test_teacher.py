"""A trained network that teaches a small one, from the command line."""

import json
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from ilk.networks import feature_dim, load_encoder, save_encoder
from ilk.train import read_record

RUN = ("--steps", "3", "--batch-size", "8", "--workers", "1", "--image-size", "48",
       "--knn-every", "0", "--backbone", "resnet_mini", "--backbone-set", "widths=(8,16)",
       "--backbone-set", "depths=(1,1)")  # fmt: skip


@pytest.fixture
def teacher(tmp_path) -> Path:
    """A folder with an encoder of other statistics and another size."""
    save_encoder(load_encoder("random:resnet_mini", image_size=32), tmp_path / "teacher")
    return tmp_path / "teacher"


def test_a_run_teaches_and_the_small_network_resumes(ilk, folder, teacher, monkeypatch):
    images = folder / "train"
    said = ilk(
        "train", images, "--method", "distill", "--teacher", "teacher", *RUN, "-o", "run"
    )
    assert said.code == 0, said.err
    record = read_record(Path("run"))
    assert record["settings"]["method_options"]["teacher"] == str(teacher)
    assert load_encoder("run").feature_dim == 16
    lines = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert 0 < lines[0]["loss"] < 4
    again = ilk("train", "--resume", "run", "--teacher", "teacher", "--steps", "4")
    assert again.code == 0, again.err
    other = ilk("train", "--resume", "run", "--teacher", "other", "--steps", "5")
    assert other.code == 2
    assert "a run must keep the settings that it began with, teacher" in other.err


def test_weights_of_anybody_teach(ilk, folder, tmp_path):
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=3)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    spec = f"test_resnet@{tmp_path / 'weights.safetensors'}"
    with torch.device("meta"):  # as settings are checked, before anything is made
        assert feature_dim(spec) == network.num_features
    words = ("train", folder / "train", "--method", "distill", "--teacher", spec, *RUN)
    said = ilk(*words, "-o", "run")
    assert said.code == 0, said.err
    words = "teacher: weights of test_resnet@"
    assert (said.out + said.err).count(words) == 1
    assert "left out what lies behind the features: fc.bias, fc.weight" in said.out + said.err


def test_what_cannot_be_taught_is_refused(ilk, folder, tmp_path):
    images = folder / "train"
    said = ilk("train", images, "--teacher", "timm:resnet18", *RUN)
    assert said.code == 2
    assert "--teacher: must go with a method that learns from a trained network, " in said.err
    assert "rekd or distill, got moco-v3" in said.err
    words = ("train", images, "--method", "distill", "--teacher", "a", "--set", "teacher=b")
    said = ilk(*words, *RUN)
    assert said.code == 2
    assert "--teacher: must be named once, got --set teacher as well" in said.err
    said = ilk("train", images, "--method", "distill", "--teacher", "no/such", *RUN)
    assert said.code == 2
    assert "no/such" in said.err
    (tmp_path / "w.pth").write_bytes(b"code")
    said = ilk("train", images, "--method", "distill", "--teacher", "w.pth", *RUN)
    assert said.code == 2
    assert said.err.count("\n") == 1
