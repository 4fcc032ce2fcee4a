"""Rows know where in their image they lie, from the crop to the kin rule."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import Output
from ilk.data import Arrays, Reader
from ilk.train.loop.loader import Batch, Loader
from ilk.train.setup import Setup
from ilk.views import MATCHED, Background, ImageView
from tests.laws.world import progress, small_method, small_trainer
from tests.method.test_ground import settings

HEIGHT, WIDTH, COUNT, SIDE = 160, 240, 16, 24


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def maps() -> Reader:
    """Images whose first channel is the column of a pixel, and whose second one is its row."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, :, 0] = (np.arange(WIDTH) + 0.5) / WIDTH * 255
    image[:, :, 1] = ((np.arange(HEIGHT) + 0.5) / HEIGHT * 255)[:, None]
    return Reader(Arrays(np.stack([image] * COUNT)))


def served(views: tuple[ImageView, ...], *, workers: int = 2, placed: bool = True) -> Batch:
    loader = Loader(maps(), views, batch_size=COUNT, seed=5, workers=workers)
    loader.placed = placed
    return next(loader.batches(0, 1))


def test_pixels_are_of_the_place_that_is_told_mirrored_or_not():
    view = ImageView(name="a", size=SIDE, scale=(0.1, 0.8))
    batch = served((view,))
    inside = (torch.arange(SIDE) + 0.5) / SIDE
    mirrored = 0
    for pixels, (top, left, bottom, right) in zip(
        batch.views["a"].double(), batch.places["a"].double(), strict=True
    ):
        across = 255 * (left + inside * (right - left))
        down = 255 * (top + inside * (bottom - top))
        assert (pixels[0] - across).abs().max() < 3
        assert (pixels[1] - down[:, None]).abs().max() < 3
        assert top < bottom
        mirrored += int(left > right)
    assert 0 < mirrored < COUNT


def test_places_do_not_depend_on_threads_and_are_made_where_they_are_asked_for():
    views = (ImageView(name="a", size=SIDE), ImageView(name="b", size=SIDE))
    one, many = served(views, workers=1), served(views, workers=3)
    for name in ("a", "b"):
        assert torch.equal(one.places[name], many.places[name])
    assert not torch.equal(one.places["a"], one.places["b"])
    assert served(views, placed=False).places == {}


def test_a_view_has_a_place_before_any_background_but_not_of_another_image():
    view = ImageView(name="a", size=SIDE)
    grounds = {"a": None, "b": "remove", "c": "random", "d": MATCHED}
    views = [
        replace(view, name=name, background=kind and Background(kind=kind, p=1.0))
        for name, kind in grounds.items()
    ]
    loader = Loader(maps(), tuple(views), batch_size=COUNT, seed=5)
    images = [loader.reader.source.item(0)]
    assert set(loader._places(views, images, np.array([0]), 0)) == {"a", "b", "c"}


def test_rows_of_a_step_have_the_places_of_the_batch(fabric):
    trainer = small_trainer(fabric, small_method("moco-v3", "i-mix"), batch_size=COUNT)
    batch = served(trainer.method.views)
    context = trainer.take_step([batch], progress(0)).context
    key = Output("teacher", "a", "projector")
    assert torch.equal(context.rows(key).place, batch.places["a"])
    assert torch.equal(context.joined(key).place, batch.places["a"])
    query = Output("student", "a~", "predictor")
    assert context.rows(query).place is None
    both = context.joined_rows((key, query)).place
    assert torch.equal(both[:COUNT], batch.places["a"])
    assert both[COUNT:].isnan().all()


def test_two_views_that_change_roles_take_their_places_along(fabric):
    trainer = small_trainer(fabric, small_method("moco-v3", "sdmp"), batch_size=COUNT)
    batch = served(trainer.method.views)
    seen = set()
    for step in range(12):
        trainer.step = step
        context = trainer._look(batch, progress(0), first=False)
        place = context.rows(Output("teacher", "b", "projector")).place
        seen.add("ab"[int(torch.equal(place, batch.places["b"]))])
        assert any(torch.equal(place, batch.places[name]) for name in "ab")
    assert seen == {"a", "b"}


def test_a_method_that_asks_for_places_gets_them():
    for asked in (False, True):
        made = Setup(settings(), maps().source)
        made.method = replace(made.method, places=asked)
        batch = next(made.loader_of(8).batches(0, 1))
        assert set(batch.places) == ({"a", "b"} if asked else set())
