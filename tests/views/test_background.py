"""Other backgrounds: exact pixels, the law of chance, and a slow reference."""

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ilk.core.errors import UserError
from ilk.core.seeding import uniforms
from ilk.views import Background, ImageView, byol_pair, draw, render
from ilk.views.background import backcloth, cropped, filled

COUNT = 12
PLAIN = ImageView(name="a", size=20, scale=(0.3, 1.0))


@dataclass
class World:
    """Images of several sizes, whose foreground is a disc; remembers who was asked for."""

    images: list[np.ndarray]
    masks: list[np.ndarray]
    asked: list[tuple[int, int]] = field(default_factory=list)

    def foreground(self, item: int, image: np.ndarray) -> np.ndarray:
        assert image is self.images[item]
        return self.masks[item]

    def other(self, item: int, chance: float) -> tuple[np.ndarray, np.ndarray]:
        found = (item + 1 + int(chance * (COUNT - 1))) % COUNT
        self.asked.append((item, found))
        return self.images[found], self.masks[found]


def disc(height: int, width: int, radius: float = 0.3) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    reach = radius * min(height, width)
    return (y - height / 2) ** 2 + (x - width / 2) ** 2 < reach**2


@pytest.fixture
def world(picture) -> World:
    sizes = [(40 + 3 * i, 70 - 2 * i) for i in range(COUNT)]
    images = [picture(*size, seed=seed) for seed, size in enumerate(sizes)]
    return World(images, [disc(*size) for size in sizes])


def made(view: ImageView, world: World, epoch: int = 0, seed: int = 0) -> np.ndarray:
    """[B, S, S, C]."""
    pixels = view.render(world.images, np.arange(COUNT), epoch, seed, world)
    return pixels.permute(0, 2, 3, 1).numpy()


def nearest(mask: np.ndarray, box: list[int], size: int) -> np.ndarray:
    """One pixel at a time; in fractions, so that nothing is rounded."""
    top, left, height, width = box
    out = np.zeros((size, size), np.bool_)
    for y, x in np.ndindex(size, size):
        row, column = (
            first + math.floor(Fraction(2 * place + 1, 2) * Fraction(side, size))
            for first, side, place in ((top, height, y), (left, width, x))
        )
        out[y, x] = mask[row, column]
    return out


def shown(view: ImageView, world: World, images: list[np.ndarray], masks: list[np.ndarray]):
    """The masks of views by a slow loop: the same crop, the nearest pixel, the same flip."""
    sizes = np.array([image.shape[:2] for image in images]).T
    drawn = draw(view, *sizes, np.arange(COUNT), 0, 0)
    out = []
    for row, mask in enumerate(masks):
        part = nearest(mask, drawn.boxes[row].tolist(), view.size)
        out.append(part[:, ::-1] if drawn.flip[row] else part)
    return np.stack(out), drawn.flip


@pytest.mark.parametrize("kind", ["remove", "random"])
def test_the_foreground_is_the_views_own_and_the_rest_is_another_ground(world, kind):
    view = replace(PLAIN, background=Background(kind=kind, p=1.0, least=0.0, most=1.0))
    own, got = made(PLAIN, world), made(view, world)
    masks, flips = shown(PLAIN, world, world.images, world.masks)
    assert masks.any((1, 2)).all()
    assert (got[masks] == own[masks]).all()
    chance = uniforms(0, 0, np.arange(COUNT), "background/a", 2)[:, 1]
    for row in range(COUNT):
        if kind == "remove":
            ground = np.full((20, 20, 3), int(256 * chance[row]), np.uint8)
        else:
            other = (row + 1 + int(chance[row] * (COUNT - 1))) % COUNT
            ground = backcloth(world.images[other], world.masks[other], 20)
            ground = ground[:, ::-1] if flips[row] else ground
        assert (got[row][~masks[row]] == ground[~masks[row]]).all()


def test_no_mask_or_no_background_leaves_the_view_alone(world):
    view = replace(PLAIN, background=Background(kind="random", p=1.0))
    for everywhere in (False, True):
        world.masks = [np.full(image.shape[:2], everywhere) for image in world.images]
        assert (made(view, world) == made(PLAIN, world)).all()


def test_at_the_limits_the_ground_is_all_or_nothing(world):
    view = replace(PLAIN, background=Background(kind="remove", p=1.0, least=0.0, most=1.0))
    world.masks = [np.ones(image.shape[:2], np.bool_) for image in world.images]
    assert (made(view, world) == made(PLAIN, world)).all()
    world.masks = [~mask for mask in world.masks]
    assert (np.ptp(made(view, world).reshape(COUNT, -1), axis=1) == 0).all()


@pytest.mark.parametrize("kind", ["remove", "random"])
def test_chance_is_the_items_own_and_leaves_all_other_chance_alone(world, kind):
    view = replace(PLAIN, background=Background(kind=kind, p=0.4, least=0.0, most=1.0))
    own, got = made(PLAIN, world, 3, 5), made(view, world, 3, 5)
    changed = (own != got).any((1, 2, 3))
    chance = uniforms(5, 3, np.arange(COUNT), "background/a", 2)[:, 0]
    assert (changed == (chance < 0.4)).all()
    assert 0 < changed.sum() < COUNT
    order = np.random.default_rng(0).permutation(COUNT)[:5]
    part = view.render([world.images[i] for i in order], order, 3, 5, world)
    assert (part.permute(0, 2, 3, 1).numpy() == got[order]).all()
    never = replace(view, background=Background(kind=kind, p=0.0))
    assert (made(never, world, 3, 5) == own).all()


