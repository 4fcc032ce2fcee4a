"""The inspector draws exactly what the rules of a run decide."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ilk.core import Composition, Kin, Output, Rows, UserError
from ilk.data import Arrays, Source, open_source
from ilk.kin import Counterpart
from ilk.method import Term
from ilk.objectives import SquaredDistance
from ilk.train import (
    Settings,
    losses_seen,
    preview_losses,
    preview_step,
    preview_views,
    train,
)
from ilk.train.loop.step import KinRecord
from ilk.train.previews.step import StepPreview
from ilk.viewer import LossSection, Report, loss_sections, page, view_rows
from tests.viewer.reading import kind, text, tree

PLACE = {"hidden": 16, "dim": 8}
STATISTICS = ((0.5,) * 3, (0.25,) * 3)


class Deaf:
    def on_step(self, step, steps, numbers):
        pass

    def on_message(self, message):
        pass


def drawn(directory: Path, images: Source, **many: int) -> tuple[LossSection, ...]:
    return loss_sections(preview_losses(directory, images, **many))


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
        kin_options={"queue_size": 16}, backbone="resnet_mini",
        image_size=32, batch_size=8, steps=3,
        backbone_options={"widths": (4, 8), "depths": (1, 1)}, workers=1, knn_every=0,
    )  # fmt: skip
    train(settings, pictures(24), directory, Deaf())
    return directory


def test_weights_and_pictures_are_those_of_the_rule(run):
    seen = preview_step(run, pictures(24))
    (clean, *_) = drawn(run, pictures(24), queries=8)
    kin_record = next(v for v in seen.kin_records if v.term.name == "clean")
    assert len(clean.lookups) == 8
    for row, lookup in enumerate(clean.lookups):
        groups = {name.partition(":")[0]: found for name, found in lookup.found}
        weights = kin_record.kin.weights[row]
        told = sorted(float(n.image.caption.split()[0]) for n in groups["positives"])
        torch.testing.assert_close(
            torch.tensor(told), weights[weights > 0].sort().values, atol=0.006, rtol=0
        )
        assert lookup.query.caption == f"view a of {seen.items[row]}"
        assert f"view b of {seen.items[row]}" in groups["positives"][0].image.caption
        for neighbour in groups["positives"]:
            item = int(neighbour.image.caption.split()[-1])
            assert neighbour.agrees == (item % 3 == seen.items[row] % 3)
            if "past" in neighbour.image.caption:
                assert (neighbour.image.pixels == item * 5).all()
        assert {"positives", "negatives", "ignored"} == set(groups)


def test_every_kind_of_loss_is_shown_and_mixes_say_what_they_are_made_of(run):
    found = drawn(run, pictures(24))
    assert [entry.term for entry in found] == ["clean", "source", "mix"]
    for entry in found[1:]:
        assert any(len(lookup.query.shares) == 2 for lookup in entry.lookups)
    root = tree(page(Report(title="t", verdict="v", losses=found)))
    heads = [text(head) for head in root.iter("h2")]
    assert heads == [
        f"Positives and negatives in the {name} loss" for name in ("clean", "source", "mix")
    ]
    assert kind(root, "figure", "mate")


def test_an_image_stands_in_one_row_alone(run):
    for entry in drawn(run, pictures(24), queries=8, best=100):
        for lookup in entry.lookups:
            told = [
                (n.image.shares, n.image.caption.split()[-1])
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
    (clean,) = drawn(tmp_path / "run", open_source(folder), queries=2)
    for lookup in clean.lookups:
        assert re.fullmatch(r"view a of photo \d\.png", lookup.query.caption)
        assert lookup.query.alt == lookup.query.caption
        # BYOL has no negatives, so none are drawn, and the text says so.
        assert {name.partition(":")[0] for name, _ in lookup.found} == {"positives"}
    assert "no negatives" in clean.lead


def test_past_keys_of_other_data_have_no_pixels_and_no_label(run):
    (clean, *_) = drawn(run, pictures(12, shift=1))
    for lookup in clean.lookups:
        assert lookup.query.caption.startswith("view a of ")
        past = [n for _, found in lookup.found for n in found if "past" in n.image.caption]
        # The run's data lay in memory and cannot be read again.
        assert all((n.image.pixels == 200).all() and n.agrees is None for n in past)


def test_kin_that_are_classes_are_shown_by_what_they_have_in_common(tmp_path):
    settings = Settings(
        method="dino", method_options={"hidden": 16, "dim": 8, "prototypes": 12},
        backbone="resnet_mini", image_size=32, batch_size=8, steps=2, workers=1, knn_every=0,
        backbone_options={"widths": (4, 8), "depths": (1, 1)},
    )  # fmt: skip
    train(settings, pictures(24), tmp_path / "dino", Deaf())
    (clean,) = drawn(tmp_path / "dino", pictures(24), queries=2)
    weights = preview_step(tmp_path / "dino", pictures(24)).kin_records[0].kin.weights
    for row, lookup in enumerate(clean.lookups):
        ((name, found),) = lookup.found
        assert name.startswith("shared classes: 8 of 23")
        common = torch.minimum(weights[row], weights).sum(1)
        common[row] = -1
        assert float(found[0].image.caption.split()[0]) == pytest.approx(
            common.max().item(), abs=0.006
        )


def test_each_place_of_an_image_is_shown_by_that_image():
    """Candidates are four places of each image, then the images; queries alone are whole."""
    whole, places = Output("student", "a", "head"), Output("student", "a", "places")
    term = Term(
        name="x", queries=(whole,), candidates=(places, whole), kin=Counterpart(),
        objective=SquaredDistance(),
    )  # fmt: skip
    images = pictures(3)
    items, vectors = torch.arange(3), torch.randn(15, 2)
    shown = torch.cat([items.repeat_interleave(4), items])
    asking = Rows(vectors[12:], Composition.plain(items), items)
    answering = Rows(vectors, Composition.plain(shown), torch.arange(15))
    kin = Kin(torch.eye(15)[[1, 7, 14]])  # places of images 0 and 1, and the third image
    seen = StepPreview(
        (KinRecord(term, asking, answering, kin),), items.numpy(), 0,
        {"a": np.stack([images.item(n) for n in range(3)])}, torch.tensor([0, 1, 2]),
        STATISTICS, {whole: 3, places: 12},
    )  # fmt: skip
    (found,) = losses_seen(seen, Path(), images)
    for number, query in enumerate(found.queries):
        (group,) = query.groups
        (best,) = group.best
        assert (best.image.pixels == 5 * number).all()
        assert (query.image.pixels == 5 * number).all()
    asked = KinRecord(replace(term, queries=(places,)), answering, answering, kin)
    assert losses_seen(replace(seen, kin_records=(asked,)), Path(), images) == ()


def test_images_that_are_classes_are_shown_of_the_own_data_alone(tmp_path):
    settings = Settings(
        method="diet", method_options={"warmup_epochs": 1}, mix="sdmp", steps=2, workers=1,
        backbone="resnet_mini", image_size=32, batch_size=8, knn_every=0,
        backbone_options={"widths": (4, 8), "depths": (1, 1)},
    )  # fmt: skip
    train(settings, pictures(24), tmp_path / "diet", Deaf())
    clean, *mixed = drawn(tmp_path / "diet", pictures(24), queries=2)
    assert len(clean.lookups) == 2
    assert mixed
    with pytest.raises(UserError, match="must be given those that the run learned from"):
        preview_step(tmp_path / "diet", pictures(24, shift=1))


def test_a_directory_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="must hold a run.json"):
        drawn(tmp_path, pictures(24))


def test_views_say_what_they_are_made_of(run):
    previews = preview_views(run, pictures(24), most=5)
    assert [preview.name for preview in previews] == [f"image {n}" for n in range(1, 6)]
    for row, preview in enumerate(previews):
        assert (preview.pixels == row * 5).all()
        kinds = [view.kind for view in preview.views]
        assert kinds[:2] == ["view a", "view b"]
        assert all(view.made_of == ((preview.name, 1.0),) for view in preview.views[:2])
        for mixed in preview.views[2:]:
            assert re.fullmatch(r"(Mixup|CutMix|ResizeMix) of view [ab]", mixed.kind)
            assert mixed.made_of[0][0] == preview.name
            assert sum(share for _, share in mixed.made_of) == pytest.approx(1)
    assert any(len(preview.views) > 2 for preview in previews)
    report = Report(title="t", verdict="v", looks=view_rows(previews))
    images = list(tree(page(report)).iter("img"))
    assert len(images) == sum(1 + len(preview.views) for preview in previews)
    assert images[1].get("alt") == "view a of image 1"
