import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import pytest

from ilk.cli import main
from ilk.rendered import Rendered

TINY = (
    "--backbone", "resnet_mini", "--backbone-set", "widths=(8,16)", "--backbone-set",
    "depths=(1,1)", "--set", "hidden=16", "--set", "dim=8", "--batch-size", "8",
    "--image-size", "32", "--workers", "1",
)  # fmt: skip


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str


def status(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """The exit status of a command line."""
    monkeypatch.setattr(sys, "argv", ["ilk", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.fixture
def ilk(monkeypatch, capsys, tmp_path) -> Callable[..., Said]:
    """Run a command line in this process and an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")

    def run(*words: object) -> Said:
        capsys.readouterr()
        code = status(monkeypatch, *words)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Images in folders by class: train with four of each class, test with two."""
    place = tmp_path_factory.mktemp("images")
    for split, count in (("train", 40), ("test", 20)):
        source = Rendered(count, size=32, split=split)
        for index in range(count):
            path = place / split / source.classes[source.label(index)] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), source.item(index)[..., ::-1])
    return place


@pytest.fixture(scope="session")
def run(folder, tmp_path_factory) -> Path:
    """A finished run of a few steps."""
    place = tmp_path_factory.mktemp("runs") / "first"
    words = ("train", folder / "train", "--mix", "sdmp", *TINY, "--steps", "3", "-o", place)
    with pytest.MonkeyPatch.context() as patch:
        assert status(patch, *words) == 0
    return place
