import contextlib
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilk.core.errors import UserError
from ilk.data import BadItem, Parquet, Reader, decode, labels, open_source

IMAGES = [bytes([number]) * (100 + number) for number in range(20)]
SPLIT = ["train", "test", "train", "val"] * 5


def stored(path: Path, metadata: dict[str, str] | None = None, **columns) -> Path:
    table = pa.table({"image": pa.array(IMAGES)} | columns)
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=6)
    return path


def test_rows_come_as_they_are(tmp_path: Path) -> None:
    source = open_source(stored(tmp_path / "x.parquet"))
    assert [source.item(index) for index in range(20)] == IMAGES
    assert source.classes == ()
    assert set(labels(source)) == {-1}
    assert source.key(7) == "7"


@pytest.mark.parametrize("dictionary", [False, True])
def test_a_split_is_chosen(tmp_path: Path, dictionary: bool) -> None:
    split = pa.array(SPLIT).dictionary_encode() if dictionary else pa.array(SPLIT)
    path = stored(tmp_path / "x.parquet", split=split, label=pa.array([*range(10)] * 2))
    source = open_source(f"{path}:test")
    assert [source.item(index) for index in range(5)] == IMAGES[1::4]
    assert labels(source).tolist() == [1, 5, 9, 3, 7]
    assert source.key(2) == "9"
    assert source.classes == tuple("0123456789")
    assert open_source(f"{path}:val").fingerprint != source.fingerprint
    with pytest.raises(UserError, match="'dev' must exist, found train, test, val"):
        open_source(f"{path}:dev")
    with pytest.raises(UserError, match="split or subset"):
        open_source(f"{stored(path)}:test")


def test_any_column_chooses_rows_and_says_what_is_what(tmp_path: Path) -> None:
    path = stored(
        tmp_path / "x.parquet",
        split=pa.array(SPLIT),
        label=pa.array([0] * 20),
        domain=pa.array(["web", "shop"] * 10),
        year=pa.array([2001, 2002, 2003, 2004] * 5),
        species=pa.array(["ant", "bee"] * 10),
        back=pa.array(IMAGES[::-1]),
    )
    assert open_source(f"{path}:domain=web").item(1) == IMAGES[2]
    source = open_source(f"{path}:domain=shop,year=2004,images=back,labels=species")
    rows = [row for row in range(20) if row % 4 == 3]
    assert [source.key(index) for index in range(len(source))] == [str(row) for row in rows]
    assert [source.item(index) for index in range(5)] == [IMAGES[19 - row] for row in rows]
    assert source.classes == ("ant", "bee")
    assert labels(source).tolist() == [1] * 5
    plain = open_source(f"{path}:split=test,images=back")
    assert plain.fingerprint != source.fingerprint
    assert len(plain) == 5
    with pytest.raises(UserError, match="column 'colour', found"):
        open_source(f"{path}:colour=red,images=back")
    with pytest.raises(UserError, match="year '1999' must exist, found 2001, 2002"):
        open_source(f"{path}:year=1999,images=back")
    with pytest.raises(UserError, match="must have rows, found none"):
        open_source(f"{path}:domain=web,year=2002,images=back")


BITS = pa.array([1, 0] * 10)
HUGGING_FACE = json.dumps({"info": {"features": {"label": {"names": ["no", "yes"]}}}})


@pytest.mark.parametrize(
    ("columns", "metadata", "classes", "first"),
    [
        ({"label": pa.array([2, 0] * 10)}, None, ("0", "1", "2"), [2, 0]),
        ({"label": pa.array([2, None] * 10)}, None, ("0", "1", "2"), [2, -1]),
        ({"label": pa.array([-1, None] * 10, pa.int8())}, None, (), [-1, -1]),
        ({"label": pa.array([10**9, 7] * 10)}, None, ("7", "1000000000"), [1, 0]),
        ({"label": pa.array(["dog", "cat"] * 10)}, None, ("cat", "dog"), [1, 0]),
        ({"label": pa.array(["7", "3"] * 10)}, None, tuple("01234567"), [7, 3]),
        ({"label": pa.array(["dog", None] * 10).dictionary_encode()}, None, ("dog",), [0, -1]),
        ({"label": pa.array([True, False] * 10)}, None, ("false", "true"), [1, 0]),
        ({"label": BITS}, {"huggingface": HUGGING_FACE}, ("no", "yes"), [1, 0]),
        ({"label": BITS}, {"classes": '["a", "b", "c"]'}, ("a", "b", "c"), [1, 0]),
        ({"label": BITS}, {"classes": "not json"}, ("0", "1"), [1, 0]),
        (
            {"label": pa.array([3, 1] * 10), "label_name": pa.array(["d", "b"] * 10)},
            None, ("0", "b", "2", "d"), [3, 1],
        ),
        ({"target": pa.array([1, 0] * 10)}, None, ("0", "1"), [1, 0]),
        ({"weight": pa.array([1, 0] * 10)}, None, (), [-1, -1]),
        ({"label": pa.array([0.5, 0.1] * 10)}, None, (), [-1, -1]),
    ],
)  # fmt: skip
def test_labels_and_class_names(tmp_path: Path, columns, metadata, classes, first) -> None:
    source = open_source(stored(tmp_path / "x.parquet", metadata, **columns))
    assert source.classes == classes
    assert labels(source).tolist() == first * 10


