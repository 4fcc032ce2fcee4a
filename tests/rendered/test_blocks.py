"""The small parts, against the slow way or the known answer."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilk.rendered import CLASSES
from ilk.rendered.canvas import blur, grid, noise, ramp
from ilk.rendered.curves import blob, box, disc, hull, panel, star, stroke, thread, turned
from ilk.rendered.dice import Dice
from ilk.rendered.light import Light
from ilk.rendered.palette import light
from ilk.rendered.parts import Ink, centred, mark, solid
from ilk.rendered.pose import Pose, project, stance
from ilk.rendered.relief import relief
from ilk.rendered.scene import thing
from ilk.rendered.seasons import wavelengths
from ilk.rendered.texture import KINDS, Texture, pattern

unit = st.floats(0.001, 0.999)


def _area(outline: np.ndarray) -> float:
    x, y = outline.T
    return 0.5 * abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))


def test_curves_pass_through_their_points():
    knots = np.array([(0.0, 0.0), (1.0, 0.2), (1.3, 1.1), (-0.2, 0.8)])
    np.testing.assert_allclose(blob(knots)[::8], knots)
    np.testing.assert_allclose(thread(knots)[::8], knots)


def test_outlines_have_the_right_area():
    assert _area(disc(0.3, 0.1, 0.5)) == pytest.approx(np.pi * 0.25, rel=0.01)
    assert _area(disc(0, 0, 0.5, 0.2)) == pytest.approx(np.pi * 0.1, rel=0.01)
    corners = 0.04 * (4 - 10 / 3)  # what a parabola of radius 0.2 cuts off a square's corners
    assert _area(box(0, 0, 1, 1, 0.2)) == pytest.approx(1 - corners, rel=0.01)
    assert _area(box(0, 0, 1, 1, 0)) == pytest.approx(1)
    assert _area(stroke([(0, 0), (1, 0)], 0.1)) == pytest.approx(0.2 + np.pi * 0.01, rel=0.02)
    assert _area(star(0, 0, 0.5, 0.5, 24)) == pytest.approx(np.pi * 0.25, rel=0.01)
    assert _area(panel([(0, 0), (1, 0), (0, 1)], 0.0)) == pytest.approx(0.5)


def test_turning_is_clockwise_on_screen():
    np.testing.assert_allclose(turned(np.array([[1.0, 0.0]]), np.pi / 2), [[0, 1]], atol=1e-12)
    spun = turned(np.array([[2.0, 1.0]]), np.pi, 1.0, 1.0)
    np.testing.assert_allclose(spun, [[0, 1]], atol=1e-12)


@given(unit, unit, st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 3.1), st.booleans())
def test_pose_is_a_turned_plane_before_a_camera(x, y, turn, tilt, axis, mirrored):
    """Against the slow way: rotate in space by Rodrigues' formula, divide by the depth."""
    pose = Pose(y=y, x=x, scale=0.3, turn=turn, tilt=tilt, axis=axis, mirrored=mirrored)
    points = np.array([(0.0, 0.0), (1.0, 0.0), (0.4, -0.9), (-0.7, 0.6)])
    expected = []
    for u, v in points:
        flat = np.array([-u if mirrored else u, v, 0.0])
        along = np.array([np.cos(axis), np.sin(axis), 0.0])
        about = np.cross(along, flat) * np.sin(tilt)
        body = flat * np.cos(tilt) + about + along * (along @ flat) * (1 - np.cos(tilt))
        spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        expected.append(0.3 * spin @ body[:2] / (1 + body[2] / 4.5) + [x, y])
    np.testing.assert_allclose(project(pose.matrix(), points), expected, atol=1e-9)


@given(st.lists(unit, min_size=24, max_size=24), st.integers(0, 500))
def test_whatever_the_stance_the_object_stays_in_the_image(row, frames):
    held = stance(Dice(np.array(row))).later(frames)
    corners = np.array([(-1.5, -0.5), (1.5, -0.4), (1.2, 0.6), (-1.3, 0.5)])
    seen = project(held.settled(corners).matrix(), corners)
    assert seen.min() > 0.03
    assert seen.max() < 0.97


