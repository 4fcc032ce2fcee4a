"""Faults of every kind, planted in a collection, are found, and few others are."""

import io
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ilk.curate.apart import apart, mislabelled
from ilk.curate.faults import faults, listed
from ilk.curate.graph import exact, neighbour_graph
from ilk.curate.measured import PIECE, measured, partial_of
from ilk.curate.spread import lower_limit, upper_limit
from ilk.data import open_source
from ilk.embedding import embed_to_table
from ilk.networks import load_encoder
from ilk.search import build_index
from tests.curate.test_looks import textured

PLANTED = {
    "dark": lambda p: (p * 0.1).astype(np.uint8),
    "bright": lambda p: 255 - (p * 0.05).astype(np.uint8),
    "blurry": lambda p: cv2.GaussianBlur(p, (0, 0), 5),
    "low-information": lambda p: np.full_like(p, 90) + (p > 200).astype(np.uint8),
    "odd-size": lambda p: cv2.resize(p, (8, 8)),
    "odd-aspect": lambda p: np.tile(p, (1, 8, 1)),
    "gray": lambda p: np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[..., None], 3, 2),
}


@pytest.fixture(scope="module")
def collection(tmp_path_factory) -> Path:
    """60 images of several lights and contrasts, one of each fault, and two damaged ones."""
    folder = tmp_path_factory.mktemp("collection")
    chance = np.random.default_rng(3)
    for number in range(60):
        pixels = textured(64 + number % 3 * 8, 72, seed=number).astype(np.float64)
        pixels = (pixels - 128) * chance.uniform(0.7, 1.2) + 128 + chance.uniform(-25, 25)
        save(folder / f"fine{number:02}.png", np.clip(pixels, 0, 255).astype(np.uint8))
    for number, (kind, change) in enumerate(PLANTED.items()):
        save(folder / f"{kind}.png", change(textured(64, 72, seed=100 + number)))
    buffer = io.BytesIO()
    Image.fromarray(textured(64, 72)).save(buffer, "PNG")
    (folder / "unreadable1.png").write_bytes(buffer.getvalue()[:500])
    (folder / "unreadable2.jpg").write_bytes(b"no image")
    return folder


