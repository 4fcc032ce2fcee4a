from dataclasses import replace

import numpy as np
import pytest

from ilk.core import UserError
from ilk.data import Arrays
from ilk.embedding import Embeddings, embed
from ilk.evaluate import Ledger, evaluate
from ilk.evaluate.comparisons.baselines import raw_pixels
from ilk.viewer import evaluations_report, mistakes, page, read_evaluations
from ilk.viewer.neighbours import agree, label_name
from tests.evaluate.conftest import make_pair
from tests.viewer.reading import kind, text, tree

PROTOCOLS = ("knn", "linear", "few-label", "cluster", "quality", "discover")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three encoders of one pair of sets, the third worse, in two files."""
    place = tmp_path_factory.mktemp("evaluations")
    train, test = make_pair(n_train=80, n_test=60, signal=1.2)
    noise = np.random.default_rng(0).normal(size=test.vectors.shape).astype(np.float32)
    for number, (name, amount) in enumerate((("<ours>", 0.0), ("two", 2.0), ("three", 9.0))):
        parts = [
            replace(part, vectors=part.vectors + amount * noise[: 1], encoder=f"{number}" * 20)
            if amount < 9
            else replace(part, vectors=np.roll(part.vectors, 1, 0), encoder="c" * 20)
            for part in (train, test)
        ]  # fmt: skip
        ledger = Ledger(place / ("first.json" if number < 2 else "second.json"))
        ledger.names = {"encoder": name, "train": "a", "test": "b"}
        evaluate(
            *parts, PROTOCOLS if number < 2 else (*PROTOCOLS[:2], "quality"), ledger=ledger
        )
    return place


def test_every_encoder_stands_with_its_latest_results(files):
    found = read_evaluations([files / "first.json", files / "second.json"])
    assert [encoder.name for encoder in found] == ["<ours>", "two", "three"]
    assert [len(encoder.results) for encoder in found] == [6, 6, 3]
    again = read_evaluations([files / "second.json", files / "first.json"])
    assert again[0].name == "three"


def test_one_name_for_two_encoders_is_told_apart(files, tmp_path):
    ledger = Ledger(tmp_path / "more.json")
    (result, _) = Ledger(files / "first.json").entries[0]
    ledger.names = {"encoder": "<ours>"}
    ledger.add(replace(result, encoder="abcdef0123"))
    ledger.add(replace(result, encoder="other test", test_data="elsewhere"))
    found = read_evaluations([files / "first.json", tmp_path / "more.json"])
    assert [encoder.name for encoder in found] == ["<ours>", "two", "<ours> (abcdef)"]


def test_the_page_says_what_the_files_say(files):
    found = read_evaluations([files / "first.json", files / "second.json"])
    root = tree(page(evaluations_report(found)))
    shown = text(root.find("html/body"))
    for encoder in found:
        for name in ("knn@1", "linear@1"):
            result = encoder.results[name]
            low, high = result.interval
            assert f"{100 * low:.1f} to {100 * high:.1f}" in shown
    few = found[0].results["few-label@1"]
    for line in few.words:
        assert f"<ours>: {line}." in shown
    assert len(kind(root, "polygon", "band")) == 3 * 2
    titles = [text(e) for e in root.iter("h2")]
    assert titles == [
        "Accuracy", "Other protocols", "Is <ours> better?", "Accuracy by class",
        "How many labels does it take?", "Measures without labels", "Details",
    ]  # fmt: skip
    assert ["three", "knn@1"] in [[text(c) for c in row][:2] for row in root.iter("tr")]
    assert "worse" in shown or "better" in shown
    assert shown.count("not measured") >= 3, "few-label, cluster and discover of the third"
    assert "Spearman" in shown
    assert not list(root.iter("script"))


def test_corrupted_images_have_a_chapter(files):
    first, second = read_evaluations([files / "first.json"])

    def spoilt(result, clean, fog, extra):
        details = {
            "clean_accuracy": clean,
            "clean_ece": 0.1,
            "mean_ece": 0.25,
            "accuracy": {"fog": fog, "saturate": extra},
            "by_severity": [
                {"severity": s, "accuracy": a, "low": a - 0.1, "high": a + 0.1}
                for s, a in zip((1, 5), fog, strict=True)
            ],
        }
        return replace(
            result, protocol="robustness@1", metric="mean accuracy, corrupted", details=details
        )

    for encoder, numbers in (
        (first, (0.9, [0.8, 0.4], [0.9, 0.7])),
        (second, (0.7, [0.5, 0.3], [0.2, 0.2])),
    ):
        encoder.results["robustness@1"] = spoilt(encoder.results["knn@1"], *numbers)
    root = tree(page(evaluations_report([first, second])))
    shown = text(root.find("html/body"))
    assert "Corrupted images: robustness@1" in shown
    rows = [[text(c) for c in row] for row in root.iter("tr")]
    assert ["clean", "90.0 %", "70.0 %"] in rows
    assert ["fog", "60.0 %", "40.0 %"] in rows
    assert ["saturate (extra)", "80.0 %", "20.0 %"] in rows
    # errors of fog are 0.8 of 1.2; above the clean ones 0.6 of 0.6
    assert "a mean corruption error (mCE) of 66.7 % and a relative one of 100.0 %" in shown


def test_what_cannot_be_read_is_told_in_a_line(tmp_path):
    with pytest.raises(UserError, match="call ilk evaluate first"):
        read_evaluations([tmp_path])
    other = tmp_path / "other.json"
    other.write_text("[]")
    with pytest.raises(UserError, match="report: .*other.json must be what"):
        read_evaluations([other])
    Ledger(tmp_path / "empty.json").note("nothing", 1)
    with pytest.raises(UserError, match="they are empty"):
        read_evaluations([tmp_path / "empty.json"])


def test_mistakes_are_the_surest_wrong_ones():
    shades = {"train": [0, 10, 20, 200, 210, 220], "test": [5, 15, 205, 215]}
    labels = {"train": [0, 0, 1, 1, 1, 1], "test": [0, 1, 1, 0]}

    def source(part):
        images = np.zeros((len(shades[part]), 8, 8, 3), np.uint8)
        images[..., 0], images[..., 1] = np.array(shades[part])[:, None, None], 100
        return Arrays(images, np.array(labels[part]), classes=("dark", "light"), name=part)

    encoder = raw_pixels(8)
    train, test = source("train"), source("test")
    known, asked = embed(encoder, train), embed(encoder, test)
    found = mistakes(known, asked, train, test, k=2)
    assert found[0].query.caption.startswith("dark, predicted light with 100 %")
    ((_, near),) = found[0].found
    assert [neighbour.agrees for neighbour in near] == [False, False]
    assert mistakes(known, _relabelled(asked, -1), train, test, k=2) == ()


def test_a_class_may_be_called_what_the_page_says_where_there_is_none():
    shades = np.array([0, 250])
    images = np.broadcast_to(shades[:, None, None, None], (2, 8, 8, 3)).astype(np.uint8)
    source = Arrays(images, np.array([0, -1]), classes=("no label",), name="few")
    vectors = embed(raw_pixels(8), source)
    assert agree(vectors, 0, vectors, 0) is True
    assert agree(vectors, 0, vectors, 1) is None
    unnamed = embed(raw_pixels(8), Arrays(images, np.array([3, -1]), name="numbers"))
    assert [label_name(unnamed, row) for row in (0, 1)] == ["3", None]


def _relabelled(vectors: Embeddings, label: int) -> Embeddings:
    return replace(vectors, labels=np.full_like(vectors.labels, label))