def test_a_struct_of_bytes_and_path(tmp_path: Path) -> None:
    rows = [{"bytes": data, "path": "a.png"} for data in IMAGES]
    rows[3], rows[5] = {"bytes": None, "path": "b.png"}, None
    table = pa.table({"img": pa.array(rows), "label": pa.array(range(20))})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=6)
    source = open_source(tmp_path / "x.parquet")
    for index, data in enumerate(IMAGES):
        if index in (3, 5):
            with pytest.raises(BadItem, match="no bytes|empty"):
                source.item(index)
        else:
            assert source.item(index) == data


def test_a_row_may_name_a_file_beside_the_table(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    folder = tmp_path / "set"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "1.png").write_bytes(b"one")
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    paths = [
        "photos/1.png", "photos/../photos/1.png", "../secret.png", str(tmp_path / "secret.png"),
        "photos/../../secret.png", "out.png", "https://example.com/1.png", "photos/2.png",
        "zero\0.png", "photos", None,
    ]  # fmt: skip
    rows = [{"bytes": None, "path": path} for path in paths] + [{"bytes": b"own", "path": "x"}]
    pq.write_table(pa.table({"image": pa.array(rows)}), folder / "x.parquet", row_group_size=5)
    source = open_source(folder / "x.parquet")
    assert source.item(0) == source.item(1) == b"one"
    assert source.item(11) == b"own"
    for index in range(2, 7):
        with pytest.raises(BadItem, match="must stay in the folder of the parquet file"):
            source.item(index)
    for index, reason in ((7, "vanished"), (8, "stay"), (9, "not a regular"), (10, "empty")):
        with pytest.raises(BadItem, match=reason):
            source.item(index)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([[1, 2], [3]]), r"only found image \(list<"),
        (pa.array([{"data": b"x"}]), r"only found image \(struct<"),
        (pa.array(["a.png"]), r"only found image \(string\)"),
        (pa.array([], pa.binary()), "must have rows, found none"),
    ],
)
def test_a_table_without_encoded_images_says_what_it_has(tmp_path, column, message) -> None:
    pq.write_table(pa.table({"image": column}), tmp_path / "x.parquet")
    with pytest.raises(UserError, match=message):
        open_source(tmp_path / "x.parquet")
    if len(column):
        with pytest.raises(UserError, match="column image must hold encoded images as bytes"):
            open_source(f"{tmp_path}/x.parquet:images=image")


def test_bytes_of_any_arrow_type(tmp_path: Path) -> None:
    for kind in (pa.large_binary(), pa.binary_view(), pa.binary(3)):
        column = pa.array([b"one", b"two"]).cast(kind)
        pq.write_table(pa.table({"image": column}), tmp_path / "x.parquet")
        assert open_source(tmp_path / "x.parquet").item(1) == b"two"


@pytest.mark.parametrize("kind", ["parquet", "npz", "npy"])
def test_damage_anywhere_is_one_line(tmp_path: Path, kind: str) -> None:
    rng, path = np.random.default_rng(0), tmp_path / f"x.{kind}"
    pixels = np.zeros((5, 8, 8, 3), np.uint8)
    if kind == "parquet":
        rows = pa.array([{"bytes": b"x" * 50, "path": "a"}, {"bytes": None, "path": "b"}] * 10)
        pq.write_table(pa.table({"image": rows, "label": pa.array(["a", "b"] * 10)}), path)
    elif kind == "npz":
        np.savez(path, images=pixels, labels=np.arange(5))
    else:
        np.save(path, pixels)
    whole = path.read_bytes()
    reach = 130 if kind == "npy" else len(whole)  # its header
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for place in rng.integers(0, reach, 3):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            source = open_source(path)
            for index in range(len(source)):
                source.label(index)
                with contextlib.suppress(BadItem):
                    source.item(index)
        except UserError as error:
            refused += "\n" not in str(error)
    assert refused > 20


def test_parts_of_a_table_may_be_empty_or_lack_the_split(tmp_path: Path) -> None:
    for part, split in enumerate(("train", "train", "test")):
        stored(tmp_path / f"{part}.parquet", split=pa.array([split] * 20))
    empty = pa.table({"image": pa.array([], pa.binary()), "split": pa.array([], pa.string())})
    pq.write_table(empty, tmp_path / "3.parquet")
    assert len(open_source(f"{tmp_path}/*.parquet")) == 60
    assert len(open_source(f"{tmp_path}/*.parquet:train")) == 40
    assert len(open_source(f"{tmp_path}/*.parquet:test")) == 20
    with pytest.raises(UserError, match="'dev' must exist"):
        open_source(f"{tmp_path}/*.parquet:dev")


