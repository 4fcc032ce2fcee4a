"""A pack that a stranger made is refused in one line, or read without harm."""

import io
import json
import tarfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ilk.core import UserError
from ilk.data import Packing, fact, fact_names, open_source, pack
from ilk.data.packing import index
from ilk.data.packing.tar import tar_index
from ilk.data.source import BadItem
from tests.data.zoo import encoded, smooth


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of six images in two folders."""
    place = tmp_path_factory.mktemp("pack")
    for number in range(6):
        image = place / "photos" / "ab"[number % 2] / f"{number}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(encoded(Image.fromarray(smooth(number)), "JPEG"))
    pack(open_source(str(place / "photos")), place / "out.tar", Packing(shorter_side=16))
    return place / "out.tar"


def remade(whole: Path, place: Path, change) -> Path:
    """The pack with another index, as a stranger might write it."""
    record, arrays = index.read(tar_index(whole))
    arrays = {name: array.copy() for name, array in arrays.items()}
    content = change(record, arrays) or index.written(record, arrays)
    data = whole.read_bytes()
    start = json.loads(data[-1536:-1024].rstrip(b"\0"))["offset"] - 512
    out = io.BytesIO(data[:start])
    out.seek(start)
    for name, text in (("__ilk__/index", content), ("__ilk__/place.json", json.dumps(
        {"offset": start + 512, "size": len(content)}).encode())):  # fmt: skip
        info = tarfile.TarInfo(name)
        info.size = len(text)
        out.write(info.tobuf(tarfile.USTAR_FORMAT) + text + bytes(-len(text) % 512))
    place.write_bytes(out.getvalue() + bytes(1024))
    return place


def used(place: Path) -> None:
    """All that anyone asks a source for."""
    source = open_source(str(place))
    for at in range(len(source)):
        source.key(at), source.label(at)
        try:
            source.item(at)
        except BadItem:
            continue
    assert source.fingerprint
    assert source.left_out is not None
    for name in fact_names(source):
        fact(source, name)


def test_the_same_index_is_read(whole, tmp_path):
    place = remade(whole, tmp_path / "same.tar", lambda record, arrays: None)
    assert place.read_bytes() == whole.read_bytes()
    used(place)


def test_names_in_a_record_are_nothing_but_names(whole, tmp_path):
    def change(record, arrays):
        record["classes"] = ["../../etc", "/root\x1b[0m"]
        record["bad"] = [[0, "/etc/passwd", "why"]]
        keys = [b"../../x.jpg", b"/etc/passwd"] * 3
        arrays["keys"] = np.frombuffer(b"".join(keys), np.uint8)
        arrays["key_ends"] = np.cumsum([len(key) for key in keys]).astype(np.uint64)

    place = remade(whole, tmp_path / "names.tar", change)
    used(place)
    assert open_source(str(place)).roots == {"": str(place)}


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ("version 99", lambda r, a: r.update(version=99)),
        ("entries of size", lambda r, a: a.update(size=a["size"][:2])),
        ("items outside", lambda r, a: r["made"].update(items=2)),
        ("items outside", lambda r, a: r.update(first=-1)),
        ("labels without a name", lambda r, a: a.update(labels=a["labels"] + 5)),
        ("labels without a name", lambda r, a: r.update(classes=[])),
        ("fact 0 without a name", lambda r, a: a.update({"fact 0": a["fact 0"] - 2})),
        ("keys that end nowhere", lambda r, a: a.update(key_ends=a["key_ends"][::-1])),
        ("keys that end nowhere", lambda r, a: a.update(keys=a["keys"][:3])),
        ("'made'", lambda r, a: r.pop("made")),
        ("a layout 'other'", lambda r, a: r.update(layout="other")),
        ("a damaged account", lambda r, a: r.update(bad=[[1, 2, 3]])),
        ("a damaged account", lambda r, a: r.update(classes="text")),
        ("damaged index", lambda r, a: r.update(bad=7)),
        ("surrogates not allowed", lambda r, a: r.update(prefixes=["\ud800/"])),
        ("damaged index", lambda r, a: b"junk"),
        ("above", lambda r, a: zlib.compress(bytes(2**26 + 1), 1)),
        ("no record", lambda r, a: zlib.compress(
            (14).to_bytes(8, "little") + b'{"record": []}')),
    ],
)  # fmt: skip
def test_an_index_that_cannot_be_is_refused(said, change, whole, tmp_path):
    def changed(record, arrays):
        made = change(record, arrays)
        return made if isinstance(made, bytes) else None

    with pytest.raises(UserError, match="must be a whole file of ilk pack") as error:
        used(remade(whole, tmp_path / "bad.tar", changed))
    assert said in str(error.value)


def test_shards_that_know_other_things_are_refused(whole, tmp_path):
    def other(record, arrays):
        record.update(first=1, classes=["a", "b", "c"])
        for name in ("size", "offset", "height", "width", "labels", "fact 0", "fact 1"):
            arrays[name] = arrays[name][1:]
        ends = arrays["key_ends"].astype(np.int64)
        arrays["keys"] = arrays["keys"][ends[0] :]
        arrays["key_ends"] = (ends[1:] - ends[0]).astype(np.uint64)

    def first(record, arrays):
        record.update(stop=1)
        end = int(arrays["key_ends"][0])
        for name in arrays:
            arrays[name] = arrays[name][: end if name == "keys" else 1]

    remade(whole, tmp_path / "s-0.tar", first)
    remade(whole, tmp_path / "s-1.tar", other)
    assert len(open_source(str(tmp_path / "s-1.tar"))) == 5
    with pytest.raises(UserError, match="must know the same classes and facts"):
        open_source(f"{tmp_path}/s-*.tar")


def test_places_outside_of_the_file_are_bad_items(whole, tmp_path):
    def change(record, arrays):
        arrays["offset"] = np.array([0, 2**40, -5, 3, 2**62, 9])
        arrays["size"] = np.array([9, 9, 9, 2**40, 9, 2**62])

    place = remade(whole, tmp_path / "places.tar", change)
    used(place)
    source = open_source(str(place))
    assert source.item(0) == place.read_bytes()[:9]  # lies in the file
    for at in range(1, 6):
        with pytest.raises(BadItem):
            source.item(at)


@given(st.integers(0, 10**9), st.integers(1, 255))
def test_a_byte_that_changed_never_harms(whole, tmp_path_factory, at, by):
    data = bytearray(whole.read_bytes())
    at = len(data) - 1 - at % 4096  # where the index is
    data[at] ^= by
    place = tmp_path_factory.mktemp("fuzz") / "out.tar"
    place.write_bytes(data)
    with suppress(UserError):
        used(place)


@pytest.mark.parametrize("cut", [1, 512, 1500, 2048, 3000, 6000])
def test_a_pack_that_was_cut_short_is_read_as_a_tar_file_or_refused(cut, whole, tmp_path):
    place = tmp_path / "cut.tar"
    place.write_bytes(whole.read_bytes()[:-cut])
    try:
        source = open_source(str(place))
    except UserError:
        return
    assert source.key(0).startswith("00000000")
