"""Labels in every form that is written, and the reason where there are none."""

import json
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torchvision
from PIL import Image
from torch.utils import data as torch_data

from ilk.core.errors import UserError
from ilk.data import (
    Arrays,
    Shards,
    Subset,
    decode,
    labels,
    open_source,
    unlabelled_because,
)
from ilk.data.classes import labels_of
from ilk.rendered import Rendered
from tests.data.zoo import encoded, smooth, tarred, written

PIXELS = np.stack([smooth(number, 10, 12) for number in range(6)])


@pytest.mark.parametrize(
    ("values", "classes", "numbers"),
    [
        ([2, 0, None], ("0", "1", "2"), [2, 0, -1]),
        ([2.0, float("nan"), 0.0], ("0", "1", "2"), [2, -1, 0]),
        (np.array([1, np.nan], np.float32), ("0", "1"), [1, -1]),
        (np.array([3, 1], np.uint8), ("0", "1", "2", "3"), [3, 1]),
        (np.array([2**64 - 1, 2**63], np.uint64), (str(2**63), str(2**64 - 1)), [1, 0]),
        ([True, False, None], ("false", "true"), [1, 0, -1]),
        (np.array([True, False]), ("false", "true"), [1, 0]),
        (np.array(["b", None, "a"], object), ("a", "b"), [1, -1, 0]),
        ([torch.tensor(1), torch.tensor(0)], ("0", "1"), [1, 0]),
        ([np.int64(1), np.str_("x")], ("1", "x"), [0, 1]),
        ([b"cat", "dog"], ("cat", "dog"), [0, 1]),
        (["2.0", "0.0", ""], ("0", "1", "2"), [2, 0, -1]),
        (["1.000e+00", "0"], ("0", "1"), [1, 0]),
        (["1.5", "0"], ("0", "1.5"), [1, 0]),
        (
            ["cafe\u0301", "caf\u00e9", " caf\u00e9\u00a0", "tea"],
            ("caf\u00e9", "tea"),
            [0, 0, 0, 1],
        ),
        (["\ufeffcat", "cat", "  "], ("cat",), [0, 0, -1]),
        (["9" * 30, "7"], ("7", "9" * 30), [1, 0]),
        ([10**15, 10**15 + 1], (str(10**15), str(10**15 + 1)), [0, 1]),
        ([-1, None, -7], (), [-1, -1, -1]),
    ],
)
def test_labels_of_any_kind(values, classes, numbers) -> None:
    found = labels_of(values)
    assert found.names == classes
    assert found.values.tolist() == numbers
    assert bool(found.reason) == (-1 in numbers)


@pytest.mark.parametrize("values", [[0.5], [[1, 2]], [{"a": 1}], [float("inf")], [1e300]])
def test_what_is_no_label_is_named(values) -> None:
    with pytest.raises(ValueError, match="must be whole numbers or names, got"):
        labels_of(values)


def shards(path: Path, files: dict[str, bytes]) -> Shards:
    return Shards([tarred(path / "x.tar", files)], "x")


@pytest.mark.parametrize(
    ("files", "keys", "found"),
    [
        ({"1.JPG": b"x", "1.CLS": b"3", "2.JPG": b"x", "2.Json": b'{"label": 1}'}, 2, [3, 1]),
        ({"i.v1.jpg": b"x", "i.v1.cls": b"1", "i.v2.jpg": b"x", "i.v2.cls": b"0"}, 2, [1, 0]),
        ({"i.v1.jpg": b"x", "i.v2.jpg": b"x", "i.cls": b"1"}, 2, [1, 1]),
        ({"1.jpg": b"x", "1.mask.png": b"m", "1.cls": b"1"}, 1, [1]),
        ({"1.jpg": b"x", "1.cls": b"1", "1.v2.jpg": b"x", "1.v2.cls": b"0"}, 2, [1, 0]),
        ({"1.cls": b"1", "2.cls": b"0", "1.jpg": b"x", "2.jpg": b"x"}, 2, [1, 0]),
        (
            {"1.jpg": b"x", "1.cls": b"\xef\xbb\xbf1\r\n", "2.jpg": b"x", "2.cls": b"0"},
            2,
            [1, 0],
        ),
        (
            {"1.jpg": b"x", "1.txt": "1\n".encode("utf-16"), "2.jpg": b"x", "2.txt": b"1"},
            2,
            [1, 1],
        ),
        ({"1.jpg": b"x", "1.json": b'{"label": 1.0}', "2.jpg": b"x", "2.cls": b"0"}, 2, [1, 0]),
        ({"e\u0301.jpg": b"x", "\u00e9.cls": b"1", "2.jpg": b"x", "2.cls": b"0"}, 2, [1, 0]),
        ({"1.jpg": b"x", "1.cls": b"", "1.json": b'{"cls": 2}'}, 1, [2]),
    ],
)
def test_labels_beside_images_of_a_shard(tmp_path: Path, files, keys, found) -> None:
    source = shards(tmp_path, files)
    assert len(source) == keys
    assert labels(source).tolist() == found
    assert not source.unlabelled_because


