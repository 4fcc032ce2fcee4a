"""Real images as files, with altered copies of some of them: who finds them can be counted.

Twelve kinds of copies. Each is drawn from (seed, kind, image), so a folder comes out the same
wherever it is made.
"""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from PIL.PngImagePlugin import PngInfo

from ilk.core import seeding
from ilk.data import Source

Change = Callable[[Image.Image, np.random.Generator], Image.Image]
EXIF_ARTIST, EXIF_DATE = 0x013B, 0x0132


def _resized(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    scale = rng.choice([0.5, 0.75, 1.5])
    return image.resize([round(side * scale) for side in image.size], Image.Resampling.BICUBIC)


def _cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """80 % of each side, from anywhere."""
    width, height = (round(0.8 * side) for side in image.size)
    left, top = rng.integers(image.width - width + 1), rng.integers(image.height - height + 1)
    return image.crop((left, top, left + width, top + height))


def _turned(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return image.rotate(int(rng.choice([90, 180, 270])), expand=True)


def _flipped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.mirror(image) if rng.random() < 0.7 else ImageOps.flip(image)


def _gray(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageOps.grayscale(image)


def _bordered(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    width = max(round(rng.uniform(0.05, 0.15) * min(image.size)), 1)
    colour = tuple(
        int(c) for c in rng.choice([(0,) * 3, (255,) * 3, tuple(rng.integers(256, size=3))])
    )
    return ImageOps.expand(image, width, colour)


def _brightened(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(rng.uniform(1.2, 1.5))


def _watermarked(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Half transparent words across the image, as stock photographs have."""
    over = Image.new("RGBA", image.size)
    draw = ImageDraw.Draw(over)
    size = max(min(image.size) // 5, 8)
    for row in range(0, image.height, 3 * size):
        draw.text(
            (rng.integers(size), row + rng.integers(size)),
            "stock photo",
            (255, 255, 255, 128),
            font_size=size,
        )
    return Image.alpha_composite(image.convert("RGBA"), over).convert("RGB")


def _framed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The image in the window of a viewer: a bar with buttons, a side panel, a margin."""
    width, height = (round(side * rng.uniform(1.3, 1.6)) for side in image.size)
    dark = rng.random() < 0.5
    ground, ink = ((32,) * 3, (200,) * 3) if dark else ((240,) * 3, (60,) * 3)
    out = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(out)
    bar = max((height - image.height) // 3, 2)
    draw.rectangle((0, 0, width, bar), tuple(c // 2 + 60 for c in ground))
    for number, colour in enumerate([(230, 80, 70), (240, 180, 40), (60, 180, 80)]):
        left = bar * (number + 0.3)
        draw.ellipse((left, bar * 0.25, left + bar * 0.5, bar * 0.75), colour)
    draw.text((bar * 4, bar * 0.1), "photo.jpg", ink, font_size=max(bar * 0.7, 6))
    left = rng.integers((width - image.width) // 2, width - image.width + 1)
    top = rng.integers(bar, height - image.height + 1)
    for row in range(bar + 2, height, max(bar, 4)):
        draw.line((2, row, max(left - 3, 3), row), ink)
    out.paste(image, (int(left), int(top)))
    return out


CHANGES: dict[str, Change] = {
    "resized": _resized,
    "cropped": _cropped,
    "turned": _turned,
    "flipped": _flipped,
    "gray": _gray,
    "bordered": _bordered,
    "brightened": _brightened,
    "watermarked": _watermarked,
    "framed": _framed,
}
KINDS = ("renamed", "other metadata", "re-encoded", *CHANGES)


def copy_of(data: bytes, kind: str, rng: np.random.Generator) -> tuple[bytes, str]:
    """A copy of an encoded image, and the ending of its name."""
    image = Image.open(io.BytesIO(data))
    ending = "jpg" if image.format == "JPEG" else "png"
    if kind == "renamed":
        return data, ending
    out = io.BytesIO()
    if kind == "other metadata":
        _with_metadata(image, data, out)
        return out.getvalue(), ending
    changed = image.convert("RGB")
    quality = int(rng.integers(40, 81))
    if kind != "re-encoded":
        changed, quality = CHANGES[kind](changed, rng), 90
    changed.save(out, "JPEG", quality=quality)
    return out.getvalue(), "jpg"


def _with_metadata(image: Image.Image, data: bytes, out: io.BytesIO) -> None:
    """The same pixels: of a JPEG the coded ones stay as they are."""
    if image.format != "JPEG":
        words = PngInfo()
        words.add_text("Comment", "sent by mail")
        image.save(out, "PNG", pnginfo=words)
        return
    exif = Image.Exif()
    exif[EXIF_ARTIST], exif[EXIF_DATE] = "somebody else", "2021:03:04 05:06:07"
    block = (
        b"Exif\0\0" + exif.tobytes()[6:]
        if exif.tobytes()[:6] != b"Exif\0\0"
        else exif.tobytes()
    )
    out.write(data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:])


def write_folder(
    folder: Path, parts: Sequence[tuple[str, Source, np.ndarray, int]], seed: int
) -> dict[str, tuple[str, str]]:
    """Write images and their copies as files, once.

    Args:
        folder: to write into.
        parts: for each the name with which files begin, a source of encoded images, which of
            them to take, and how many of those get a copy.
        seed: of which image gets which copy.

    Returns:
        By the name of each copy, its original and its kind.
    """
    listing = folder.with_suffix(".json")
    if listing.exists():
        return {
            name: (of, kind) for name, (of, kind) in json.loads(listing.read_text()).items()
        }
    folder.mkdir(parents=True, exist_ok=True)
    planted: dict[str, tuple[str, str]] = {}
    for part, (name, source, chosen, copies) in enumerate(parts):
        with_copy = seeding.permutation(seed, part, len(chosen))[:copies]
        order = {int(row): rank for rank, row in enumerate(with_copy)}
        for row, item in enumerate(chosen):
            data = source.item(int(item))
            assert isinstance(data, bytes)
            ending = "jpg" if data[:2] == b"\xff\xd8" else "png"
            original = f"{name}-{item:05d}.{ending}"
            (folder / original).write_bytes(data)
            if row in order:
                kind = KINDS[order[row] % len(KINDS)]
                rng = np.random.default_rng([seed, part, int(item)])
                copied, ending = copy_of(data, kind, rng)
                copy = f"copy-{name}-{rng.integers(10**9):09d}.{ending}"
                (folder / copy).write_bytes(copied)
                planted[copy] = original, kind
    listing.write_text(json.dumps(planted))
    return planted
