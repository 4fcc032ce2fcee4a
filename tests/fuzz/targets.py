"""What is fuzzed: good files to begin with, and how one is read.

A further kind of file is a further entry of ``TARGETS``.
"""

import io
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tifffile
from PIL import Image

from ilk.core import UserError
from ilk.data import BadItem, decode, open_source, read_item
from tests.data.zoo import encoded, good_files, smooth, tarred, zipped

LARGEST = 2**24  # pixels; what is larger only takes longer


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of file.

    Args:
        seeds: good files, by name.
        read: reads a damaged one; whatever it raises is a fault.
    """

    seeds: Callable[[], dict[str, bytes]]
    read: Callable[[bytes], None]


def image_seeds() -> dict[str, bytes]:
    """Small images of every format, depth and kind of pixels."""
    colour = Image.fromarray(smooth(1, 13, 17))
    gray, lucid = colour.convert("L"), colour.copy()
    lucid.putalpha(gray)
    deep = (smooth(2, 13, 17).astype(np.uint16) * 257) ^ np.uint16(0x3A)
    made = {
        "rgb.avif": encoded(colour, "AVIF"),
        "rgba.avif": encoded(lucid, "AVIF"),
        "rgba.jp2": encoded(lucid, "JPEG2000"),
        "gray16.jp2": encoded(Image.fromarray(deep[..., 0]), "JPEG2000"),
        "rgba.ico": encoded(lucid.resize((32, 32)), "ICO", sizes=[(16, 16), (32, 32)]),
        "bmp.ico": encoded(lucid.resize((32, 32)), "ICO", bitmap_format="bmp"),
        "gray.bmp": encoded(gray, "BMP"),
        "rle.tga": encoded(lucid, "TGA", compression="tga_rle"),
        "interlaced.gif": encoded(colour.quantize(16), "GIF", interlace=1),
        "deep.pgm": b"P5\n17 13\n65535\n" + deep[..., 0].astype(">u2").tobytes(),
        "plain.ppm": b"P3\n2 2\n255\n1 2 3 4 5 6 7 8 9 10 11 12\n",
        "restarts.jpg": encoded(colour.resize((64, 64)), "JPEG", restart_marker_blocks=2),
        "exif.jpg": encoded(colour, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    }
    for kind in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", None):
        made[f"{kind}.tif"] = encoded(colour, "TIFF", compression=kind)
        made[f"{kind}-gray.tif"] = encoded(gray, "TIFF", compression=kind)
    for kind in ("group3", "group4"):
        made[f"{kind}.tif"] = encoded(gray.convert("1"), "TIFF", compression=kind)
    for name, pixels, options in (
        ("deep.tif", deep, {"photometric": "rgb"}),
        ("planes.tif", deep.transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": 2}),
        ("float.tif", (deep[..., 0] / 65535).astype(np.float32), {"photometric": 0}),
        ("tiles.tif", np.tile(deep, (3, 3, 1)), {"photometric": "rgb", "tile": (16, 16)}),
        ("bands.tif", np.tile(deep, 3), {"photometric": 1, "planarconfig": 1}),
        ("zip.tif", np.tile(deep, 3), {"photometric": 1, "planarconfig": 1, "compression": 8}),
        ("big.tif", deep, {"photometric": "rgb", "bigtiff": True}),
    ):
        file = io.BytesIO()
        tifffile.imwrite(file, pixels, **options)
        made[name] = file.getvalue()
    return good_files() | made


def read_image(data: bytes) -> None:
    for channels in (3, None):
        with suppress(BadItem):
            pixels = decode(data, channels=channels, max_pixels=LARGEST)
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
            assert pixels.size


def _container_files() -> dict[str, bytes]:
    small = Image.fromarray(smooth(3, 8, 8))
    return {f"{kind}/{n}.png": encoded(small, "PNG") for kind in "ab" for n in range(2)}


def _made_by(make: Callable[[Path], object], ending: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"seed{ending}"
        make(path)
        return {path.name: path.read_bytes()}


def _parquet(path: Path) -> None:
    files = _container_files()
    pq.write_table(pa.table({"image": [*files.values()], "label": [0, 0, 1, 1]}), path)


def _reads(ending: str) -> Callable[[bytes], None]:
    """Opens a file of an ending as a source and reads all of it."""

    def read(data: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / f"case{ending}"
            path.write_bytes(data)
            try:
                source = open_source(path)
            except (UserError, BadItem):
                return
            for index in range(min(len(source), 20)):
                source.key(index), source.label(index)
                with suppress(BadItem):
                    decode(read_item(source, index), max_pixels=LARGEST)

    return read


TARGETS = {
    "images": Target(image_seeds, read_image),
    "zip": Target(
        lambda: _made_by(lambda p: zipped(p, _container_files()), ".zip"), _reads(".zip")
    ),
    "tar": Target(
        lambda: _made_by(lambda p: tarred(p, _container_files()), ".tar"), _reads(".tar")
    ),
    "parquet": Target(lambda: _made_by(_parquet, ".parquet"), _reads(".parquet")),
}
