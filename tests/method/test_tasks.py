"""Methods of tiles: what they ask of the data, of a backbone and of the other axes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import Composition, Rows, UserError
from ilk.kin import OwnPlace
from ilk.kin_rules import kin_rule
from ilk.method import Given, passes, with_anchor, with_background, with_item_kind
from ilk.methods import recipe
from ilk.mixes import mixture
from ilk.train.previews.step import _pixels
from ilk.train.previews.views import rendered_views
from ilk.views import orders
from tests.kin.context import FakeLook
from tests.laws.world import batch, built, progress, small_method, small_trainer

TILES = ("context", "jigsaw")


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@pytest.mark.parametrize("name", TILES)
def test_axes_fit_or_are_refused_with_their_reason(name):
    method = small_method(name)
    why = {"context": "the tiles of a mix are no mixes", "jigsaw": "an order of their own"}
    with pytest.raises(UserError, match=f"must take mixed images, but .*{why[name]}"):
        mixture("sdmp", {}).apply(method)
    with pytest.raises(UserError, match="they are classes"):
        kin_rule("neighbours", {}).apply(method)
    assert with_background(method, "random:0.3").views[0].background.p == 0.3
    with pytest.raises(UserError, match="Tiles are for images alone"):
        with_item_kind(method, "clip", 4)


@pytest.mark.parametrize("name", ["exemplar", "tico"])
def test_others_refuse_mixes_and_kin_with_their_reason(name):
    why = {"exemplar": "takes no shares of a positive", "tico": "of images and not of mixes"}
    for axis in (mixture("sdmp", {}), kin_rule("neighbours", {})):
        with pytest.raises(UserError, match=why[name]):
            axis.apply(small_method(name))
    assert with_background(small_method(name), "random:0.3").views[0].background.p == 0.3


def test_dcl_takes_every_axis_of_simclr():
    """That mixed steps are right is a law; further kin do not stand among the negatives."""
    method = kin_rule("neighbours", {"queue_size": 32}).apply(small_method("dcl"))
    assert mixture("sdmp", {}).apply(method).mixes
    assert with_background(small_method("dcl"), "random:0.3").views[0].background.p == 0.3


@pytest.mark.parametrize("name", TILES)
def test_a_step_shows_nine_tiles_of_each_image_once_to_the_student_alone(fabric, name):
    trainer = built(fabric, name)
    shown = [(entry.network, entry.view) for entry in passes(trainer.method)]
    assert shown == [("student", "tiles" if name == "context" else "shuffled")]
    seen = []
    trainer.student.backbone.register_forward_hook(lambda _, args, __: seen.append(args[0]))
    trainer.take_step([batch(trainer.method.views, 0)], progress(0))
    assert [tuple(images.shape) for images in seen] == [(8 * 9, 3, 16, 16)]


@pytest.mark.parametrize("name", TILES)
def test_an_anchor_holds_the_tokens_of_tiles(fabric, name):
    """A tile is a place, so what holds places near the start holds tiles."""
    torch.manual_seed(1)
    trainer = small_trainer(fabric, with_anchor(small_method(name), "gram:2", places=True))
    first = trainer.take_step([batch(trainer.method.views, 0)], progress(0)).terms
    assert first["anchor"] == 0
    for step in (6, 7):  # the first of which is the first of a warm-up that moves weights
        later = trainer.take_step([batch(trainer.method.views, step)], progress(step)).terms
    assert later["anchor"] > 0


def test_every_direction_is_asked_for_once_an_image(fabric):
    trainer = built(fabric, "context")
    context = trainer._look(batch(trainer.method.views, 0), progress(2), first=False)
    (term,) = trainer.method.terms
    context.loss(term)
    (record,) = context.kin_records
    assert torch.equal(record.kin.weights, torch.eye(8).repeat(8, 1))


def test_the_order_of_each_puzzle_is_its_class(fabric):
    trainer = built(fabric, "jigsaw")
    context = trainer._look(batch(trainer.method.views, 0), progress(2), first=False)
    (term,) = trainer.method.terms
    context.loss(term)
    (record,) = context.kin_records
    assert torch.equal(record.kin.weights.argmax(dim=1), record.queries.task)
    assert len(orders(5, 9)) == 5 == record.kin.weights.shape[1]


def test_an_image_that_stands_in_a_batch_twice_has_all_places_twice():
    items = torch.tensor([3, 8, 3]).repeat_interleave(4)
    rows = Rows(torch.zeros(12, 4), Composition.plain(items), torch.arange(12))
    weights = OwnPlace(classes=4)(rows, rows, FakeLook()).weights
    assert torch.equal(weights, torch.eye(4).repeat(3, 1))


@pytest.mark.parametrize("name", TILES)
def test_images_that_are_too_small_for_tiles_are_refused(name):
    with pytest.raises(UserError, match="size must be at least 8 px; set a larger image_size"):
        recipe(name, {}).build(Given(width=8, size=16, stride=4))
    with pytest.raises(UserError, match="orders: must be 2 to 10,000"):
        built_views(replace(small_method("jigsaw"), derived=(
            small_method("jigsaw").derived[0],
            replace(small_method("jigsaw").derived[1], count=20_000),
        )))  # fmt: skip


def built_views(method):
    chance = np.random.default_rng(0)
    images = [chance.integers(0, 256, (70, 80, 3)).astype(np.uint8) for _ in range(2)]
    return rendered_views(method, images, seed=0)


@pytest.mark.parametrize("name", TILES)
def test_previews_show_tiles_side_by_side(name):
    method = small_method(name)
    first = built_views(method)[0]
    assert [view.kind for view in first.views][:2] == ["view a", "view tiles"]
    side = 3 * 16 + 2 * 2  # with gaps of an eighth of a tile
    assert {view.pixels.shape for view in first.views[1:]} == {(side, side, 3)}
    assert all(view.pixels[:16, :16].std() > 20 for view in first.views[1:])
    shown = _pixels(torch.zeros(2, 9, 3, 16, 16), ((0.5,) * 3, (0.2,) * 3))
    assert shown.shape == (2, side, side, 3)
    assert set(np.unique(shown)) == {128}
