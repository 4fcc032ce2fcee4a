"""Formats x bit depth x meaning: values as Pillow and tifffile have them, or refused."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from ilk.data import BadItem, decode
from tests.data.zoo import encoded, exif, smooth

RNG = np.random.default_rng(0)
H, W = 16, 24
GRAY, COLOUR, LUCID, PAIR = (
    RNG.integers(0, 256, (H, W, count)).astype(np.uint8) for count in (1, 3, 4, 2)
)
GRAY16, COLOUR16, LUCID16, PAIR16 = (
    RNG.integers(0, 65536, (H, W, count)).astype(np.uint16) for count in (1, 3, 4, 2)
)
FLOAT = RNG.random((H, W)).astype(np.float32)
PALETTE = RNG.integers(0, 65536, (3, 256)).astype(np.uint16)


def near(data: bytes, wanted: Any, apart: int = 1) -> None:
    wanted = np.asarray(wanted)
    wanted = wanted if wanted.ndim == 3 else wanted[..., None]
    got = decode(data).astype(int)
    assert got.shape == (*wanted.shape[:2], 3)
    assert np.abs(got - wanted).max() <= apart


def byte(values: np.ndarray) -> np.ndarray:
    return np.rint(values / 257)


def white(pixels: np.ndarray) -> np.ndarray:
    """Straight colours and opacity of 0 to 255 over white."""
    alpha = pixels[..., -1:] / 255
    return np.rint(pixels[..., :-1] * alpha + 255 * (1 - alpha))


def multiplied(pixels: np.ndarray) -> np.ndarray:
    """The same of colours that were multiplied by their opacity."""
    return np.minimum(pixels[..., :-1].astype(int) + 255 - pixels[..., -1:], 255)


def tiff(values: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


INK = np.rint((255.0 - LUCID[..., :3]) * (255.0 - LUCID[..., 3:]) / 255)
YCC = np.asarray(Image.frombytes("YCbCr", (W, H), COLOUR.tobytes()).convert("RGB"))
TIFFS = {
    "gray": (GRAY[..., 0], {"photometric": "minisblack"}, GRAY),
    "white is zero": (GRAY[..., 0], {"photometric": "miniswhite"}, 255 - GRAY),
    "16 bits": (GRAY16[..., 0], {"photometric": "minisblack"}, byte(GRAY16)),
    "16 bits, white is zero": (
        GRAY16[..., 0], {"photometric": "miniswhite"}, 255 - byte(GRAY16),
    ),
    "float": (FLOAT, {"photometric": "minisblack"}, FLOAT * 255),
    "float, white is zero": (FLOAT, {"photometric": "miniswhite"}, 255 - FLOAT * 255),
    "half": (FLOAT.astype(np.float16), {"photometric": "minisblack"}, FLOAT * 255),
    "double": (FLOAT.astype(np.float64), {"photometric": "minisblack"}, FLOAT * 255),
    "bits": (FLOAT > 0.5, {"photometric": "minisblack"}, (FLOAT > 0.5) * 255),
    "bits, white is zero": (FLOAT > 0.5, {"photometric": "miniswhite"}, (FLOAT <= 0.5) * 255),
    "colour": (COLOUR, {"photometric": "rgb"}, COLOUR),
    "planes": (
        COLOUR.transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"}, COLOUR,
    ),
    "16-bit colour": (COLOUR16, {"photometric": "rgb"}, byte(COLOUR16)),
    "16-bit planes": (
        COLOUR16.transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"},
        byte(COLOUR16),
    ),
    "alpha": (LUCID, {"photometric": "rgb", "extrasamples": [2]}, white(LUCID)),
    "multiplied alpha": (LUCID, {"photometric": "rgb", "extrasamples": [1]}, multiplied(LUCID)),
    "fourth without meaning": (
        LUCID, {"photometric": "rgb", "extrasamples": [0]}, LUCID[..., :3],
    ),
    "gray and alpha": (
        PAIR, {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": [2]},
        white(PAIR),
    ),
    "gray and alpha of 16 bits": (
        PAIR16, {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": [2]},
        white(byte(PAIR16)),
    ),
    "gray and multiplied alpha of 16 bits": (
        PAIR16, {"photometric": "minisblack", "planarconfig": "contig", "extrasamples": [1]},
        multiplied(byte(PAIR16)),
    ),
    "palette": (
        GRAY[..., 0], {"photometric": "palette", "colormap": PALETTE},
        PALETTE.T[GRAY[..., 0]] / 257,
    ),
    "inks": (LUCID, {"photometric": "separated"}, INK),
    "luma and chroma": (COLOUR, {"photometric": "ycbcr"}, YCC),
    "tiles": (COLOUR, {"photometric": "rgb", "tile": (16, 16)}, COLOUR),
    "64-bit offsets": (COLOUR, {"photometric": "rgb", "bigtiff": True}, COLOUR),
    "pages": (np.stack([COLOUR, 255 - COLOUR]), {"photometric": "rgb"}, COLOUR),
}  # fmt: skip


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", TIFFS)
def test_tiff(name: str, order: Any, compression: str | None) -> None:
    values, options, wanted = TIFFS[name]
    near(tiff(values, byteorder=order, compression=compression, **options), wanted)


@pytest.mark.parametrize("extra", [1, 2])
def test_16_bit_colour_with_alpha_keeps_its_high_bytes(extra: int) -> None:
    wanted = (multiplied if extra == 1 else white)(byte(LUCID16))
    near(tiff(LUCID16, photometric="rgb", extrasamples=[extra]), wanted, 3)


@pytest.mark.parametrize(
    ("values", "options", "reason"),
    [
        (GRAY[..., 0].view(np.int8), {"photometric": "minisblack"}, "signed"),
        (GRAY16[..., 0].view(np.int16), {"photometric": "minisblack"}, "signed"),
        (GRAY16[..., 0].astype(np.uint32), {"photometric": "minisblack"}, "no stated range"),
        (FLOAT * 2, {"photometric": "minisblack"}, r"floats must lie in \[0, 1\]"),
        (FLOAT * np.nan, {"photometric": "minisblack"}, r"floats must lie in \[0, 1\]"),
        (FLOAT + 1j * FLOAT, {"photometric": "minisblack"}, "complex"),
        (COLOUR, {"photometric": "cielab"}, "CIELab"),
        (GRAY[..., 0], {"photometric": "cfa"}, "CFA"),
    ],
)  # fmt: skip
def test_a_tiff_of_another_meaning_is_refused(values: Any, options: Any, reason: str) -> None:
    with pytest.raises(BadItem, match=reason):
        decode(tiff(values, **options))


def packed(values: np.ndarray, bits: int) -> list[bytes]:
    """Rows of numbers of 1, 2, 4 or 12 bits, the first in the highest."""
    rows = ((values[..., None] >> np.arange(bits)[::-1]) & 1).astype(np.uint8)
    return [np.packbits(row.ravel()).tobytes() for row in rows]


def small_tiff(bits: int, photometric: int, data: bytes, turn: int = 1) -> bytes:
    tags = {256: 16, 257: 4, 258: bits, 259: 1, 262: photometric, 273: 0, 274: turn, 277: 1,
            278: 4, 279: len(data)}  # fmt: skip
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


@pytest.mark.parametrize("bits", [1, 2, 4, 12])
@pytest.mark.parametrize("photometric", [0, 1])
def test_tiff_of_odd_depths(bits: int, photometric: int) -> None:
    values = RNG.integers(0, 2**bits, (4, 16))
    data = small_tiff(bits, photometric, b"".join(packed(values, bits)))
    wanted = values * 255 / (2**bits - 1)
    try:
        near(data, wanted if photometric else 255 - wanted)
    except BadItem as reason:  # of these Pillow reads only black as zero
        if (bits, photometric) != (12, 0):
            raise
        assert "12-bit" in str(reason)  # noqa: PT017


def png(depth: int, colour: int, rows: list[bytes], chunks: dict[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body))
            + kind
            + body
            + struct.pack(">I", zlib.crc32(kind + body))
        )

    width = len(rows[0]) * 8 // (depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour])
    head = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"".join([
        b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), *(chunk(*each) for each in chunks.items()),
        chunk(b"IDAT", pixels), chunk(b"IEND", b""),
    ])  # fmt: skip


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("clear", [False, True])
def test_png_of_few_bits(bits: int, clear: bool) -> None:
    values = RNG.integers(0, 2**bits, (4, 16))
    gray = values[..., None] * 255 / (2**bits - 1)
    key = {b"tRNS": struct.pack(">H", 1)} if clear else {}
    near(
        png(bits, 0, packed(values, bits), key),
        np.where(clear & (values == 1)[..., None], 255, gray),
    )
    palette = RNG.integers(0, 256, (2**bits, 4)).astype(np.uint8)
    chunks = {b"PLTE": palette[:, :3].tobytes()} | (
        {b"tRNS": palette[:, 3].tobytes()} if clear else {}
    )
    wanted = white(palette[values]) if clear else palette[values][..., :3]
    near(png(bits, 3, packed(values, bits), chunks), wanted)


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("colour", [0, 2, 4, 6])
@pytest.mark.parametrize("clear", [False, True])
def test_png(deep: bool, colour: int, clear: bool) -> None:
    values = {0: (GRAY, GRAY16), 2: (COLOUR, COLOUR16), 4: (PAIR, PAIR16), 6: (LUCID, LUCID16)}[
        colour
    ][deep]
    if clear and colour >= 4:
        return
    seen = byte(values) if deep else values
    wanted = white(seen) if colour >= 4 else seen
    chunks = {}
    if clear:
        key = values[3, 5]
        chunks[b"tRNS"] = key.astype(">u2").tobytes()
        wanted = np.where((values == key).all(-1, keepdims=True), 255, seen)
    rows = [row.astype(">u2" if deep else "u1").tobytes() for row in values]
    near(png(16 if deep else 8, colour, rows, chunks), wanted)


def test_netpbm() -> None:
    near(b"P5\n24 16\n65535\n" + GRAY16.astype(">u2").tobytes(), byte(GRAY16))
    near(b"P6\n24 16\n65535\n" + COLOUR16.astype(">u2").tobytes(), byte(COLOUR16))
    near(b"P5\n24 16\n100\n" + (GRAY % 101).tobytes(), (GRAY % 101) * 2.55)
    near(b"Pf\n24 16\n-1.0\n" + FLOAT[::-1].tobytes(), FLOAT * 255)


XMP = (
    b'<?xpacket?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/'
    b'02/22-rdf-syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "16-bit PNG"])
@pytest.mark.parametrize("by", ["exif", "xmp", "exif before xmp"])
def test_orientation_in_every_form(kind: str, by: str) -> None:
    image = Image.fromarray(smooth(3))
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    if "exif" in by:
        options["exif"] = exif(6 if by == "exif" else 3)
    if "xmp" in by:
        if kind == "AVIF":
            pytest.skip("Pillow does not hand it on")
        options["xmp"] = XMP
    if "PNG" in kind and "xmp" in options:
        from PIL.PngImagePlugin import PngInfo

        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode())
    if kind == "16-bit PNG":
        image, kind = Image.fromarray(smooth(3)[..., 0].astype(np.uint16) * 257), "PNG"
    data = encoded(image, kind, **options)
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    wanted = np.asarray(turned) // 257 if turned.mode.startswith("I") else np.asarray(turned)
    upside_down = "exif before" in by
    assert turned.size == ((52, 37) if upside_down else (37, 52))
    near(data, wanted, 0)


def profile(gamma: float = 2.2, adobe: bool = True) -> bytes:
    """A colour profile of three primaries and one curve, as small as it may be."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    wide = (
        (0.60974, 0.31111, 0.01947),
        (0.20528, 0.62567, 0.06087),
        (0.14919, 0.06322, 0.74457),
    )
    usual = (
        (0.43607, 0.22249, 0.01392),
        (0.38515, 0.71687, 0.09708),
        (0.14307, 0.06061, 0.7141),
    )
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249)}
    for letter, primary in zip((b"r", b"g", b"b"), wide if adobe else usual, strict=True):
        tags[letter + b"XYZ"] = b"XYZ \0\0\0\0" + fixed(*primary)
        tags[letter + b"TRC"] = curve
    start = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, content in tags.items():
        table += tag + struct.pack(">II", start + len(body), len(content))
        body += content
    head = struct.pack(
        ">I4sI4s4s4s", start + len(body), b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ "
    )
    head += bytes(12) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249) + bytes(48)
    return head + table + body


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "palette", "alpha", "WEBP", "TIFF", "AVIF"])
def test_colours_of_a_profile_become_srgb(kind: str) -> None:
    image = Image.fromarray(smooth(3))
    if kind == "palette":
        image, kind = image.quantize(32), "PNG"
    elif kind == "alpha":
        image.putalpha(255)
        kind = "PNG"
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(image, kind, icc_profile=profile(), **options)
    plain = Image.open(io.BytesIO(data)).convert("RGB")
    wide = ImageCms.ImageCmsProfile(io.BytesIO(profile()))
    wanted = ImageCms.profileToProfile(plain, wide, ImageCms.createProfile("sRGB"))
    near(data, wanted)
    assert np.abs(np.asarray(wanted).astype(int) - np.asarray(plain)).max() > 20


@pytest.mark.parametrize(
    "block",
    [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"", b"junk" * 50,
     profile()[:200], profile().replace(b"RGB ", b"GRAY")],
)  # fmt: skip
def test_srgb_and_profiles_that_say_nothing_change_no_pixel(block: bytes) -> None:
    image = Image.fromarray(smooth(3))
    for kind in ("JPEG", "PNG"):
        marked, plain = encoded(image, kind, icc_profile=block), encoded(image, kind)
        np.testing.assert_array_equal(decode(marked), decode(plain))
