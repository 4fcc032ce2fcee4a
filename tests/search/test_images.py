import pickle
import zipfile

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilk.core import UserError
from ilk.data import BadItem, open_source
from ilk.embedding import embed_to_table
from ilk.networks import load_encoder
from ilk.search import Index, append_to_index, build_index


def save_images(folder, count=6, start=0):
    for number in range(start, start + count):
        pixels = np.full((20 + number, 24, 3), 40 * number % 256, np.uint8)
        place = folder / ("ant" if number % 2 else "bee") / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), pixels)


def index_of(spec, tmp_path):
    encoder = load_encoder("random:resnet_mini")
    table = embed_to_table(encoder, open_source(str(spec)), tmp_path / "t.parquet")
    return build_index(table, tmp_path / "i")


def check_all(index, source):
    images = index.images()
    assert len(images) == len(source)
    assert images.classes == source.classes
    for number in range(len(source)):
        assert images.item(number) == source.item(number)
        assert images.label(number) == source.label(number)


def test_images_of_a_folder_and_of_archives(tmp_path):
    save_images(tmp_path / "photos/train")
    check_all(index_of(tmp_path / "photos", tmp_path / "a"), open_source(tmp_path / "photos"))
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as file:
        for path in (tmp_path / "photos").rglob("*.png"):
            file.write(path, path.relative_to(tmp_path / "photos"))
    spec = f"{tmp_path / 'p.zip'}:train"
    check_all(index_of(spec, tmp_path / "b"), open_source(spec))


def test_images_of_a_table(tmp_path):
    save_images(tmp_path / "photos")
    files = [path.read_bytes() for path in sorted((tmp_path / "photos").rglob("*.png"))]
    columns = {"image": files, "split": ["a", "b"] * 3, "label": [0, 1, 2, 0, 1, 2]}
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    spec = f"{tmp_path / 'p.parquet'}:b"
    index = index_of(spec, tmp_path / "a")
    check_all(index, open_source(spec))
    assert pickle.loads(pickle.dumps(index.images())).item(1) == files[3]


def test_images_whose_names_are_no_text(tmp_path):
    save_images(tmp_path / "odd", 2)
    name = (tmp_path / "odd/bee/0.png").as_posix().encode()
    (tmp_path / "odd/bee/0.png").rename(name.replace(b"0.png", b"\xe9.png").decode(
        errors="surrogateescape"))  # fmt: skip
    index, source = index_of(tmp_path / "odd", tmp_path / "b"), open_source(tmp_path / "odd")
    check_all(index, source)
    images = index.images()
    assert [images.key(n) for n in range(2)] == [source.key(n) for n in range(2)]
    assert all(images.place(n).is_file() for n in range(2))


def test_what_has_changed_or_gone_is_not_shown(tmp_path):
    save_images(tmp_path / "photos")
    images = index_of(tmp_path / "photos", tmp_path / "x").images()
    (tmp_path / "photos/ant/1.png").write_bytes(b"another")
    (tmp_path / "photos/ant/3.png").unlink()
    keys = [images.key(number) for number in range(len(images))]
    with pytest.raises(BadItem, match="changed"):
        images.item(keys.index("ant/1.png"))
    with pytest.raises(BadItem, match="vanished"):
        images.item(keys.index("ant/3.png"))
    images.item(keys.index("ant/5.png"))
    (tmp_path / "photos").rename(tmp_path / "moved")
    with pytest.raises(UserError, match=r"its table names .*photos; put them back"):
        Index.open(tmp_path / "x/i").images()


def test_a_key_does_not_lead_out_of_its_folder(table, vectors, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    keys = ["../secret", str(tmp_path / "secret"), "a\\x00b"]
    roots = {"": str(tmp_path / "photos")}
    index = build_index(table(tmp_path / "t", vectors(3), keys=keys, roots=roots),
                        tmp_path / "i")  # fmt: skip
    for number in range(3):
        with pytest.raises(BadItem, match="must stay in the folder"):
            index.images().item(number)


def test_images_of_all_parts(tmp_path):
    encoder = load_encoder("random:resnet_mini")
    for name, start in (("first", 0), ("second", 6)):
        save_images(tmp_path / name, start=start)
        embed_to_table(encoder, open_source(tmp_path / name), tmp_path / f"{name}.parquet")
    build_index(tmp_path / "first.parquet", tmp_path / "i")
    images = append_to_index(tmp_path / "i", tmp_path / "second.parquet").images()
    for number in range(12):
        root = tmp_path / ("first" if number < 6 else "second")
        assert images.item(number) == (root / images.key(number)).read_bytes()
