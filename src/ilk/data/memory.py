"""How much memory decoding may take, over all threads of a process."""

import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from ilk.data.source import BadItem

MAX_PIXELS = 178_956_970  # above it Pillow refuses too, whatever is asked for
TOTAL = 2**31  # bytes; the same on every machine, since what is refused changes a run
SMALL = 2**24  # bytes; an image that takes less is decoded without asking

_NOTHING = nullcontext()


class Memory:
    """Bytes that threads take while they decode; whoever finds too few waits.

    What a file takes is known from its header, before it is decoded. A thread that already
    holds something does not wait, so that threads never wait for one another.

    Args:
        total: bytes.
        small: what takes no more is not counted.
    """

    def __init__(self, total: int = TOTAL, small: int = SMALL) -> None:
        self.total = total
        self._small = small
        self._free = total
        self._changed = threading.Condition()
        self._mine = threading.local()

    def hold(self, size: int, left: int = 0) -> AbstractContextManager[None]:
        """Take memory while something is decoded.

        Args:
            size: bytes that it takes at most.
            left: bytes of the result; within a ``turn`` they stay taken until it ends.

        Raises:
            BadItem: it takes more than there is in all.
        """
        if size <= self._small:
            return _NOTHING
        if size > self.total:
            raise BadItem(
                f"too large: takes {size / 2**30:.1f} GiB to decode, at most "
                f"{self.total / 2**30:.1f}"
            )
        return self._holding(size, left)

    @contextmanager
    def turn(self) -> Generator[None]:
        """A stretch of one thread's work, to whose end the images count that it decodes."""
        before = self._held()
        self._mine.held = 0
        try:
            yield
        finally:
            self._give(self._mine.held)
            self._mine.held = before

    @contextmanager
    def _holding(self, size: int, left: int) -> Generator[None]:
        self._take(size)
        try:
            yield
        finally:
            kept = left if self._held() is not None else 0
            self._give(size - kept)
            if kept:
                self._mine.held += kept

    def _held(self) -> int | None:
        """Bytes that the turn of this thread holds, None outside of one."""
        return getattr(self._mine, "held", None)

    def _take(self, size: int) -> None:
        with self._changed:
            if not self._held():
                self._changed.wait_for(lambda: self._free >= size)
            self._free -= size

    def _give(self, size: int) -> None:
        with self._changed:
            self._free += size
            self._changed.notify_all()


MEMORY = Memory()


def check_pixels(height: int, width: int, max_pixels: int) -> None:
    """Refuse an image that is larger than it may be, or has no pixels at all."""
    if height < 1 or width < 1:
        raise BadItem(f"empty: {width} x {height} pixels")
    if height * width > max_pixels:
        raise BadItem(f"too large: {width} x {height} pixels, at most {max_pixels}")
