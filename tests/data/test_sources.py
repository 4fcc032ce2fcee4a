import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torchvision
from PIL import Image

from ilk.core.errors import UserError
from ilk.data import (
    Arrays,
    BadItem,
    Folder,
    HuggingFace,
    Joined,
    Reader,
    Source,
    decode,
    fact,
    labels,
    open_source,
)
from tests.data.zoo import encoded, smooth, tarred, written, zipped

COUNT = 12
PIXELS = np.stack([smooth(number, 10, 12) for number in range(COUNT)])
CLASSES = ("cat", "dog")
LABELS = np.arange(COUNT) * 2 // COUNT
FILES = {
    f"{CLASSES[label]}/{number:02}.png": encoded(Image.fromarray(PIXELS[number]), "PNG")
    for number, label in enumerate(LABELS)
}


def table(path: Path) -> dict[str, Any]:
    return {"image": list(FILES.values()), "label": [CLASSES[label] for label in LABELS]}


def as_parquet(path: Path) -> str:
    pq.write_table(pa.table(table(path)), path / "x.parquet")
    return str(path / "x.parquet")


def as_hugging_face(path: Path) -> datasets.Dataset:
    images = [Image.open(io.BytesIO(data)) for data in FILES.values()]
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=list(CLASSES))
    )
    return datasets.Dataset.from_dict({"image": images, "label": LABELS.tolist()}, features)


def as_npz(path: Path) -> str:
    np.savez(
        path / "x.npz", x_train=PIXELS, y_train=np.array(CLASSES)[LABELS], x_test=PIXELS[:3]
    )
    return f"{path}/x.npz:train"


def as_samples(path: Path) -> str:
    files: dict[str, bytes] = {}
    for name, data in FILES.items():
        files |= {name: data, name.replace(".png", ".cls"): name[:3].encode()}
    return str(tarred(path / "x.tar", files))


KINDS: dict[str, Callable[[Path], Any]] = {
    "folder": lambda path: str(written(path / "x", FILES)),
    "sub-folder": lambda path: f"{written(path / 'x' / 'train', FILES).parent}:train",
    "path": lambda path: written(path / "x", FILES),
    "list": lambda path: [
        written(path / name, {f: d for f, d in FILES.items() if f.startswith(name)}).as_posix()
        for name in CLASSES
    ],
    "zip": lambda path: str(zipped(path / "x.zip", FILES)),
    "tar": lambda path: str(tarred(path / "x.tar", FILES)),
    "samples": as_samples,
    "parquet": as_parquet,
    "npz": as_npz,
    "arrays": lambda _: (PIXELS, np.array(CLASSES)[LABELS]),
    "tensors": lambda _: (torch.from_numpy(PIXELS), LABELS),
    "hugging face": as_hugging_face,
    "torchvision": lambda path: torchvision.datasets.ImageFolder(written(path / "x", FILES)),
    "source": lambda path: Folder(written(path / "x", FILES)),
}
UNLABELLED = ("list",)
NUMBERED = ("tensors",)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_gives_the_same(tmp_path: Path, kind: str) -> None:
    spec = KINDS[kind](tmp_path)
    source = open_source(spec)
    assert isinstance(source, Source)
    assert len(source) == COUNT
    for index in range(COUNT):
        np.testing.assert_array_equal(decode(source.item(index)), PIXELS[index])
    names = () if kind in UNLABELLED else ("0", "1") if kind in NUMBERED else CLASSES
    assert source.classes == names
    assert labels(source).tolist() == ([-1] * COUNT if kind in UNLABELLED else LABELS.tolist())
    assert len({source.key(index) for index in range(COUNT)}) == COUNT
    assert source.fingerprint == open_source(spec).fingerprint
    assert int(source.fingerprint, 16) >= 0
    if isinstance(spec, str):
        assert source.name == spec


def test_labels_are_numbered_by_other_names() -> None:
    source = Arrays(PIXELS[:4], np.array(["cat", "dog", "eel", "cat"]))
    assert labels(source).tolist() == [0, 1, 2, 0]
    assert labels(source, ("eel", "cat")).tolist() == [1, -1, 0, 1]
    assert labels(Arrays(PIXELS[:2]), ("cat",)).tolist() == [-1, -1]


def test_asking_whether_it_is_a_source_computes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def costly(_: Arrays) -> str:
        raise AssertionError

    monkeypatch.setattr(Arrays, "fingerprint", property(costly))
    source = Arrays(PIXELS)
    assert isinstance(source, Source)
    assert open_source(source) is source


def test_joined_classes_agree_by_name() -> None:
    one = Arrays(PIXELS[:3], np.array(["dog", "cat", "dog"]), name="one")
    two = Arrays(PIXELS[3:6], name="two")
    three = Arrays(PIXELS[6:], np.array(["eel", "cat"] * 3), name="three")
    source = Joined([one, two, three])
    assert source.classes == ("cat", "dog", "eel")
    assert labels(source).tolist() == [1, 0, 1, -1, -1, -1] + [2, 0] * 3
    assert [source.key(index) for index in (0, 3, 11)] == ["one/0", "two/0", "three/5"]
    for index in range(COUNT):
        np.testing.assert_array_equal(source.item(index), PIXELS[index])
    assert source.fingerprint != Joined([one, three, two]).fingerprint
    with pytest.raises(IndexError):
        source.item(COUNT)


def test_a_joined_source_with_bad_files(tmp_path: Path) -> None:
    good = written(tmp_path / "good", FILES)
    bad = written(tmp_path / "bad", {"x.png": b"x"})
    reader = Reader(open_source([str(bad), str(good)]))
    assert reader.read(0)[1] == 1
    assert reader.bad[0].key == f"{bad}/x.png"


