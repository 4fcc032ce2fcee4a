"""Reading that survives bad files. Axes: N items."""

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ilk.core.errors import UserError
from ilk.core.items import ItemKind
from ilk.core.min_pixels import MinPixels
from ilk.data.decode import decode, read_item
from ilk.data.memory import MAX_PIXELS
from ilk.data.source import BadItem, Source, only_bad_items

_ENOUGH = 1000  # items read before their share of bad ones says something of the rest
_SIGMAS = 3.0  # standard deviations
_SHOWN = 3  # reasons in the error


@dataclass(frozen=True, kw_only=True, slots=True)
class Bad:
    """An item that cannot be used, and why."""

    index: int
    key: str
    reason: str


class Reader:
    """Decoded items of a source; a bad one is replaced by the next good one and recorded.

    Many threads may read at once.

    Args:
        source: what to read.
        channels: of the pixels, see ``decode``.
        max_bad_share: in [0, 1]; reading stops once more than this share of all items is
            known to be bad. Of a large source it stops earlier: when 1000 items or more were
            read and the share among them is above by three standard deviations.
        max_pixels: a larger image is bad.
        detail: how much of an image is needed, see ``decode``.
        kind: what the items must be, see ``decode``.
        masks: gives the foreground of an item and its pixels; an item is bad if that cannot be
            read when the item is read for the first time.
    """

    def __init__(
        self,
        source: Source,
        channels: int | None = 3,
        *,
        max_bad_share: float = 0.1,
        max_pixels: int = MAX_PIXELS,
        detail: MinPixels | None = None,
        kind: ItemKind = "image",
        masks: Callable[[int, np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.source = source
        self._channels = channels
        self._max_bad_share = max_bad_share
        self._max_pixels = max_pixels
        self.detail = detail
        self._kind: ItemKind = kind
        self.masks = masks
        self._bad: dict[int, Bad] = {}
        self._seen = np.zeros(len(source), np.bool_)
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """N, the number of items, the bad ones too."""
        return len(self.source)

    def __getstate__(self) -> dict[str, Any]:
        """All but the lock, which cannot be pickled."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    @property
    def bad(self) -> list[Bad]:
        """Every bad item that was met so far, by index."""
        with self._lock:
            return [self._bad[index] for index in sorted(self._bad)]

    def remember(self, bad: Iterable[Bad], read: int) -> None:
        """Take back what was met by a process before this one.

        Args:
            bad: items that it met.
            read: how many items it has read, perhaps several times; about so many will do.
        """
        with self._lock:
            self._bad |= {one.index: one for one in bad}
            self._seen[list(self._bad)] = True
            self._count = max(min(read, len(self)), len(self._bad))

    def read(self, index: int) -> tuple[np.ndarray, int]:
        """The pixels of an item, or of the next good one, and the index really read.

        After the last item comes the first again.

        Raises:
            UserError: too many items are bad.
        """
        size = len(self.source)
        for place in range(index, index + size):
            at = place % size
            if at in self._bad:
                continue
            try:
                pixels = decode(
                    read_item(self.source, at),
                    channels=self._channels,
                    max_pixels=self._max_pixels,
                    detail=self.detail,
                    kind=self._kind,
                )
                self._check_mask(at, pixels)
            except BadItem as reason:
                self._note(at, str(reason))
            else:
                self._note(at, None)
                return pixels, at
        raise self._too_many()

    def _check_mask(self, index: int, pixels: np.ndarray) -> None:
        if self.masks is not None and not self._seen[index]:
            with only_bad_items("mask"):
                self.masks(index, pixels)

    def _note(self, index: int, reason: str | None) -> None:
        with self._lock:
            if self._seen[index] and (reason is None or index in self._bad):
                return
            self._count += not self._seen[index]
            self._seen[index] = True
            if reason is not None:  # a file may also vanish after it was read
                key = self.source.key(index)
                self._bad[index] = Bad(index=index, key=key, reason=reason)
            hopeless = self._is_hopeless()
        if hopeless:
            raise self._too_many()

    def _is_hopeless(self) -> bool:
        share, seen, bad = self._max_bad_share, self._count, len(self._bad)
        if bad > share * len(self.source):
            return True
        margin = _SIGMAS * (share * (1 - share) * seen) ** 0.5
        return seen >= _ENOUGH and bad > share * seen + margin

    def _too_many(self) -> UserError:
        bad = self.bad
        share = math.ceil(10 * len(bad) / self._count) / 10
        more = f", or allow more with max_bad_share={share}" if share < 1 else ""
        shown = "; ".join(f"{record.key}: {record.reason}" for record in bad[:_SHOWN])
        return UserError(
            f"{self.source.name}: at most {self._max_bad_share:.0%} of the items may be bad, "
            f"but {len(bad)} of the {self._count} read are; mend or remove them"
            f"{more}. The first: {shown}"
        )
