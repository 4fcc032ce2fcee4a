"""The inspector draws exactly what the rules of a run decide."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

from ilk.core import UserError
from ilk.data import Arrays, open_source
from ilk.train import Settings, preview_step, train
from ilk.viewer import Report, inspected, page
from tests.viewer.reading import kind, text, tree

PLACE = {"hidden": 16, "dim": 8}


class Deaf:
    def stepped(self, step, steps, numbers):
        pass

    def told(self, message):
        pass


def pictures(count: int, shift: int = 0) -> Arrays:
    """Each of one grey, so that a thumbnail says which it is."""
    greys = np.arange(count, dtype=np.uint8) * 5 + shift
    images = np.broadcast_to(greys[:, None, None, None], (count, 32, 32, 3)).copy()
    return Arrays(images, np.arange(count) % 3, name="greys", classes=("a", "b", "c"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "one"
    settings = Settings(
        method="moco-v3", method_options=PLACE, mix="sdmp", kin="neighbours:2",
        kin_options={"size": 16}, backbone="resnet_mini", image_size=32, batch_size=8, steps=3,
        backbone_options={"widths": (4, 8), "depths": (1, 1)}, workers=1, knn_every=0,
    )  # fmt: skip
    train(settings, pictures(24), directory, Deaf())
    return directory


def test_weights_and_pictures_are_those_of_the_rule(run):
    seen = preview_step(run, pictures(24))
    (clean, *_) = inspected(run, pictures(24), queries=8)
    kin_record = next(v for v in seen.kin_records if v.term.name == "clean")
    assert len(clean.lookups) == 8
    for row, lookup in enumerate(clean.lookups):
        groups = {name.partition(":")[0]: found for name, found in lookup.found}
        weights = kin_record.kin.weights[row]
        told = sorted(float(n.picture.caption.split()[0]) for n in groups["kin"])
        torch.testing.assert_close(
            torch.tensor(told), weights[weights > 0].sort().values, atol=0.006, rtol=0
        )
        assert lookup.query.caption == f"view a of {seen.items[row]}"
        assert f"view b of {seen.items[row]}" in groups["kin"][0].picture.caption
        for neighbour in groups["kin"]:
            item = int(neighbour.picture.caption.split()[-1])
            assert neighbour.agrees == (item % 3 == seen.items[row] % 3)
            if "past" in neighbour.picture.caption:
                assert (neighbour.picture.pixels == item * 5).all()
        assert {"kin", "negatives", "ignored"} == set(groups)


def test_every_kind_of_loss_is_shown_and_mixes_say_what_they_are_made_of(run):
    found = inspected(run, pictures(24))
    assert [entry.term for entry in found] == ["clean", "source", "mix"]
    for entry in found[1:]:
        assert any(len(lookup.query.shares) == 2 for lookup in entry.lookups)
    root = tree(page(Report(title="t", kin_record="v", kinships=found)))
    heads = [text(head) for head in root.iter("h2")]
    assert heads == [f"Kin in the {name} loss" for name in ("clean", "source", "mix")]
    assert kind(root, "figure", "mate")


def test_an_image_stands_in_one_row_alone(run):
    for entry in inspected(run, pictures(24), queries=8, shown=100):
        for lookup in entry.lookups:
            told = [
                (n.picture.shares, n.picture.caption.split()[-1])
                for _, found in lookup.found
                for n in found
            ]
            assert len(set(told)) == len(told)


def test_images_are_named_by_their_files(tmp_path):
    folder = tmp_path / "photos"
    for index in range(8):
        place = folder / "ab"[index % 2] / f"photo {index}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (30 * index,) * 3).save(place)
    settings = Settings(
        method="byol", method_options=PLACE, backbone="resnet_mini", image_size=32,
        batch_size=8, steps=1, backbone_options={"widths": (4, 8), "depths": (1, 1)},
        workers=1, knn_every=0,
    )  # fmt: skip
    train(settings, folder, tmp_path / "run", Deaf())
    (clean,) = inspected(tmp_path / "run", open_source(folder), queries=2)
    for lookup in clean.lookups:
        assert re.fullmatch(r"view a of photo \d\.png", lookup.query.caption)
        # BYOL has no negatives, so none are drawn, and the text says so.
        assert {name.partition(":")[0] for name, _ in lookup.found} == {"kin"}
    assert "no negatives" in clean.told


def test_other_images_are_kin_of_nobody_that_the_run_has_seen(run):
    (clean, *_) = inspected(run, pictures(12, shift=1))
    for lookup in clean.lookups:
        assert lookup.query.caption.startswith("view a of ")
        past = [n for _, found in lookup.found for n in found if "past" in n.picture.caption]
        # The run's data lay in memory and cannot be read again.
        assert all((n.picture.pixels == 200).all() and n.agrees is None for n in past)


def test_kin_that_are_classes_are_shown_by_what_they_have_in_common(tmp_path):
    settings = Settings(
        method="dino", method_options={"hidden": 16, "bottleneck": 8, "classes": 12},
        backbone="resnet_mini", image_size=32, batch_size=8, steps=2, workers=1, knn_every=0,
        backbone_options={"widths": (4, 8), "depths": (1, 1)},
    )  # fmt: skip
    train(settings, pictures(24), tmp_path / "dino", Deaf())
    (clean,) = inspected(tmp_path / "dino", pictures(24), queries=2)
    weights = preview_step(tmp_path / "dino", pictures(24)).kin_records[0].kin.weights
    for row, lookup in enumerate(clean.lookups):
        ((name, found),) = lookup.found
        assert name.startswith("by classes in common")
        common = torch.minimum(weights[row], weights).sum(1)
        common[row] = -1
        assert float(found[0].picture.caption.split()[0]) == pytest.approx(
            common.max().item(), abs=0.006
        )


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="must hold a run.json"):
        inspected(tmp_path, pictures(24))