def test_a_home_folder_and_a_colon_in_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path / "a:b", FILES)
    assert open_source("~/a:b").classes == CLASSES
    assert len(open_source("~/a:b:dog")) == COUNT // 2


def test_an_npy_file_stays_on_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PIXELS)
    source = open_source(tmp_path / "x.npy")
    assert isinstance(source._images, np.memmap)
    np.testing.assert_array_equal(source.item(3), PIXELS[3])
    with pytest.raises(UserError, match="no splits"):
        open_source(f"{tmp_path}/x.npy:train")


def test_the_fingerprint_of_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Arrays(PIXELS).fingerprint
    assert Arrays(PIXELS.copy(), name="other").fingerprint == first
    assert Arrays(PIXELS, LABELS).fingerprint != first
    changed = PIXELS.copy()
    changed[5, 3, 3, 1] ^= 1
    assert Arrays(changed).fingerprint != first
    swapped = PIXELS.astype(">u2")
    assert Arrays(swapped).fingerprint == Arrays(PIXELS.astype("<u2")).fingerprint
    monkeypatch.setattr("ilk.data.arrays._HASHED", 10)
    assert Arrays(np.zeros((5000, 2, 2, 3), np.uint8)).fingerprint != first


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (7, "got int"),
        ([], "got an empty list"),
        (np.zeros(5), "items along a first axis"),
        (np.zeros((0, 4, 4, 3)), "items along a first axis"),
        (np.zeros((5, 3, 32, 32)), r"looks like \[N, C, H, W\]"),
        (np.array([["a"]]), "must be numbers, got <U1"),
        ((PIXELS,), "two arrays, got 1"),
        ((PIXELS, LABELS[:3]), "one label for each of 12"),
        ((PIXELS, LABELS * 0.5), "must be whole numbers or names"),
        (
            datasets.DatasetDict(train=datasets.Dataset.from_dict({"x": [1]})),
            r"dataset\['train'\]",
        ),
        (datasets.Dataset.from_dict({"x": [1]}), "only found x"),
        (torchvision.datasets.FakeData(3, transform=np.asarray), "must have no transform"),
    ],
)
def test_what_is_no_source_is_an_error(spec: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_source(spec)


def test_arrays_without_known_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", photos=PIXELS)
    with pytest.raises(UserError, match="holds photos"):
        open_source(tmp_path / "x.npz")
    (tmp_path / "x.npy").write_bytes(b"nothing")
    with pytest.raises(UserError, match="written by NumPy"):
        open_source(tmp_path / "x.npy")


def test_hugging_face_rows_without_bytes(tmp_path: Path) -> None:
    path = written(tmp_path, {"a.png": FILES["cat/00.png"]}) / "a.png"
    rows = {
        "img": [{"bytes": None, "path": str(path)}, None, str(path)],
        "target": ["x", None, "y"],
    }
    dataset = datasets.Dataset.from_dict(rows, datasets.Features(
        img=datasets.Image(), target=datasets.Value("string")))  # fmt: skip
    source = HuggingFace(dataset)
    np.testing.assert_array_equal(decode(source.item(0)), PIXELS[0])
    assert source.item(0) == source.item(2)
    with pytest.raises(BadItem, match="empty"):
        source.item(1)
    assert labels(source).tolist() == [0, -1, 1]
    path.unlink()
    with pytest.raises(BadItem, match="vanished"):
        source.item(0)


class Homemade:
    """A data set of another library: tensors [C, H, W] and a target, one of them broken."""

    classes = ("even", "odd")

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if index == 2:
            raise OSError("broken")
        return torch.from_numpy(PIXELS[index]).permute(2, 0, 1), index % 2


def test_a_homemade_data_set() -> None:
    source = open_source(Homemade())
    assert labels(source).tolist() == [0, 1, -1, 1, 0, 1]
    np.testing.assert_array_equal(decode(source.item(1)), PIXELS[1])
    reader = Reader(source, max_bad_share=0.5)
    assert reader.read(2)[1] == 3
    assert reader.bad[0].reason == "unreadable: OSError: broken"


def test_transparent_pillow_images_lie_on_white() -> None:
    clear = Image.new("RGBA", (4, 3), (10, 20, 30, 0))
    source = open_source(_Listed([clear, clear.convert("RGB")]))
    assert (decode(source.item(0)) == 255).all()
    assert (decode(source.item(1)) == (10, 20, 30)).all()


class _Listed:
    def __init__(self, images: list[Image.Image]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Image.Image:
        return self.images[index]


@pytest.mark.parametrize(
    ("given", "classes", "codes"),
    [
        (["cat", float("nan"), "dog"], ("cat", "dog"), [0, -1, 1]),
        (["cat", None, "dog"], ("cat", "dog"), [0, -1, 1]),
        ((0.0, float("nan"), 1.0), ("0", "1"), [0, -1, 1]),
        ([[1], [-1], [0]], ("0", "1"), [1, -1, 0]),
        ([True, False, None], ("false", "true"), [1, 0, -1]),
    ],
)
def test_a_list_of_labels_may_have_gaps(given, classes, codes):
    images = np.zeros((3, 8, 8, 3), np.uint8)
    source = open_source((images, given))
    assert source.classes == classes
    assert labels(source).tolist() == codes
    if np.ndim(given) == 1:
        known = fact(open_source(images, facts={"kind": list(given)}), "kind")
        assert (known.names, known.values.tolist()) == (classes, codes)
