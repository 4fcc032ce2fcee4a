import dataclasses
import io
import math
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageOps

from ilk.core import MinPixels
from ilk.data import BadItem, decode
from ilk.data.orientation import orientation
from tests.data.zoo import bad_files, encoded, exif, good_files, smooth

GOOD, BAD = good_files(), bad_files()
ROUNDED = (
    "alpha.png",
    "gray-alpha.png",
    "lossless.webp",
    "gray16.png",
    "gray16.tif",
)  # to 1 of 255


def pillow(data: bytes) -> Image.Image:
    """The first frame, upright, without alpha, as Pillow has it."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode.startswith("I;16"):
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if "transparency" in image.info or image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert(
            "RGB"
        )
    return image


@pytest.mark.parametrize("name", GOOD)
def test_colours_are_those_of_pillow(name: str) -> None:
    pixels = decode(GOOD[name])
    wanted = np.asarray(pillow(GOOD[name]).convert("RGB"))
    assert pixels.dtype == np.uint8
    assert pixels.shape == wanted.shape
    assert np.abs(pixels.astype(int) - wanted).max() <= (1 if name in ROUNDED else 0)


@pytest.mark.parametrize("name", GOOD)
def test_luma_is_that_of_pillow(name: str) -> None:
    pixels = decode(GOOD[name], channels=1)
    wanted = np.asarray(pillow(GOOD[name]).convert("L"))[..., None]
    assert pixels.shape == wanted.shape
    assert np.abs(pixels.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("gray.jpg", 1), ("gray.png", 1), ("gray16.tif", 1), ("bits.png", 1), ("plain.jpg", 3),
        ("cmyk.jpg", 3), ("palette.png", 3), ("gray-alpha.png", 2), ("alpha.png", 4),
        ("palette-alpha.png", 4), ("lossless.webp", 4),
    ],
)  # fmt: skip
def test_stored_channels_are_kept_on_request(name: str, channels: int) -> None:
    assert decode(GOOD[name], channels=None).shape == (37, 52, channels)


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_with_their_reason(name: str) -> None:
    data, reason = BAD[name]
    with pytest.raises(BadItem) as refused:
        decode(data)
    assert str(refused.value).startswith(reason)
    assert len(str(refused.value)) > 5


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@given(share=st.floats(0.0, 0.999))
def test_no_cut_is_overlooked(kind: str, share: float) -> None:
    data = encoded(Image.fromarray(smooth(2, 80, 90)), kind)
    with pytest.raises(BadItem):
        decode(data[: int(share * len(data))])


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "CMYK"])
def test_orientation_is_undone(turn: int, big_endian: bool, kind: str) -> None:
    image = Image.fromarray(smooth(3))
    if kind == "CMYK":
        image, kind = image.convert("CMYK"), "JPEG"
    options = (
        {"tiffinfo": {0x0112: turn}} if kind == "TIFF" else {"exif": exif(turn, big_endian)}
    )
    data = encoded(image, kind, **options)
    np.testing.assert_array_equal(decode(data), np.asarray(pillow(data).convert("RGB")))


@given(st.binary(max_size=64))
def test_any_bytes_have_an_orientation(block: bytes) -> None:
    assert orientation(b"II*\0" + block) in (None, *range(1, 9))
    assert orientation(block) in (None, *range(1, 9))


@pytest.mark.parametrize("name", ["plain.jpg", "colour.png", "palette.png", "lossy.webp"])
def test_the_cap_counts_pixels(name: str) -> None:
    assert decode(GOOD[name], max_pixels=37 * 52).shape == (37, 52, 3)
    with pytest.raises(BadItem, match="too large: 52 x 37"):
        decode(GOOD[name], max_pixels=37 * 52 - 1)


def test_a_tiff_of_many_bands() -> None:
    bands = np.random.default_rng(0).integers(0, 65536, (8, 9, 13)).astype(np.uint16)
    for planar, stored in (("contig", bands), ("separate", bands.transpose(2, 0, 1))):
        file = io.BytesIO()
        tifffile.imwrite(file, stored, photometric="minisblack", planarconfig=planar)
        wanted = np.rint(bands / 257)
        np.testing.assert_array_equal(decode(file.getvalue(), channels=13), wanted)
        np.testing.assert_array_equal(decode(file.getvalue(), channels=None), wanted)
        with pytest.raises(BadItem, match="13 channels, 3"):
            decode(file.getvalue())


@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)))
def test_arrays_become_bytes(values: np.ndarray) -> None:
    channels = values.shape[2]
    wanted = np.rint(values / 257).astype(np.uint8)
    np.testing.assert_array_equal(decode(values, channels=channels), wanted)
    shares = (values / 65535).astype(np.float32)
    np.testing.assert_array_equal(decode(shares, channels=channels), np.rint(shares * 255))
    np.testing.assert_array_equal(decode(values > 9, channels=channels), (values > 9) * 255)
    assert decode(wanted, channels=channels) is wanted


def test_gray_arrays_are_repeated() -> None:
    gray = smooth()[..., 0]
    np.testing.assert_array_equal(decode(gray), np.repeat(gray[..., None], 3, 2))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.int64), np.full((4, 4, 3), 1.5),
        np.full((4, 4, 3), -0.1), np.full((4, 4, 3), np.nan), np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 3), np.complex64),
    ],
)  # fmt: skip
def test_arrays_without_a_meaning_are_refused(array: np.ndarray) -> None:
    with pytest.raises(BadItem):
        decode(array)


@pytest.mark.parametrize("shape", [(7,), (2, 3, 4, 3), (1, 2, 3, 4, 5)])
def test_other_shapes_pass_where_no_channels_are_asked_for(shape: tuple[int, ...]) -> None:
    signal = np.random.default_rng(0).normal(size=shape)
    with pytest.raises(BadItem, match=r"where \[H, W, C\] is wanted"):
        decode(signal)
    assert decode(signal, channels=None) is signal


def test_any_array_passes_untouched_when_no_channels_are_asked_for() -> None:
    window = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    assert decode(window, channels=None) is window


def test_pixels_can_be_written_to() -> None:
    for data in GOOD.values():
        pixels = decode(data)
        pixels[0, 0] = 1
        assert (pixels[0, 0] == 1).all()


def test_nothing_is_printed(tmp_path) -> None:
    """Not even what C libraries write, and under Python's usual warning filters."""
    for number, data in enumerate([*GOOD.values(), *(data for data, _ in BAD.values())]):
        (tmp_path / str(number)).write_bytes(data)
    code = (
        "import pathlib, sys\n"
        "from PIL import Image\n"
        "from ilk.data import BadItem, decode\n"
        "Image.MAX_IMAGE_PIXELS = 37 * 52 - 1  # where Pillow begins to warn\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try: decode(path.read_bytes())\n"
        "    except BadItem: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code, str(tmp_path)],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize("turn", [1, 6])
@pytest.mark.parametrize("by", [1, 2, 4, 8])
def test_a_jpeg_that_need_not_be_whole_comes_out_smaller(by: int, turn: int) -> None:
    height, width = 336, 504
    file = encoded(
        Image.fromarray(smooth(0, height, width)), "JPEG", quality=95, exif=exif(turn)
    )
    whole = decode(file)
    most = MinPixels(area=math.ceil(height * width / by**2) - 1, side=height // by)
    reduced = decode(file, detail=most)
    assert reduced.shape == (*(-(-side // by) for side in whole.shape[:2]), 3)
    means = cv2.resize(whole, reduced.shape[1::-1], interpolation=cv2.INTER_AREA)
    apart = np.abs(means[1:-1, 1:-1].astype(int) - reduced[1:-1, 1:-1])
    assert apart.mean() < 1.5  # grey levels
    for missing in ({"area": most.area * 4}, {"side": most.side + 1}):
        more = decode(file, detail=dataclasses.replace(most, **missing))
        assert by == 1 or more.size > reduced.size


def test_a_png_is_always_whole() -> None:
    file = encoded(Image.fromarray(smooth(0, 64, 64)), "PNG")
    assert np.array_equal(decode(file, detail=MinPixels(area=4, side=2)), decode(file))
