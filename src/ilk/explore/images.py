"""Images for a page: thumbnails that are kept, sheets of them, one image as large as a screen.

Whatever a file holds, a browser is given what was encoded here from its pixels, upright and
without anything else that the file says. Axes: N images, H W C pixels.
"""

import contextlib
import hmac
import io
import os
import secrets
import threading
from collections.abc import Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8, UInt64
from PIL import Image

from ilk.core import MinPixels, shown
from ilk.core.errors import UserError
from ilk.core.fields import read_plain
from ilk.curate.filters import unlinked
from ilk.data import MEMORY, BadItem, Source, cache_folder, decode, read_item

THUMBNAIL = 128  # pixels of the longer side
SCREEN = 1600
ACROSS = 16  # thumbnails in a row of a sheet
LARGEST = 2**20  # bytes of a thumbnail
SEAL = 16  # bytes behind a thumbnail that is kept
SMALL = 256  # an image below is sent without loss
HELD = 4096  # thumbnails in memory
EXIF = 40  # facts that are shown
BLOCKS = {0x8769, 0x8825, 0x927C}  # of EXIF, of places, of the maker
LONGEST = 200  # letters of each


class Images:
    """The images of a page by their row.

    Args:
        source: gives the images row by row; or why there is none.
        contents: a digest of the bytes of each, 0 where it is not known.
        folder: below it thumbnails are kept, named by these digests; None where none is.
    """

    def __init__(
        self, source: Source | str, contents: UInt64[np.ndarray, " N"], folder: Path | None
    ) -> None:
        self._source = source
        self._contents = contents
        self._folder = folder
        self.thumbnail = lru_cache(HELD)(self._thumbnail)

    @property
    def problem(self) -> str | None:
        """Why no image can be shown."""
        return self._source if isinstance(self._source, str) else None

    def item(self, row: int) -> bytes | np.ndarray:
        """What the source holds.

        Raises:
            BadItem: it cannot be read.
        """
        if isinstance(self._source, str):
            raise BadItem(self._source)
        return read_item(self._source, row)

    def pixels(self, row: int, side: int) -> UInt8[np.ndarray, "H W 3"]:
        """RGB with a longer side of so many pixels at most.

        Raises:
            BadItem: it cannot be read or decoded.
        """
        with MEMORY.turn():
            found = decode(self.item(row), detail=MinPixels(side * side, side))
            scale = side / max(found.shape[:2])
            if scale >= 1:
                return found
            size = [max(round(length * scale), 1) for length in found.shape[1::-1]]
            return cv2.resize(found, size, interpolation=cv2.INTER_AREA)

    def screen(self, row: int) -> tuple[bytes, str]:
        """A file as large as a screen, and its media type.

        Raises:
            BadItem: it cannot be read or decoded.
        """
        pixels = self.pixels(row, SCREEN)
        if max(pixels.shape[:2]) <= SMALL:
            return _encoded(pixels, ".png", []), "image/png"
        return _encoded(pixels, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90]), "image/jpeg"

    def small(self, row: int, side: int) -> bytes:
        """A thumbnail of another size, as WebP."""
        return webp(self.pixels(row, side))

    def sheet(self, rows: Sequence[int], side: int) -> bytes:
        """Thumbnails beside one another, 16 in a row, each in the middle of a square, as WebP.

        A square stays empty where an image cannot be read.

        Args:
            rows: the images to show, in this order.
            side: width and height of a square, in pixels.
        """
        down = -(-len(rows) // ACROSS)
        canvas = np.zeros((max(down, 1) * side, ACROSS * side, 4), np.uint8)
        for number, row in enumerate(rows):
            # what is kept may be damaged, or larger than it may be
            with contextlib.suppress(
                BadItem, OSError, ValueError, Image.DecompressionBombError
            ):
                with Image.open(io.BytesIO(self.thumbnail(row))) as kept:
                    kept.thumbnail((side, side))
                    pixels = np.asarray(kept.convert("RGB"))
                height, width = pixels.shape[:2]
                top = number // ACROSS * side + (side - height) // 2
                left = number % ACROSS * side + (side - width) // 2
                canvas[top : top + height, left : left + width, :3] = pixels
                canvas[top : top + height, left : left + width, 3] = 255
        return webp(canvas)

    def exif(self, row: int) -> list[tuple[str, str]]:
        """What the file says of itself, as text that can do nothing but be read."""
        item = self.item(row)
        return facts_in(item) if isinstance(item, bytes) else []

    def _thumbnail(self, row: int) -> bytes:
        """A WebP file, from the folder or made.

        Raises:
            BadItem: it cannot be read or decoded.
        """
        name = f"{int(self._contents[row]):016x}"
        if self._folder is None or not int(name, 16):
            return self.small(row, THUMBNAIL)
        path = self._folder / "thumbnails" / name[:2] / f"{name}.webp"
        with contextlib.suppress(UserError):
            kept = read_plain(path, "thumbnail", LARGEST)
            data, seal = kept[:-SEAL], kept[-SEAL:]
            if hmac.compare_digest(seal, _seal(name, data)):
                return data
        made = self.small(row, THUMBNAIL)
        _keep(path, made + _seal(name, made))
        return made


def _seal(name: str, data: bytes) -> bytes:
    """What shows that a thumbnail was made here: an index may come with those of a stranger."""
    return blake2b(name.encode() + data, key=_secret(), digest_size=SEAL).digest()


@cache
def _secret() -> bytes:
    """Drawn once for each user; where it cannot be kept, thumbnails hold for this process."""
    drawn = secrets.token_bytes(32)
    with contextlib.suppress(OSError, RuntimeError):
        path = cache_folder() / "thumbnails.key"
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid():x}.tmp")
        try:
            beside.write_bytes(drawn)
            beside.chmod(0o600)
            os.link(beside, path)  # the first of several processes wins
        except FileExistsError:
            known = path.read_bytes()
            return known if len(known) == len(drawn) else drawn
        finally:
            beside.unlink(missing_ok=True)
    return drawn


