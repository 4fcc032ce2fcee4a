"""Gains by mixing from JSON files: their intervals, the plot, and what is missing."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gains import Gain, gain, mapped, newcombe, regimes
from benchmarks.grid import packed
from benchmarks.mixing_page import drawn, evidence, table
from benchmarks.regimes import AXES, DINO_AXIS, cell_name
from ilk.evaluate import Result, difference_over_seeds, evaluate
from ilk.train.planning.mixing import read
from tests.evaluate.conftest import make_pair


def right(share: float, seed: int, count: int = 400) -> np.ndarray:
    return (np.random.default_rng(seed).random(count) < share).astype(np.float64)


def cell(scores: np.ndarray, mix: str | None = None, *, items: bool = True) -> dict:
    """A cell as a grid leaves it, as far as gains read it."""
    train, test = make_pair(n_train=40, n_test=len(scores))
    (result,) = evaluate(train, test, ["knn"])
    assert isinstance(result, Result)
    kept = result.to_dict() | {"value": float(scores.mean()), "interval": [0.4, 0.6]}
    if items:
        kept |= packed(replace(result, scores=scores))
    return {
        "results": [kept], "images": 2_000, "length": {"steps": 4687},
        "settings": {"batch_size": 128, "mix": mix, "mix_options": {}},
    }  # fmt: skip


def test_a_gain_over_seeds_is_that_of_compare():
    plain, mixed = ([right(share, seed) for seed in range(3)] for share in (0.5, 0.6))
    found = gain([cell(s) for s in plain], [cell(s, "sdmp") for s in mixed], "knn@1")
    wanted = difference_over_seeds(np.stack(mixed), np.stack(plain))
    assert found.difference == pytest.approx(wanted.difference)
    assert (found.low, found.high) == pytest.approx(wanted.interval)
    assert (found.seeds, found.covers) == (3, "test images and 3 seeds")
    assert gain([cell(plain[0])], [cell(mixed[0])], "knn@1").covers == "test images"
    assert gain([cell(plain[0])], [cell(mixed[0])], "linear@1") is None


def test_cells_without_single_scores_have_the_interval_of_two_proportions():
    # Newcombe, Statistics in Medicine 1998, table II, (a) 56/70 - 48/80, method 10.
    ours = {"value": 56 / 70, "interval": (0.6918, 0.8769)}
    theirs = {"value": 48 / 80, "interval": (0.4904, 0.7004)}
    assert newcombe(ours, theirs) == pytest.approx((0.0524, 0.3339), abs=5e-4)
    scores = right(0.5, 0)
    found = gain([cell(scores)], [cell(scores, items=False)], "knn@1")
    assert found.high - found.low == pytest.approx(2 * np.hypot(*[0.1] * 2), rel=0.2)


@pytest.fixture
def measured(tmp_path) -> Path:
    """A map of which two axes are finished and one has half of its cells."""
    place = tmp_path / "regimes"
    place.mkdir()
    for axis, mixes in (
        ("centre", ("none", "sdmp")), ("no-hue", ("none", "sdmp")), ("wide", ("none",)),
    ):  # fmt: skip
        for mix in mixes:
            for seed in range(2):
                content = cell(right(0.5 + 0.2 * (mix != "none"), seed), mix)
                path = place / f"{cell_name(axis, mix)}-seed{seed}.json"
                path.write_text(json.dumps(content))
    return tmp_path


def test_every_axis_is_drawn_and_what_is_missing_is_named(measured):
    found = list(mapped(measured))
    assert [one.axis for one in found] == [*AXES, DINO_AXIS]
    assert {one.axis for one in found if one.gains} == {"centre", "no-hue"}
    plot = drawn(found)
    root = ET.fromstring(plot)
    texts = [element.text or "" for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sum("300 epochs" in text for text in texts) == len(found) - 2
    assert "1 of 2 cells not run yet" in texts
    assert texts.count("2 of 2 cells not run yet") == 2 * (len(found) - 3)
    page = table(found)
    assert "`moco-v3-wide-sdmp`" in page
    assert "`moco-v3-wide-none`" not in page
    assert page.count("no-hue augmentation") == 1
    entries = evidence(found)
    assert [(one["augment"], one["seeds"], one["images"]) for one in entries] == [
        ("full", 2, 2_000), ("no-hue", 2, 2_000),
    ]  # fmt: skip
    assert entries[0]["gains"]["knn@1"][0] == pytest.approx(0.2, abs=0.05)


def test_a_gain_lies_where_the_axis_says(measured):
    one = next(mapped(measured))
    number = Gain(plain=0.5, mixed=0.52, low=0.01, high=0.03, seeds=2)
    root = ET.fromstring(drawn([replace(one, gains={"knn@1": number})]))
    space = "{http://www.w3.org/2000/svg}"
    zero, two = (
        next(float(t.attrib["x"]) for t in root.iter(f"{space}text") if t.text == text)
        for text in ("0", "+2")
    )
    (circle,) = root.iter(f"{space}circle")
    assert float(circle.attrib["cx"]) == pytest.approx(two, abs=0.2)
    assert two > zero
    assert circle.attrib["fill"] != "white"
    (mark,) = [g for g in root.iter(f"{space}g")]
    assert mark[0].text == "+2.0 (+1.0 to +3.0), test images and 2 seeds"


@pytest.mark.parametrize(
    ("low", "seeds", "says"),
    [
        (
            0.001,
            2,
            "**Mixing pays outside the interval** in: sdmp with moco-v3 on 2,000 images",
        ),
        (-0.001, 2, "It comes nearest to one by sdmp with moco-v3 on 2,000 images for 300"),
        (0.001, 1, "over two seeds at least, and so `ilk train --mix auto` mixes nothing"),
    ],
)
def test_the_verdict_is_that_of_the_rule(measured, low, seeds, says):
    number = Gain(plain=0.5, mixed=0.52, low=low, high=0.04, seeds=seeds)
    found = [replace(next(mapped(measured)), gains={"knn@1": number})]
    assert says in table(found)
    assert (evidence(found)[0]["seeds"], read(evidence(found)[0]).pays) == (
        seeds, says.startswith("**Mixing"),
    )  # fmt: skip


def test_an_empty_map_is_drawn_too(tmp_path):
    found = list(mapped(tmp_path))
    assert ET.fromstring(drawn(found)) is not None
    assert evidence(found) == []
    assert "Not measured yet" in table(found)


def test_what_is_kept_can_be_read():
    found = regimes()
    assert {one.axis for one in found} >= {"centre", "learning check", DINO_AXIS}
    assert all(one.gains or one.missing for one in found)