def test_columns_must_be_clear(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    two = {
        "front": pa.array(IMAGES),
        "back": pa.array(IMAGES[::-1]),
        "side": pa.array(range(20)),
    }
    pq.write_table(pa.table(two), path)
    with pytest.raises(UserError, match="front, back all do; say which with image="):
        open_source(path)
    assert open_source(path, image="back").item(0) == IMAGES[-1]
    assert labels(open_source(path, image="back", label="side")).tolist() == list(range(20))
    with pytest.raises(UserError, match="must have a column 'top', found front, back, side"):
        open_source(path, image="top")
    with pytest.raises(UserError, match="column front must be whole numbers or names"):
        open_source(path, image="back", label="front")
    pq.write_table(pa.table({"side": pa.array(range(20))}), path)
    with pytest.raises(UserError, match="only found side"):
        open_source(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match="must be a whole parquet file"):
        open_source(path)


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Parquet(stored(tmp_path / "x.parquet"), kept=1500)
    reads: list[int] = []
    read = source._groups._read
    monkeypatch.setattr(
        source._groups, "_read", lambda group: reads.append(group) or read(group)
    )
    for index in (0, 5, 6, 7, 1, 19, 2, 6, 19):
        assert source.item(index) == IMAGES[index]
        held = sum(images.nbytes for images, _ in source._groups._held.values())
        assert held <= 1500 or len(source._groups._held) == 1
    assert reads == [0, 1, 3, 1, 3]  # two groups fit, the least recently used goes


def test_many_threads_and_a_pickled_copy_read_the_same(tmp_path: Path) -> None:
    source = Parquet(stored(tmp_path / "x.parquet"), kept=1)
    source.item(3)
    other = pickle.loads(pickle.dumps(source))
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(source.item, [*range(20)] * 10)) == IMAGES * 10
    assert other.item(8) == IMAGES[8]
    assert len(pickle.dumps(source)) < 5000


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    first = open_source(stored(tmp_path / "x.parquet")).fingerprint
    assert open_source(stored(tmp_path / "y.parquet")).fingerprint == first
    changed = stored(tmp_path / "z.parquet", label=pa.array(range(20)))
    assert open_source(changed).fingerprint != first


def test_a_pattern_of_parquet_files(tmp_path: Path) -> None:
    for part in range(3):
        stored(tmp_path / f"{part}.parquet", label=pa.array([part] * 20))
    source = open_source(f"{tmp_path}/*.parquet")
    assert len(source) == 60
    assert source.item(41) == IMAGES[1]
    assert [source.classes[label] for label in labels(source)] == ["0"] * 20 + ["1"] * 20 + [
        "2"
    ] * 20


def test_cifar10(shared_data) -> None:
    path = shared_data("cifar10-20k.parquet")
    train, test = open_source(f"{path}:train"), open_source(f"{path}:test")
    assert (len(train), len(test)) == (20_000, 10_000)
    assert train.classes == test.classes
    assert train.classes[:3] == ("airplane", "automobile", "bird")
    assert np.bincount(labels(train)).tolist() == [2000] * 10
    assert np.bincount(labels(test)).tolist() == [1000] * 10
    reader = Reader(test)
    for index in range(0, 10_000, 250):
        pixels, real = reader.read(index)
        assert (pixels.shape, real) == ((32, 32, 3), index)


@pytest.mark.parametrize(
    ("name", "size", "classes", "shape"),
    [
        ("imagenette96-5k.parquet", 5000, 10, (96, 96, 3)),
        ("coil20-32.parquet", 1440, 20, (32, 32, 1)),
        ("emoji2-free.parquet", 3714, 10, (64, 64, 4)),
        ("omniglot-small.parquet", 4840, None, (105, 105, 1)),
    ],
)
def test_other_real_files(shared_data, name: str, size: int, classes, shape) -> None:
    source = open_source(shared_data(name))
    assert len(source) == size
    assert labels(source).min() >= 0
    if classes:
        assert len(source.classes) == classes
    assert decode(source.item(size // 2), channels=None).shape == shape
    assert decode(source.item(size // 2)).shape == (*shape[:2], 3)


def test_exchanged_labels_are_other_data(tmp_path: Path) -> None:
    prints = set()
    for number, kinds in enumerate((["a", "b"] * 10, ["b", "a"] * 10, ["a", "b"] * 10)):
        path = stored(tmp_path / f"{number}.parquet", label=pa.array(kinds))
        assert path.stat().st_size == (tmp_path / "0.parquet").stat().st_size
        prints.add(open_source(path).fingerprint)
    assert len(prints) == 2
