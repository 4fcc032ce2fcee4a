"""Images of every kind, made on the fly, and the containers they come in."""

import io
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image


def smooth(seed: int = 0, height: int = 37, width: int = 52) -> np.ndarray:
    """A colourful image without sharp edges, [H, W, 3] uint8."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def exif(turn: int, big_endian: bool = False) -> bytes:
    """A block of EXIF that holds a width and an orientation."""
    order = ">" if big_endian else "<"
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(f"{order}IH", 8, 2)
    entries = ((0x0100, 4, 52), (0x0112, 3, turn))
    body = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1)
        + struct.pack(f"{order}{'HH' if kind == 3 else 'I'}", *((v, 0) if kind == 3 else (v,)))
        for tag, kind, v in entries
    )
    return b"Exif\0\0" + head + body + bytes(4)


def good_files() -> dict[str, bytes]:
    """Every odd format that must be read; the image differs from file to file."""
    colour = [Image.fromarray(smooth(seed)) for seed in range(20)]
    alpha = Image.fromarray(smooth(20, 37, 52)[..., 0])
    see_through = colour[3].copy()
    see_through.putalpha(alpha)
    two = Image.merge("LA", (colour[4].convert("L"), alpha))
    lucid = colour[5].quantize(16)
    gray = (smooth(6)[..., 0].astype(np.uint16) * 257) ^ np.uint16(0x55)
    files = {
        "plain.jpg": encoded(colour[0], "JPEG", quality=90),
        "progressive.jpg": encoded(colour[1], "JPEG", progressive=True),
        "full-chroma.jpeg": encoded(colour[2], "JPEG", subsampling=0),
        "gray.jpg": encoded(colour[3].convert("L"), "JPEG"),
        "cmyk.jpg": encoded(colour[4].convert("CMYK"), "JPEG"),
        "colour.png": encoded(colour[5], "PNG"),
        "gray.png": encoded(colour[6].convert("L"), "PNG"),
        "palette.png": encoded(colour[7].quantize(32), "PNG"),
        "palette-alpha.png": encoded(lucid, "PNG", transparency=3),
        "alpha.png": encoded(see_through, "PNG"),
        "gray-alpha.png": encoded(two, "PNG"),
        "colour-key.png": encoded(colour[8], "PNG", transparency=(255, 0, 0)),
        "bits.png": encoded(colour[9].convert("1"), "PNG"),
        "gray16.png": encoded(Image.fromarray(gray), "PNG"),
        "gray16.tif": encoded(Image.fromarray(gray), "TIFF"),
        "colour16.png": cv2.imencode(".png", smooth(8)[..., ::-1] * np.uint16(257))[
            1
        ].tobytes(),
        "animation.gif": encoded(
            colour[10].quantize(64),
            "GIF",
            save_all=True,
            append_images=[colour[11].quantize(64)],
        ),
        "lossy.webp": encoded(colour[12], "WEBP", quality=80),
        "lossless.webp": encoded(see_through, "WEBP", lossless=True),
        "animation.webp": encoded(
            colour[13], "WEBP", save_all=True, append_images=[colour[14]], lossless=True
        ),
        "plain.bmp": encoded(colour[14], "BMP"),
        "deflated.tiff": encoded(colour[15], "TIFF", compression="tiff_adobe_deflate"),
        "cmyk.tiff": encoded(colour[16].convert("CMYK"), "TIFF"),
        "plain.ppm": encoded(colour[17], "PPM"),
        "bits.pbm": encoded(colour[18].convert("1"), "PPM"),
        "plain.tga": encoded(colour[19], "TGA"),
        "wave.jp2": encoded(colour[19], "JPEG2000"),
    }
    padded = files["plain.jpg"][:-2] + bytes(3) + files["plain.jpg"][-2:]
    return files | {"padded.jpg": padded, "trailer.jpg": files["plain.jpg"] + b"more"}


def bad_files() -> dict[str, tuple[bytes, str]]:
    """Every kind of broken file, with how its reason begins."""
    image = Image.fromarray(smooth(1, 120, 160))
    jpeg, png = encoded(image, "JPEG"), encoded(image, "PNG")
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 4
    zeroed = jpeg[: len(jpeg) // 2].ljust(len(jpeg), b"\0")
    webp, gif = encoded(image, "WEBP"), encoded(image.quantize(8), "GIF")
    tiff = encoded(image, "TIFF")
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = png[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return {
        "empty.jpg": (b"", "empty"),
        "half.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "no-end.jpg": (jpeg[:-2], "truncated"),
        "lost-tail.jpg": (zeroed, "truncated"),
        "start.jpg": (jpeg[:20], "truncated"),
        "bomb.jpg": (_resized_jpeg(jpeg), "too large"),
        "half.png": (png[: len(png) // 2], "truncated"),
        "no-end.png": (png[:-12], "truncated"),
        "flipped.png": (bytes(flipped), "damaged"),
        "bomb.png": (bomb + png[33:], "too large"),
        "half.webp": (webp[: len(webp) // 2], ""),
        "half.gif": (gif[: len(gif) // 2], "truncated"),
        "half.tiff": (tiff[: len(tiff) // 2], ""),
        "half.bmp": (encoded(image, "BMP")[:3000], "truncated"),
        "text.jpg": (b"<html>404 not found</html>", "not an image"),
        "zeros.png": (bytes(500), "not an image"),
        "numbers.tif": (encoded(Image.new("I", (9, 9)), "TIFF"), "signed numbers"),
        "lab.tif": (
            encoded(Image.new("LAB", (9, 9)), "TIFF"),
            "TIFF photometric interpretation 8",
        ),
    }


def _resized_jpeg(data: bytes) -> bytes:
    """State 60,000 x 60,000 pixels in the frame header."""
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", 60_000, 60_000) + data[place + 4 :]


def written(root: Path, files: dict[str, bytes]) -> Path:
    """Write files into a folder; its times lie in the past, so that a listing is kept."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    age(root)
    return root


