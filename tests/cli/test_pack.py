"""``ilk pack`` as a person types it, and what reads its result."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ilk.cli.pack import size_of
from ilk.core import UserError
from tests.cli.conftest import TINY


def test_pack_says_what_became_of_images(ilk, folder):
    said = ilk("pack", folder / "train", "-o", "out.tar", "--shorter-side", "16")
    assert said.code == 0, said.err
    assert "pack 40/40" in said.out
    assert "The images are in out.tar: 40, " in said.out
    Path("few").mkdir()
    Path("few/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    for name in ("a", "b"):
        source = next((folder / "test").rglob("*.png"))
        Path(f"few/{name}.png").write_bytes(source.read_bytes())
    said = ilk("pack", "few", "-o", "few.parquet", "--json")
    assert said.code == 0, said.err
    assert "1 unreadable image left out:\n  broken.jpg: truncated" in said.err
    answer = json.loads(said.out)
    assert answer["files"] == ["few.parquet"]
    assert answer["images"] == 2
    assert list(answer["left_out"]) == ["broken.jpg"]


def test_what_is_packed_is_trained_on_embedded_and_scored(ilk, folder):
    for part in ("train", "test"):
        words = ("--shard-size", "20kB") if part == "train" else ()
        said = ilk("pack", folder / part, "-o", f"{part}.tar", "--format", "webp", *words)
        assert said.code == 0, said.err
    assert len(list(Path().glob("train-*.tar"))) > 1
    said = ilk("train", "train-*.tar", *TINY, "--steps", "1", "--knn-every", "0", "-o",
               "run")  # fmt: skip
    assert said.code == 0, said.err
    record = json.loads(Path("run/run.json").read_text())
    assert record["data"]["items"] == 40
    assert record["data"]["classes"] == 10
    said = ilk("evaluate", "run", "--train", "train-*.tar", "--test", "test.tar", "--protocols",
               "knn", "--json")  # fmt: skip
    assert said.code == 0, said.err
    said = ilk("embed", "run", "test.tar", "-o", "v.parquet")
    assert said.code == 0, said.err
    places = (folder / "test").rglob("*.png")
    keys = {path.relative_to(folder / "test").as_posix() for path in places}
    assert set(pq.read_table("v.parquet")["key"].to_pylist()) == keys


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("-o", "out.zip"), "the output must end in .tar or .parquet, got out.zip"),
        (("-o", "x.tar", "--shorter-side", "0"), "--shorter-side: must be 1 or more, got 0"),
        (("-o", "x.tar", "--quality", "200"), "--quality: must be 1 to 100, got 200"),
        (("-o", "x.tar", "--shard-size", "big"), "--shard-size: must be a size such as 1GB"),
    ],
)
def test_what_cannot_be_done_is_one_line(words, error, ilk, folder):
    said = ilk("pack", folder / "test", *words)
    assert said.code == 2
    assert error in said.err
    assert said.err.count("\n") == 1
    assert not list(Path().iterdir())


def test_sizes():
    assert size_of("1GB") == 10**9
    assert size_of("1.5 MiB") == 3 * 2**19
    assert size_of("700") == 700
    for text in ("", "0", "-1GB", "1XB", "GB", "0.1"):
        with pytest.raises(UserError, match="must be a size"):
            size_of(text)
