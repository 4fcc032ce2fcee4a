"""The plan: what is decided, what is measured, what is refused."""

import time
from dataclasses import replace

import numpy as np
import pytest

from ilk.core import UserError
from ilk.data import Arrays, open_source
from ilk.train import Settings, open_images
from ilk.train.devices import launch_fabric
from ilk.train.loop.kin_counts import reveal
from ilk.train.planning import measure, plan, survey
from ilk.train.planning.defaults import MOST_EPOCHS
from ilk.train.planning.machine import Memory
from ilk.train.planning.measure import Cost
from ilk.train.planning.plan import Plan
from ilk.train.planning.survey import natural_size, unseen
from ilk.train.planning.words import changing, duration

SMALL = {"widths": [16, 16, 16], "depths": [1, 1, 1]}
GIB = 2**30


@pytest.fixture
def photos() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (120, 40, 60, 3), np.uint8)


def planned(settings: Settings, images, said: list[str] | None = None) -> Plan:
    say = None if said is None else said.append
    return plan.plan(settings, open_source(images), launch_fabric(settings), say)


def test_nothing_named_on_a_processor(photos):
    said: list[str] = []
    made = planned(Settings(device="cpu"), photos, said)
    settings = made.settings
    assert (settings.backbone, settings.image_size, settings.batch_size) == (
        "resnet_mini",
        32,
        32,
    )
    assert settings.method_options["hidden"] == 1024
    epochs = made.length.steps / made.length.steps_per_epoch
    warmup = settings.optimiser_options["warmup_epochs"]
    assert warmup == pytest.approx(epochs / 10, rel=1e-3)
    assert epochs <= 800
    assert made.seconds <= 1.3 * 20 * 60
    assert made.memory < 0.6 * made.reachable
    assert [line.split()[0] for line in said] == ["found", "runs", "takes", "change"]
    assert said[0] == "found   120 images, median 60 x 40 px, 0 unreadable"
    assert "minutes=60" in said[3]


def test_a_time_becomes_steps_and_a_named_length_stays(photos):
    given = Settings(device="cpu", backbone="resnet_mini", backbone_options=SMALL)
    began = time.monotonic()
    made = planned(replace(given, minutes=1), photos)
    spent = time.monotonic() - began
    lost = spent + 2 * made.step_seconds + 1  # a busy machine takes a while to answer
    assert 60 - lost < made.seconds <= 60
    assert planned(replace(given, epochs=3), photos).length.steps == 9
    assert planned(replace(given, steps=5), photos).length.steps == 5


def test_paper_settings_by_one_word(photos):
    named = Settings(
        device="cpu", backbone="resnet_mini", backbone_options=SMALL, batch_size=8, steps=1,
        image_size=32, defaults="paper",
    )  # fmt: skip
    made = planned(named, photos)
    assert (made.settings.method_options, made.settings.optimiser_options) == ({}, {})
    assert made.chosen == {}


def test_where_all_is_named_and_nobody_listens_nothing_is_measured(photos, monkeypatch):
    monkeypatch.setattr(plan, "measure", None)
    monkeypatch.setattr(survey, "survey", None)
    named = Settings(device="cpu", backbone="resnet_mini", batch_size=8, steps=1, image_size=32)
    made = planned(named, photos)
    assert made.memory is None
    assert made.settings.method_options["warmup_epochs"] < 1
    assert made.settings.batch_size == 8


def test_every_choice_is_recorded_and_what_is_named_is_not(photos):
    named = Settings(device="cpu", steps=1, batch_size=8, method_options={"hidden": 32})
    chosen = planned(named, photos).chosen
    assert chosen["backbone"] == "resnet_mini"
    assert chosen["optimiser.lr"] == 8e-3
    assert not {"hidden", "batch_size"} & set(chosen)


def of_memory(free: float, total: float):
    return lambda device: Memory(int(total * GIB), int(free * GIB), 0)


def costing(image: float):
    """A network that takes so many GiB an image, and nothing else."""
    cost = Cost(
        batch=2, seconds=0.1, slope=0.05, memory=int(2 * image * GIB),
        image_memory=image * GIB, embedding=0.0,
    )  # fmt: skip
    return lambda *words, **named: cost