def save(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(path)


def test_planted_faults_are_found_and_nothing_else(collection, tmp_path):
    table = measured(open_source(str(collection)), tmp_path / "issues.parquet", workers=2)
    found = {entry.kind: entry for entry in faults(table)}
    keys = table["key"].to_pylist()
    got = {kind: {keys[i] for i in np.flatnonzero(e.mask)} for kind, e in found.items()}
    assert got.pop("unreadable") == {"unreadable1.png", "unreadable2.jpg"}
    assert set(got) == set(PLANTED)
    for kind, names in got.items():
        assert f"{kind}.png" in names, kind
        worst = int(np.nanargmax(found[kind].badness))
        assert keys[worst] == f"{kind}.png", kind
        assert not [name for name in names if name.startswith("fine")], kind
    column = listed(list(found.values())).to_pylist()
    assert column == [[k for k, e in found.items() if e.mask[i]] for i in range(len(keys))]


def test_what_all_images_are_like_is_no_fault(tmp_path):
    """A collection of gray night images, of which one is black."""
    gray = [np.repeat(textured(32, 32, seed=n)[..., :1], 3, 2) // 3 for n in range(40)]
    images = np.stack([*gray, np.zeros((32, 32, 3), np.uint8)])
    table = measured(open_source(images), tmp_path / "issues.parquet", workers=1)
    got = {e.kind: np.flatnonzero(e.mask).tolist() for e in faults(table)}
    assert got == {
        "unreadable": [], "dark": [40], "bright": [], "blurry": [], "low-information": [40],
        "odd-size": [], "odd-aspect": [], "gray": [],
    }  # fmt: skip


def test_few_images_have_no_spread(tmp_path):
    images = np.stack([textured(32, 32, seed=n) for n in range(3)] + [np.zeros((32, 32, 3))])
    table = measured(open_source(images.astype(np.uint8)), tmp_path / "a.parquet", workers=1)
    got = {e.kind for e in faults(table) if e.mask.any()}
    assert got == {"dark", "low-information", "gray"}


def test_a_stopped_reading_goes_on(tmp_path, monkeypatch):
    images = np.zeros((10, 4, 4, 3), np.uint8)
    monkeypatch.setattr("ilk.curate.measured.PIECE", 4)
    looked: list[int] = []

    class Counting:
        """Fails at the ninth item, once."""

        name, classes, fingerprint = "count", (), "f"

        def __len__(self) -> int:
            return 10

        def item(self, index: int) -> np.ndarray:
            looked.append(index)
            if len(looked) == 9:
                raise KeyboardInterrupt
            return images[index]

        def label(self, index: int) -> int:
            return -1

        def key(self, index: int) -> str:
            return str(index)

    path = tmp_path / "issues.parquet"
    with pytest.raises(KeyboardInterrupt):
        measured(Counting(), path, workers=1)
    before, done = list(looked), []
    table = measured(Counting(), path, workers=1, progress=lambda n, of: done.append(n))
    assert table["key"].to_pylist() == [str(n) for n in range(10)]
    assert looked[len(before) :] == [8, 9]
    assert done == [4, 8, 10]
    assert partial_of(path).is_dir()
    assert PIECE == 4096
    pq.write_table(table, path)
    again = measured(Counting(), path).drop_columns(["sharpness"])  # NaN is not NaN
    assert again.equals(table.drop_columns(["sharpness"]))
    assert len(looked) == len(before) + 2


def test_an_image_that_could_not_be_read_is_tried_again(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        save(photos / f"{number}.png", textured(32, 32, seed=number))
    embed_to_table(
        load_encoder("random:resnet_mini"), open_source(photos), tmp_path / "t.parquet"
    )
    images = build_index(tmp_path / "t.parquet", tmp_path / "i").images()
    path = tmp_path / "issues.parquet"
    (photos / "1.png").rename(tmp_path / "away.png")
    for _ in range(2):
        gone = measured(images, path)
        assert gone["unreadable"].is_valid().to_pylist() == [False, True, False]
    (tmp_path / "away.png").rename(photos / "1.png")
    whole = measured(images, path)
    assert whole["unreadable"].null_count == 3
    assert whole["width"].to_pylist() == [32, 32, 32]
    assert whole["key"].to_pylist() == gone["key"].to_pylist()


def slow_limit(values, finest):
    """By sorting, for 20 values or more."""
    known = sorted(v for v in values if not np.isnan(v))
    middle = (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2
    below = sorted(middle - v for v in known if v <= middle)
    median = (below[(len(below) - 1) // 2] + below[len(below) // 2]) / 2
    return middle - 4 * max(1.4826 * median, finest)


@pytest.mark.parametrize("count", [20, 21, 200])
def test_limits_equal_a_plain_formula_and_outliers_do_not_move_them(count):
    chance = np.random.default_rng(count)
    values = np.concatenate([chance.normal(size=count), [np.nan]])
    assert lower_limit(values, 0.01) == pytest.approx(slow_limit(values, 0.01), abs=1e-8)
    assert lower_limit(values, 9.0) == pytest.approx(slow_limit(values, 9.0), abs=1e-8)
    assert upper_limit(values, 0.01) == -lower_limit(-values, 0.01)
    far = np.concatenate([values, [-1e6]])
    assert lower_limit(far, 0.01) > lower_limit(values, 0.01) - 2
    assert lower_limit(values[:19], 0.1) == -np.inf


@pytest.fixture(scope="module")
def vectors():
    """Three groups of 30, two vectors close to one another alone, and one by itself."""
    chance = np.random.default_rng(0)
    centres = np.eye(16)[[0] * 30 + [1] * 30 + [2] * 30 + [5, 5, 9]]
    rows = centres + 0.1 * chance.normal(size=centres.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels = np.array([0] * 30 + [1] * 30 + [2] * 30 + [-1, -1, 0])
    labels[[4, 40]] = [1, 2]  # wrong
    return rows.astype(np.float32), labels


def test_the_graph_equals_a_plain_loop(vectors):
    rows = np.concatenate([vectors[0][:20], vectors[0][:1].repeat(6, 0)])  # with copies
    graph = neighbour_graph(rows, 3, exact(rows))
    for index, row in enumerate(rows):
        cosines = np.delete(rows @ row, index)
        np.testing.assert_allclose(
            graph.similarities[index], np.sort(cosines)[::-1][:3], atol=1e-5
        )
        assert index not in graph.places[index]
    alone = neighbour_graph(rows[:2], 3, exact(rows[:2]))
    assert alone.places.tolist() == [[1, -1, -1], [0, -1, -1]]


def test_outliers_and_tiny_groups_and_wrong_labels_are_found(vectors):
    rows, labels = vectors
    graph = neighbour_graph(rows, 10, exact(rows))
    outlier, tiny = apart(graph)
    assert np.flatnonzero(outlier.mask).tolist() == [92]
    assert np.flatnonzero(tiny.mask).tolist() == [90, 91]
    wrong = mislabelled(graph, labels)
    assert np.flatnonzero(wrong.mask).tolist() == [4, 40]
    assert "encoder" not in wrong.says


def test_an_encoder_that_knows_nothing_of_the_classes_is_blamed_before_the_labels(vectors):
    rows, labels = vectors
    graph = neighbour_graph(rows, 10, exact(rows))
    drawn = mislabelled(graph, np.random.default_rng(0).permutation(labels))
    assert drawn.mask.sum() > 0.2 * (labels >= 0).sum()
    assert drawn.says.endswith(
        f"{drawn.mask.sum() / (labels >= 0).sum():.0%} of them, look at the encoder first"
    )


def test_an_image_without_neighbours_silences_no_class(vectors):
    rows, labels = vectors
    graph = neighbour_graph(rows, 10, exact(rows))
    graph.places[0], graph.similarities[0] = -1, -np.inf
    found = mislabelled(graph, labels)
    assert np.flatnonzero(found.mask).tolist() == [4, 40]
    assert not np.isnan(found.badness).any()


def test_votes_equal_a_plain_loop(vectors):
    rows, labels = vectors
    graph = neighbour_graph(rows, 10, exact(rows))
    share = np.zeros((len(rows), 3))
    for i in range(len(rows)):
        for j, cosine in zip(graph.places[i], graph.similarities[i], strict=True):
            if labels[j] >= 0:
                share[i, labels[j]] += np.exp(float(cosine) / 0.07)
    share /= share.sum(1, keepdims=True)
    usual = [share[labels == c, c].mean() for c in range(3)]
    wanted = []
    for i, own in enumerate(labels):
        others = [share[i, c] for c in range(3) if c != own and share[i, c] >= usual[c]]
        wanted.append(own >= 0 and bool(others) and max(others) > share[i, own])
    assert mislabelled(graph, labels).mask.tolist() == wanted
