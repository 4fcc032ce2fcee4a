"""What a run begins with, and that it needs nothing else afterwards."""

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from ilk.core import UserError
from ilk.networks import Encoder, load_encoder, save_encoder
from ilk.train import Interrupted, before, read_record, resume, train
from ilk.train.assemble import assemble
from ilk.train.records.record import write_json
from ilk.train.start import START, begin
from tests.train.conftest import Witness

VIT = {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2}


@pytest.fixture
def weights(tmp_path) -> Path:
    torch.manual_seed(5)
    network = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=3, **VIT)
    path = tmp_path / "given.safetensors"
    save_file(network.state_dict(), path)
    return path


@pytest.fixture
def settings(tiny, weights):
    def make(**changes):
        given = {"backbone": "vit_tiny_patch16_224", "backbone_options": VIT}
        return tiny(**given, weights=str(weights), **changes)

    return make


def stopping_at(step: int) -> Witness:
    class Stopping(Witness):
        def on_step(self, done, steps, numbers):
            super().on_step(done, steps, numbers)
            if done == step:
                os.kill(os.getpid(), signal.SIGINT)

    return Stopping()


def test_given_weights_are_neither_redrawn_nor_frozen(settings):
    made, beginning = begin(settings(mix=None))
    method, student = assemble(made, 32, 32, 0, start=beginning.encoder)
    assert method.prepare, "MoCo v3 does something to random weights"
    state = student.backbone.state_dict()
    for name, tensor in beginning.encoder.module.state_dict().items():
        assert torch.equal(state[name], tensor), name
    assert all(parameter.requires_grad for parameter in student.backbone.parameters())
    _, random = assemble(made, 32, 32, 0)
    assert not random.backbone.patch_embed.proj.weight.requires_grad
    ours, theirs = student.projector.state_dict(), random.projector.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("stop", [1, 3])
def test_a_run_resumes_bit_for_bit_where_its_weights_are_gone(
    settings, weights, pictures, tmp_path, stop
):
    train(settings(), pictures, tmp_path / "whole", Witness())
    with pytest.raises(Interrupted):
        train(settings(), pictures, tmp_path / "run", stopping_at(stop))
    weights.unlink()
    shutil.move(tmp_path / "run", tmp_path / "moved")
    resume(tmp_path / "moved", Witness(), pictures)
    one, two = (load_encoder(tmp_path / name) for name in ("whole", "moved"))
    assert one.fingerprint == two.fingerprint
    assert before(tmp_path / "moved").fingerprint == before(tmp_path / "whole").fingerprint


def test_a_run_that_died_before_its_first_checkpoint_begins_again_with_them(
    settings, weights, pictures, tmp_path
):
    train(settings(), pictures, tmp_path / "run", Witness())
    whole = load_encoder(tmp_path / "run").fingerprint
    record = read_record(tmp_path / "run")
    write_json(tmp_path / "run/run.json", record | {"status": "running", "step": 0, "saved": 0})
    for name in ("checkpoint.safetensors", "encoder.safetensors", "metrics.jsonl"):
        (tmp_path / "run" / name).unlink()
    weights.unlink()
    resume(tmp_path / "run", Witness(), pictures)
    assert load_encoder(tmp_path / "run").fingerprint == whole


def test_a_run_that_lost_what_it_began_with_says_so(settings, pictures, tmp_path):
    with pytest.raises(Interrupted):
        train(settings(), pictures, tmp_path / "run", stopping_at(2))
    (tmp_path / "run" / START).unlink()
    with pytest.raises(UserError, match=rf"must hold {START}, the weights that it began with"):
        resume(tmp_path / "run", Witness(), pictures)


def test_published_weights_among_options_are_weights_to_begin_with(tiny, monkeypatch):
    asked = []

    def read(spec):
        asked.append(spec)
        raise UserError("enough")

    monkeypatch.setattr("ilk.train.start.read_given", read)
    with pytest.raises(UserError, match="enough"):
        begin(tiny(backbone="resnet18", backbone_options={"pretrained": True}))
    assert asked == ["timm:resnet18"]


def test_published_weights_out_of_reach_are_one_sentence_within_seconds(
    tiny, monkeypatch, tmp_path
):
    """A server that takes a connection and never answers, and no name that resolves."""

    def silent(*_: object, **__: object) -> None:
        time.sleep(60)
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", silent)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    start = time.monotonic()
    with pytest.raises(UserError, match='weights="FILE"') as told:
        begin(tiny(backbone="resnet10t", backbone_options={}, weights="timm:resnet10t"))
    assert time.monotonic() - start < 10, "one second, on a machine that is not busy"
    assert "\n" not in str(told.value)


def test_the_size_and_normalisation_are_those_of_the_weights(tiny, tmp_path, pictures):
    train(tiny(image_size=48), pictures, tmp_path / "run", Witness())
    made = load_encoder(tmp_path / "run")
    save_encoder(other_normalisation(made), tmp_path / "other")
    settings, beginning = begin(
        replace(tiny(), image_size=None, backbone_options={}, weights=str(tmp_path / "other"))
    )
    assert settings.image_size == 48
    assert beginning.encoder.mean == (0.1, 0.2, 0.3)
    assert not beginning.words


def other_normalisation(encoder):
    return Encoder.of(
        encoder.module, name=encoder.name, options=encoder.options, image_size=48, channels=3,
        statistics=((0.1, 0.2, 0.3), (0.5, 0.5, 0.5)),
    )  # fmt: skip
