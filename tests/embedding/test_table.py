import io
import json
import os
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from ilk.core import UserError, lock
from ilk.data import open_source, roots, unlabelled_because
from ilk.embedding import embed, embed_to_table, left_behind, read_embeddings, table


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(table, "PIECE", 4)


def same(a, b):
    assert np.array_equal(a.vectors, b.vectors)
    assert np.array_equal(a.labels, b.labels)
    assert a.keys.equals(b.keys)
    assert (a.classes, a.encoder, a.data, a.bad) == (b.classes, b.encoder, b.data, b.bad)


@pytest.mark.parametrize("shard_rows", [100, 10, 7, 4, 3])
def test_what_is_read_is_what_was_embedded(encoder, arrays, tmp_path, shard_rows):
    source = arrays(10, bad=frozenset({3, 8}))
    out = tmp_path / "sub" / "photos.parquet"
    made = embed_to_table(
        encoder(), source, out, shard_rows=shard_rows, dtype="float32", batch_size=3
    )
    assert made == out
    shards = -(-10 // shard_rows)
    assert out.is_file() == (shards == 1)
    if shards > 1:
        names = [f"part-{number:05d}.parquet" for number in range(shards)]
        assert sorted(file.name for file in out.iterdir()) == names, "nothing else is left"
    same(read_embeddings(out), embed(encoder(), source, batch_size=3))


def test_a_table_that_lacks_an_item_is_not_kept(encoder, arrays, tmp_path, monkeypatch):
    batches = table.embed_batches
    monkeypatch.setattr(table, "embed_batches", lambda *a, **k: list(batches(*a, **k))[:1])
    out = tmp_path / "a.parquet"
    with pytest.raises(
        UserError, match="must hold 6 images, got 3 with a row and 1 that could"
    ):
        embed_to_table(encoder(), arrays(6, bad=frozenset({1})), out, batch_size=2)
    assert not out.exists()


def test_columns_and_metadata(encoder, arrays, tmp_path):
    out = embed_to_table(encoder(), arrays(6), tmp_path / "a.parquet")
    found = pq.read_table(out)
    assert found.schema.field("vector").type == pa.list_(pa.float16(), 3)
    assert found.schema.field("label").type == pa.int64()
    assert found["key"].type == pa.string()
    assert found["label"].to_pylist() == [0, 1, 0, 1, None, 1]
    assert found["label_name"].to_pylist() == ["cat", "dog", "cat", "dog", None, "dog"]
    facts = json.loads(found.schema.metadata[b"ilk"])
    assert facts["made"]["encoder"] == "c0de"
    assert facts["made"]["data"] == "f00d"
    assert facts["made"]["image_size"] == 4
    assert facts["made"]["dim"] == 3
    assert facts["version"]


class Broken(torch.nn.Module):
    """The mean of each channel, but not for images of red below 3."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def forward(self, batch):
        means = batch.mean((2, 3))
        red = (255 * means[:, :1]).round()
        return torch.where(red < 3, self.number, means)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_vectors_that_are_not_finite_are_refused(encoder, arrays, tmp_path, number, dtype):
    broken = replace(encoder(), module=Broken(number))
    says = r"must be finite, 3 of (4|10) images have NaN or infinity, first images/0.png"
    with pytest.raises(UserError, match=says):
        embed_to_table(broken, arrays(10), tmp_path / "a.parquet", dtype=dtype)
    assert not list(tmp_path.rglob("*.parquet")), "nothing passes for good"
    with pytest.raises(UserError, match=says):
        embed(broken, arrays(10))
    late = arrays(12, bad=frozenset({0, 1, 2}))
    embed_to_table(broken, late, tmp_path / "b.parquet", dtype=dtype)
    assert np.isfinite(read_embeddings(tmp_path / "b.parquet").vectors).all()


def test_half_precision_is_close(encoder, arrays, colours, tmp_path):
    out = embed_to_table(encoder(), arrays(10), tmp_path / "a.parquet")
    found = read_embeddings(out).vectors
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, colours(range(10)), rtol=2**-10, atol=1e-6)


def test_an_unlabelled_source_has_no_label_column(encoder, arrays, tmp_path):
    source = arrays(5, classes=())
    out = embed_to_table(encoder(), source, tmp_path / "a.parquet")
    assert pq.read_schema(out).names == ["key", "content", "width", "height", "vector"]
    found = read_embeddings(out)
    assert (found.labels == -1).all()
    reason = unlabelled_because(source)
    assert reason
    assert found.unlabelled_because == embed(encoder(), source).unlabelled_because == reason


@pytest.mark.parametrize("shard_rows", [100, 9])
@pytest.mark.parametrize("stop_at", [1, 5, 13, 21])
def test_an_interrupted_run_goes_on_where_it_stopped(
    encoder, arrays, tmp_path, shard_rows, stop_at
):
    out, settings = tmp_path / "a", {"shard_rows": shard_rows, "batch_size": 2, "workers": 1}
    whole = embed_to_table(encoder(), arrays(22), tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        embed_to_table(encoder(), arrays(22, stop_at=stop_at), out, **settings)
    assert not out.is_file(), "half a file must not have the name of a whole one"
    source, told = arrays(22), []
    embed_to_table(encoder(), source, out, progress=lambda *now: told.append(now), **settings)
    same(read_embeddings(out), read_embeddings(whole))
    assert min(source.read) > stop_at - 4, "finished pieces are not embedded again"
    assert min(source.read) <= stop_at
    assert told == sorted(told)
    assert told[-1] == (22, 22)
    assert not list(tmp_path.rglob("*.partial")) + list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize("out", ["one.parquet", "one.csv", "shards"])
def test_a_file_that_changes_at_the_same_size_while_a_run_is_stopped_is_seen(
    encoder, tmp_path, out
):
    source = open_source(str(blots(tmp_path / "photos", 10)))
    options = {"shard_rows": 5} if out == "shards" else {}

    def stop(done, _):
        if done > 5:
            raise KeyboardInterrupt

    for _ in range(2):  # the second one goes on
        with pytest.raises(KeyboardInterrupt):
            embed_to_table(encoder(), source, tmp_path / out, progress=stop, **options)
    file = tmp_path / "photos" / "3.bmp"
    before, data = file.stat(), bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    source = open_source(str(tmp_path / "photos"))
    with pytest.raises(UserError, match="got another time at which a file was changed; choose"):
        embed_to_table(encoder(), source, tmp_path / out, **options)


def test_a_whole_table_is_kept_when_files_are_copied(encoder, tmp_path):
    """A copy has the same fingerprint, and all its work is done."""
    place = blots(tmp_path / "photos", 3)
    first = embed_to_table(encoder(), open_source(str(place)), tmp_path / "a.parquet")
    written = first.read_bytes()
    os.utime(place / "1.bmp", ns=(1, 1))
    embed_to_table(encoder(), open_source(str(place)), first)
    assert first.read_bytes() == written


def blots(folder: Path, count: int) -> Path:
    """Images of one colour each, all of the same size in bytes."""
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / f"{number}.bmp")
    return folder


def test_a_link_beside_a_table_is_not_followed(encoder, arrays, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "a.parquet.partial").symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match=r"a\.parquet\.partial must be free or a folder"):
        embed_to_table(encoder(), arrays(5), tmp_path / "a.parquet")
    assert not list((tmp_path / "mine").iterdir())


def test_a_finished_run_does_nothing(encoder, arrays, tmp_path):
    embed_to_table(encoder(), arrays(9), tmp_path / "a", shard_rows=4)
    source = arrays(9)
    embed_to_table(encoder(), source, tmp_path / "a", shard_rows=4)
    assert source.read == []


@pytest.mark.parametrize("shard_rows", [100, 4])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"encoder": {"fingerprint": "beef"}}, "encoder"),
        ({"source": {"fingerprint": "beef"}}, "data"),
        ({"settings": {"dtype": "float32"}}, "dtype"),
    ],
)
def test_vectors_of_another_making_are_refused(
    encoder, arrays, tmp_path, shard_rows, change, named
):
    out = embed_to_table(encoder(), arrays(9), tmp_path / "a", shard_rows=shard_rows)
    before = read_embeddings(out)
    with pytest.raises(UserError, match=f"got another {named}; choose another output"):
        embed_to_table(
            encoder(**change.get("encoder", {})),
            arrays(9, **change.get("source", {})),
            out,
            shard_rows=shard_rows,
            **change.get("settings", {}),
        )
    same(read_embeddings(out), before)


def test_pieces_of_another_encoder_are_refused(encoder, arrays, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        embed_to_table(encoder(), arrays(22, stop_at=13), tmp_path / "a", batch_size=2)
    with pytest.raises(UserError, match="got another encoder"):
        embed_to_table(encoder(fingerprint="beef"), arrays(22), tmp_path / "a")


def test_a_file_does_not_become_a_directory(encoder, arrays, tmp_path):
    out = embed_to_table(encoder(), arrays(9), tmp_path / "a")
    with pytest.raises(UserError, match="got another shard_rows"):
        embed_to_table(encoder(), arrays(9), out, shard_rows=4)
    assert len(read_embeddings(out)) == 9


def test_a_directory_that_exists_is_filled(encoder, arrays, tmp_path):
    out = embed_to_table(encoder(), arrays(5), tmp_path)
    assert [file.name for file in out.iterdir()] == ["part-00000.parquet"]
    assert len(read_embeddings(out)) == 5


def test_a_directory_of_other_files_is_left_alone(encoder, arrays, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UserError, match=r"must be empty .*, got a folder with run\.json"):
        embed_to_table(encoder(), arrays(5), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_too_large_for_half_precision(encoder, arrays, tmp_path):
    loud = encoder(weight=1e6)
    with pytest.raises(UserError, match=r"to fit float16, images/0.png has .*use float32"):
        embed_to_table(loud, arrays(5), tmp_path / "a")
    assert list(tmp_path.rglob("*.parquet")) == []
    out = embed_to_table(loud, arrays(5), tmp_path / "b", dtype="float32")
    assert read_embeddings(out).vectors.max() > 9e5


def test_a_shard_of_bad_items_is_empty_and_nothing_but_bad_items_is_an_error(
    encoder, arrays, tmp_path
):
    bad = frozenset(range(4, 8))
    out = embed_to_table(encoder(), arrays(10, bad=bad), tmp_path / "a", shard_rows=4)
    found = read_embeddings(out)
    assert len(found) == 6
    assert [skipped.index for skipped in found.bad] == [4, 5, 6, 7]
    with pytest.raises(UserError, match="3 bad items and no good one"):
        embed_to_table(encoder(), arrays(3, bad=frozenset(range(3))), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_reading_what_is_missing_foreign_or_unfinished(encoder, arrays, tmp_path):
    with pytest.raises(UserError, match="must be a file or directory that ilk embed wrote"):
        read_embeddings(tmp_path / "nothing.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "foreign.parquet")
    (tmp_path / "text.parquet").write_text("no parquet at all")
    for name in ("foreign.parquet", "text.parquet"):
        with pytest.raises(UserError, match="must be a parquet file that ilk embed wrote"):
            read_embeddings(tmp_path / name)
        with pytest.raises(UserError, match="embed: .* must be free or hold a whole table"):
            embed_to_table(encoder(), arrays(3), tmp_path / name)
    out = embed_to_table(encoder(), arrays(9), tmp_path / "a", shard_rows=4)
    (out / "part-00001.parquet").unlink()
    with pytest.raises(UserError, match="must hold the 3 shards of one run, got 2"):
        read_embeddings(out)


def test_a_full_disk_keeps_what_is_finished(encoder, arrays, tmp_path, monkeypatch):
    real, written = table.pq.ParquetWriter, []

    def second_fails(where, *args, **kwargs):
        written.append(where)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        return real(where, *args, **kwargs)

    monkeypatch.setattr(table.pq, "ParquetWriter", second_fails)
    with pytest.raises(UserError, match=r"No space left on device.*finished pieces are kept"):
        embed_to_table(encoder(), arrays(12), tmp_path / "a")
    source = arrays(12)
    embed_to_table(encoder(), source, tmp_path / "a")
    assert min(source.read) == 4


def test_one_process_at_a_time_embeds_into_a_place(encoder, arrays, tmp_path):
    place = tmp_path / "a.parquet"
    with lock(place, "x"):
        with pytest.raises(UserError, match=rf"^embed: {place} .*process {os.getpid()} on"):
            embed_to_table(encoder(), arrays(3), place)
        assert not place.exists()
    embed_to_table(encoder(), arrays(3), place)
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_a_place_that_is_none_is_said_before_anything_is_read(encoder, arrays, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file/a.parquet", Path("/dev/full"), Path("/proc/a.parquet")):
        source = arrays(3)
        with pytest.raises(UserError, match="^embed: .* must be writable, got"):
            embed_to_table(encoder(), source, place)
        assert not source.read


def test_names_that_are_no_text_are_kept_apart(encoder, arrays, tmp_path, monkeypatch):
    names = ["a\udce9.png", "a\\xe9.png", "a\udcea.png", "b\x1b.png"]
    source = arrays(4)
    monkeypatch.setattr(type(source), "key", lambda _, index: names[index])
    found = read_embeddings(embed_to_table(encoder(), source, tmp_path / "a"))
    assert found.keys.to_pylist() == ["a\\xe9.png", "a\\x5cxe9.png", "a\\xea.png", "b\x1b.png"]


def test_a_row_leads_back_to_its_file_and_what_was_left_out_is_listed(encoder, tmp_path):
    for name, size in (("a/one.png", (7, 4)), ("a/two.png", (3, 9)), ("b/three.png", (5, 5))):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", size, "red").save(path)
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn
    Image.new("RGB", (8, 2)).save(tmp_path / "a/turned.jpg", exif=turned)
    (tmp_path / "a/torn.png").write_bytes(b"no image")
    (tmp_path / "a/notes.txt").write_text("of another kind")
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    out = embed_to_table(encoder(), open_source(folders), tmp_path / "v.parquet")
    found = pq.read_table(out)
    facts = json.loads(found.schema.metadata[b"ilk"])
    sizes = {}
    for row in found.select(["key", "width", "height"]).to_pylist():
        prefix = max((p for p in facts["roots"] if row["key"].startswith(p)), key=len)
        file = Path(facts["roots"][prefix]) / row["key"].removeprefix(prefix)
        assert file.is_file()
        sizes[file.name] = (row["width"], row["height"])
    assert sizes == {
        "one.png": (7, 4), "two.png": (3, 9), "three.png": (5, 5), "turned.jpg": (2, 8),
    }  # fmt: skip
    assert [bad.key.endswith("a/torn.png") for bad in left_behind(out)] == [True]
    assert [kind["first"].endswith("notes.txt") for kind in facts["left_out"]] == [True]


def files_behind(out):
    """What the rows of a table lead back to, by the documentation's rule."""
    found = pq.read_table(out)
    leads = json.loads(found.schema.metadata[b"ilk"])["roots"]
    for key in found["key"].to_pylist():
        prefix = max((prefix for prefix in leads if key.startswith(prefix)), key=len)
        yield Path(leads[prefix]) / key.removeprefix(prefix)


def png(number):
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (number, 0, 0)).save(file, "PNG")
    return file.getvalue()


