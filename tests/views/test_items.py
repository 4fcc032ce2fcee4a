"""Views of clips and of sensor windows, and the protocol that all views follow."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.views import (
    Background,
    ClipView,
    ImageView,
    Plain,
    PlainClip,
    PlainWindow,
    View,
    WindowView,
    byol_pair,
    needed,
    render,
)

LOUD = byol_pair(16)[1]
GREY = Background(kind="remove", p=1.0)
CLIP = ClipView(name="b", image=LOUD, frames=4)
WINDOW = WindowView(name="b", size=20)
STILL = WindowView(name="s", size=8, scale=(1.0, 1.0), flip=0.0, scaling=0.0, jitter=0.0)


def clips(*lengths: int) -> list[np.ndarray]:
    chance = np.random.default_rng(0)
    return [chance.integers(0, 256, (n, 24, 30, 3), dtype=np.uint8) for n in lengths]


def windows(*lengths: int) -> list[np.ndarray]:
    chance = np.random.default_rng(1)
    return [chance.normal(3, 2, (3, n)).astype(np.float32) for n in lengths]


@pytest.mark.parametrize(
    "view",
    [LOUD, CLIP, WINDOW, Plain(size=8), PlainClip(size=8, frames=2), PlainWindow(size=8)],
)
def test_every_view_follows_the_protocol(view):
    assert isinstance(view, View)
    assert replace(view, name="other").name == "other"


@pytest.mark.parametrize(
    ("view", "items"), [(CLIP, clips(4, 9, 6)), (WINDOW, windows(20, 31, 50))]
)
def test_a_row_depends_on_its_own_item_alone(view, items):
    numbers = np.array([7, 8, 9])
    whole = view.render(items, numbers, 2, 3)
    assert torch.equal(view.render(items[1:2], numbers[1:2], 2, 3), whole[1:2])
    assert torch.equal(render([view], items, numbers, 2, 3)["b"], whole)
    others = [
        view.render(items, numbers, 3, 3),
        view.render(items, numbers, 2, 4),
        view.render(items, numbers + 1, 2, 3),
        replace(view, name="c").render(items, numbers, 2, 3),
    ]
    for other in others:
        assert (other != whole).flatten(1).any(1).all()


def test_every_frame_is_changed_as_an_image_of_that_item_would_be():
    clip = np.repeat(clips(1)[0], 6, axis=0)  # six frames alike must stay alike
    made = CLIP.render([clip], np.array([5]), 1, 2)
    alone = LOUD.render([clip[0]], np.array([5]), 1, 2)
    assert made.shape == (1, 3, 4, 16, 16)
    for frame in range(4):
        assert torch.equal(made[:, :, frame], alone)


def test_frames_are_consecutive_and_short_clips_are_stretched():
    def shown(length: int, item: int) -> list[int]:
        clip = np.zeros((length, 4, 4, 1), np.uint8) + np.arange(length)[:, None, None, None]
        view = ClipView(name="a", image=ImageView(name="a", size=4), frames=4)
        return view.render([clip.astype(np.uint8)], np.array([item]), 0, 0)[
            0, 0, :, 0, 0
        ].tolist()

    starts = set()
    for item in range(60):
        frames = shown(6, item)
        assert frames == list(range(frames[0], frames[0] + 4))
        starts.add(frames[0])
    assert starts == {0, 1, 2}
    assert shown(4, 0) == [0, 1, 2, 3]
    assert shown(2, 0) == [0, 0, 1, 1]
    plain = np.zeros((8, 4, 4, 1), np.uint8) + np.arange(8, dtype=np.uint8)[:, None, None, None]
    middle = PlainClip(size=4, frames=4).render([plain], np.array([0]))
    assert middle[0, 0, :, 0, 0].tolist() == [2, 3, 4, 5]


def test_a_still_window_comes_out_as_it_went_in():
    (window,) = windows(8)
    made = STILL.render([window], np.array([0]), 0, 0)
    torch.testing.assert_close(made[0], torch.from_numpy(window))
    middle = PlainWindow(size=4).render([window], np.array([0]))
    torch.testing.assert_close(middle[0], torch.from_numpy(window[:, 2:6]))


def test_windows_are_flipped_in_time_scaled_and_jittered():
    (window,) = windows(8)
    pixels = torch.from_numpy(window)
    back = replace(STILL, flip=1.0).render([window], np.array([0]), 0, 0)[0]
    torch.testing.assert_close(back, pixels.flip(1))
    items = np.arange(4000)
    many = [window] * len(items)
    factors = (replace(STILL, scaling=0.2).render(many, items, 0, 0) / pixels).mean(2)
    assert abs(factors.mean() - 1) < 0.01
    assert abs(factors.std() - 0.2) < 0.01
    noise = replace(STILL, jitter=0.5).render(many, items, 0, 0) - pixels
    torch.testing.assert_close(
        noise.std((0, 2)), 0.5 * pixels.std(1, unbiased=False), rtol=0.03, atol=0
    )


def test_a_crop_is_a_stretch_of_the_window():
    ramp = np.arange(100, dtype=np.float32)[None]
    view = replace(STILL, size=10, scale=(0.2, 0.5))
    made = view.render([ramp] * 500, np.arange(500), 0, 0)[:, 0].double()
    steps = made.diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand(-1, 9), rtol=1e-3, atol=1e-3)
    assert 2 <= steps.min() < 2.2
    assert 4.8 < steps.max() <= 5.001
    assert made.min() < 3
    assert made.max() > 96


def test_clips_and_windows_are_read_whole():
    assert needed([LOUD]) is not None
    assert needed([LOUD, CLIP]) is None
    assert needed([WINDOW]) is None


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: ClipView(name="a", image=LOUD, frames=0), "frames"),
        (lambda: replace(CLIP, image=replace(LOUD, background=GREY)), "image"),
        (lambda: replace(WINDOW, scale=(0.0, 1.0)), "scale"),
        (lambda: replace(WINDOW, jitter=-1.0), "jitter"),
        (lambda: PlainWindow(size=0), "size"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_named(make, word):
    with pytest.raises(UserError, match=word):
        make()
