import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ilk.core import UserError
from ilk.embedding import Embeddings
from ilk.evaluate.class_map import mapped, read_class_map

Make = Callable[..., Embeddings]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("map.json", '{"pets": ["cat", "dog"], "insect": "bee"}'),
        ("map.csv", "pets, cat,dog\ninsect,bee\n"),
    ],
)
def test_read(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    assert read_class_map(file) == {"pets": ("cat", "dog"), "insect": ("bee",)}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "must be whole JSON"),
        ("[" * 100_000, "must be whole JSON"),
        ('{"a": "cat", "a": "dog"}', "a name twice"),
        ("[]", "must be an object"),
        ('{"a": []}', "a has no train class"),
        ('{"a": 3}', "a must be a train class or a list of such, got 3"),
        ('{"a": {"cat": 1}}', "a must be a train class or a list of such"),
        ('{"a": [1]}', "a must be a train class or a list of such"),
        ('{"a": "cat", "b": ["cat"]}', "'cat' belongs to 'a' and 'b'"),
    ],
)
def test_refused_files(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "map.json"
    file.write_text(text)
    with pytest.raises(UserError, match=what):
        read_class_map(file)


def test_rows_of_one_test_class_are_taken_together(tmp_path: Path) -> None:
    file = tmp_path / "map.csv"
    file.write_text("pets,cat\ninsect,bee\n\npets,dog\n")
    assert read_class_map(file) == {"pets": ("cat", "dog"), "insect": ("bee",)}


def test_a_cell_without_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "map.csv"
    file.write_text(f"pets,{'c' * 200_000}\n")
    with pytest.raises(UserError, match="field larger than field limit"):
        read_class_map(file)


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "map.csv")
    for path in (tmp_path / "map.csv", Path("/dev/zero"), tmp_path):
        with pytest.raises(UserError, match="must be a plain file"):
            read_class_map(path)


def test_both_sets_in_the_classes_of_the_map(embeddings: Make) -> None:
    train = embeddings(np.eye(5), np.array([0, 1, 2, 3, -1]), "train")
    test = embeddings(
        np.eye(4), np.array([2, 1, 0, -1]), "test", classes=("toy", "insect", "pets")
    )
    known = {"pets": ("cat", "dog"), "insect": ("bee",), "elsewhere": ("ant",)}
    ours, theirs = mapped(train, test, known)
    assert ours.classes == theirs.classes == ("pets", "insect")
    assert ours.labels.tolist() == [-1, 1, 0, 0, -1]
    assert theirs.labels.tolist() == [0, 1, -1, -1]
    assert ours.data != train.data
    with pytest.raises(UserError, match="'owl' is not"):
        mapped(train, test, {"pets": ("owl",)})
    with pytest.raises(UserError, match="names none"):
        mapped(train, test, {"bird": ("bee",)})
