"""What a run answers of images: rotations, colours, and places that are kin."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ilk.core import AlignedKin, Composition, Kin, Output, Rows
from ilk.kin import OwnPlace, colour_bins
from ilk.kin.colours import lab
from ilk.method import Classes, Given, Term
from ilk.methods.simclr import SimCLR
from ilk.objectives import SoftCrossEntropy
from ilk.rendered import Rendered
from ilk.train import Settings, look_answers, train
from ilk.train.loop.step import KinRecord
from ilk.train.previews.answers import _painted, task_answers
from ilk.train.previews.pairs import place_pairs
from ilk.train.previews.step import StepPreview
from tests.train.conftest import Witness


def trained(method: str, place: Path) -> Path:
    settings = Settings(
        method=method, backbone="resnet_mini", image_size=32, batch_size=8, steps=2, workers=1,
        backbone_options={"widths": (8, 16), "depths": (1, 1)}, device="cpu",
    )  # fmt: skip
    train(settings, Rendered(16, size=32), place, Witness())
    return place


def test_rotations_have_names_and_answers(tmp_path):
    found = look_answers(trained("rotation", tmp_path / "run"), Rendered(5, size=32), most=3)
    assert len(found.tasks) == 3
    names = ("upright", "quarter turn", "half turn", "three quarters")
    for row in found.tasks:
        assert tuple(answer.words.partition(":")[0] for answer in row) == names
        for turns, answer in enumerate(row):
            np.testing.assert_array_equal(answer.pixels, np.rot90(row[0].pixels, turns))
            assert answer.item == row[0].item
            taken = answer.words.partition(": taken for ")[2]
            assert answer.right == (answer.words == f"{names[turns]}: found")
            assert answer.right or taken in {*names} - {names[turns]}
    assert (found.drawings, found.colours, found.pairs) == ((), (), ())


def test_colours_are_put_on_the_brightness_of_the_image(tmp_path):
    found = look_answers(trained("colorization", tmp_path / "run"), Rendered(4, size=32))
    assert len(found.colours) == 4
    for one in found.colours:
        assert (one.seen == one.seen[..., :1]).all()
        assert one.original.shape == one.drawn.shape == (32, 32, 3)


def test_the_true_colours_give_the_image_back():
    original = Rendered(3, size=32).item(1)
    pixels = torch.from_numpy(original).permute(2, 0, 1)[None] / 255
    ab = lab(pixels)[0, 1:].permute(1, 2, 0).numpy()
    assert np.abs(_painted(original, ab).astype(int) - original).max() <= 3
    grey = _painted(original, np.zeros((2, 2, 2), np.float32))
    assert np.abs(grey.astype(int) - grey[..., :1]).max() <= 1
    assert colour_bins().shape[1] == 2


def test_a_method_that_asks_nothing_takes_no_step(tmp_path):
    run = trained("simclr", tmp_path / "run")
    (run / "checkpoint.safetensors").unlink(missing_ok=True)
    found = look_answers(run, Rendered(5, size=32))
    assert (found.drawings, found.colours, found.tasks, found.pairs) == ((), (), (), ())


@pytest.mark.parametrize("aligned", [False, True])
def test_lines_join_places_that_are_kin(aligned):
    ours, theirs = Output("student", "a", "tokens"), Output("teacher", "b", "tokens")
    term = Term(
        name="places", queries=(ours,), candidates=(theirs,), kin=lambda *given: None,
        objective=SoftCrossEntropy(temperature=1.0),
    )  # fmt: skip
    images, places = 2, 4
    column = torch.tensor([0, 3, 1, 2, 4, 5, 7, 6])  # of each query; three has none
    known = torch.tensor([1, 1, 1, 0, 1, 1, 1, 1.0])
    kin: Kin | AlignedKin = Kin(torch.eye(8)[column] * known[:, None])
    if aligned:
        kin = AlignedKin(column, known)
    rows = Rows(
        torch.zeros(8, 3),
        Composition.plain(torch.arange(images).repeat_interleave(places)),
        torch.arange(8),
    )
    views = {name: np.zeros((images, 8, 8, 3), np.uint8) for name in "ab"}
    seen = StepPreview(
        (KinRecord(term, rows, rows, kin),), np.array([7, 9]), 0, views, torch.zeros(10).long(),
        ((0.0,) * 3, (1.0,) * 3), {ours: 8, theirs: 8},
    )  # fmt: skip
    first, second = place_pairs(seen)
    assert (first.item, second.item) == (7, 9)
    corner = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
    assert first.lines == ((corner[0], corner[0]), (corner[1], corner[3]),
                           (corner[2], corner[1]))  # fmt: skip
    assert second.lines == tuple((corner[a], corner[b]) for a, b in enumerate((0, 1, 3, 2)))
    assert len(place_pairs(seen, most=1)) == 1


def test_places_of_a_run_have_lines(tmp_path):
    found = look_answers(trained("densecl", tmp_path / "run"), Rendered(5, size=32), most=2)
    assert len(found.pairs) == 2
    for pair in found.pairs:
        assert len({start for start, _ in pair.lines}) == len(pair.lines) == 16
        ends = np.array(pair.lines)
        np.testing.assert_array_equal(8 * ends, np.rint(8 * ends), "middles of 4 x 4 places")


def test_places_that_are_to_be_found_are_counted():
    query = Output("student", "a", "tokens")
    term = Term(
        name="clean", queries=(query,), candidates=(Classes(4),), kin=OwnPlace(classes=4),
        objective=SoftCrossEntropy(temperature=1.0),
    )  # fmt: skip
    scores = torch.eye(4)[torch.tensor([0, 1, 2, 3, 0, 0, 2, 2])]
    sources = torch.tensor([7, 9]).repeat_interleave(4)
    rows = Rows(scores, Composition.plain(sources), torch.arange(8))
    shown = np.zeros((2, 8, 8, 3), np.uint8)
    seen = StepPreview(
        (KinRecord(term, rows, rows, Kin(scores)),), np.array([7, 9]), 0, {"a": shown},
        torch.zeros(10).long(), ((0.0,) * 3, (1.0,) * 3), {query: 8},
    )  # fmt: skip
    method = SimCLR(hidden=8, dim=4).build(Given(width=8, size=32))
    (first,), (second,) = task_answers(seen, method)
    assert (first.item, first.right, first.asked) == (7, 4, 4)
    assert (second.item, second.right, second.words) == (9, 2, "2 of 4 places found")
