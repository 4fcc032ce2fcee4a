"""Which files are images that can be read, by how they begin.

Only what is named here reaches a decoder, whatever the ending of a file says: some libraries
start other programs for some formats (PostScript), and fetch what others refer to.
"""

from ilk.data.source import BadItem

# Endings by format; each name is also the one by which Pillow knows it. MPO is a JPEG.
FORMATS = {
    "JPEG": b".jpg .jpeg .jpe .jfif .mpo",
    "PNG": b".png .apng",
    "GIF": b".gif",
    "TIFF": b".tif .tiff",
    "WEBP": b".webp",
    "BMP": b".bmp",
    "DIB": b".dib",
    "PPM": b".ppm .pgm .pbm .pnm",
    "JPEG2000": b".jp2 .j2k .jpx",
    "AVIF": b".avif",
    "ICO": b".ico",
    "TGA": b".tga",
}

_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    **{b"P%c" % kind: "PPM" for kind in b"123456f"},
    b"\xff\x4f\xff\x51": "JPEG2000",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\0\0\1\0": "ICO",
    **{bytes([size, 0, 0, 0]): "DIB" for size in (12, 40, 52, 56, 64, 108, 124)},
}
_OTHERS = {
    b"%!PS": "PostScript",
    b"\xc5\xd0\xd3\xc6": "PostScript",
    b"%PDF": "PDF",
    b"8BPS": "a Photoshop document",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xd7\xcd\xc6\x9a": "a Windows metafile",
    b"v/1\1": "OpenEXR",
    b"\x89HDF": "HDF5",
    b"SIMPLE": "FITS",
    b"P7": "PAM",
}
_TGA_KINDS = {1: 1, 9: 1, 2: 0, 3: 0, 10: 0, 11: 0}  # image type to colour map type
_TGA_DEPTHS = (1, 8, 16, 24, 32)


def format_of(data: bytes) -> str:
    """The format of a file, a key of ``FORMATS``.

    Raises:
        BadItem: it is none of them.
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[4:8] == b"ftyp":
        return _of_box(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    name = _named(data, _BEGINNINGS) or ("TGA" if _is_tga(data) else None)
    if name is not None:
        return name
    other = _named(data, _OTHERS)
    if other is not None:
        raise BadItem(f"not a format that is read: {other}; convert it to PNG or JPEG")
    raise BadItem(
        f"not an image: begins with {data[:8]!r}"
        if any(data)
        else "not an image: nothing but zeros"
    )


def _named(data: bytes, beginnings: dict[bytes, str]) -> str | None:
    return next((beginnings[each] for each in beginnings if data.startswith(each)), None)


def _of_box(data: bytes) -> str:
    """Of an ISO base media file, by its brands."""
    size = min(int.from_bytes(data[:4], "big"), 1024)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, size, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & {b"heic", b"heix", b"heim", b"hevc", b"mif1"}:
        raise BadItem("not a format that is read: HEIC; convert it to PNG or JPEG")
    raise BadItem(f"not an image: a media file of brand {data[8:12]!r}")


def _is_tga(data: bytes) -> bool:
    """TGA has no mark at its beginning: its fields must make sense."""
    if len(data) < 18:
        return False
    width = int.from_bytes(data[12:14], "little")
    height = int.from_bytes(data[14:16], "little")
    fits = _TGA_KINDS.get(data[2]) == data[1] and data[16] in _TGA_DEPTHS
    return fits and width > 0 and height > 0