@pytest.mark.parametrize(("spent", "fits"), [(1, True), (30, True), (59, True), (90, False)])
def test_a_time_is_that_of_the_whole_command(photos, monkeypatch, spent, fits):
    """By a made-up clock: what was before, training, scores and what follows make a minute."""
    labelled = Arrays(photos, np.arange(120) % 2, name="some", classes=("a", "b"))
    monkeypatch.setattr(plan.time, "monotonic", lambda: 1000.0 + spent)
    cost = Cost(
        batch=32, seconds=0.1, slope=0.0, memory=10**6, image_memory=1, embedding=1e-4,
        signs=0.01,
    )  # fmt: skip
    monkeypatch.setattr(plan, "measure", lambda *words, **named: cost)
    said: list[str] = []
    settings = Settings(device="cpu", backbone="resnet_mini", minutes=1)
    fabric = launch_fabric(settings)
    made = plan.plan(settings, labelled, fabric, said.append, began=1000.0)
    after = 3 * 120 * cost.embedding
    whole = spent + made.seconds + after
    assert (whole <= 60) is fits
    assert made.length.steps == 1 or whole > 57
    assert any("leave no time for a step, of 60 s" in line for line in said) is not fits
    assert "of 60 seconds asked for" in said[2]


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((40, 48, 48, 3), np.uint8), "warning all 40 images that were looked at have"),
        (np.arange(30 * 40 * 40 * 3, dtype=np.uint32).reshape(30, 40, 40, 3), "30 images can"),
        (np.arange(120 * 64 * 3, dtype=np.uint32).reshape(120, 8, 8, 3), "enlarged to that"),
        (np.arange(120 * 40 * 40, dtype=np.uint32).reshape(120, 40, 40), "all grey"),
        (np.arange(120 * 40 * 40, dtype=np.uint16).reshape(120, 40, 40), "channels=1"),
        (np.arange(72 * 10**6, dtype=np.uint32).reshape(2, 3000, 4000, 3), "4000 x 3000"),
    ],
    ids=["alike", "few", "tiny", "grey", "16 bit", "huge"],
)  # fmt: skip
def test_a_plan_is_true_of_unusual_images(images, says, monkeypatch):
    if images.dtype == np.uint32:
        images = (images * 2654435761 >> 24).astype(np.uint8)
    monkeypatch.setattr(plan, "measure", costing(0.001))
    said: list[str] = []
    made = planned(Settings(device="cpu"), images, said)
    assert any(says in line for line in said), said
    assert 32 <= made.settings.image_size <= 64
    assert 2 <= made.settings.batch_size <= len(images)
    assert made.length.steps / made.length.steps_per_epoch <= MOST_EPOCHS