def test_motion_starts_where_the_object_stands():
    held = stance(Dice(np.linspace(0.1, 0.9, 24)))
    still = held.later(0)
    assert still.across == pytest.approx(held.across)
    assert (still.turn, still.tilt) == pytest.approx((held.turn, held.tilt))
    assert held.later(5) != held


def test_oklch_gives_known_colours():
    shown = light(
        np.array([(1.0, 0, 0), (0, 0, 0), (0.6279554, 0.2576833, 0.0812), (0.5998708, 0, 0.3)])
    ) ** 0.5  # fmt: skip
    np.testing.assert_allclose(shown[:3], [(1, 1, 1), (0, 0, 0), (1, 0, 0)], atol=4e-3)
    np.testing.assert_allclose(shown[3], 128 / 255, atol=2e-3)


def test_colours_out_of_gamut_fade_but_keep_lightness_and_hue():
    shown = light(np.array([(0.5, 0.4, 0.4)]))[0] ** 0.5
    linear = ((shown + 0.055) / 1.055) ** 2.4
    rgb_to_lms = [[0.4122215, 0.5363325, 0.0514460], [0.2119035, 0.6806995, 0.1073970],
                  [0.0883025, 0.2817189, 0.6299787]]  # fmt: skip
    lms_to_lab = [[0.2104543, 0.7936178, -0.0040720], [1.9779985, -2.4285922, 0.4505937],
                  [0.0259040, 0.7827718, -0.8086758]]  # fmt: skip
    lightness, a, b = lms_to_lab @ np.cbrt(rgb_to_lms @ linear)
    assert lightness == pytest.approx(0.5, abs=0.01)
    assert np.arctan2(b, a) / (2 * np.pi) == pytest.approx(0.4, abs=0.02)
    assert 0.1 < np.hypot(a, b) < 0.4


def test_a_discs_coverage_is_its_area():
    what = _thing([solid(disc(0, 0, 1), Ink.MAIN, 0.2)])
    pose = Pose(y=0.5, x=0.5, scale=0.3, turn=0, tilt=0, axis=0, mirrored=False)
    shape = relief(what, pose, 96)
    assert shape.cover.sum() / 96**2 == pytest.approx(np.pi * 0.09, rel=0.02)
    assert shape.height.max() == pytest.approx(0.2 * 0.3, rel=0.05)
    full = shape.cover > 0.999
    np.testing.assert_allclose(
        shape.colour[:, full], what.palette.inks[0][:, None].repeat(full.sum(), 1), atol=1e-5
    )


def test_marks_are_bounded_by_their_part():
    wide = _thing(
        [
            solid(disc(0, 0, 1), Ink.MAIN, 0.2),
            mark(box(-3, -0.3, 3, 0.3, 0), Ink.DARK, within=0),
        ]
    )
    bare = _thing([solid(disc(0, 0, 1), Ink.MAIN, 0.2)])
    pose = Pose(y=0.5, x=0.5, scale=0.3, turn=0.3, tilt=0.2, axis=1, mirrored=True)
    marked, plain = relief(wide, pose, 96), relief(bare, pose, 96)
    np.testing.assert_allclose(marked.cover, plain.cover)
    assert (np.abs(marked.colour - plain.colour).max(0) > 1e-3).mean() > 0.1
    assert (marked.colour.max(0) <= marked.cover + 1e-5).all()