def table(path: Path, label: pa.Array | None = None, **columns) -> Path:
    count = 3 if label is None else len(label)
    named = {} if label is None else {"label": label}
    images = pa.array([encoded(Image.fromarray(PIXELS[0]), "PNG")] * count)
    pq.write_table(pa.table({"image": images} | named | columns), path / "x.parquet")
    return path / "x.parquet"


@pytest.mark.parametrize(
    ("column", "classes", "numbers"),
    [
        (pa.array([1.0, None, 0.0]), ("0", "1"), [1, -1, 0]),
        (pa.array([1.0, float("nan"), 0.0], pa.float32()), ("0", "1"), [1, -1, 0]),
        (pa.array([1, None, 0], pa.int8()), ("0", "1"), [1, -1, 0]),
        (pa.array([1, 0, 1], pa.uint64()), ("0", "1"), [1, 0, 1]),
        (
            pa.array([2**64 - 1, 5, None], pa.uint64()),
            ("18446744073709551615", "5"),
            [0, 1, -1],
        ),
        (pa.array([True, None, False]), ("false", "true"), [1, -1, 0]),
        (pa.array([3, None, 1]).dictionary_encode(), ("0", "1", "2", "3"), [3, -1, 1]),
        (pa.array(["b", "a", None], pa.large_string()), ("a", "b"), [1, 0, -1]),
        (pa.array(["b", "a", None], pa.string_view()), ("a", "b"), [1, 0, -1]),
        (pa.array(["b", "", "a"]).dictionary_encode(), ("a", "b"), [1, -1, 0]),
        (pa.array([1, 0], pa.decimal128(5, 2)), ("0", "1"), [1, 0]),
    ],
)
def test_label_columns_of_any_type(tmp_path: Path, column, classes, numbers) -> None:
    source = open_source(table(tmp_path, column))
    assert source.classes == classes
    assert labels(source).tolist() == numbers
    assert bool(source.unlabelled_because) == (-1 in numbers)


def npz(path: Path) -> Path:
    np.savez(path / "x.npz", images=PIXELS)
    return path / "x.npz"


def npy(path: Path) -> Path:
    np.save(path / "x.npy", PIXELS)
    return path / "x.npy"


