"""A scene: which thing, where, under which light, before what; and its image in light."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float32, Float64

from ilk.rendered import living, made, scenery, wallpaper
from ilk.rendered.canvas import LightImage, Plane
from ilk.rendered.curves import hull
from ilk.rendered.dice import Dice
from ilk.rendered.light import Light, ground, lamp, lit
from ilk.rendered.palette import Colours, backdrop_colours, object_palette
from ilk.rendered.parts import Part, centred
from ilk.rendered.pose import Pose, Stance, stance
from ilk.rendered.relief import Thing, Window, relief
from ilk.rendered.texture import texture

_SHAPES: tuple[tuple[str, Callable[[Dice], Sequence[Part]]], ...] = (
    ("bird", living.bird),
    ("butterfly", living.butterfly),
    ("fish", living.fish),
    ("key", made.key),
    ("leaf", living.leaf),
    ("mug", made.mug),
    ("mushroom", living.mushroom),
    ("rocket", made.rocket),
    ("teapot", made.teapot),
    ("umbrella", made.umbrella),
)
CLASSES: tuple[str, ...] = tuple(name for name, _ in _SHAPES)

_BACKDROPS: tuple[tuple[str, Callable[[int, Colours, Dice], LightImage]], ...] = (
    ("sweep", scenery.sweep),
    ("table", scenery.table),
    ("hills", scenery.hills),
    ("sky", scenery.sky),
    ("bokeh", scenery.bokeh),
    ("contours", scenery.contours),
    ("tiles", wallpaper.tiles),
    ("waves", wallpaper.waves),
    ("terrazzo", wallpaper.terrazzo),
    ("rays", wallpaper.rays),
    ("dots", wallpaper.dots),
    ("planks", wallpaper.planks),
)
BACKGROUNDS: tuple[str, ...] = tuple(name for name, _ in _BACKDROPS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """All that decides an image: the same scene is always drawn as the same pixels.

    Args:
        thing: the object.
        stance: its attitude and motion.
        pose: its position, size and rotation in the image.
        light: the lamp and the sky around it.
        background: index into ``BACKGROUNDS``.
        colours: the background's colours.
        throws: uniform numbers that place the background's details.
        place: where in the noise the scene's grain and haze are cut, two numbers in 0..1.
    """

    thing: Thing
    stance: Stance
    pose: Pose
    light: Light
    background: int
    colours: Float32[np.ndarray, "4 3"]
    throws: Float64[np.ndarray, " T"]
    place: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """A painted scene before a look finishes it.

    Args:
        image: light, planes [3, H, W].
        cover: of the object, 0..1.
        height: of the object, in widths of the image.
        shade: share of the cast shadow, 0..1.
        place: where the scene's grain and haze are cut.
    """

    image: LightImage
    cover: Plane
    height: Plane
    shade: Plane
    place: tuple[float, float]


@lru_cache(maxsize=512)
def thing(seed: int, family: str, class_index: int, number: int, instances: int) -> Thing:
    """Instance ``number`` of a class; ``family`` names the split it belongs to."""
    instance = class_index * instances + number
    dice = Dice.of(seed, instance, f"instance/{family}", 96)
    palette, skin, gloss = object_palette(dice), texture(dice), dice.between(0.0, 0.4)
    parts = centred(_SHAPES[class_index][1](dice))
    bound = [line for part in parts if part.within < 0 for line in part.contours]
    return Thing(
        class_index=class_index, instance=instance, parts=parts,
        hull=hull(np.concatenate(bound)),
        points=np.concatenate([line for part in parts for line in part.contours]),
        palette=palette, skin=skin, gloss=gloss,
    )  # fmt: skip


def compose(what: Thing, row: Float64[np.ndarray, " T"]) -> Scene:
    """Place a thing in a scene that a row of uniforms decides."""
    dice = Dice(row)
    held = stance(dice)
    return Scene(
        thing=what, stance=held, pose=held.settled(what.hull), light=lamp(dice),
        background=dice.pick(len(BACKGROUNDS)), colours=backdrop_colours(dice, what.palette),
        place=(dice.between(0, 1), dice.between(0, 1)), throws=row[48:],
    )  # fmt: skip


def later(scene: Scene, frames: int) -> Scene:
    """The scene some frames on: the object has moved, all else stayed."""
    held = scene.stance.later(frames)
    return replace(scene, stance=held, pose=held.settled(scene.thing.hull))


def empty(scene: Scene, side: int) -> Frame:
    """Paint the place without the object or its shadow."""
    none = np.zeros((side, side), np.float32)
    behind, shade = ground(_backdrop(scene, side), none, scene.light)
    return Frame(behind, none, none, shade, scene.place)


def paint(scene: Scene, side: int) -> Frame:
    """Paint a scene at ``side`` pixels a side."""
    shape = relief(scene.thing, scene.pose, side)
    rows, columns = shape.window
    cover, height = (_spread(t, shape.window, side) for t in (shape.cover, shape.height))
    image, shade = ground(_backdrop(scene, side), cover, scene.light)
    there = image[:, rows, columns]
    there *= 1 - shape.cover
    there += lit(shape, scene.light, scene.thing.gloss, side)
    return Frame(image, cover, height, shade, scene.place)


def silhouette(scene: Scene, side: int) -> Plane:
    """How much of each pixel the object fills, 0..1."""
    shape = relief(scene.thing, scene.pose, side)
    return _spread(shape.cover, shape.window, side)


def _spread(plane: Float32[np.ndarray, "h w"], window: Window, side: int) -> Plane:
    """A plane of a window in the whole image."""
    whole = np.zeros((side, side), np.float32)
    whole[window] = plane
    return whole


def _backdrop(scene: Scene, side: int) -> LightImage:
    return _BACKDROPS[scene.background][1](side, scene.colours, Dice(scene.throws))