def pack(path, names):
    """A tar or zip of images under these names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for number, name in enumerate(names):
                archive.writestr(name, png(number))
        return
    with tarfile.open(path, "w") as archive:
        for number, name in enumerate(names):
            member = tarfile.TarInfo(name)
            member.size = len(png(number))
            archive.addfile(member, io.BytesIO(png(number)))


INSIDE = ["train/a/1.png", "train/b/2.png", "test/a/3.png"]


@pytest.mark.parametrize("part", ["", ":train", ":train/a"])
@pytest.mark.parametrize(
    ("packed", "spec"),
    [
        (["x.tar"], "x.tar"),
        (["x.zip"], "x.zip"),
        (["x-0.tar", "x-1.tar"], "x-*.tar"),
        (["one/x.tar", "two/x.tar"], "*/x.tar"),
        (["x-0.zip", "x-1.zip"], "x-*.zip"),
    ],
)
def test_a_row_leads_back_into_its_archive(encoder, tmp_path, monkeypatch, packed, spec, part):
    monkeypatch.chdir(tmp_path)
    for name in packed:
        pack(Path(name), INSIDE)
    out = embed_to_table(encoder(), open_source(spec + part), tmp_path / "v.parquet")
    wanted = {
        tmp_path / name / inside
        for name in packed
        for inside in INSIDE
        if inside.startswith(part.removeprefix(":"))
    }
    found = list(files_behind(out))
    assert {*found} == wanted
    assert len(found) == len(wanted)


def test_images_given_one_by_one_lead_back_to_their_files(encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["one.png", "deep/two.png"]
    (tmp_path / "deep").mkdir()
    for number, name in enumerate(names):
        Path(name).write_bytes(png(number))
    absolute = [str(tmp_path / name) for name in names]
    for spec in ("one.png", absolute[0], names, absolute, [names[0], absolute[1]], "*.png"):
        out = embed_to_table(encoder(), open_source(spec), tmp_path / "v.parquet")
        monkeypatch.chdir("/")  # the table is read elsewhere
        wanted = absolute if isinstance(spec, list) else absolute[:1]
        assert [str(file) for file in files_behind(out)] == wanted, spec
        monkeypatch.chdir(tmp_path)
        out.unlink()
    pack(tmp_path / "x.tar", ["3.png"])
    out = embed_to_table(encoder(), open_source(["one.png", "x.tar"]), tmp_path / "v.parquet")
    assert [*files_behind(out)] == [tmp_path / "one.png", tmp_path / "x.tar/3.png"]


def test_an_array_has_no_file_and_one_that_has_leads_there(encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.zeros((3, 5, 6, 3), np.uint8)
    Path("one.png").write_bytes(png(1))
    assert roots(open_source(images)) == {}
    assert roots(open_source([images[0], "one.png"])) == {}, "key 0 is no file"
    assert roots(open_source([images[0], str(tmp_path / "one.png")])) == {"/": "/"}
    np.save("x.npy", images)
    np.savez("x.npz", images=images)
    for name in ("x.npy", "x.npz"):
        out = embed_to_table(encoder(), open_source(name), tmp_path / "v.parquet")
        assert [*files_behind(out)] == [tmp_path / name / str(row) for row in range(3)]
        out.unlink()


def test_roots_of_names_that_are_no_text_begin_as_the_keys_do(encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a\udce9", "b"):
        Path(name).mkdir()
        Path(f"{name}/1.png").write_bytes(png(1))
    out = embed_to_table(encoder(), open_source(["a\udce9", "b"]), tmp_path / "v.parquet")
    assert [*files_behind(out)] == [tmp_path / "a\udce9" / "1.png", tmp_path / "b" / "1.png"]


def test_a_table_of_before_there_were_sizes_is_read(encoder, arrays, tmp_path):
    out = embed_to_table(encoder(), arrays(5), tmp_path / "a.parquet")
    wanted = read_embeddings(out)
    pq.write_table(pq.read_table(out).drop_columns(["width", "height"]), out)
    same(read_embeddings(out), wanted)
