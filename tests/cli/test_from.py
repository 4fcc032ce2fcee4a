"""One's own weights from the command line: trained from, embedded, compared with."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from ilk.core import UserError
from ilk.networks import load_encoder
from ilk.train import before, read_record

SMALL = {"layers": (1, 1, 1, 1), "channels": (8, 8, 16, 16)}
WORDS = tuple(f"{k}={v}".replace(" ", "") for k, v in SMALL.items())
SET = tuple(part for word in WORDS for part in ("--backbone-set", word))
SMALL_RUN = (
    "--set", "hidden=16", "--set", "dim=8", "--batch-size", "8", "--steps", "2",
    "--workers", "1", "--knn-every", "0", "--image-size", "32",
)  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A ResNet with a classifier, as a trainer left it."""
    torch.manual_seed(7)
    network = timm.create_model("resnet18", num_classes=5, **SMALL)
    network.train()(torch.randn(8, 3, 64, 64))
    path = tmp_path_factory.mktemp("given") / "weights.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture
def copied(weights, tmp_path) -> Path:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(weights.read_bytes())
    return path


@pytest.fixture
def run(ilk, folder, copied) -> Path:
    """A run that began with them, after which they are gone."""
    said = ilk(
        "train", folder / "train", "--from", copied, "--backbone", "resnet18", *SET, *SMALL_RUN,
        "-o", "run",
    )  # fmt: skip
    assert said.code == 0, said.err
    assert "left out what lies behind the features: fc.bias, fc.weight" in said.out
    copied.unlink()
    return Path("run")


def same(encoder, path) -> bool:
    state = encoder.module.state_dict()
    given = load_file(path)
    return all(torch.equal(t, given[n]) for n, t in state.items())


def test_a_run_begins_with_the_weights_and_keeps_them(ilk, folder, run, weights):
    record = read_record(run)
    assert record["start"]["behind_features"] == ["fc.bias", "fc.weight"]
    assert record["start"]["unused"] == record["start"]["missing"] == []
    assert record["settings"]["backbone_options"]["stem"] == "plain"
    assert same(before(run), weights)
    trained = load_encoder(run)
    made = timm.get_pretrained_cfg("resnet18")
    assert (trained.mean, trained.std) == (made.mean, made.std)
    assert not same(trained, weights)
    state, given = trained.module.state_dict(), load_file(weights)
    change = max(
        float((state[n] - given[n]).abs().max()) for n in state if n.endswith("weight")
    )
    assert 0 < change < 0.1, "two steps from the given weights, not from others"


def test_before_is_the_given_network_and_random_is_random(ilk, folder, run, weights):
    said = ilk(
        "evaluate", run, "--train", folder / "train", "--test", folder / "test",
        "--protocols", "knn", "--against", "before,random,pixels",
    )  # fmt: skip
    assert said.code == 0, said.err
    told = json.loads((run / "evaluation.json").read_text())
    encoders = {entry["names"]["encoder"]: entry["encoder"] for entry in told["results"]}
    assert encoders["before"] == before(run).fingerprint
    assert len(set(encoders.values())) == 4
    ours = load_encoder(run)
    drawn = load_encoder("random:resnet18", image_size=32, options=ours.options, seed=0)
    assert encoders["random"] == drawn.fingerprint
    assert not same(drawn, weights)


def test_without_its_weights_a_run_does_not_look_elsewhere(run):
    (run / "start.safetensors").unlink()
    with pytest.raises(UserError, match=r"must hold start.safetensors"):
        before(run)


def test_a_run_without_given_weights_knows_how_it_began(ilk, folder):
    said = ilk(
        "train", folder / "train", "--backbone", "resnet18", *SET, *SMALL_RUN, "-o", "plain"
    )
    assert said.code == 0, said.err
    assert not Path("plain/start.safetensors").exists()
    first, again = before(Path("plain")), before(Path("plain"))
    assert first.fingerprint == again.fingerprint
    trained = load_encoder("plain")
    state, begun = trained.module.state_dict(), first.module.state_dict()
    change = max(
        float((state[n] - begun[n]).abs().max()) for n in state if n.endswith("weight")
    )
    assert 0 < change < 0.1


def test_embedding_by_name_and_file(ilk, folder, weights):
    said = ilk("embed", f"resnet18@{weights}", folder / "test", "-o", "v.parquet")
    assert said.code == 2, "other widths than resnet18's"
    assert "must have shape" in said.err
    torch.manual_seed(0)
    network = timm.create_model("mobilenetv3_small_050", num_classes=3).eval()
    torch.save({"state_dict": network.state_dict()}, "w.pth")
    said = ilk("embed", "mobilenetv3_small_050@w.pth", folder / "test", "-o", "v.parquet",
               "--dtype", "float32")  # fmt: skip
    assert said.code == 0, said.err
    assert "classifier.weight" in said.out
    found = pq.read_table("v.parquet")
    assert np.isfinite(np.stack(found["vector"].to_numpy())).all()
    made = json.loads(found.schema.metadata[b"ilk"])["made"]
    told = load_encoder("mobilenetv3_small_050@w.pth", tell=lambda words: None)
    assert made["encoder"] == told.fingerprint


def test_a_run_is_weights_too_with_its_backbone_and_size(ilk, folder, run):
    said = ilk("train", folder / "train", "--from", "run", *SMALL_RUN[:-2], "-o", "second")
    assert said.code == 0, said.err
    settings = read_record(Path("second"))["settings"]
    assert (settings["backbone"], settings["image_size"]) == ("resnet18", 32)
    assert before(Path("second")).fingerprint == load_encoder("run").fingerprint


def test_mistakes_are_one_line(ilk, folder, weights):
    for words, says in (
        (("--from", "none.pth"), "nothing there"),
        (("--from", weights), "give --backbone NAME"),
        (("--from", weights, "--backbone", "vit_tiny_patch16_224"), "is not among its"),
    ):
        said = ilk("train", folder / "train", *words, *SMALL_RUN, "-o", "x")
        assert said.code == 2
        assert says in said.err
        assert said.err.strip().count("\n") == 0
        assert not Path("x").exists()