@pytest.mark.parametrize("readable", [0, 1])
def test_one_image_is_refused_since_there_is_nothing_to_compare_it_with(tmp_path, readable):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((40, 40, 3), np.uint8))
    if not readable:
        (tmp_path / "a.png").write_bytes(b"nothing")
    (tmp_path / "b.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match=f"must hold two images .* got {readable} of 2 items"):
        planned(Settings(device="cpu"), tmp_path)


def test_a_short_run_is_warned_of_and_a_usual_one_is_not(photos, monkeypatch):
    monkeypatch.setattr(plan, "measure", costing(0.001))
    short, usual = ([], [])
    planned(Settings(device="cpu", epochs=9), photos, short)
    planned(Settings(device="cpu", epochs=10), photos, usual)
    assert short[-1].startswith("warning fewer than 10 epochs teach little")
    assert not any(line.startswith("warning") for line in usual)


@pytest.mark.parametrize(
    ("method", "options", "warned"),
    [
        ("fixmatch", {}, False),
        ("fixmatch", {"catch_up": "0", "momentum": "0.999"}, True),  # 0.98 of it
        ("fixmatch", {"catch_up": "0", "momentum": "0.8"}, False),  # 0.01
        ("dino", {"momentum": "0.999"}, True),
        ("moco-v3", {"momentum": "0.999"}, False),  # keeps the student
    ],
)
def test_an_average_that_stays_at_its_first_weights_is_warned_of(
    photos, monkeypatch, method, options, warned
):
    monkeypatch.setattr(plan, "measure", costing(0.001))
    images = Arrays(
        photos, np.where(np.arange(120) < 80, np.arange(120) % 2, -1), name="some",
        classes=("a", "b"),
    )  # fmt: skip
    said: list[str] = []
    settings = Settings(device="cpu", method=method, method_options=options, steps=20)
    plan.plan(settings, images, launch_fabric(settings), said.append)
    assert any("moving average" in line for line in said) == warned, said


def test_labelled_images_that_come_twice_are_counted_once(photos):
    images = Arrays(
        photos, np.where(np.arange(120) < 30, np.arange(120) % 3, -1), name="some",
        classes=("a", "b", "c"),
    )  # fmt: skip
    for options, more in (({}, ", and among the unlabelled ones too"), ({"pooled": False}, "")):
        settings = Settings(method="fixmatch", method_options=options)
        source = open_images(settings, images)
        assert len(source) == (150 if more else 120)
        found = survey.surveyed(source, settings, quiet=False).words()
        assert found.startswith("120 images, ")
        assert f"30 of them labelled, of 3 classes{more}" in found
        assert more or not found.endswith("too")


@pytest.mark.parametrize("quiet", [True, False])
@pytest.mark.parametrize(
    ("backbone", "size", "near"),
    [("vit_tiny_patch16_224", 100, "96 or 112"), ("mixer_s32_224", 20, "take 32")],
)
def test_an_image_size_that_patches_do_not_cover_is_refused(
    photos, quiet, backbone, size, near
):
    named = Settings(device="cpu", backbone=backbone, image_size=size, steps=1, batch_size=4)
    with pytest.raises(UserError, match=rf"image_size: must be a multiple of .*{near}"):
        planned(named, photos, None if quiet else [])


def test_an_image_size_that_is_chosen_fits_the_patches(photos, monkeypatch):
    monkeypatch.setattr(plan, "measure", costing(0.001))
    chosen = [
        planned(Settings(device="cpu", backbone=name), photos).settings.image_size
        for name in ("vit_tiny_patch16_224", "vit_small_patch14_dinov2", "mixer_s32_224")
    ]
    assert chosen == [32, 42, 32]


def test_a_batch_that_does_not_fit_is_refused_with_what_would(photos, monkeypatch):
    monkeypatch.setattr(plan, "memory_of", of_memory(8, 32))
    monkeypatch.setattr(plan, "measure", costing(0.25))
    named = Settings(device="cpu", backbone="resnet_mini", batch_size=120)
    with pytest.raises(UserError) as refused:
        planned(named, photos)
    text = str(refused.value)
    assert "batch_size=120 of resnet_mini at 32 px needs about 30.0 GiB" in text
    assert "7.6 GiB may be held; batch_size=16 fits" in text
    assert "batch_size=120 with accumulate=8, where the loss compares 15 images" in text
    again = planned(replace(named, batch_size=120, accumulate=8), photos, [])
    assert again.memory == int(15 * 0.25 * GIB)


def test_a_batch_that_was_chosen_is_lowered_below_sixty_percent(photos, monkeypatch):
    monkeypatch.setattr(plan, "memory_of", of_memory(8, 8))
    monkeypatch.setattr(plan, "measure", costing(0.25))
    made = planned(Settings(device="cpu", backbone="resnet_mini"), photos)
    assert made.settings.batch_size == 16
    assert made.memory <= 0.6 * 8 * GIB


def test_a_network_that_never_fits_is_refused_before_it_is_made(photos, monkeypatch):
    monkeypatch.setattr(plan, "memory_of", of_memory(0.001, 8))
    with pytest.raises(UserError, match="take smaller heads"):
        planned(Settings(device="cpu", backbone="resnet18"), photos)
    monkeypatch.setattr(plan, "memory_of", of_memory(8, 8))
    monkeypatch.setattr(plan, "measure", costing(5))
    with pytest.raises(UserError, match="two images at 32 px need 10.0 GiB"):
        planned(Settings(device="cpu", backbone="resnet_mini"), photos)


def test_a_cost_is_a_line_through_what_was_measured():
    cost = Cost(batch=8, seconds=1.0, slope=0.1, memory=1000, image_memory=10, embedding=0)
    assert cost.seconds_of(18, 1) == pytest.approx(2.0)
    assert cost.seconds_of(18, 3) == pytest.approx(6.0)
    assert (cost.memory_of(8), cost.memory_of(18)) == (1000, 1100)
    assert cost.fitting(1105) == 18
    assert cost.fitting(999) == 0


def test_memory_is_foretold_from_a_small_batch(photos):
    """The bytes of a further image are those of the larger step, but for what is shared."""
    settings = Settings(
        device="cpu", backbone="resnet_mini", image_size=32, workers=1, batch_size=64,
        method_options={"hidden": 64, "dim": 16},
    )  # fmt: skip
    steps = measure._Steps(settings, open_source(photos), launch_fabric(settings), 8)
    steps.stream(8, 1)
    few, steps.bytes_each, steps._done = steps.bytes_each, 0.0, 0
    steps.stream(32, 1)
    assert steps.bytes_each == pytest.approx(4 * few, rel=0.1)


def test_unreadable_images_are_counted_and_sizes_are_those_of_the_others(tmp_path):
    import cv2

    for number in range(50):
        cv2.imwrite(
            str(tmp_path / f"{number:02}.png"), np.zeros((48, 64 + number % 2, 3), np.uint8)
        )
    (tmp_path / "07.png").write_bytes(b"nothing")
    found = survey.survey(open_source(tmp_path), 3)
    assert (found.looked_at, found.unreadable, found.height) == (50, 1, 48)
    assert found.words().endswith("px, 1 unreadable, all grey")
    assert survey.survey(open_source(tmp_path), 3, seconds=0).looked_at == 32


def test_why_too_few_can_be_read_is_said(tmp_path):
    pixels = np.full((3, 16, 16, 3), np.nan, np.float32)
    found = survey.survey(open_source(pixels), 3)
    with pytest.raises(
        UserError, match=r"got 0 of 3 items; 0: floats must lie in .*, found nan"
    ):
        survey.check_enough(found, Settings())


def test_labels_that_a_kin_rule_learns_from_are_not_for_scores_alone(photos):
    images = Arrays(photos, np.arange(120) % 3, name="some", classes=("a", "b", "c"))
    for kin, says in (
        (None, "3 classes, used for scores only"),
        ("neighbours:2", "3 classes, used for scores only"),
        ("labels", "120 of them labelled, of 3 classes"),
    ):
        settings = Settings(method="moco-v2", kin=kin)
        assert survey.surveyed(images, settings, quiet=False).words().endswith(says)
    some = survey.surveyed(images, Settings(method="moco-v2", kin="labels:0.5"), quiet=False)
    seen = reveal(np.arange(120, dtype=np.int32), 0.5, seed=0)
    assert some.labelled == np.count_nonzero(seen >= 0)
    assert 40 < some.labelled < 80


def test_sizes():
    assert natural_size(333) == 224
    assert natural_size(333, 64) == 64
    assert natural_size(50) == 48
    assert natural_size(8) == 32
    assert natural_size(333, patch=14) == 224
    assert natural_size(50, patch=14) == natural_size(8, patch=14) == 42
    assert natural_size(63, patch=32) == 32


@pytest.mark.parametrize(
    ("size", "batch", "ways"),
    [
        (64, 128, "image_size=96, batch_size=64"),
        (64, 64, "image_size=96, batch_size=32"),
        (32, 32, "image_size=64, batch_size=64"),
    ],
)
def test_what_may_be_changed_is_not_what_was_chosen(photos, size, batch, ways):
    chosen = Settings(image_size=size, batch_size=batch)
    assert ways in changing(chosen, Settings(), unseen(open_source(photos)))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 second"), (1.4, "1 second"), (1.6, "2 seconds"), (95, "2 minutes")],
)
def test_durations_in_singular_and_plural(seconds, words):
    assert duration(seconds) == words