def age(root: Path) -> None:
    """Put the times of all folders a minute back."""
    for folder, _, _ in os.walk(root):
        past = Path(folder).stat().st_mtime_ns - 60_000_000_000
        os.utime(folder, ns=(past, past))


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def linked(path: Path, files: dict[str, bytes], links: dict[str, tuple[bytes, str]]) -> Path:
    """A tar of files and then links: of each the type and what it stands for."""
    tarred(path, files)
    with tarfile.open(path, "a") as archive:
        for name, (kind, target) in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return path


def zipped_as(path: Path, members: dict[bytes, dict[str, Any]]) -> Path:
    """A zip whose members have exactly these bytes for names.

    Args:
        path: of the zip.
        members: by name, its ``data``, and if it has them the flag ``utf8``, the ``extra``
            field and the ``system`` of its maker.
    """
    stand_ins = {name: f"{n}".rjust(len(name), "x") for n, name in enumerate(members)}
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in members.items():
            info = zipfile.ZipInfo(stand_ins[name])
            info.create_system, info.extra = member.get("system", 3), member.get("extra", b"")
            archive.writestr(info, member["data"])
    whole = bytearray(path.read_bytes())
    for name, stand_in in stand_ins.items():
        for signature, flags, start in ((b"PK\x03\x04", 7, 30), (b"PK\x01\x02", 9, 46)):
            place = whole.index(signature)
            while whole[place + start : place + start + len(name)] != stand_in.encode():
                place = whole.index(signature, place + 1)
            whole[place + start : place + start + len(name)] = name
            whole[place + flags] = 8 if members[name].get("utf8") else 0
    path.write_bytes(whole)
    return path


# What other systems leave beside images, and is not meant as an image.
LEAVINGS = (
    "._0.jpg", "a/._1.jpg", "__MACOSX/a/1.jpg", "a/__MACOSX/._1.jpg", ".DS_Store", "Thumbs.db",
    "ehthumbs.db", "desktop.ini", "@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "a/@eaDir/1.jpg",
    ".@__thumb/s1001.jpg", "#recycle/old.jpg", "@Recycle/old.jpg", ".thumbnails/1.jpg",
    ".Trashes/1.jpg", "$RECYCLE.BIN/$R1.jpg", "lost+found/1.jpg",
    ".ipynb_checkpoints/1-checkpoint.jpg", ".git/x.jpg", "System Volume Information/1.jpg",
    "PaxHeaders.12/1.jpg", "_vti_cnf/1.jpg", ".Trash-1000/files/1.jpg",
)  # fmt: skip
