"""A run from given weights is held against its start: it turns back, and stops, as it must."""

import contextlib
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ilk.core import UserError
from ilk.data import Arrays, BadItem, Subset
from ilk.networks import Encoder, backbone, load_encoder
from ilk.train import Interrupted, Worsened, preview_step, read_record, resume, train
from ilk.train.guard.guard import BEST, Guard, looks_of
from ilk.train.guard.scores import StableNeighbours, kept_neighbours, scorer_for
from ilk.train.guard.verdict import CHANCE, is_worse, paired, share_interval
from ilk.train.length import Length
from ilk.train.loop.head_start import HeadStart
from ilk.train.loop.step_result import NonFiniteLoss
from ilk.train.loop.trainer import Trainer
from ilk.train.records.checkpoint import load, restore_scaler, save
from tests.processes import ranks
from tests.train.conftest import TINY, Witness

NETWORK = "vit_tiny_patch16_224"
VIT = {"patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2}
SIZE, CHECKPOINT = 24, "checkpoint.safetensors"
DESTROYS, GOOD = 300.0, 1e-4
CPU = torch.device("cpu")


def coloured(count: int = 200, *, labelled: bool = True) -> Arrays:
    """Images in four colours: a network with random weights tells nearly all of them apart."""
    chance = np.random.default_rng(0)
    labels = np.arange(count) % 4
    tint = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [160, 160, 60]])[labels]
    noise = chance.integers(-60, 60, (count, SIZE, SIZE, 3))
    pixels = np.clip(tint[:, None, None] + noise, 0, 255).astype(np.uint8)
    known = labels if labelled else np.full(count, -1)
    return Arrays(pixels, known, name="coloured", classes=tuple("abcd") if labelled else ())


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return backbone(NETWORK, image_size=SIZE, options=VIT)


def encoder_of(module: torch.nn.Module) -> Encoder:
    return Encoder.of(
        module, name=NETWORK, options=VIT, image_size=SIZE, channels=3,
        statistics=((0.5,) * 3, (0.25,) * 3),
    )  # fmt: skip


@pytest.fixture
def settings(tiny, tmp_path):
    save_file(network().state_dict(), tmp_path / "given.safetensors")

    def make(lr: float, **changes):
        given = {
            "method": "simclr", "method_options": {"hidden": 16, "dim": 8}, "mix": None,
            "backbone": NETWORK, "backbone_options": VIT, "image_size": SIZE, "batch_size": 16,
            "augment": "crops", "steps": 10, "guard_every": 2 / 12,
            "optimiser_options": {"name": "sgd", "warmup_epochs": 0},
            "weights": str(tmp_path / "given.safetensors"),
        }  # fmt: skip
        return tiny(**{**given, **changes}, lr=lr)

    return make


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch):
    """40 of the 200 images that most tests learn from are classified."""
    monkeypatch.setattr("ilk.train.guard.scores.ENOUGH", 40)


@pytest.fixture
def fragile(monkeypatch):
    """From a step on, a step at a rate above a share of the first one's leaves nothing."""
    whole = Trainer.take_step

    def make(step: int, share: float) -> None:
        def breaking(self, batches, progress, monitor_labels=None):
            result = whole(self, batches, progress, monitor_labels)
            if self.step >= step and self.pace.share > share:
                with torch.no_grad():
                    for part in self._parts().values():
                        for name, parameter in part.named_parameters():
                            parameter.mul_(0.0 if "backbone.norm" in name else 1.5)
            return result

        monkeypatch.setattr(Trainer, "take_step", breaking)

    return make


@pytest.fixture
def broken(monkeypatch):
    """Some steps have no finite loss; of the others it lists whether the backbone rested."""
    whole, rested = Trainer.take_step, []

    def make(steps: set[int]) -> list[bool]:
        def breaking(self, batches, progress, monitor_labels=None):
            if self.step in steps:
                raise NonFiniteLoss(self.step, {"clean": float("nan")})
            result = whole(self, batches, progress, monitor_labels)
            rested.append(self.student.resting)
            return result

        monkeypatch.setattr(Trainer, "take_step", breaking)
        return rested

    return make


