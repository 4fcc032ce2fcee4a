"""JPEGs that every viewer shows alike are read; what is damaged is refused."""

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ilk.data import BadItem, decode
from ilk.data.jpeg import _starts_of_scans
from tests.data.zoo import encoded, exif, smooth

IMAGE = Image.fromarray(smooth(1, 120, 160))
PLAIN, STEPS = encoded(IMAGE, "JPEG"), encoded(IMAGE, "JPEG", progressive=True)
PIXELS = decode(PLAIN)
SOS = PLAIN.index(b"\xff\xda")
FIELDS = SOS + 5 + 2 * PLAIN[SOS + 4]  # where Ss, Se and Ah/Al stand


def odd_scan(*values: int) -> bytes:
    return PLAIN[:FIELDS] + bytes(values) + PLAIN[FIELDS + 3 :]


def put(data: bytes, place: int, more: bytes) -> bytes:
    return data[:place] + more + data[place:]


HEADER = PLAIN.index(b"\xff\xdb")
ODD = {
    "all fields zero": odd_scan(0, 0, 0),
    "begins at one": odd_scan(1, 63, 0),
    "ends early": odd_scan(0, 62, 0),
    "approximation": odd_scan(0, 63, 0x10),
    "all fields full": odd_scan(255, 255, 255),
    "unknown version": PLAIN.replace(b"JFIF\0\1", b"JFIF\0\7"),
    "bytes between segments": put(PLAIN, HEADER, b"abc"),
    "bytes before the scan": put(PLAIN, SOS, b"\0\0\0\0"),
    "zeros before the end": put(PLAIN, len(PLAIN) - 2, bytes(500)),
    "a few bytes before the end": put(PLAIN, len(PLAIN) - 2, b"hello"),
    "fill bytes": put(PLAIN, len(PLAIN) - 2, b"\xff" * 7),
    "more after the end": PLAIN + b"anything" * 99,
    "another JPEG after the end": PLAIN + PLAIN,
    "a profile cut short": put(PLAIN, 2, b"\xff\xe2\0\x12ICC_PROFILE\0\5\2ab"),
    "all at once": put(put(odd_scan(0, 0, 0), len(PLAIN) - 2, bytes(9)), HEADER, b"zz"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_give_the_pixels_of_the_plain_one(name: str) -> None:
    data = ODD[name]
    np.testing.assert_array_equal(decode(data), PIXELS)
    others = [
        np.asarray(Image.open(io.BytesIO(data)).convert("RGB")),
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1],
    ]
    for pixels in others:
        assert np.abs(pixels.astype(int) - PIXELS).max() <= 1


def test_an_odd_file_is_turned_too() -> None:
    turned = encoded(IMAGE, "JPEG", exif=exif(6))
    place = turned.index(b"\xff\xda") + 5 + 2 * turned[turned.index(b"\xff\xda") + 4]
    odd = turned[:place] + bytes(3) + turned[place + 3 :]
    np.testing.assert_array_equal(decode(odd), decode(turned))
    assert decode(odd).shape == (160, 120, 3)


def test_bytes_between_scans() -> None:
    second = STEPS.index(b"\xff\xda", STEPS.index(b"\xff\xda") + 2)
    np.testing.assert_array_equal(decode(put(STEPS, second, b"abc")), decode(STEPS))


DAMAGED = {
    "cut": PLAIN[: len(PLAIN) * 2 // 3],
    "cut, with an end": PLAIN[: len(PLAIN) * 2 // 3] + b"\xff\xd9",
    "the last byte is lost": PLAIN[:-3] + PLAIN[-2:],
    "odd and cut": odd_scan(0, 0, 0)[: len(PLAIN) * 2 // 3],
    "odd and cut, with an end": odd_scan(0, 0, 0)[: len(PLAIN) * 2 // 3] + b"\xff\xd9",
    "padded and cut": put(PLAIN, HEADER, b"abc")[: len(PLAIN) * 2 // 3] + b"\xff\xd9",
    "no end": PLAIN[:-2],
    "steps without an end": STEPS[:-2],
    "a marker in the scan": put(PLAIN, SOS + 200, b"\xff\xd9"),
    "much more in the scan": put(PLAIN, len(PLAIN) - 2, bytes(range(1, 200))),
    "ones": PLAIN[: SOS + 100] + b"\xfe" * (len(PLAIN) - SOS - 102) + b"\xff\xd9",
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_refused_behind_odd_headers_too(name: str) -> None:
    with pytest.raises(BadItem, match=r"^(truncated|damaged): "):
        decode(DAMAGED[name])


def test_samplings_without_a_name_are_read() -> None:
    data = bytearray(encoded(IMAGE, "JPEG", subsampling=1))
    place = data.index(b"\xff\xc0") + 11
    data[place] = 0x12  # tall samples in place of wide ones
    data[place + 3] = data[place + 6] = 0x12
    expected = np.asarray(Image.open(io.BytesIO(bytes(data))).convert("RGB"))
    try:
        assert decode(bytes(data)).shape == expected.shape
    except BadItem as reason:
        assert "damaged" in str(reason)  # noqa: PT017


@given(st.lists(st.sampled_from([0, 0xD9, 0xDA, 0xFF]), max_size=40))
def test_starts_of_scans_are_counted(codes: list[int]) -> None:
    data = bytes(codes)
    assert _starts_of_scans(data) == data.count(b"\xff\xda")


def test_a_great_many_scans_are_refused_at_once() -> None:
    scan = STEPS.index(b"\xff\xda")
    second = STEPS.index(b"\xff\xda", scan + 2)
    frame = STEPS.index(b"\xff\xc2")
    large = STEPS[: frame + 5] + struct.pack(">HH", 10_000, 10_000) + STEPS[frame + 9 :]
    with pytest.raises(BadItem, match="scans of 100000000 pixels"):
        decode(large[:second] + large[scan:second] * 5000 + large[second:])