def _keep(path: Path, data: bytes) -> None:
    """Write a file that can be made again; where none can be written there is none."""
    beside = path.with_name(f".{path.name}.{threading.get_ident():x}.{os.getpid():x}.tmp")
    with contextlib.suppress(OSError):
        if not unlinked(path.parent):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(data)
        beside.replace(path)


def facts_in(file: bytes) -> list[tuple[str, str]]:
    """Names and values of the EXIF of an image file, the first forty that are short.

    Where and who, and blocks of bytes, are left out.
    """
    from PIL.ExifTags import IFD, TAGS

    found: list[tuple[str, str]] = []
    try:
        with Image.open(io.BytesIO(file)) as image:
            exif = image.getexif()
            entries = [*exif.items(), *exif.get_ifd(IFD.Exif).items()]
    except Exception:  # of a file by a stranger; its pixels may be whole
        return []
    for tag, value in entries:
        if isinstance(value, bytes) or tag in BLOCKS:
            continue
        text = shown(str(value))[:LONGEST].strip()
        if text:
            found.append((str(TAGS.get(tag, tag)), text))
    return found[:EXIF]


def webp(pixels: UInt8[np.ndarray, "H W C"]) -> bytes:
    """A small file of RGB or RGBA."""
    into = io.BytesIO()
    Image.fromarray(pixels).save(into, "webp", quality=78, method=2)
    return into.getvalue()


def _encoded(pixels: UInt8[np.ndarray, "H W 3"], ending: str, how: list[int]) -> bytes:
    made, data = cv2.imencode(ending, np.ascontiguousarray(pixels[..., ::-1]), how)
    if not made:
        raise UserError(f"image: must fit a file {ending}, got {pixels.shape}")
    return data.tobytes()