def measured(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def stopping_at(step: int) -> Witness:
    class Stopping(Witness):
        def on_step(self, done, steps, numbers):
            super().on_step(done, steps, numbers)
            if done == step:
                os.kill(os.getpid(), signal.SIGINT)

    return Stopping()


def test_a_rate_that_destroys_is_caught_and_the_result_is_not_worse(settings, tmp_path):
    seen, run = Witness(), tmp_path / "run"
    with contextlib.suppress(Worsened):
        train(settings(DESTROYS), coloured(), run, seen)
    guard = read_record(run)["guard"]
    assert guard["turns"]
    assert guard["interval"][1] >= 0
    assert any("were put back" in message for message in seen.messages)


def test_it_never_goes_back_to_heads_that_have_not_learned(settings, tmp_path, fragile):
    fragile(4, 0.5)
    given = settings(GOOD, tune="last", tune_options={"head_steps": 3})
    train(given, coloured(), tmp_path / "run", Witness())
    (turn,) = read_record(tmp_path / "run")["guard"]["turns"]
    assert (turn["step"], turn["to"]) == (4, 3)


def test_heads_that_were_put_back_learn_alone_for_as_long_and_so_does_a_resumed_run(
    settings, tmp_path, broken
):
    rested = broken({2})  # the last of three steps in which heads learn alone
    given = settings(GOOD, tune="last", tune_options={"head_steps": 3})
    train(given, coloured(), tmp_path / "run", Witness())
    guard = read_record(tmp_path / "run")["guard"]
    assert [(turn["step"], turn["to"]) for turn in guard["turns"]] == [(3, 0)]
    assert rested == [True] * 2 + [True] * 3 + [False] * 4
    assert guard["best"]["step"] == 6
    with pytest.raises(Interrupted):
        train(given, coloured(), tmp_path / "cut", stopping_at(4))
    resume(tmp_path / "cut", Witness(), coloured())
    one, two = (load(tmp_path / name / CHECKPOINT)[0] for name in ("run", "cut"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_preview_shows_heads_that_were_put_back_on_a_backbone_at_rest(
    settings, tmp_path, broken, monkeypatch
):
    broken({2})
    given = settings(GOOD, tune="last", tune_options={"head_steps": 3})
    with pytest.raises(Interrupted):
        train(given, coloured(), tmp_path / "run", stopping_at(4))  # they rest until step 6
    whole, rested = HeadStart.__call__, []

    def watched(self, step):
        whole(self, step)
        rested.append((step, self._student.resting))

    monkeypatch.setattr(HeadStart, "__call__", watched)
    preview_step(tmp_path / "run", coloured())
    assert rested == [(4, True)]


def test_back_at_the_head_start_the_teacher_is_the_student(
    settings, tmp_path, fragile, monkeypatch
):
    fragile(4, 0.5)
    whole, equal = Guard.turn_back, []

    def watched(self, why):
        words = whole(self, why)
        trainer = self.setup.trainer
        student, teacher = trainer.student.state_dict(), trainer.teacher.network.state_dict()
        equal.append(all(torch.equal(student[name], t) for name, t in teacher.items()))
        return words

    monkeypatch.setattr(Guard, "turn_back", watched)
    given = settings(GOOD, method="byol", tune="last", tune_options={"head_steps": 3})
    train(given, coloured(), tmp_path / "run", Witness())
    assert equal == [True]
    assert read_record(tmp_path / "run")["guard"]["turns"][0]["to"] == 3


def test_at_the_second_time_it_stops_with_the_best_weights(settings, tmp_path, fragile):
    fragile(1, 0.0)
    seen, run = Witness(), tmp_path / "run"
    with pytest.raises(Worsened, match="the run is stopped"):
        train(settings(GOOD), coloured(), run, seen)
    record = read_record(run)
    assert record["status"] == "stopped"
    assert [(turn["step"], turn["to"]) for turn in record["guard"]["turns"]] == [(2, 0), (4, 0)]
    assert "the learning rate is a tenth now" in seen.messages[0]
    kept = load_encoder(run).module.state_dict()
    assert all(torch.equal(kept[n], t) for n, t in network().state_dict().items())
    assert record["guard"]["difference"] == 0
    assert record["guard"]["last"] == record["guard"]["start"]
    rates = {line["step"]: line["lr"] for line in measured(run)}
    assert rates[2] / rates[1] == pytest.approx(0.1, rel=0.2)
    with pytest.raises(UserError, match="stopped by its guard"):
        resume(run, Witness(), coloured())
    with pytest.raises(UserError, match="stopped by its guard"):
        resume(run, Witness(), coloured(), steps=20)


def test_at_the_lower_rate_it_goes_on_to_the_end(settings, tmp_path, fragile):
    fragile(3, 0.5)
    run = tmp_path / "run"
    train(settings(GOOD), coloured(), run, Witness())
    record = read_record(run)
    guard = record["guard"]
    assert (record["status"], [turn["step"] for turn in guard["turns"]]) == ("finished", [4])
    assert guard["interval"][1] >= 0
    assert guard["last"]["step"] == 10
    looks = {line["step"] + 1: line["knn"] for line in measured(run) if "knn" in line}
    assert list(looks) == [2, 4, 6, 8, 10]
    assert looks[4] < 0.5 < looks[6]


def test_a_good_rate_never_fires_and_the_guard_changes_no_bit(settings, tmp_path):
    for name in ("auto", "off"):
        seen = Witness()
        train(settings(GOOD, guard=name), coloured(), tmp_path / name, seen)
        assert seen.messages == []
    one, two = (load(tmp_path / name / CHECKPOINT)[0] for name in ("auto", "off"))
    assert all(torch.equal(one[name], two[name]) for name in one)
    off = read_record(tmp_path / "off")["guard"]
    assert off["turns"] == []
    assert not off["decides"]
    assert off["last"]["step"] == 10
    assert off["start"]["value"] == 1.0
    assert not any((tmp_path / "off" / name).exists() for name in BEST)


def test_without_a_guard_what_was_destroyed_stays_so(settings, tmp_path, fragile):
    fragile(9, 0.0)
    train(settings(GOOD, guard="off"), coloured(), tmp_path / "run", Witness())
    guard = read_record(tmp_path / "run")["guard"]
    assert guard["interval"][1] < 0
    assert guard["words"].startswith("worse than at the start by ")


def test_it_resumes_bit_for_bit_before_and_after_it_turned_back(settings, tmp_path, fragile):
    fragile(4, 0.5)
    given = settings(0.01, method="moco-v3", checkpoint_every=3, mix="sdmp", anchor="gram",
                     method_options={"hidden": 16, "dim": 8, "warmup_epochs": 0})  # fmt: skip
    train(given, coloured(), tmp_path / "whole", Witness())
    whole, facts = load(tmp_path / "whole" / CHECKPOINT)
    record = read_record(tmp_path / "whole")
    (turn,) = record["guard"]["turns"]
    for stop in (turn["step"] - 1, turn["step"] + 1):
        run = tmp_path / f"cut{stop}"
        with pytest.raises(Interrupted):
            train(given, coloured(), run, stopping_at(stop))
        resume(run, Witness(), coloured())
        cut, found = load(run / CHECKPOINT)
        assert whole.keys() == cut.keys()
        assert all(torch.equal(whole[name], cut[name]) for name in whole)
        assert found["guard"] == facts["guard"]
        assert read_record(run)["guard"] == record["guard"]


def test_a_run_that_was_killed_between_two_saves_finds_its_best_weights(
    settings, tmp_path, fragile
):
    fragile(6, 0.5)
    given = settings(0.01, checkpoint_every=100)
    train(given, coloured(), tmp_path / "whole", Witness())
    whole, _ = load(tmp_path / "whole" / CHECKPOINT)

    class Killed(Witness):
        def on_step(self, done, steps, numbers):
            if done == 5:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(given, coloured(), tmp_path / "run", Killed())
    shutil.copytree(tmp_path / "run", tmp_path / "twice")
    resume(tmp_path / "twice", Witness(), coloured())
    cut, _ = load(tmp_path / "twice" / CHECKPOINT)
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_best_weights_that_are_another_steps_are_refused(settings, tmp_path, fragile):
    fragile(3, 0.0)

    class Swapping(Witness):
        def on_step(self, done, steps, numbers):
            path = tmp_path / "run" / BEST[0]
            if done == 3:
                tensors, facts = load(path)
                save(path, tensors, facts | {"step": 1})

    with pytest.raises(UserError, match="guard: .* must hold the weights of step 0, got .* 1"):
        train(settings(GOOD), coloured(), tmp_path / "run", Swapping())


def test_a_loss_that_is_not_finite_turns_back_too(settings, tmp_path, broken):
    broken({3, 7})
    run = tmp_path / "run"
    with pytest.raises(Worsened, match="after step 8 the loss was not finite"):
        train(settings(GOOD), coloured(), run, Witness())
    assert [turn["step"] for turn in read_record(run)["guard"]["turns"]] == [4, 8]
    with pytest.raises(UserError, match="the loss must be finite"):
        train(settings(GOOD, guard="off"), coloured(), tmp_path / "off", Witness())


def test_without_labels_it_looks_at_neighbours(settings, tmp_path):
    train(
        settings(GOOD, steps=2, guard_every=None), coloured(20, labelled=False),
        tmp_path / "run", Witness(),
    )  # fmt: skip
    guard = read_record(tmp_path / "run")["guard"]
    assert (guard["key"], guard["images"], guard["looks"]) == ("stable", 20, 2)
    assert guard["start"]["lidar"] > 1
    assert guard["start"]["rankme"] > 1
    line = measured(tmp_path / "run")[-1]
    assert line["stable"] == guard["last"]["value"]
    assert line["guard_lidar"] == guard["last"]["lidar"]


@pytest.mark.parametrize("rested", [0, 3, 10])
@pytest.mark.parametrize("every", [1, 4, 5, 200])
@pytest.mark.parametrize(("since", "steps"), [(0, 20), (0, 21), (1, 101), (7, 30), (10, 30)])
def test_looks_are_as_many_as_there_are(since, steps, every, rested):
    due = [
        step for step in range(since + 1, steps + 1)
        if step % every == 0 or step in (steps, rested)
    ]  # fmt: skip
    assert looks_of(Length(steps, 5.0, since), every, rested) == len(due)


def test_random_weights_have_no_guard(tiny, tmp_path, pictures):
    train(tiny(steps=2, mix=None), pictures, tmp_path / "run", Witness())
    assert "guard" not in read_record(tmp_path / "run")
    assert "guard" not in load(tmp_path / "run" / CHECKPOINT)[1]


def test_too_few_images_are_not_scored_and_it_says_so(settings, tmp_path):
    seen = Witness()
    train(settings(GOOD, batch_size=4, steps=2), coloured(8, labelled=False),
          tmp_path / "run", seen)  # fmt: skip
    assert seen.messages[0].startswith("guard: the given weights are not scored")


def test_scores_are_equal_each_time_and_a_collapsed_network_keeps_nothing():
    source = coloured(30, labelled=False)
    scorer = scorer_for(source, kind="image", seed=3, workers=1, device=CPU)
    assert isinstance(scorer, StableNeighbours)
    good = encoder_of(network())
    one, two = scorer(good), scorer(good)
    assert np.array_equal(one.each, two.each)
    assert one.value > 1.2 * 10 / 29
    flat, broken, huge = network(), network(), network()
    with torch.no_grad():
        huge.norm.weight.fill_(3e37)
        flat.norm.weight.zero_()
        broken.norm.weight.fill_(float("inf"))
    assert scorer(encoder_of(flat)).value == 0
    assert scorer(encoder_of(broken)).value == 0
    largest = scorer(encoder_of(huge))
    assert np.isfinite([largest.rankme, largest.lidar]).all()
    labelled = scorer_for(coloured(), kind="image", seed=3, workers=1, device=CPU)
    assert labelled(good).value == 1.0
    assert labelled(encoder_of(broken)).value == 0
    assert labelled(encoder_of(flat)).value < 0.5


def test_kept_neighbours_match_a_loop():
    torch.manual_seed(0)
    plain, views = torch.randn(7, 3), torch.randn(7, 2, 3)

    def near(rows, i, k):
        unit = torch.nn.functional.normalize(rows, dim=1)
        order = (unit @ unit[i]).argsort(descending=True).tolist()
        return {j for j in order if j != i}.intersection([j for j in order if j != i][:k])

    slow = [
        sum(len(near(plain, i, 3) & near(views[:, v], i, 3)) / 3 for v in range(2)) / 2
        for i in range(7)
    ]
    assert kept_neighbours(plain, views, 3).tolist() == pytest.approx(slow)
    same = plain[:, None].expand(-1, 2, -1)
    assert kept_neighbours(plain, same, 3).tolist() == [1.0] * 7


def test_images_that_cannot_be_read_are_left_out_of_both_scores():
    class Holed(Arrays):
        def item(self, index):
            if index == 5:
                raise BadItem("gone")
            return super().item(index)

    whole = coloured(30, labelled=False)
    pixels = np.stack([whole.item(index) for index in range(30)])
    holed = Holed(pixels, np.full(30, -1), name="holed", classes=())
    scorer = StableNeighbours(
        images=Subset(holed, np.arange(30)), seed=0, workers=1, device=CPU
    )
    scores = scorer(encoder_of(network()))
    assert np.flatnonzero(np.isnan(scores.each)).tolist() == [5]
    found = paired(scores.each, np.ones(30), 0.025)
    assert found.images == 29
    assert found.value == pytest.approx(scores.value - 1)


@pytest.mark.parametrize(("images", "right"), [(40, 0.3), (500, 0.3), (500, 0.9)])
def test_a_run_that_stays_as_good_is_seldom_turned_back(images, right):
    """Each look answers some images otherwise, with the same chance of being right."""
    rng, runs, looks = np.random.default_rng(0), 150, 20
    turned = stopped = 0
    for _ in range(runs):
        start = now = (rng.random(images) < right).astype(float)
        fired = 0
        for _ in range(looks):
            again = rng.random(images) < 0.3
            now = np.where(again, rng.random(images) < right, now).astype(float)
            fired += is_worse(now, start, looks)
        turned, stopped = turned + (fired > 0), stopped + (fired > 1)
    assert turned / runs <= 0.02 < CHANCE  # as decision 0016 has it
    assert stopped / runs < 0.01


def test_a_fall_that_is_sure_is_seen_at_the_first_look():
    start = np.ones(500)
    assert is_worse(np.where(np.arange(500) < 50, 0.0, 1.0), start, 20)
    assert not is_worse(np.where(np.arange(500) < 5, 0.0, 1.0), start, 20)


def test_intervals_hold_by_hand():
    now, before = np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, np.nan])
    found = paired(now, before, 0.025)
    values = np.array([-1.0, 0.0, -1.0, 1.0])
    reach = 3.182446 * values.std(ddof=1) / 2
    assert found.images == 2
    assert found.value == -0.5
    assert (found.low, found.high) == pytest.approx((-0.25 - reach, -0.25 + reach))
    assert share_interval(np.array([1.0] * 98))[1] == 1.0


def test_a_step_that_was_given_up_leaves_the_loss_scaling_free():
    layer = torch.nn.Linear(2, 1)
    optimiser, scaler = torch.optim.SGD(layer.parameters()), torch.amp.GradScaler("cpu")
    before = scaler.state_dict()
    for given_up in (True, False):
        scaler.scale(layer(torch.ones(1, 2)).sum()).backward()
        scaler.unscale_(optimiser)
        if given_up:
            restore_scaler(scaler, before)
            optimiser.zero_grad()
    scaler.step(optimiser)
    scaler.update()
    assert layer.weight.grad.tolist() == [[1.0, 1.0]]


@pytest.mark.slow
@pytest.mark.xdist_group("ranks")
def test_ranks_turn_back_together(tmp_path):
    """Many images of few colours, as files: a network of random weights tells them apart."""
    import cv2

    source = coloured(400)
    for index in range(len(source)):
        place = tmp_path / "images" / source.classes[source.label(index)]
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{index:03}.png"), source.item(index))
    torch.manual_seed(0)
    options = TINY["backbone_options"]
    small = backbone(TINY["backbone"], image_size=32, options=options)
    save_file(small.state_dict(), tmp_path / "given.safetensors")
    done = ranks("tests.train.guard_ranks", tmp_path / "images",
                 tmp_path / "given.safetensors", tmp_path)  # fmt: skip
    assert [rank.returncode for rank in done] == [0, 0], done[0].stderr[-2000:]
    one, two = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert one == two
    assert len(one["turns"]) == 1
    assert one["share"] == 0.1
    record = read_record(tmp_path / "run")
    assert record["status"] == "finished"
    assert record["guard"]["turns"] == one["turns"]
