"""A pack is read as what was packed: names, labels, facts, order and parts."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image, ImageCms

from ilk.core import UserError
from ilk.data import (
    Folder,
    Pack,
    Packing,
    WithFacts,
    decode,
    fact,
    fact_names,
    open_masks,
    open_source,
    pack,
    unlabelled_because,
)
from ilk.data.joined import Joined
from ilk.data.labelled import Hidden
from ilk.data.packing import prepared
from ilk.data.packing.prepare import shrunk
from ilk.data.packing.stage import Stage
from ilk.data.source import BadItem
from tests.data.test_meaning import profile
from tests.data.zoo import encoded, exif, good_files, smooth

SMALL = Packing(shorter_side=24)
NAMES = [
    f"{split}/{kind}/{number}.{ending}"
    for split, count in (("train", 4), ("val", 2))
    for kind in ("ant", "bee", "c d")
    for number, ending in zip(range(count), ("jpg", "png", "webp", "jpeg"), strict=False)
]
KINDS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}


def photo(number: int, ending: str = "jpg") -> bytes:
    return encoded(Image.fromarray(smooth(number, 48, 64)), KINDS[ending])


def photos(root: Path) -> Path:
    """Images in folders by split and class, one of them damaged, and a text."""
    for number, name in enumerate(NAMES):
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(photo(number, name.rpartition(".")[2]))
    (root / "train/bee/broken.jpg").write_bytes(photo(99)[:600])
    (root / "notes.txt").write_text("not an image")
    return root


def as_folder(tmp_path: Path) -> str:
    return str(photos(tmp_path / "photos"))


def as_zip(tmp_path: Path) -> str:
    root = photos(tmp_path / "photos")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for place in sorted(root.rglob("*.*")):
            archive.write(place, place.relative_to(root))
    return str(tmp_path / "in.zip")


def as_samples(tmp_path: Path) -> str:
    """Shards with a label file beside each image; some images have none."""
    for shard in range(2):
        with tarfile.open(tmp_path / f"in-{shard}.tar", "w") as archive:
            for number, name in enumerate(NAMES[shard::2]):
                label = f"kind {number % 3}".encode() if number % 4 else b""
                for member, data in ((name, photo(number)), (f"{name[:-4]}.cls", label)):
                    info = tarfile.TarInfo(member)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    return str(tmp_path / "in-*.tar")


def as_table(tmp_path: Path) -> str:
    count = len(NAMES)
    table = {
        "image": [photo(n) for n in range(count - 1)] + [b"damaged"],
        "label": [None if n == 3 else n % 4 * 2 for n in range(count)],
        "split": ["train" if n % 3 else "test" for n in range(count)],
        "species": [f"s{n % 5}" for n in range(count)],
        "score": [n / 7 for n in range(count)],
    }
    pq.write_table(pa.table(table), tmp_path / "in.parquet", row_group_size=7)
    return str(tmp_path / "in.parquet")


def check_equal(packed, source) -> None:
    """All that is known of the items that could be packed."""
    good = [at for at in range(len(source)) if readable(source, at)]
    assert [packed.key(at) for at in range(len(packed))] == [source.key(at) for at in good]
    assert packed.classes == source.classes
    assert [packed.label(at) for at in range(len(packed))] == [source.label(at) for at in good]
    assert unlabelled_because(packed) == unlabelled_because(source)
    kept = [name for name in fact_names(source) if name != "score"]
    assert list(fact_names(packed)) == kept
    for name in kept:
        old, new = fact(source, name), fact(packed, name)
        assert new.names == old.names
        assert new.values.tolist() == old.values[good].tolist()
    for at, before in enumerate(good):
        pixels = decode(packed.item(at)).astype(int)
        original = shrunk(decode(source.item(before)), 24).astype(int)
        assert pixels.shape == original.shape
        assert np.abs(pixels - original).mean() < 9


def readable(source, at: int) -> bool:
    try:
        decode(source.item(at))
    except BadItem:
        return False
    return True


@pytest.mark.parametrize("ending", ["tar", "parquet"])
@pytest.mark.parametrize(
    ("made", "part"),
    [(as_folder, "train"), (as_zip, "train/bee"), (as_samples, "train"),
     (as_table, "train"), (as_table, "split=test,labels=species")],
)  # fmt: skip
def test_a_pack_is_read_as_its_original(made, part, ending, tmp_path):
    spec = made(tmp_path)
    source = open_source(spec)
    out = tmp_path / f"out.{ending}"
    done = pack(source, out, SMALL, workers=2)
    packed = open_source(str(out))
    assert isinstance(packed, Pack)
    assert done.images == len(packed) == len(source) - len(done.bad)
    check_equal(packed, source)
    check_equal(open_source(f"{out}:{part}"), open_source(f"{spec}:{part}"))
    assert packed.made["data"] == source.fingerprint
    assert packed.made["shorter_side"] == 24
    again = pack(packed, tmp_path / f"again.{ending}", SMALL)  # a pack of a pack
    assert not again.bad
    check_equal(open_source(f"{tmp_path}/again.{ending}:{part}"), open_source(f"{out}:{part}"))


def test_facts_given_beside_and_several_sources_are_kept(tmp_path):
    root = photos(tmp_path / "photos")
    parts = [str(root / "train"), str(root / "val")]
    joined = open_source(parts)
    source = WithFacts(joined, {"hour": list(range(len(joined)))})
    pack(source, tmp_path / "out.tar", SMALL)
    packed = open_source(str(tmp_path / "out.tar"))
    check_equal(packed, source)
    assert fact(packed, "domain").names == tuple(parts)
    with pytest.raises(UserError, match="several places"):
        open_source(f"{tmp_path}/out.tar:train")


def test_damaged_images_are_listed_and_left_out(tmp_path):
    source = open_source(as_folder(tmp_path))
    done = pack(source, tmp_path / "out.tar", SMALL)
    assert [bad.key for bad in done.bad] == ["train/bee/broken.jpg"]
    assert "truncated" in done.bad[0].reason
    packed = open_source(str(tmp_path / "out.tar"))
    reasons = {kind.reason: kind.first for kind in packed.left_out}
    assert reasons["files that end in .txt"] == "notes.txt"
    assert "broken.jpg: truncated" in reasons["damaged images that ilk pack left out"]
    with pytest.raises(UserError, match=r"no good one; the first: 0: .*truncated"):
        pack(open_source([photo(1)[:500]]), tmp_path / "none.tar")
    assert sorted(path.name for path in tmp_path.glob("none*")) == []


def test_shards_are_one_source_and_say_what_is_missing(tmp_path):
    source = open_source(as_folder(tmp_path))
    done = pack(source, tmp_path / "out.tar", SMALL, shard_bytes=8000, workers=1)
    assert len(done.paths) > 3
    assert all(path.stat().st_size < 8000 + 8192 for path in done.paths)  # with its index
    check_equal(open_source(f"{tmp_path}/out-*.tar"), source)
    table = pack(source, tmp_path / "out.parquet", SMALL, shard_bytes=8000, workers=2)
    check_equal(open_source(f"{tmp_path}/out-*.parquet"), source)
    assert len(table.paths) == len(done.paths)
    done.paths[1].rename(tmp_path / "elsewhere.tar")
    some = open_source(f"{tmp_path}/out-*.tar")
    held = len(open_source(str(tmp_path / "elsewhere.tar")))
    assert len(some) == len(source) - 1 - held
    missing = [kind.count for kind in some.left_out if "further shards" in kind.reason]
    assert missing == [held]
    (tmp_path / "out-00009.tar").write_bytes(done.paths[0].read_bytes())
    with pytest.raises(UserError, match="must come once"):
        open_source(f"{tmp_path}/out-*.tar")


@pytest.mark.parametrize("ending", ["tar", "parquet"])
@pytest.mark.parametrize("shard_bytes", [None, 9000])
def test_an_interrupted_pack_becomes_the_same_to_the_byte(
    ending, shard_bytes, tmp_path, monkeypatch
):
    source = open_source(as_folder(tmp_path))

    def packed(place: str) -> dict[str, bytes]:
        out = tmp_path / place / f"out.{ending}"
        pack(source, out, SMALL, shard_bytes=shard_bytes, workers=1)
        return {path.name: path.read_bytes() for path in out.parent.iterdir()}

    monkeypatch.setattr("ilk.data.packing.stage.SECONDS", 0.0)  # every item is saved
    whole = packed("whole")
    assert set(whole) == {name for name in whole if name.startswith("out")}
    note, count = Stage.note, 0

    def interrupted(stage, item, *rest):
        nonlocal count
        count += 1
        if count % 5 == 0:
            stage.append(b"torn")
            raise KeyboardInterrupt
        note(stage, item, *rest)

    monkeypatch.setattr(Stage, "note", interrupted)
    for _ in range(40):
        try:
            assert packed("parts") == whole
            break
        except KeyboardInterrupt:
            tear(tmp_path / "parts")
    assert count > 20


def tear(place: Path) -> None:
    """What a power cut may leave: the ends of files half written."""
    for file in place.glob("*.partial/*"):
        with file.open("ab") as end:
            end.write(b'{"line": [1, 2')


KILLED = """
import os, signal, sys
from ilk.data import Packing, open_source, pack
def die(done, of):
    if done == 9:
        os.kill(os.getpid(), signal.SIGKILL)
