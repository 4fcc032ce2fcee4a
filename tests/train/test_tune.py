"""A backbone that is continued: what moves when, and that a run can be stopped anywhere."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import onnxruntime
import pytest
import torch

from ilk.core import Progress, UserError
from ilk.data import open_source
from ilk.networks import backbone, encode, export_onnx, load_encoder
from ilk.networks.encoder import Encoder
from ilk.networks.storage import save_encoder
from ilk.train import Interrupted, Settings, before, read_record, resume, train
from ilk.train.length import Length
from ilk.train.loop.optimiser import Pace
from ilk.train.records.checkpoint import load
from ilk.train.records.record import recorded_settings
from ilk.train.run import CHECKPOINT
from ilk.train.setup import Setup
from ilk.train.start import begin
from tests.train.conftest import Witness

VIT = {"patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2}
CONV = {"stem": "small", "widths": [16, 16, 16], "depths": [1, 1, 1]}
NAMES = {"vit": ("vit_tiny_patch16_224", VIT), "conv": ("resnet_mini", CONV)}


@pytest.fixture
def settings(tiny, tmp_path):
    """Settings that continue a transformer or a convolutional network."""

    def make(network: str = "vit", **changes) -> Settings:
        name, options = NAMES[network]
        path = tmp_path / network
        if not path.exists():
            torch.manual_seed(5)
            module = backbone(name, image_size=32, options=options)
            module(torch.randn(16, 3, 32, 32))
            encoder = Encoder.of(
                module, name=name, options=options, image_size=32, channels=3,
                statistics=((0.5,) * 3, (0.25,) * 3),
            )  # fmt: skip
            path.mkdir()
            save_encoder(encoder, path)
        return tiny(**{
            "backbone": None, "backbone_options": {}, "weights": str(path), "mix": None,
            "knn_every": 0,
            "tune_options": {"head_steps": 2, "rank": 4}, **changes,
        })  # fmt: skip

    return make


def built(settings: Settings, pictures) -> Setup:
    given, beginning = begin(settings)
    assert beginning is not None
    source = open_source(pictures)
    return Setup(given, source, length=Length(6, 4.0), start=beginning.encoder)


def steps(setup: Setup, count: int) -> None:
    trainer = setup.trainer
    batches = setup.loader.batches(trainer.step, trainer.step + count)
    for taken in batches:
        trainer.take_step([taken], setup.length.progress(trainer.step))


def state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def moved(module: torch.nn.Module, then: dict[str, torch.Tensor]) -> set[str]:
    return {n for n, t in module.state_dict().items() if not torch.equal(t, then[n])}


def stopping_at(step: int) -> Witness:
    class Stopping(Witness):
        def on_step(self, done, of, numbers):
            super().on_step(done, of, numbers)
            if done == step:
                os.kill(os.getpid(), signal.SIGINT)

    return Stopping()


@pytest.mark.parametrize("network", NAMES)
@pytest.mark.parametrize("parts", ["last", "full"])
def test_heads_learn_alone_at_first_and_the_teacher_begins_with_the_student(
    settings, pictures, network, parts
):
    setup = built(settings(network, tune=parts), pictures)
    student, teacher = setup.trainer.student, setup.trainer.teacher.network
    given, heads = state(student.backbone), state(student.projector)
    steps(setup, 2)
    assert not moved(student.backbone, given)
    assert not moved(teacher.backbone, given), "neither by an average nor by a statistic"
    assert moved(student.projector, heads)
    assert moved(teacher.projector, student.projector.state_dict())
    setup.trainer.settle(2)
    assert not moved(teacher.projector, student.projector.state_dict())
    steps(setup, 1)
    changed = moved(student.backbone, given)
    assert changed
    if parts == "last":
        last = ("blocks.2", "stages.2")
        assert all(n.startswith(last) or "norm" in n or ".bn" in n for n in changed), changed
        frozen = [n for n in changed if n.startswith("stages.0") and "running" in n]
        assert not frozen, "statistics of frozen parts stay"
    assert student.training == student.projector.training
    assert student.projector.training


def test_a_backbone_that_rests_hands_a_gradient_to_its_images(settings, pictures):
    trainer = built(settings(tune="last"), pictures).trainer
    trainer.settle(0)
    network, images = trainer.student, torch.randn(2, 3, 32, 32)
    assert not network(images, {"feature"})["feature"].requires_grad
    feature = network(images.requires_grad_(), {"feature"})["feature"]
    (gradient,) = torch.autograd.grad(feature.sum(), images)
    assert gradient.abs().sum() > 0


def test_lora_begins_as_the_network_that_was_given(settings, pictures):
    setup = built(settings(tune="lora", tune_options={"rank": 4}), pictures)
    images = torch.randn(4, 3, 32, 32)
    given = load_encoder(settings().weights).module
    student = setup.trainer.student.backbone.eval()
    assert torch.equal(student(images), given(images))
    student.train()
    steps(setup, 4)
    encoder = setup.encoder()
    assert encoder.module.state_dict().keys() == given.state_dict().keys()
    student.eval()
    away = encoder.module(images) - given(images)
    assert away.abs().max() > 1e-3
    torch.testing.assert_close(encoder.module(images), student(images), atol=1e-5, rtol=0)
    one, other = (net.state_dict()["blocks.0.attn.qkv.weight"] for net in
                  (encoder.module, given))  # fmt: skip
    assert torch.equal(one[24:48], other[24:48]), "keys stay"
    assert not torch.equal(one[:24], other[:24])


@pytest.mark.parametrize(
    ("network", "parts", "method"),
    [("vit", "lora", "dino"), ("conv", "full", "byol")],
)  # fmt: skip
def test_a_run_resumes_bit_for_bit(settings, pictures, tmp_path, network, parts, method):
    options = {"hidden": 16, "dim": 8}
    if method == "dino":
        options |= {"prototypes": 8, "local_views": 1, "drop_path": 0.1}
    given = settings(network, tune=parts, method=method, method_options=options)
    train(given, pictures, tmp_path / "whole", Witness())
    with pytest.raises(Interrupted):
        train(given, pictures, tmp_path / "run", stopping_at(1))
    for stop in (2, 4):
        with pytest.raises(Interrupted):
            resume(tmp_path / "run", stopping_at(stop), pictures)
    resume(tmp_path / "run", Witness(), pictures)
    one, two = (load(tmp_path / name / CHECKPOINT)[0] for name in ("whole", "run"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    whole = load_encoder(tmp_path / "whole")
    assert whole.fingerprint == load_encoder(tmp_path / "run").fingerprint
    assert before(tmp_path / "run").fingerprint == load_encoder(given.weights).fingerprint


def test_only_what_learns_has_a_state_in_the_optimiser(settings, pictures, tmp_path):
    given = settings(tune="lora", steps=3)
    train(given, pictures, tmp_path / "run", Witness())
    tensors, facts = load(tmp_path / "run" / CHECKPOINT)
    names = [name for name in tensors if name.startswith("student.")]
    lora = [name for name in names if name.endswith((".0.up", ".0.down"))]
    assert len(lora) == 4
    decided = recorded_settings(read_record(tmp_path / "run"))
    groups = built(decided, pictures).trainer.optimiser.optimizer.param_groups
    learning = sum(p.numel() for group in groups for p in group["params"])
    moments = sum(t.numel() for n, t in tensors.items() if n.endswith("exp_avg"))
    assert moments == learning < sum(tensors[name].numel() for name in names)
    tuned = read_record(tmp_path / "run")["tuned"]
    assert tuned["parts"] == "lora"
    assert tuned["parameters"] < tuned["of"]
    assert tuned["words"].startswith("LoRA of rank 4 on queries and values, the last block")
    assert facts["pace"] == 1.0


def test_onnx_of_a_run_by_lora_gives_what_its_student_gives(settings, pictures, tmp_path):
    """The student has LoRA beside its weights, the exported network in them."""
    given = settings(tune="lora", steps=4, lr=0.05, tune_options={"head_steps": 1, "rank": 4})
    train(given, pictures, tmp_path / "run", Witness())
    encoder = load_encoder(tmp_path / "run")
    export_onnx(encoder, tmp_path / "lora.onnx")
    images = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8)
    session = onnxruntime.InferenceSession(tmp_path / "lora.onnx")
    (features,) = session.run(["features"], {"images": images.numpy()})
    tensors, _ = load(tmp_path / "run" / CHECKPOINT)
    setup = built(recorded_settings(read_record(tmp_path / "run")), pictures)
    start = setup.encoder()
    setup.trainer.load_state({k: t for k, t in tensors.items() if "optimiser" not in k})
    beside = replace(encoder, module=setup.trainer.student.backbone.eval())
    assert any(name.endswith(".0.up") for name in beside.module.state_dict())
    torch.testing.assert_close(
        torch.from_numpy(features), encode(beside, images), atol=1e-4, rtol=0
    )
    assert (encode(start, images) - torch.from_numpy(features)).abs().max() > 1e-2


def test_full_without_weights_is_what_is_done_anyway(tiny, pictures, tmp_path):
    for name, tune in (("none", None), ("full", "full")):
        train(tiny(tune=tune, steps=3), pictures, tmp_path / name, Witness())
    one, two = (load_encoder(tmp_path / name).fingerprint for name in ("none", "full"))
    assert one == two


@pytest.mark.parametrize("parts", ["auto", "lora", "last", "norms"])
def test_there_must_be_weights_to_keep(tiny, parts):
    with pytest.raises(UserError, match=f'tune: {parts} .* got none; give weights="FILE"'):
        tiny(tune=parts)


def test_what_is_tuned_is_given_once(settings, pictures):
    given = settings(tune="last", tune_options={"parts": "full"})
    with pytest.raises(UserError, match="parts must be given as tune"):
        built(given, pictures)
    with pytest.raises(UserError, match="tune: can be given its own fields"):
        built(settings(tune="last", tune_options={"ranks": 3}), pictures)


def test_rates_of_parts(settings, pictures):
    given = settings(
        tune="full", tune_options={"head_steps": 2, "rate": 0.1, "layer_decay": 0.5}
    )
    trainer = built(given, pictures).trainer
    optimiser, plan = trainer.optimiser.optimizer, trainer.method.optimisation
    trainer.pace = Pace(replace(plan, warmup_epochs=0.0), peak=1.0, share=0.5)
    assert trainer.pace.apply(optimiser, Progress(0, 10**6, 4.0), since=2) == 0.5

    def rate(parameter: torch.Tensor) -> float:
        (group,) = (
            g for g in optimiser.param_groups if any(p is parameter for p in g["params"])
        )
        return group["lr"]

    student = trainer.student
    head, norm = student.projector[0].weight, student.backbone.norm.weight
    low = student.backbone.blocks[0].mlp.fc1.weight
    for step, grown in ((0, 0.0), (1, 0.0), (2, 0.5), (3, 1.0), (9, 1.0)):
        trainer.pace.apply(optimiser, Progress(step, 10**6, 4.0), since=2)
        assert rate(head) == pytest.approx(0.5)
        assert rate(norm) == pytest.approx(0.05 * grown)
        assert rate(low) == pytest.approx(0.0125 * grown)


def test_a_lowered_pace_outlives_the_process(settings, pictures, tmp_path):
    given = settings(tune="norms", steps=4)
    with pytest.raises(Interrupted):
        train(given, pictures, tmp_path / "run", stopping_at(2))
    path = tmp_path / "run" / CHECKPOINT
    _slowed(path)
    resume(tmp_path / "run", Witness(), pictures)
    assert load(path)[1]["pace"] == 0.25
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    trainer = built(recorded_settings(read_record(tmp_path / "run")), pictures).trainer
    usual = [
        trainer.pace.apply(trainer.optimiser.optimizer, Progress(step, 4, 4.0))
        for step in range(4)
    ]
    shares = [1.0, 1.0, 0.25, 0.25]
    assert [json.loads(line)["lr"] for line in lines] == [
        rate * share for rate, share in zip(usual, shares, strict=True)
    ]


def _slowed(path: Path) -> None:
    from ilk.train.records.checkpoint import save

    tensors, facts = load(path)
    save(path, tensors, {**facts, "pace": 0.25})
