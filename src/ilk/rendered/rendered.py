"""The rendered data set: a source of images whose every fact is known.

Ten classes that differ in shape only. Colour, texture, background, light, size and place are
drawn in the same way for all classes, so that none of these reveals the class.
"""

import hashlib
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from ilk.core import UserError
from ilk.core.facts import Fact
from ilk.core.seeding import uniforms
from ilk.rendered import scene as scenes
from ilk.rendered.light import Light
from ilk.rendered.looks import LOOKS
from ilk.rendered.pose import Pose, project
from ilk.rendered.scene import Scene
from ilk.rendered.seasons import season

DOMAINS: tuple[str, ...] = tuple(LOOKS)
_EDITION = 1  # raised whenever images change
_LEAST, _MOST = 16, 1024  # pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """What is known of an image.

    Args:
        class_index: into ``Rendered.classes``, known also when ``labelled`` is false.
        instance: number of the object; the same number is the same object wherever ``family``
            is the same.
        background: index into ``BACKGROUNDS``, the kind of scenery.
        mask: how much of each pixel the object fills, 0..1; shadows do not count.
        box: of the object in pixels, (top, left, bottom, right), exact and not rounded.
        pose: position as shares of the image, size and attitude.
        light: direction, strength and warmth.
    """

    class_index: int
    instance: int
    background: int
    mask: Float32[np.ndarray, "H W"]
    box: tuple[float, float, float, float]
    pose: Pose
    light: Light


@dataclass(frozen=True, slots=True)
class Rendered:
    """Synthetic images, drawn when asked for; a source of data with ground truth.

    Image ``i`` is a pure function of (seed, split, i) and of the settings below; size and
    domain change how a scene is shown, not the scene. Nothing is kept but a few hundred
    outlines. Every ten images from a multiple of ten on show each class once.

    Two splits never share a scene, nor an object unless ``family`` says so:
    ``Rendered(1000, split="test", family="train")`` shows the training objects in new scenes.

    Args:
        count: number of images.
        seed: of everything.
        size: of the square images in pixels, 16 to 1024.
        split: any name; each is a data set of its own.
        domain: the look, one of ``DOMAINS``.
        labelled: whether ``label`` gives the class; ``truth`` does in any case.
        instances: objects a class has.
        family: split whose objects are shown; its own when empty.

    Raises:
        UserError: for settings out of range.
    """

    count: int
    _: KW_ONLY
    seed: int = 0
    size: int = 64
    split: str = "train"
    domain: str = "studio"
    labelled: bool = True
    instances: int = 200
    family: str = ""

    def __post_init__(self) -> None:
        if self.domain not in LOOKS:
            names = ", ".join(LOOKS)
            raise UserError(f"Rendered: domain must be one of {names}, got {self.domain!r}")
        if not _LEAST <= self.size <= _MOST:
            raise UserError(
                f"Rendered: size must be {_LEAST} to {_MOST} pixels, got {self.size}"
            )
        if self.count < 0 or self.instances < 1:
            raise UserError(
                "Rendered: count must be >= 0 and instances >= 1, "
                f"got {self.count} and {self.instances}"
            )

    @property
    def name(self) -> str:
        """What it is, e.g. ``rendered/studio/train``."""
        return f"rendered/{self.domain}/{self.split}"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; none when not labelled."""
        return scenes.CLASSES if self.labelled else ()

    @property
    def fingerprint(self) -> str:
        """Stable hex of everything the pixels and labels follow from."""
        return hashlib.blake2b(f"{_EDITION} {self!r}".encode(), digest_size=16).hexdigest()

    def __len__(self) -> int:
        return self.count

    def item(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """The image."""
        return self._shown(self._scene(index))

    def label(self, index: int) -> int:
        """The class, or -1 when not labelled."""
        return self._class(self._checked(index)) if self.labelled else -1

    @property
    def facts(self) -> tuple[str, ...]:
        """What is known of items beside their label."""
        return ("domain", "instance", "background")

    def fact(self, name: str) -> Fact:
        """One of them for every item; an instance is known by its number and family."""
        every = range(self.count)
        if name == "domain":
            return Fact((self.domain,), np.zeros(self.count, np.int32))
        if name == "background":
            found = [self._scene(index).background for index in every]
            return Fact(scenes.BACKGROUNDS, np.array(found, np.int32))
        things = np.array([self._scene(index).thing.instance for index in every], np.int32)
        numbers, values = np.unique(things, return_inverse=True)
        family = f"{self.seed}/{self.family or self.split}"
        names = tuple(f"{family}/{number}" for number in numbers.tolist())
        return Fact(names, values.astype(np.int32))

    def key(self, index: int) -> str:
        """A name that does not reveal the class."""
        return f"{self.split}/{self._checked(index):07d}"

    def mask(self, index: int) -> Bool[np.ndarray, "H W"]:
        """Pixels of which the object fills a half or more."""
        return self.truth(index).mask >= 0.5

    def truth(self, index: int) -> Truth:
        """All that is known of an image."""
        return self._truth(self._scene(index))

    def empty(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """The image's place and light, without the object and its shadow."""
        return self._finished(scenes.empty(self._scene(index), self._side))

    def clip(self, index: int, frames: int) -> UInt8[np.ndarray, "T H W 3"]:
        """The object moving smoothly before a still background; frame 0 is the image itself.

        A longer clip begins with the shorter one.
        """
        return np.stack([self.frame(index, t) for t in range(frames)])

    def frame(self, index: int, time: int) -> UInt8[np.ndarray, "H W 3"]:
        """One frame of a clip."""
        return self._shown(scenes.later(self._scene(index), time))

    def clip_truth(self, index: int, frames: int) -> list[Truth]:
        """All that is known of each frame of a clip."""
        return [self.frame_truth(index, t) for t in range(frames)]

    def frame_truth(self, index: int, time: int) -> Truth:
        """All that is known of one frame of a clip."""
        return self._truth(scenes.later(self._scene(index), time))

    def seasons(
        self, index: int, count: int = 4, bands: int = 3
    ) -> UInt8[np.ndarray, "S H W K"]:
        """The same scene at ``count`` times of a year, from spring on, in spectral bands.

        Three bands are red, green and blue; other numbers lie evenly from 440 to 2200 nm. Only
        vegetation, snow and light change; ``truth(index)`` holds its mask and box throughout.
        The domain's look does not apply.
        """
        return np.stack([self.season(index, s, count, bands) for s in range(count)])

    def season(
        self, index: int, number: int, count: int = 4, bands: int = 3
    ) -> UInt8[np.ndarray, "H W K"]:
        """The scene at one of ``count`` times of a year."""
        phase = (number + 0.5) / count
        return season(self._scene(index), phase, bands, self.size, self._side)

    @property
    def _side(self) -> int:
        """Pixels a side that scenes are painted at, before they are shrunk to size."""
        return max(96, self.size * 3 // 2)

    def _checked(self, index: int) -> int:
        if not 0 <= index < self.count:
            raise IndexError(f"Rendered: index must be in 0..{self.count - 1}, got {index}")
        return index

    def _class(self, index: int) -> int:
        block, place = divmod(index, len(scenes.CLASSES))
        return _order(self.seed, self.split, block)[place]

    def _scene(self, index: int) -> Scene:
        index = self._checked(index)
        row = uniforms(self.seed, 0, np.array([index]), f"rendered/scene/{self.split}", 256)[0]
        number = int(row[-1] * self.instances)
        family = self.family or self.split
        what = scenes.thing(self.seed, family, self._class(index), number, self.instances)
        return scenes.compose(what, row)

    def _shown(self, scene: Scene) -> UInt8[np.ndarray, "H W 3"]:
        return self._finished(scenes.paint(scene, self._side))

    def _finished(self, frame: scenes.Frame) -> UInt8[np.ndarray, "H W 3"]:
        shown = cv2.merge(list(LOOKS[self.domain](frame)))
        small = cv2.resize(shown, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return cv2.convertScaleAbs(np.clip(small, 0, 1), alpha=255)

    def _truth(self, scene: Scene) -> Truth:
        what = scene.thing
        seen = project(scene.pose.matrix(), what.hull) * self.size
        (left, top), (right, bottom) = seen.min(0).tolist(), seen.max(0).tolist()
        cover = scenes.silhouette(scene, self._side)
        return Truth(
            class_index=what.class_index, instance=what.instance, background=scene.background,
            mask=cv2.resize(cover, (self.size, self.size), interpolation=cv2.INTER_AREA),
            box=(top, left, bottom, right), pose=scene.pose, light=scene.light,
        )  # fmt: skip


@lru_cache(maxsize=4096)
def _order(seed: int, split: str, block: int) -> tuple[int, ...]:
    """The order of the classes within a block of as many images."""
    draws: Float64[np.ndarray, "1 10"] = uniforms(
        seed, 0, np.array([block]), f"rendered/classes/{split}", len(scenes.CLASSES)
    )
    return tuple(draws[0].argsort(kind="stable").tolist())