def test_how_often_is_the_probability_and_views_decide_apart():
    items = np.arange(20_000)
    a, b = (uniforms(0, 0, items, f"background/{name}", 2)[:, 0] < 0.2 for name in "ab")
    assert a.mean() == pytest.approx(0.2, abs=0.01)
    assert (a & b).mean() == pytest.approx(0.04, abs=0.005)


def test_colour_comes_after_the_background(world):
    view = replace(byol_pair(20)[1], blur_p=0.0, solarize_p=0.0, flip=0.0, gray_p=1.0)
    gone = replace(view, background=Background(kind="remove", p=1.0, least=0.0, most=1.0))
    masks, _ = shown(view, world, world.images, world.masks)
    for pixels, mask in zip(made(gone, world), masks, strict=True):
        ground = pixels[~mask]
        assert (ground == ground[0]).all()  # one level, whatever was done to its colour
    assert not (made(gone, world)[masks] == made(view, world)[masks]).all()  # contrast differs


def test_a_matched_picture_is_another_one_before_the_same_background(world):
    background = Background(kind="matched", p=1.0, least=0.0, most=1.0)
    view = replace(PLAIN, background=background)
    got = made(view, world)
    assert [item for item, _ in world.asked] == list(range(COUNT))
    others = [other for _, other in world.asked]
    assert all(other != item for item, other in world.asked)
    images, masks = ([part[i] for i in others] for part in (world.images, world.masks))
    shapes, flips = shown(PLAIN, world, images, masks)
    plain = PLAIN.render(images, np.arange(COUNT), 0, 0).permute(0, 2, 3, 1).numpy()
    assert (got[shapes] == plain[shapes]).all()
    for row in range(COUNT):
        ground = backcloth(world.images[row], world.masks[row], 20)
        ground = ground[:, ::-1] if flips[row] else ground
        assert (got[row][~shapes[row]] == ground[~shapes[row]]).all()


def test_views_made_together_are_those_made_alone(world):
    views = [
        PLAIN,
        replace(PLAIN, name="b", background=Background(kind="random", p=0.5)),
        replace(PLAIN, name="c", background=Background(kind="matched")),
        replace(PLAIN, name="d", background=Background(kind="remove", p=0.5)),
    ]
    together = render(views, world.images, np.arange(COUNT), 1, 2, world)
    assert list(together) == ["a", "b", "c", "d"]
    for view in views:
        alone = view.render(world.images, np.arange(COUNT), 1, 2, world)
        assert torch.equal(together[view.name], alone)


def test_without_anyone_who_knows_foregrounds_there_is_no_view(world):
    view = replace(PLAIN, background=Background(kind="remove"))
    with pytest.raises(ValueError, match="'a': its background needs a scenery"):
        view.render(world.images, np.arange(COUNT), 0, 0)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_a_hole_is_filled_from_across_its_nearest_border(height: int, width: int, seed: int):
    chance = np.random.default_rng(seed)
    hole = chance.random((height, width)) < chance.random()
    if hole.all():
        return
    numbers = np.arange(height * width, dtype=np.uint8).reshape(height, width, 1)
    got = filled(numbers, hole)[..., 0]
    outside = np.argwhere(~hole)
    for place in np.ndindex(hole.shape):
        if not hole[place]:
            assert got[place] == numbers[place]
            continue
        distances = ((outside - place) ** 2).sum(1)
        allowed = set()  # several pixels of the border may be as near
        for border in outside[distances == distances.min()]:
            across = tuple(2 * border - place)
            fits = all(0 <= c < n for c, n in zip(across, hole.shape, strict=True))
            source = across if fits and not hole[across] else tuple(border)
            allowed.add(int(numbers[source][0]))
        assert int(got[place]) in allowed


def test_a_picture_that_is_all_foreground_has_no_backcloth(picture):
    image = picture(30, 40)
    assert backcloth(image, np.ones((30, 40), np.bool_), 16) is None
    assert backcloth(image, disc(30, 40), 16, most=0.1) is None
    spot = np.zeros((30, 40), np.bool_)
    spot[14, 20] = True
    dark = np.zeros_like(image)
    dark[13:16, 20] = dark[14, 19:22] = 255  # what is beside the foreground goes with it
    assert not backcloth(dark, spot, 30).any()
    square = image[:, 5:35]
    assert (backcloth(image, np.zeros((30, 40), np.bool_), 30) == square).all()


@pytest.mark.parametrize("box", [(0, 0, 20, 20), (3, 5, 9, 14), (10, 2, 40, 31)])
def test_a_mask_is_cropped_to_the_nearest_pixel(box):
    mask = np.random.default_rng(0).random((50, 40)) < 0.5
    assert (cropped(mask, box, 17) == nearest(mask, list(box), 17)).all()


@pytest.mark.parametrize("wrong", [{"p": 1.1}, {"p": -0.1}, {"least": 0.9, "most": 0.5}])
def test_impossible_backgrounds_are_refused(wrong: dict[str, float]):
    with pytest.raises(UserError, match="background"):
        Background(kind="remove", **wrong)
