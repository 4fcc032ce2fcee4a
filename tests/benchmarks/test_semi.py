"""The grid of few labels: what learns from which images, and what its page says."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import grid as grids_module
from benchmarks import mini, semi, semi_data, semi_page, semi_plot
from benchmarks.grid import Cell, Grid, packed
from benchmarks.semi import METHODS, SHARED, cell_name, mismatches, settings, table
from benchmarks.semi_data import ANIMALS, OTHERS, Data, animals, opened, published
from ilk.core import UserError
from ilk.data import Arrays, labels
from ilk.evaluate import evaluate
from ilk.method import KnownShare
from ilk.rendered import Rendered
from ilk.study import SEMI
from ilk.train import Settings, read_record
from tests.evaluate.conftest import make_pair
from tests.laws.world import SMALL, small_method

TINY = {
    "backbone_options": {"widths": (8, 16), "depths": (1, 1)}, "steps": 2, "batch_size": 16,
    "workers": 1,
}  # fmt: skip


@pytest.fixture
def cifar(shared_data) -> Path:
    return shared_data("cifar10-20k.parquet")


@pytest.fixture
def beasts(cifar) -> Data:
    return animals(opened(cifar, 25, 0))


def drawn(count: int, split: str) -> Arrays:
    source = Rendered(count, size=32, split=split)
    images = np.stack([source.item(index) for index in range(count)])
    known = np.array([source.label(index) for index in range(count)])
    return Arrays(images, known, name=split, classes=source.classes)


def test_the_published_splits_are_those_of_the_images(cifar):
    assert json.loads(semi_data.PUBLISHED.read_text()) == published(cifar)


def test_every_semi_supervised_method_is_there():
    known = {n for n in SMALL if isinstance(small_method(n).sampling, KnownShare)}
    assert set(METHODS) == known


def test_a_cell_from_the_encoder_differs_by_its_start_alone():
    for method in METHODS:
        scratch, begun = (settings(method, s, Path("e"), 100) for s in semi.STARTS)
        assert begun.pop("weights") == "e"
        assert begun == scratch
        Settings(**{**SHARED, **begun})
    assert settings("supervised", "scratch", Path("e"), 40)["batch_size"] == 40
    assert settings("supervised", "scratch", Path("e"), 400)["batch_size"] == 64


def test_no_cell_learns_from_images_of_validation_and_labels_are_those_of_the_split(cifar):
    data = opened(cifar, 25, 1)
    kept = [cell.images for cell in table(data, 25, Path("e")) if cell.images is not None]
    aside = {data.images.key(int(index)) for index in data.split.validation}
    known = {data.images.key(int(index)) for index in data.split.labelled}
    assert len(aside) == len(known) == 250
    learned = kept[0]
    keys = np.array([learned.key(index) for index in range(len(learned))])
    assert len(learned) == 10_000 - 250
    assert not aside & set(keys)
    assert set(keys[labels(learned) >= 0]) == known
    assert all(images.fingerprint == learned.fingerprint for images in kept)


def test_a_share_of_the_unlabelled_images_is_of_other_classes(beasts):
    data = beasts
    assert set(labels(data.asked, ANIMALS)) == set(range(6))
    assert len(data.labelled) == 150
    found = {}
    for share in (0, 75, 100):
        learned = data.learned(data.mismatched(share))
        assert learned.classes == ANIMALS
        known = labels(learned) >= 0
        assert known.sum() == 150
        place = {data.images.key(index): index for index in range(len(data.images))}
        rest = [place[learned.key(int(index))] for index in np.flatnonzero(~known)]
        names = np.array(data.images.classes)[labels(data.images)[rest]]
        found[share] = len(names)
        assert np.isin(names, OTHERS).mean() == pytest.approx(share / 100)
    assert len(set(found.values())) == 1


def test_labels_alone_and_the_probe_do_not_depend_on_the_share(cifar, beasts):
    both = [mismatches(beasts, shares, Path("e")) for shares in ([0, 50], [100])]
    for name in ("supervised-mismatch-scratch", "probe-mismatch"):
        one, other = (next(c for c in cells if c.name == name) for cells in both)
        assert (one.images and one.images.fingerprint) == (
            other.images and other.images.fingerprint
        )
    assert sum(cell.name.startswith("supervised") for cell in both[0]) == 2
    for shares in ("0,30", "", "0,,25"):
        asked = Namespace(mismatch=shares, why=False, on="test", data=cifar)
        with pytest.raises(UserError, match=f"got {shares}$"):
            list(semi.wanted(asked, 0, Path("e")))


def test_the_encoder_and_cells_are_trained_and_scored_and_stand_on_the_page(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(grids_module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(grids_module, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(semi, "SHARED", SHARED | TINY)
    monkeypatch.setattr(semi, "METHODS", {n: METHODS[n] for n in ("supervised", "fixmatch")})
    images, asked = drawn(160, "train"), drawn(30, "test")
    own = {**SHARED, **TINY, "method_options": {"hidden": 16, "dim": 8}}
    checked = Grid(
        name="mini", shared=own, train=images, test=asked,
        cells=(Cell(name="moco-v3", settings={"method": "moco-v3"}),),
    )  # fmt: skip
    monkeypatch.setattr(mini, "grid", lambda path: checked)
    split = SEMI.split(images, 4, 0)
    given = {
        "data": tmp_path,
        "splits": 1,
        "per_class": 4,
        "cell": None,
        "mismatch": None,
        "why": False,
    }
    for wrong in ({"cell": "fixmatsh-4-scratch"}, {"splits": 0}):
        with pytest.raises(UserError, match="must name a cell and one split at least"):
            semi.run(Namespace(**given | wrong, on="test"))
    semi.run(Namespace(**given, on="test"))
    wanted = {"probe-4", *(f"{n}-4-{s}" for n in semi.METHODS for s in semi.STARTS)}
    encoder = tmp_path / "runs" / "mini" / "moco-v3" / "seed0"
    begun = read_record(tmp_path / "runs" / "semi" / "fixmatch-4-encoder" / "seed0")
    assert begun["settings"]["weights"] == str(encoder)
    place = tmp_path / "results" / "semi"
    found = {path.stem: json.loads(path.read_text()) for path in place.glob("*.json")}
    assert set(found) == {f"{name}-seed0" for name in wanted}
    for name, cell in found.items():
        (result,) = cell["results"]
        assert cell["protocol"] == "semi@1"
        assert cell["split"] == split.hash
        assert result["protocol"] == ("linear@1" if "probe" in name else "classify@1")
        assert result["n_test"] == 30
        assert grids_module.unpacked(result).mean() == pytest.approx(result["value"])
    assert found["fixmatch-4-encoder-seed0"]["watched"]["unlabelled_grad_norm"] >= 0
    page = semi_page.page(tmp_path / "results")
    assert "`all-labels-scratch`" in page
    assert f"{100 * found['probe-4-seed0']['results'][0]['value']:.1f} %" in page


def written(place: Path, name: str, right: np.ndarray, seed: int = 0) -> None:
    """A cell as far as the page reads it."""
    known, test = make_pair()
    (result,) = evaluate(known, test, ["knn@1"])
    kept = result.to_dict() | packed(result)
    kept |= {"right": packed_bits(right), "n_test": len(right)}
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}-seed{seed}.json").write_text(json.dumps({"results": [kept]}))


def packed_bits(right: np.ndarray) -> str:
    import base64

    return base64.b64encode(np.packbits(right).tobytes()).decode()


def test_the_page_says_where_labels_alone_or_the_probe_do_better(tmp_path):
    place, count = tmp_path / semi.NAME, 1000
    share = {"supervised-25-scratch": 500, "supervised-25-encoder": 400, "probe-25": 700,
             "fixmatch-25-scratch": 300, "uda-25-scratch": 600, "fixmatch-25-encoder": 600,
             "supervised-mismatch-scratch": 500, "vat-mismatch-50-scratch": 490,
             "vat-mismatch-0-scratch": 510}  # fmt: skip
    for name, good in share.items():
        for seed in range(3):
            written(place, name, np.arange(count) < good + 10 * seed, seed)
    page = semi_page.page(tmp_path)
    assert "| labels alone | 51.0 % (" in page
    assert "; 50.0 to 52.0 in 3 splits" in page
    assert (
        "**Warning**, 25 labels a class, from scratch: labels alone do better than fixmatch "
        "(by 20.0 points)." in page
    )
    assert (
        "**Warning**, 25 labels a class, from the encoder: the linear probe does better than "
        "fixmatch (by 10.0 points)." in page
    )
    assert (
        "**Warning**, 50 % of other classes, from scratch: labels alone do better than vat (by "
        "1.0 points, within the interval)." in page
    )
    assert "0 % of other classes, from scratch" not in page.replace("50 % of", "")
    assert "`probe-4`" in page
    assert cell_name("probe", "25") not in page.split("Not measured yet")[2]
    plot = semi_plot.drawn(tmp_path)
    assert plot.count("stroke-dasharray") == 2  # labels alone from either start
    assert "labels alone, from scratch: 51.0 % (" in plot
    assert "own encoder + linear probe, from the encoder: 71.0 % (" in plot
    assert "fixmatch, from scratch: 31.0 % (" in plot


def test_the_page_says_what_a_method_that_does_worse_ended_with(tmp_path):
    place, right = tmp_path / semi.NAME, np.arange(1000) < 500
    written(place, "supervised-25-scratch", right)
    for name, answers, sure in (
        ("vat", [90, 10], 1.0),
        ("uda", [30, 70 / 3, 70 / 3, 70 / 3], 0.01),
    ):
        written(place, f"{name}-25-scratch", np.arange(1000) < 300)
        path = place / f"{name}-25-scratch-seed0.json"
        content = json.loads(path.read_text())
        content["watched"] = {"pseudo_share": sure}
        content["results"][0]["details"]["confusion"] = {"images": np.diag(answers).tolist()}
        path.write_text(json.dumps(content))
    page = semi_page.page(tmp_path)
    assert "vat (by 20.0 points, 90 % of its answers are one class)" in page
    assert "uda (by 20.0 points, 1 % of its predictions count)" in page


def test_nothing_measured_is_said(tmp_path):
    assert "Not measured yet: `make semi` does it." in semi_page.page(tmp_path)
    assert "labels alone" in semi_plot.drawn(tmp_path)  # rows without shapes