pack(open_source(sys.argv[1]), sys.argv[2], Packing(shorter_side=24), progress=die)
"""


def test_a_killed_pack_goes_on(tmp_path):
    root = as_folder(tmp_path)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, root, tmp_path / "killed.tar"], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed.tar").exists()
    for name in ("killed.tar", "whole.tar"):
        pack(open_source(root), tmp_path / name, SMALL)
    assert (tmp_path / "killed.tar").read_bytes() == (tmp_path / "whole.tar").read_bytes()
    assert not list(tmp_path.glob("*.partial")) + list(tmp_path.glob(".*"))


def test_a_finished_pack_does_nothing_and_another_is_refused(tmp_path):
    source = open_source(as_folder(tmp_path))
    out = tmp_path / "out.tar"
    first = pack(source, out, SMALL)
    before = out.stat().st_mtime_ns
    assert pack(source, out, SMALL) == first
    assert out.stat().st_mtime_ns == before
    with pytest.raises(UserError, match="got another quality; delete it"):
        pack(source, out, Packing(shorter_side=24, quality=80))
    (tmp_path / "photos/val/ant/9.jpg").write_bytes(photo(9))
    with pytest.raises(UserError, match="got another data, items"):
        pack(open_source(str(tmp_path / "photos")), out, SMALL)
    for other in (tmp_path / "mine.tar", tmp_path / "mine.parquet"):
        other.write_bytes(b"mine")
        with pytest.raises(UserError, match="something that ilk pack did not write"):
            pack(source, other, SMALL)
        assert other.read_bytes() == b"mine"
    with pytest.raises(UserError, match=r"must end in \.tar or \.parquet"):
        pack(source, tmp_path / "out.zip", SMALL)


def test_what_is_left_of_another_pack_is_refused(tmp_path, monkeypatch):
    source = open_source(as_folder(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr("ilk.data.packing.writing.save_tar", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pack(source, tmp_path / "out.tar", SMALL)
    with pytest.raises(UserError, match=r"out\.tar\.partial .* another shorter_side; delete"):
        pack(source, tmp_path / "out.tar", Packing(shorter_side=25))
    pack(source, tmp_path / "out.tar", SMALL)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def as_list(tmp_path: Path) -> list[str]:
    return [str(place) for place in sorted(photos(tmp_path / "photos").rglob("*.png"))]


def as_parts(tmp_path: Path) -> list[str]:
    root = photos(tmp_path / "photos")
    return [str(root / "train"), str(root / "val")]


@pytest.mark.parametrize(
    ("made", "file"),
    [(as_folder, "photos/val/ant/1.png"), (as_parts, "photos/val/ant/1.png"),
     (as_list, "photos/val/ant/1.png"), (as_samples, "in-1.tar"), (as_table, "in.parquet")],
)  # fmt: skip
def test_a_file_that_changes_at_the_same_size_is_seen(made, file, tmp_path, monkeypatch):
    spec, place = made(tmp_path), tmp_path / file
    with monkeypatch.context() as patch:
        patch.setattr("ilk.data.packing.writing.save_tar", interrupt)
        for _ in range(2):  # the second one goes on
            with pytest.raises(KeyboardInterrupt):
                pack(open_source(spec), tmp_path / "out.tar", SMALL)
    before, data = place.stat(), bytearray(place.read_bytes())
    data[len(data) // 2] ^= 1
    place.write_bytes(data)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    assert place.stat().st_size == before.st_size
    with pytest.raises(UserError, match=r"out\.tar\.partial .* got another file times; delete"):
        pack(open_source(spec), tmp_path / "out.tar", SMALL)


@pytest.mark.parametrize("name", ["out.tar", "out.parquet"])
def test_the_name_of_a_shard_is_on_the_disk_before_its_stage_is_removed(
    name, tmp_path, monkeypatch
):
    """A power cut must find the one or the other: the directory is synced between them."""
    seen = []

    def synced(folder):
        there = (tmp_path / name).is_file(), (tmp_path / f"{name}.partial").is_dir()
        seen.append((folder, *there))

    for module in ("ilk.core.files", "ilk.data.packing.tar"):
        monkeypatch.setattr(f"{module}.sync_directory", synced)
    pack(open_source(as_folder(tmp_path)), tmp_path / name, SMALL)
    assert (tmp_path, True, True) in seen


@pytest.mark.parametrize("link", ["", "images", "journal"])
def test_links_beside_a_pack_are_not_followed(link, tmp_path):
    source = open_source(as_folder(tmp_path))
    (tmp_path / "mine").mkdir()
    mine = tmp_path / "mine" / "images"
    mine.write_text("mine")
    partial = tmp_path / "out.tar.partial"
    if link:
        partial.mkdir()
        (partial / link).symlink_to(mine)
    else:
        partial.symlink_to(mine.parent)
    with pytest.raises(UserError, match=r"must be (free or a folder|writable)"):
        pack(source, tmp_path / "out.tar", SMALL)
    assert [place.name for place in mine.parent.iterdir()] == ["images"]
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("place", ["append", "save", "finish"])
def test_a_full_disk_is_one_line_and_nothing_is_lost(place, tmp_path, monkeypatch):
    source = open_source(as_folder(tmp_path))
    count = 0

    def full(*_: object) -> None:
        nonlocal count
        count += 1
        if count > 5 or place == "finish":
            raise OSError(28, "No space left on device")
        return usual(*_)

    with monkeypatch.context() as patch:
        if place == "finish":
            patch.setattr("ilk.data.packing.writing.save_tar", full)
        else:
            patch.setattr("ilk.data.packing.stage.SECONDS", 0.0)
            usual = getattr(Stage, place)
            patch.setattr(Stage, place, full)
        with pytest.raises(
            UserError, match="'No space left on device'; what was packed so far"
        ):
            pack(source, tmp_path / "out.tar", SMALL)
    assert not (tmp_path / "out.tar").exists()
    for name in ("out.tar", "whole.tar"):
        pack(source, tmp_path / name, SMALL)
    assert (tmp_path / "out.tar").read_bytes() == (tmp_path / "whole.tar").read_bytes()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    source = open_source(as_folder(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file where a directory must be"):
        pack(source, tmp_path / "file/out.tar")
    with pytest.raises(UserError, match="File name too long"):
        pack(source, tmp_path / f"{'x' * 300}.tar")


HOSTILE = [
    b"plain.jpg", b"plain.png", b"plain.v2.jpg", b"new\nline.jpg", b"esc\x1b[31m.jpg",
    b"latin-\xe9.jpg", b"back\\slash.jpg", b" .jpg", b"-rf.jpg", b"%s{0}.jpg", b"__ilk__.jpg",
    b"x" * 250 + b".jpg", "ä.jpg".encode(), "a\u0308.jpg".encode(),
]  # fmt: skip


def test_names_of_strangers_are_only_data(tmp_path):
    root = tmp_path / "photos"
    deep = b"/".join([b"d" * 200] * 3)
    for number, name in enumerate([*HOSTILE, b"__ilk__/place.json.jpg", deep + b"/0.jpg"]):
        place = Path(os.fsdecode(os.fsencode(root) + b"/" + name))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(photo(number))
    for ending in ("tar", "parquet"):
        pack(open_source(str(root)), tmp_path / f"out.{ending}", SMALL)
        check_equal(open_source(str(tmp_path / f"out.{ending}")), Folder(root))
    check_members(tmp_path / "out.tar", len(HOSTILE) + 2)


def test_names_that_lead_out_of_an_archive_stay_names(tmp_path):
    names = [
        "../../evil.jpg",
        "/etc/passwd.jpg",
        "a/../../b.jpg",
        "c:\\d.jpg",
        "a//b.jpg",
        "a/.//c.jpg",
    ]
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, photo(number))
    source = open_source(str(tmp_path / "in.zip"))
    pack(source, tmp_path / "out.tar", SMALL)
    check_equal(open_source(str(tmp_path / "out.tar")), source)
    check_members(tmp_path / "out.tar", len(source))


def test_labels_with_slashes_and_the_like_are_kept(tmp_path):
    labels = ["a/b", "../c", "", "a\nb", "a/b", "x" * 3000]
    source = open_source(([photo(n) for n in range(6)], labels))
    pack(source, tmp_path / "out.tar", SMALL)
    check_equal(open_source(str(tmp_path / "out.tar")), source)
    check_members(tmp_path / "out.tar", 6)


def check_members(path: Path, count: int) -> None:
    """Members are called by numbers; each image has what is known of it beside it."""
    with tarfile.open(path) as archive:
        names = archive.getnames()
        assert len(set(names)) == len(names) == 2 * count + 2
        assert names[-2:] == ["__ilk__/index", "__ilk__/place.json"]
        assert all(name[:9].isdigit() and name[9] == "." for name in names[:-2])
        for image, text in zip(names[:-2:2], names[1:-2:2], strict=True):
            assert image[:9] == text[:9]
            assert "key" in json.load(archive.extractfile(text))


def test_another_reader_finds_labels_beside_images(tmp_path):
    """As WebDataset reads: names, endings, JSON; our own reader of tar shards does too."""
    source = open_source(as_table(tmp_path))
    pack(source, tmp_path / "out.tar", SMALL)
    with tarfile.open(tmp_path / "out.tar") as archive:
        text = json.load(archive.extractfile("000000004.json"))
    assert text["key"] == "4"
    assert text["label"] == source.classes[source.label(4)]
    assert text["facts"]["species"] == "s4"
    table = pa.table({"image": [photo(n) for n in range(9)], "label": list("aabbabcab")})
    pq.write_table(table, tmp_path / "few.parquet")
    pack(open_source(str(tmp_path / "few.parquet")), tmp_path / "few-packed.parquet", SMALL)
    rows = pq.read_table(tmp_path / "few-packed.parquet").to_pylist()
    assert [row["label_name"] for row in rows] == list("aabbabcab")
    assert [row["label"] for row in rows] == [0, 0, 1, 1, 0, 1, 2, 0, 1]
    assert [row["key"] for row in rows] == list("012345678")


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_every_kind_of_image_that_is_read_is_packed(format):
    for name, data in good_files().items():
        for side in (16, 100):
            done = prepared(data, Packing(shorter_side=side, format=format, quality=95))
            before = decode(data).astype(float)
            after = decode(done.data).astype(float)
            assert (done.height, done.width) == before.shape[:2], name
            assert min(after.shape[:2]) == min(side, *before.shape[:2]), name
            wanted = shrunk(before.astype(np.uint8), side)
            assert np.abs(after - wanted).mean() < (10 if format == "jpeg" else 1.1), name


def test_what_is_said_of_images():
    def said(data: bytes, **options) -> set[str]:
        return set(prepared(data, Packing(**options)).remarks)

    image = Image.fromarray(smooth(0))
    assert said(encoded(image, "PNG")) == set()
    assert said(encoded(image, "JPEG", exif=exif(6))) == {"turned"}
    assert said(encoded(image.convert("CMYK"), "JPEG")) == {"ink"}
    assert said(encoded(image, "PNG", icc_profile=profile())) == {"profile"}
    assert said(encoded(image, "JPEG", icc_profile=profile())) == {"profile"}
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert said(encoded(image, "PNG", icc_profile=srgb)) == set()
    deep = cv2.imencode(".png", smooth(1).astype(np.uint16) * 257)[1].tobytes()
    assert said(deep) == {"deep"}
    pages = [Image.fromarray(smooth(seed)) for seed in (1, 2)]
    assert "pages" in said(encoded(pages[0], "GIF", save_all=True, append_images=pages[1:]))
    assert said(encoded(image.convert("RGBA"), "PNG")) == {"opaque"}
    clear = image.copy()
    clear.putalpha(Image.fromarray(smooth(1)[..., 0]))
    assert said(encoded(clear, "PNG")) == {"opacity"}
    assert said(encoded(clear, "PNG"), format="webp") == set()


def test_a_small_jpeg_is_kept_to_the_byte_and_nothing_is_made_larger():
    data = photo(3)
    for packing in (Packing(shorter_side=48), Packing(format="webp")):
        done = prepared(data, packing)
        assert done.data == data
        assert done.remarks == {"kept"}
    turned = encoded(Image.fromarray(smooth(3)), "JPEG", exif=exif(6))
    again = prepared(turned, Packing()).data
    assert again != turned
    assert decode(again).shape == decode(turned).shape
    assert prepared(data, Packing(shorter_side=47)).data != data


def test_bands_that_no_format_holds_are_kept_as_they_are(tmp_path):
    file = io.BytesIO()
    bands = np.dstack([smooth(0), smooth(1), smooth(2)])
    tifffile.imwrite(file, bands, photometric="minisblack", planarconfig="contig")
    done = prepared(file.getvalue(), SMALL)
    assert done.data == file.getvalue()
    assert done.remarks == {"unfit"}
    assert decode(done.data, channels=9).shape == bands.shape
    with pytest.raises(BadItem, match="neither JPEG nor WebP"):
        prepared(bands, SMALL)
    grey = (smooth(0)[..., 0] / 255).astype(np.float32)
    assert decode(prepared(grey, SMALL).data, channels=1).shape == (24, 34, 1)


def test_colours_below_no_opacity_do_not_bleed():
    image = np.zeros((40, 40, 4), np.uint8)
    image[:, ::2] = (255, 0, 0, 255)  # between the stripes lies black that cannot be seen
    small = shrunk(image, 10, alpha=True)
    assert np.abs(small.astype(int) - (255, 0, 0, 128)).max() <= 1


@pytest.mark.parametrize("around", [None, "hidden", "joined"])
def test_masks_of_the_originals_fit_packed_images(tmp_path, around):
    root = photos(tmp_path / "photos")
    (root / "train/bee/broken.jpg").unlink()
    for name in NAMES:
        place = (tmp_path / "masks" / name).with_suffix(".png")
        place.parent.mkdir(parents=True, exist_ok=True)
        mask = np.zeros((48, 64), np.uint8)
        mask[:, 32:] = 255
        place.write_bytes(encoded(Image.fromarray(mask), "PNG"))
    pack(open_source(str(root)), tmp_path / "out.tar", SMALL)
    packed = open_source(str(tmp_path / "out.tar"))
    if around == "hidden":
        packed = Hidden(packed, "they are not shown")
    masks = open_masks(str(tmp_path / "masks"), packed)
    if around == "joined":
        masks = replace(masks, source=Joined([packed]))
    found = masks(5, decode(packed.item(5)))
    assert found.shape == (24, 32)
    assert found[:, 16:].all()
    assert not found[:, :16].any()
    other = (tmp_path / "masks" / packed.key(5)).with_suffix(".png")
    other.write_bytes(encoded(Image.fromarray(mask[:, 1:]), "PNG"))
    with pytest.raises(BadItem, match="must have its image's size"):
        masks(5, decode(packed.item(5)))


def test_numbers_out_of_range_are_refused():
    for options in ({"shorter_side": 0}, {"quality": 0}, {"quality": 101}, {"format": "png"}):
        with pytest.raises(UserError, match=f"{next(iter(options))}: must be"):
            Packing(**options)
