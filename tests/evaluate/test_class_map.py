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
        ("{", "must be JSON"),
        ("[]", "must be JSON"),
        ('{"a": []}', "a has no train class"),
        ('{"a": 3}', "must be JSON"),
        ('{"a": "cat", "b": ["cat"]}', "'cat' belongs to 'a' and 'b'"),
    ],
)
def test_refused_files(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "map.json"
    file.write_text(text)
    with pytest.raises(UserError, match=what):
        read_class_map(file)


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
