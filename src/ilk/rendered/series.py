"""Clips and years of rendered scenes, each image of them an item of its own."""

from dataclasses import KW_ONLY, dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8

from ilk.core import UserError
from ilk.core.facts import Fact
from ilk.rendered.rendered import Rendered, Truth


@dataclass(frozen=True, slots=True)
class Series:
    """A source of ``length`` images of every rendered scene, in the order of time.

    Item ``i`` shows scene ``i // length`` at time ``i % length``. Its facts are those of the
    scene, its ``time``, and the ``video`` of a clip or the ``place`` of a year that it is of.

    Example:
        >>> from ilk.data import fact
        >>> from ilk.rendered import Rendered, Series
        >>> frames = Series(Rendered(2, size=32), 3, of="clip")
        >>> fact(frames, "video").values.tolist()
        [0, 0, 0, 1, 1, 1]

    Args:
        scenes: what is shown.
        length: images of each scene.
        of: a ``clip``, in which the object moves, or a ``year``, in which seasons change and
            the domain's look does not apply.
        bands: spectral bands of a year; a clip has three.

    Raises:
        UserError: the length is not positive, or a clip is asked for other bands.
    """

    scenes: Rendered
    length: int
    _: KW_ONLY
    of: Literal["clip", "year"]
    bands: int = 3

    def __post_init__(self) -> None:
        if self.length < 1:
            raise UserError(f"Series: length must be >= 1, got {self.length}")
        if self.of == "clip" and self.bands != 3:
            raise UserError(f"Series: a clip has three bands, got {self.bands}; use of='year'")

    @property
    def name(self) -> str:
        """What it is, e.g. ``rendered/studio/train/clip``."""
        return f"{self.scenes.name}/{self.of}"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; none when scenes are not labelled."""
        return self.scenes.classes

    @property
    def fingerprint(self) -> str:
        """Of the scenes and what is shown of them."""
        text = f"{self.scenes.fingerprint} {self.length} {self.of} {self.bands}"
        return blake2b(text.encode(), digest_size=16).hexdigest()

    def __len__(self) -> int:
        return len(self.scenes) * self.length

    def item(self, index: int) -> UInt8[np.ndarray, "H W K"]:
        """The image."""
        scene, time = self._place(index)
        if self.of == "clip":
            return self.scenes.frame(scene, time)
        return self.scenes.season(scene, time, self.length, self.bands)

    def label(self, index: int) -> int:
        """The class of the scene, or -1 when not labelled."""
        return self.scenes.label(self._place(index)[0])

    def key(self, index: int) -> str:
        """The key of the scene, and the time."""
        scene, time = self._place(index)
        return f"{self.scenes.key(scene)}/{time:03d}"

    def truth(self, index: int) -> Truth:
        """All that is known of an image."""
        scene, time = self._place(index)
        return self.scenes.frame_truth(scene, time if self.of == "clip" else 0)

    def mask(self, index: int) -> Bool[np.ndarray, "H W"]:
        """Pixels of which the object fills a half or more."""
        return self.truth(index).mask >= 0.5

    @property
    def facts(self) -> tuple[str, ...]:
        """What is known of items beside their label."""
        if self.of == "clip":
            return ("video", "time", *self.scenes.facts)
        return ("place", "time", *(name for name in self.scenes.facts if name != "domain"))

    def fact(self, name: str) -> Fact:
        """One of them for every item."""
        count = len(self.scenes)
        if name == "time":
            times = tuple(map(str, range(self.length)))
            return Fact(times, np.tile(np.arange(self.length, dtype=np.int32), count))
        if name in ("video", "place"):
            keys = tuple(map(self.scenes.key, range(count)))
            return Fact(keys, np.repeat(np.arange(count, dtype=np.int32), self.length))
        known = self.scenes.fact(name)
        return Fact(known.names, known.values.repeat(self.length), known.reason)

    def _place(self, index: int) -> tuple[int, int]:
        return divmod(range(len(self))[index], self.length)