class Bare:
    """A data set that keeps no labels."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return PIXELS[index], index


def hugging_face(**columns) -> datasets.Dataset:
    features = {"image": datasets.Image()}
    kinds = {name: datasets.Value("float64") for name in columns}
    rows = {"image": [Image.fromarray(PIXELS[0])] * 3} | columns
    return datasets.Dataset.from_dict(rows, datasets.Features(features | kinds))


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (lambda path: written(path / "x", {"1.jpg": b"", "2.jpg": b""}), "sort them into two"),
        (
            lambda path: written(path / "x", {"a/1.jpg": b"", "a/2.jpg": b""}),
            "sort them into two",
        ),
        (
            lambda path: written(
                path / "x", {"1.jpg": b"", "2.jpg": b"", "a/1.jpg": b"", "b/2.jpg": b""}
            ),
            r"\(2\) lie beside the folders a, b",
        ),
        (
            lambda path: written(path / "x", {"1.jpg": b"", "a/1.jpg": b"", "b/2.jpg": b""}),
            r"1 of 3 images lie beside the folders of the classes, such as 1\.jpg",
        ),
        (
            lambda path: tarred(path / "x.tar", {"1.jpg": b"", "2.jpg": b""}),
            r"no image has a label in a file.* and images do not",
        ),
        (
            lambda path: tarred(path / "x.tar", {"1.jpg": b"", "2.jpg": b"", "2.cls": b"1"}),
            "1 of 2 images have no label file",
        ),
        (
            lambda path: tarred(path / "x.tar", {"1.jpg": b"", "1.json": b'{"width": 3}'}),
            "of a .json the field label",
        ),
        (
            lambda path: tarred(
                path / "x.tar",
                {"1.jpg": b"", "1.txt": b"a dog", "2.jpg": b"", "2.txt": b"a cat"},
            ),
            "hold 2 different texts, which are taken for captions",
        ),
        (table, "no column is called label, .* none; name the one"),
        (
            lambda path: table(path, species=pa.array(["a", "b", "c"])),
            "species; name the one with labels by :labels=COLUMN",
        ),
        (
            lambda path: table(path, pa.array([0.5, 1.0])),
            "column label must be whole numbers or names, got 0.5",
        ),
        (
            lambda path: table(path, pa.array([[1], [2, 3]])),
            "column label must be whole numbers or names, it is list<",
        ),
        (
            lambda path: table(path, pa.array([None, None], pa.int64())),
            "no label is 0 or greater",
        ),
        (lambda path: table(path, pa.array([1, None])), "1 of 2 labels are missing"),
        (lambda path: PIXELS, r"give a pair \(images, labels\)"),
        (lambda path: (PIXELS, [0, 1, -1, 0, 1, 0]), "1 of 6 labels are missing or negative"),
        (npz, "it holds no array called labels"),
        (npy, "an .npy file holds one array"),
        (lambda path: list(PIXELS), "one by one"),
        (lambda _: [Bare()], "has none of targets, labels and classes"),
        (lambda path: hugging_face(), "by label=COLUMN"),
        (
            lambda path: hugging_face(label=[0.5, 1.0, 2.0]),
            "column label must be whole numbers",
        ),
        (lambda path: torchvision.datasets.FakeData(3), "has none of targets"),
        (
            lambda path: [PIXELS, str(written(path / "x", {"1.jpg": b""}))],
            r"in array: .*\(1 other parts",
        ),
        (lambda path: Subset(Arrays(PIXELS), np.arange(2)), "a pair"),
        (lambda path: Rendered(10, size=32, labelled=False), "gives no labels"),
    ],
)
def test_every_source_says_why_labels_are_missing(tmp_path: Path, spec, reason: str) -> None:
    source = open_source(spec(tmp_path))
    assert (labels(source) < 0).any()
    assert_reason(unlabelled_because(source), reason)


def assert_reason(said: str, wanted: str) -> None:
    with pytest.raises(UserError, match=wanted):
        raise UserError(said)
    assert "\n" not in said


def test_where_every_label_is_known_nothing_is_said(tmp_path: Path) -> None:
    for spec in (
        (PIXELS, np.arange(6)),
        (PIXELS, np.arange(6)[:, None].astype(float)),
        written(tmp_path / "x", {"a/1.jpg": b"", "b/2.jpg": b""}),
        table(tmp_path, pa.array([1, 0])),
        Rendered(10, size=32),
    ):
        assert not unlabelled_because(open_source(spec))


def test_labels_given_by_hand_must_fit() -> None:
    for given, message in (
        (np.eye(6), r"got \(6, 6\); of scores or one-hot rows give labels.argmax"),
        (np.full(6, 0.5), "must be whole numbers or names, got 0.5"),
        (np.arange(5), "one label for each of 6"),
    ):
        with pytest.raises(UserError, match=message):
            open_source((PIXELS, given))


class Kept(torch_data.Dataset):
    """A data set with targets."""

    def __init__(self, targets, **more) -> None:
        self.targets = targets
        for name, value in more.items():
            setattr(self, name, value)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> tuple[torch.Tensor, object]:
        return torch.from_numpy(PIXELS[index]).permute(2, 0, 1), 0


def test_wrappers_of_torch_keep_labels_and_order() -> None:
    whole = Kept([0, 1, 2, 0, 1, 2])
    inner = torch_data.Subset(whole, [5, 4, 3, 2])
    nested = torch_data.Subset(inner, [3, 0])
    split, rest = torch_data.random_split(whole, [2, 4], torch.Generator().manual_seed(0))
    joined = torch_data.ConcatDataset([nested, torch_data.ConcatDataset([split, rest])])
    source = open_source(joined)
    wanted = [2, 5, *split.indices, *rest.indices]
    assert labels(source).tolist() == [index % 3 for index in wanted]
    for at, index in enumerate(wanted):
        np.testing.assert_array_equal(decode(source.item(at)), PIXELS[index])
    assert source.fingerprint == open_source(joined).fingerprint
    assert (
        source.fingerprint != open_source(torch_data.ConcatDataset([split, nested])).fingerprint
    )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda ds: ds,
        lambda ds: torch_data.Subset(ds, [0, 1]),
        lambda ds: torch_data.Subset(torch_data.Subset(ds, [0, 1]), [0]),
        lambda ds: torch_data.ConcatDataset([Kept([0] * 6), ds]),
        lambda ds: torch_data.random_split(ds, [3, 3])[0],
        lambda ds: Wrapper(inner=ds),
        lambda ds: torch_data.Subset(Wrapper(Wrapper(ds)), [0]),
        lambda ds: Shifted(ds, [0, 1]),
    ],
)
def test_a_transform_does_not_hide_behind_wrappers(wrap) -> None:
    def flip(image):
        return image

    with pytest.raises(UserError, match="must have no transform"):
        open_source(wrap(Kept([0] * 6, transform=flip)))
    with pytest.raises(UserError, match="must have no transform"):
        open_source(wrap(torchvision.datasets.FakeData(6, transform=flip)))


class Wrapper:
    """Of another library, under another name."""

    def __init__(self, inner) -> None:
        self.inner = inner

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int):
        return self.inner[index]


class Shifted(torch_data.Subset):
    """A subset with a mind of its own, which must not be taken apart."""

    def __getitem__(self, index: int):
        return self.dataset[self.indices[index] + 1]

    def __getitems__(self, indices: list[int]):
        return [self[index] for index in indices]


def test_a_subset_of_another_kind_is_asked_for_its_items() -> None:
    source = open_source(Shifted(Kept([0] * 6), [0, 1]))
    np.testing.assert_array_equal(decode(source.item(1)), PIXELS[2])


def test_items_that_change_are_refused() -> None:
    rng = np.random.default_rng(0)

    class Random(Wrapper):
        def __getitem__(self, index: int):
            return rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)

    with pytest.raises(UserError, match="must give the same pixels each time, but item 0"):
        open_source(Random([0] * 4))


def test_targets_go_through_the_target_transform(tmp_path: Path) -> None:
    root = written(
        tmp_path, {f"{c}/1.png": encoded(Image.fromarray(PIXELS[0]), "PNG") for c in "ab"}
    )
    flipped = torchvision.datasets.ImageFolder(root, target_transform=lambda target: 5 - target)
    assert labels(open_source(flipped)).tolist() == [5, 4]
    with_names = Kept([0, 1, 0, 1, 0, 1], target_transform=("no", "yes").__getitem__)
    assert open_source(with_names).classes == ("no", "yes")
    broken = open_source(Kept([0] * 6, target_transform=lambda target: 1 / 0))
    assert_reason(unlabelled_because(broken), "its targets division by zero")


def test_labels_of_other_attributes() -> None:
    pixels = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
    tensors = torch_data.TensorDataset(pixels, torch.arange(6))
    assert labels(open_source(tensors)).tolist() == [*range(6)]
    np.testing.assert_array_equal(decode(open_source(tensors).item(2)), PIXELS[2])
    hidden = Bare()
    hidden._labels = ["b", "a", "b"]
    assert labels(open_source(hidden)).tolist() == [1, 0, 1]
    named = Bare()
    named.classes = ["x", "y"]
    assert labels(open_source(named)).tolist() == [0, 1, -1]  # there is no class 2
    decomposed = Kept([0, 1] * 3, classes=["cafe\u0301", "tea"])
    assert open_source(decomposed).classes == ("caf\u00e9", "tea")
    many = open_source(Kept([[0, 1]] * 6))
    assert_reason(
        unlabelled_because(many), r"its targets must be whole numbers or names, got \[0"
    )


def test_reasons_are_kept_with_a_shard(tmp_path: Path) -> None:
    path = tarred(tmp_path / "x.tar", {"1.jpg": b"", "2.bin": b""})
    first, second = Shards([path], "x"), Shards([path], "x")
    assert first.unlabelled_because == second.unlabelled_because
    assert first.left_out == second.left_out
    assert json.dumps(first.left_out[0].reason)


@pytest.mark.parametrize("listed", [True, False])
def test_labels_of_a_data_set_are_in_its_fingerprint(listed: bool) -> None:
    """All that it lists; else those of the items looked at, of which the first is one."""

    class Pairs:
        classes = ("a", "b")

        def __init__(self, labels: list[int]) -> None:
            self.pairs = labels
            if listed:
                self.targets = labels

        def __len__(self) -> int:
            return len(self.pairs)

        def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
            return np.full((4, 4, 3), index % 256, np.uint8), self.pairs[index]

    plain = open_source(Pairs([0, 1] * 500)).fingerprint
    assert open_source(Pairs([0, 1] * 500)).fingerprint == plain
    for changed in [0, 1, 2, 5, 999] if listed else [0]:
        other = [0, 1] * 500
        other[changed] = 1 - other[changed]
        assert open_source(Pairs(other)).fingerprint != plain
