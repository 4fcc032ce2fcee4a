"""Parts of the loop, each against a slow reference."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ilk.core import Cosine, Progress, UserError
from ilk.data import Reader, open_source
from ilk.method import Head, Optimisation, typed_changes, typed_options
from ilk.methods import recipe
from ilk.methods.moco_v3 import MoCoV3
from ilk.networks import Network
from ilk.train import Settings
from ilk.train.length import length_of
from ilk.train.loop.loader import Loader
from ilk.train.loop.monitor import CollapseAlarm
from ilk.train.loop.optimiser import Pace, build_optimiser, clip_gradients, frozen_now, peak_lr
from ilk.train.records.checkpoint import flattened_optimiser, load, restore_optimiser, save
from ilk.views import byol_pair


def loader(pictures, **changes) -> Loader:
    given = {"batch_size": 6, "seed": 3, "workers": 2} | changes
    return Loader(Reader(open_source(pictures)), byol_pair(16), **given)


def test_an_epoch_shows_every_item_once_in_a_new_order(pictures):
    served = loader(pictures, batch_size=8)
    epochs = [
        np.concatenate([b.items for b in served.batches(4 * e, 4 * e + 4)]) for e in range(2)
    ]
    for items in epochs:
        assert sorted(items) == list(range(32))
    assert not np.array_equal(*epochs)


def test_any_start_serves_the_same_batches(pictures):
    whole = list(loader(pictures).batches(0, 9))
    for start in (1, 4, 8):
        for batch, again in zip(
            whole[start:], loader(pictures, workers=1).batches(start, 9), strict=True
        ):
            assert np.array_equal(batch.items, again.items)
            assert all(torch.equal(batch.views[v], again.views[v]) for v in batch.views)


def test_pinned_batches_are_the_same_in_memory_as_on_a_machine_without_gpu(
    pictures, monkeypatch
):
    """As torch does it, which needs a GPU: other pages, the same strides."""
    pinned: list[torch.Tensor] = []

    def pin(self: torch.Tensor) -> torch.Tensor:
        pinned.append(self.clone(memory_format=torch.preserve_format))
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    plain, served = loader(pictures), loader(pictures)
    served.pinned = True
    batches = list(zip(plain.batches(0, 3), served.batches(0, 3), strict=True))
    assert len(pinned) == 3 * len(plain.views)
    for batch, again in batches:
        assert np.array_equal(batch.items, again.items)
        for name, pixels in batch.views.items():
            assert any(again.views[name] is other for other in pinned)
            assert torch.equal(pixels, again.views[name])
            assert pixels.stride() == again.views[name].stride()


@pytest.mark.parametrize("held", [1, 5000])
def test_pieces_of_any_size_make_the_same_batches(pictures, held, monkeypatch):
    whole = list(loader(pictures).batches(0, 3))
    monkeypatch.setattr("ilk.train.loop.loader.HELD", held)
    for batch, again in zip(whole, loader(pictures).batches(0, 3), strict=True):
        assert np.array_equal(batch.items, again.items)
        assert all(torch.equal(batch.views[v], again.views[v]) for v in batch.views)


def test_ranks_share_the_batch_of_one_process(pictures):
    one = next(iter(loader(pictures, batch_size=8).batches(2, 3)))
    parts = [
        next(iter(loader(pictures, batch_size=4, rank=r, world=2).batches(2, 3)))
        for r in range(2)
    ]
    assert np.array_equal(one.items, np.concatenate([part.items for part in parts]))
    for view in one.views:
        assert torch.equal(one.views[view], torch.cat([part.views[view] for part in parts]))


def test_a_batch_larger_than_the_data_is_refused(pictures):
    with pytest.raises(UserError, match="batch_size=32 or less"):
        loader(pictures, batch_size=33)


def test_groups_decay_what_the_plan_says():
    trunk = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    parts = Network(trunk, {"predictor": Head(nn.Linear(4, 4), constant_lr=True)})
    plan = Optimisation(
        name="sgd",
        lr=0.1,
        warmup_epochs=0,
        weight_decay=Cosine(0.2, 0.4),
    )
    optimiser = build_optimiser(plan, parts)
    Pace(plan, 0.5).apply(optimiser, Progress(100, 100, 10))
    for group in optimiser.param_groups:
        sizes = {p.ndim for p in group["params"]}
        assert group["weight_decay"] == pytest.approx(0.4 if sizes == {2} else 0.0)
        assert group["lr"] == pytest.approx(0.5 if group["part"] == "predictor" else 0.0)
    for name, decayed in (("sgd", {1, 2}), ("adamw", {1, 2}), ("lars", {2}), ("larc", {1, 2})):
        everything = build_optimiser(Optimisation(name=name, lr=0.1, decay_all=True), parts)
        chosen = [group for group in everything.param_groups if group["decays"]]
        assert {p.ndim for group in chosen for p in group["params"]} == decayed


@pytest.mark.parametrize(("scaling", "lr"), [("linear", 0.4), ("sqrt", 0.2), ("none", 0.1)])
def test_peak_follows_the_batch(scaling, lr):
    assert peak_lr(Optimisation(name="sgd", lr=0.1, scaling=scaling), 1024) == pytest.approx(lr)


@pytest.mark.parametrize("decay", [1e-2, 0.0])
@pytest.mark.parametrize(("kind", "adapted"), [("lars", (2,)), ("larc", (1, 2))])
def test_lars_and_larc_against_a_slow_loop(kind, adapted, decay):
    """LARS moves vectors as SGD without decay does, whatever the plan says of decay."""
    torch.manual_seed(0)
    layer = nn.Linear(5, 3)
    plan = Optimisation(
        name=kind, lr=0.2, weight_decay=decay, decay_all=True, momentum=0.9, trust=0.001
    )
    optimiser = build_optimiser(plan, Network(layer))
    pace = Pace(plan, 0.2)
    weights = {k: p.detach().clone().double() for k, p in layer.named_parameters()}
    speed = {k: torch.zeros_like(p) for k, p in weights.items()}
    progress = Progress(50, 100, 1)
    for step in range(4):
        grads = {k: torch.full_like(p, 0.1 * (step + 1)) for k, p in layer.named_parameters()}
        for name, parameter in layer.named_parameters():
            parameter.grad = grads[name]
        lr = pace.apply(optimiser, progress)
        optimiser.step()
        for name, weight in weights.items():
            grad = grads[name].double()
            if weight.ndim in adapted:
                decayed = grad + decay * weight
                ratio = 0.001 * weight.norm() / (grad.norm() + decay * weight.norm() + 1e-8)
                grad = decayed * ratio
            speed[name] = 0.9 * speed[name] + grad
            weights[name] = weight - lr * speed[name]
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(
            parameter.detach().double(), weights[name], rtol=1e-5, atol=1e-6
        )


def test_clipping_is_by_parameter_and_the_joint_norm_is_told():
    a, b = nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(2))
    a.grad, b.grad = torch.tensor([3.0, 4.0, 0, 0]), torch.tensor([0.3, 0.4])
    norm = clip_gradients([a, b], 1.0)
    assert norm.item() == pytest.approx(math.hypot(5, 0.5))
    torch.testing.assert_close(a.grad, torch.tensor([0.6, 0.8, 0, 0]))
    torch.testing.assert_close(b.grad, torch.tensor([0.3, 0.4]))


def test_parts_are_frozen_for_epochs_or_steps():
    a, b, c = (nn.Linear(1, 1) for _ in range(3))
    heads = {"a": Head(a, freeze_epochs=1), "b": Head(b, freeze_steps=3), "c": Head(c)}
    assert frozen_now(heads, Progress(2, 100, 10)) == [a, b]
    assert frozen_now(heads, Progress(5, 100, 10)) == [a]
    assert frozen_now(heads, Progress(10, 100, 10)) == []


def test_optimiser_state_survives_a_file(tmp_path):
    def stepped(layer, optimiser, count):
        for _ in range(count):
            optimiser.zero_grad()
            layer(torch.ones(2, 3)).square().sum().backward()
            optimiser.step()

    torch.manual_seed(0)
    one, plan = nn.Linear(3, 3), Optimisation(name="adamw", lr=0.1)
    optimiser = build_optimiser(plan, Network(one))
    for group in optimiser.param_groups:
        group["lr"] = 0.1
    stepped(one, optimiser, 3)
    save(tmp_path / "c", flattened_optimiser(optimiser), {"step": 3})
    two = nn.Linear(3, 3)
    two.load_state_dict(one.state_dict())
    other = build_optimiser(plan, Network(two))
    tensors, facts = load(tmp_path / "c")
    restore_optimiser(other, tensors)
    for group in other.param_groups:
        group["lr"] = 0.1
    stepped(one, optimiser, 2)
    stepped(two, other, 2)
    assert facts["step"] == 3
    assert all(
        torch.equal(p, q) for p, q in zip(one.parameters(), two.parameters(), strict=True)
    )


def test_a_foreign_or_torn_checkpoint_is_refused(tmp_path):
    (tmp_path / "torn").write_bytes(b"\0" * 40)
    with pytest.raises(UserError, match="must be whole"):
        load(tmp_path / "torn")
    with pytest.raises(UserError, match="must exist"):
        load(tmp_path / "none")


def test_lengths_become_steps():
    assert length_of(Settings(epochs=2.5), 10, None).steps == 25
    assert length_of(Settings(steps=7), 10, None).steps == 7
    assert length_of(Settings(minutes=2), 10, 0.5).steps == 240
    assert length_of(Settings(), 10, None).steps == 1000
    with pytest.raises(UserError, match="only one of epochs, steps and time"):
        Settings(epochs=1, steps=1)


def test_the_alarm_forgives_a_short_spell():
    alarm = CollapseAlarm()
    bad, good = {"feature_std": 0.01, "rankme": 1.0}, {"feature_std": 0.9, "rankme": 30.0}
    heard = [
        alarm.check(step, m) for step, m in enumerate([bad, bad, good, bad, bad, bad, bad])
    ]
    assert [message is not None for message in heard] == [False] * 5 + [True, False]
    assert "since step 3" in heard[5]


def test_options_are_typed_and_near_misses_are_named():
    made = recipe("moco-v3", {"temperature": "1", "hidden": "64"})
    assert (made.temperature, made.hidden) == (1, 64)
    with pytest.raises(UserError, match="did you mean temperature"):
        typed_options(MoCoV3, "moco-v3", {"temperatur": 1})
    with pytest.raises(UserError, match="hidden must be int, got '0.5'"):
        typed_options(MoCoV3, "moco-v3", {"hidden": "0.5"})
    with pytest.raises(UserError, match="did you mean moco-v3"):
        recipe("moco-v4", {})


def test_options_change_settings_that_are_there():
    plan = Optimisation(name="lars", lr=0.3, weight_decay=1e-6, warmup_epochs=10)
    made = typed_changes(plan, "optimiser", {"name": "adamw", "lr": "8e-3"})
    assert made == replace(plan, name="adamw", lr=0.008)
    with pytest.raises(
        UserError, match="optimiser: name must be one of adamw, sgd, lars, larc"
    ):
        typed_changes(plan, "optimiser", {"name": "adam"})


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_restored_optimiser_steps_alike_in_every_memory_format(name, tmp_path):
    """Fused kernels read state in the order of memory, and a checkpoint is contiguous."""

    def stepped(layer: nn.Module, optimiser: torch.optim.Optimizer, step: int) -> None:
        torch.manual_seed(step)
        optimiser.zero_grad()
        layer(torch.randn(2, 4, 6, 6).to(memory_format=torch.channels_last)).sum().backward()
        optimiser.step()

    plan = Optimisation(name=name, lr=0.1, decay_all=True)
    layers = [nn.Conv2d(4, 8, 3).to(memory_format=torch.channels_last) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    one, two = (build_optimiser(plan, Network(layer)) for layer in layers)
    for group in [*one.param_groups, *two.param_groups]:
        group["lr"] = 0.01
    stepped(layers[0], one, 0)
    save(tmp_path / "state.safetensors", flattened_optimiser(one), {})
    layers[1].load_state_dict(layers[0].state_dict())
    restore_optimiser(two, load(tmp_path / "state.safetensors")[0])
    for layer, optimiser in zip(layers, (one, two), strict=True):
        stepped(layer, optimiser, 1)
    assert torch.equal(layers[0].weight, layers[1].weight)


def test_a_word_among_the_choices_of_a_field_is_that_word():
    plan = Optimisation(name="sgd", lr=0.1, clip=3.0)
    assert typed_changes(plan, "optimiser", {"scaling": "none"}).scaling == "none"
    assert typed_changes(plan, "optimiser", {"clip": "none"}).clip is None
