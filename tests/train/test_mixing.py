"""Whether to mix: a pure rule over what was measured, and how a run goes by it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.gains import regimes
from benchmarks.mixing_page import as_json, evidence
from ilk.core import UserError
from ilk.data import Arrays
from ilk.train import Settings
from ilk.train.planning import mixing
from ilk.train.planning.mixing import EVIDENCE, Measured, Regime, advise, measured
from tests.train.conftest import TINY
from tests.train.test_plan import planned

RUN = Regime(method="moco-v3", images=2_000, seen=600_000, augment="full", parameters=680_088)
LOSS = Measured(
    regime=RUN, mix="sdmp", seeds=2, where="here",
    gains={"knn@1": (-0.014, -0.03, 0.002), "linear@1": (-0.013, -0.026, -0.001)},
)  # fmt: skip
GAIN = replace(LOSS, gains={"knn@1": (0.02, 0.004, 0.036), "linear@1": (0.01, -0.01, 0.03)})


def test_what_was_measured_is_what_the_json_files_hold():
    assert EVIDENCE.read_text() == as_json(evidence(regimes())), "call make docs"


def test_without_a_gain_nothing_is_mixed_and_the_numbers_are_given():
    far = replace(LOSS, regime=replace(RUN, images=50_000, seen=600_000))
    found = advise(RUN, [far, LOSS])
    assert found.mix is None
    assert found.why == (
        "none: no measured regime shows a gain outside its interval over two seeds; nearest is "
        "sdmp with moco-v3 on 2,000 images for 300 epochs (full augmentation, 0.68 M "
        "parameters): k-NN -1.4 points (-3.0 to +0.2), linear -1.3 points (-2.6 to -0.1); "
        "2 seeds"
    )


def test_a_gain_in_the_nearest_regime_is_followed():
    far = replace(LOSS, regime=replace(RUN, images=10_000))
    found = advise(RUN, [far, replace(GAIN, mix_options={"weighting": "crops"})])
    assert (found.mix, found.mix_options) == ("sdmp", {"weighting": "crops"})
    assert found.why.startswith(
        "sdmp: it gained in the nearest measured regime, sdmp with moco"
    )
    assert "k-NN +2.0 points (+0.4 to +3.6)" in found.why


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": 1},
        {"gains": {**GAIN.gains, "knn@1": (0.02, -0.001, 0.041)}},
        {"gains": {**GAIN.gains, "linear@1": (-0.02, -0.03, -0.01)}},
        {"gains": {"linear@1": (0.02, 0.01, 0.03)}},
    ],
)
def test_what_another_seed_or_probe_may_reverse_is_no_gain(changes):
    assert GAIN.pays
    assert not replace(GAIN, **changes).pays
    assert advise(RUN, [replace(GAIN, **changes)]).mix is None


@pytest.mark.parametrize(
    ("changes", "mixed"),
    [
        ({"images": 8_000, "seen": 2_400_000}, True),
        ({"images": 8_100, "seen": 2_430_000}, False),
        ({"seen": 160_000}, True),
        ({"seen": 140_000}, False),
        ({"parameters": 2_700_000}, True),
        ({"parameters": 11_000_000}, False),
        ({"augment": "crops"}, False),
        ({"method": "byol"}, False),
        ({"method": "moco-v3 + neighbours:5"}, False),
    ],
)
def test_a_finding_reaches_as_far_as_four_times(changes, mixed):
    run = replace(RUN, **changes)
    found = advise(run, [GAIN])
    assert found.mix == ("sdmp" if mixed else None)
    if not mixed:
        assert f"none: this run, {run.words}, is far from the nearest" in found.why


def test_a_gain_elsewhere_is_not_a_gain_here():
    elsewhere = replace(GAIN, regime=replace(RUN, images=20_000, seen=6_000_000))
    found = advise(RUN, [elsewhere, LOSS])
    assert found.mix is None
    assert found.why.startswith("none: the nearest measured regime shows no gain outside its")


def test_of_several_mixes_in_one_regime_the_one_that_pays_is_taken():
    assert advise(RUN, [LOSS, replace(GAIN, mix="i-mix")]).mix == "i-mix"
    worse = replace(LOSS, mix="i-mix", seeds=4)
    assert "4 seeds" in advise(RUN, [LOSS, worse]).why
    assert advise(RUN, []).why == "none: no regime was measured"


@pytest.fixture
def images() -> Arrays:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3), np.uint8)
    return Arrays(pixels, np.arange(40) % 4, name="noise", classes=("a", "b", "c", "d"))


def test_a_plan_goes_by_the_rule_and_records_why(images, monkeypatch):
    given = Settings(**TINY | {"mix": "auto", "steps": 10})
    near = Regime(method="moco-v3", images=40, seen=80, augment="full", parameters=5_000)
    asked: list[Regime] = []
    monkeypatch.setattr(mixing, "measured", lambda: (replace(GAIN, regime=near),))
    monkeypatch.setattr(
        mixing, "advise", lambda run, known: asked.append(run) or advise(run, known)
    )
    lines: list[str] = []
    for listener in (None, lines):
        made = planned(given, images, listener)
        assert made.settings.mix == "sdmp"
        assert (made.chosen["mix"], made.record()["mixing"]) == ("sdmp", made.mixing)
        (run,) = {*asked}
        assert (run.method, run.images, run.seen) == ("moco-v3", 40, 10 * TINY["batch_size"])
    assert [line for line in lines if line.startswith("mixes")] == [f"mixes   {made.mixing}"]
    assert json.loads(json.dumps(made.record()["mixing"])).startswith("sdmp: it gained")
    assert "moco-v3 + sdmp with" in next(line for line in lines if line.startswith("runs"))
    made = planned(replace(given, mix=None), images)
    assert "mixing" not in made.record()
    assert "mix" not in made.chosen


def test_what_was_measured_until_now_mixes_nothing(images):
    if any(one.pays for one in measured()):
        pytest.skip("a regime shows a gain now")
    made = planned(Settings(**TINY | {"mix": "auto"}), images)
    assert (made.settings.mix, made.chosen["mix"]) == (None, "none")
    assert (
        "no measured regime shows a gain outside its interval over two seeds; nearest"
        in made.mixing
    )


def test_options_need_a_mix_by_its_name():
    with pytest.raises(UserError, match=r"mix_options: need a mix by its name, got alpha"):
        Settings(mix="auto", mix_options={"alpha": 2})
