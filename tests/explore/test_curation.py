"""Images of one key, of an index over several folders, are decided about each on its own."""

from pathlib import Path

import numpy as np
from PIL import Image

from ilk.curate import curated
from ilk.data import open_source
from ilk.embedding import embed_to_table
from ilk.explore import open_collection
from ilk.explore.curation import Choice, Curation
from ilk.networks import load_encoder
from ilk.search import Index, append_to_index, build_index
from tests.explore.conftest import ENCODER, photo


def two_folders(folder: Path) -> Index:
    """Keys 0.png and 1.png, of other images in each folder."""
    encoder = load_encoder(ENCODER)
    for name, first in (("imgs", 0), ("im2", 10)):
        (folder / name).mkdir()
        for number in range(2):
            Image.fromarray(photo(first + number)).save(folder / name / f"{number}.png")
        source = open_source(str(folder / name))
        embed_to_table(encoder, source, folder / f"{name}.parquet")
    build_index(folder / "imgs.parquet", folder / "i")
    return append_to_index(folder / "i", folder / "im2.parquet")


def test_an_image_whose_name_is_no_text_is_decided_about_and_paired(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    for number, name in enumerate([b"\xe9.png", b"1.png"]):
        path = tmp_path / "odd" / name.decode(errors="surrogateescape")
        Image.fromarray(photo(number)).save(path)
    source = open_source(str(tmp_path / "odd"))
    embed_to_table(load_encoder(ENCODER), source, tmp_path / "t.parquet")
    collection = open_collection(build_index(tmp_path / "t.parquet", tmp_path / "i"))
    row = collection.keys.to_pylist().index("\\xe9.png")
    curation = Curation(collection, tmp_path / "c.parquet", tmp_path / "p.parquet")
    curation.decide([Choice(row, "drop")])
    assert set(curation.made()) == {row}
    assert len(curated(source, curation.decisions)) == 1
    curation.pair(0, 1, same=True)
    assert curation.partners(row) == {1 - row: "same"}
    assert curation.pair(0, 1, same=None) == 0


def test_two_images_of_one_key_are_dropped_shown_and_taken_back(tmp_path: Path) -> None:
    collection = open_collection(two_folders(tmp_path))
    keys = np.array(collection.keys.to_pylist())
    first, second = np.flatnonzero(keys == "0.png").tolist()
    curation = Curation(collection, tmp_path / "c.parquet", tmp_path / "p.parquet")
    assert curation.decide([Choice(first, "drop"), Choice(second, "drop")]) == 2
    assert set(curation.made()) == {first, second}
    for name in ("imgs", "im2"):
        left = curated(open_source(str(tmp_path / name)), curation.decisions)
        assert [left.key(index) for index in range(len(left))] == ["1.png"]
    assert curation.decide([Choice(second, None)]) == 1
    assert set(curation.made()) == {first}