def test_holes_are_empty():
    ring = _thing([solid([disc(0, 0, 1), disc(0, 0, 0.6)], Ink.MAIN, 0.1)])
    pose = Pose(y=0.5, x=0.5, scale=0.3, turn=0, tilt=0, axis=0, mirrored=False)
    shape = relief(ring, pose, 96)
    middle = [span // 2 for span in shape.cover.shape]
    assert shape.cover[middle[0], middle[1]] == 0
    assert shape.cover.sum() / 96**2 == pytest.approx(np.pi * 0.09 * 0.64, rel=0.05)


def _thing(parts):
    lines = np.concatenate([line for part in parts for line in part.contours])
    bound = np.concatenate(
        [line for part in parts if part.within < 0 for line in part.contours]
    )
    model = thing(0, "blocks", 0, 0, 1)
    return type(model)(
        class_index=0, instance=0, parts=tuple(parts), points=lines, hull=hull(bound),
        palette=model.palette, skin=model.skin, gloss=0.0,
    )  # fmt: skip


@settings(deadline=None)
@given(st.integers(0, len(CLASSES) - 1), st.integers(0, 10**6))
def test_every_instance_is_well_formed(class_index: int, number: int):
    what = thing(5, "any", class_index, number, 10**6 + 1)
    assert np.isfinite(what.points).all()
    assert np.abs(what.hull).max() < 2.4
    assert np.abs(what.hull).max() > 0.9
    assert all(part.within < k for k, part in enumerate(what.parts))
    assert all(what.parts[part.within].within < 0 for part in what.parts if part.within >= 0)
    assert ((what.palette.inks >= 0) & (what.palette.inks <= 1)).all()


def test_instances_of_a_class_differ():
    some = [thing(0, "train", 4, number, 200).hull for number in range(20)]
    assert len({(len(h), float(np.ptp(h[:, 0]))) for h in some}) == 20


def test_centring_gives_a_square_the_width_of_two():
    (square,) = centred([solid(box(3, 3, 7, 7, 0), Ink.MAIN, 1.0, 0.5)])
    np.testing.assert_allclose(square.contours[0].min(0), -1, atol=0.03)
    np.testing.assert_allclose(square.contours[0].max(0), 1, atol=0.03)
    assert (square.bevel, square.lift) == pytest.approx((0.5, 0.25), rel=0.03)


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_patterns_are_shares_and_fade_smoothly(kind: int):
    x, y = grid(200)
    skin = Texture(kind=kind, turn=0.4, period=0.3, share=0.5, strength=1.0, place=(0.3, 0.6))
    share = pattern(skin, x * 2 - 1, y * 2 - 1, 0.01)
    assert share.min() >= 0
    assert share.max() <= 1 + 1e-6
    assert kind == 0 or share.std() > 0.1
    assert kind == 0 or ((share > 0.02) & (share < 0.98)).mean() > 0.03


def test_ramp_and_blur_and_noise():
    line = np.linspace(-1, 2, 7, dtype=np.float32)[None]
    np.testing.assert_allclose(ramp(line, 0, 1), [[0, 0, 0, 0.5, 1, 1, 1]])
    np.testing.assert_allclose(ramp(line, 1, 0), 1 - ramp(line, 0, 1))
    spot = np.zeros((128, 128), np.float32)
    spot[60:68, 60:68] = 1
    expected = cv2.GaussianBlur(spot, (0, 0), 9)
    np.testing.assert_allclose(blur(spot, 9), expected, atol=0.02)  # the short way round
    rough = noise(128, 5, (0.2, 0.7), 3)
    assert abs(rough.mean() - 0.5) < 0.12
    assert -0.2 < rough.min() < rough.max() < 1.2
    small = cv2.resize(noise(256, 5, (0.2, 0.7), 3), (128, 128), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(small, rough, atol=0.02)


def test_light_comes_from_where_it_says():
    lamp = Light(azimuth=0.0, elevation=0.7, intensity=1.0, warmth=1.0, shadow=0.5, height=0.05)
    np.testing.assert_allclose(lamp.towards(), [np.cos(0.7), 0, np.sin(0.7)])
    red, green, blue = lamp.colour().ravel()
    assert red > green > blue


def test_three_bands_are_red_green_blue():
    np.testing.assert_array_equal(wavelengths(3), [620, 545, 440])
    assert wavelengths(13)[[0, -1]].tolist() == [440, 2200]


def test_dice_read_a_row_once():
    dice = Dice(np.array([0.0, 0.5, 0.99, 0.2, 0.9, 0.25, 0.1, 0.2, 0.3, 0.4]))
    assert dice.between(2, 4) == 2
    assert dice.pick(4) == 2
    assert not dice.chance(0.5)
    assert dice.around(1.0) == pytest.approx(0.1)
    assert dice.chance(0.3)
    np.testing.assert_array_equal(dice.rows(2, 2), [(0.1, 0.2), (0.3, 0.4)])
