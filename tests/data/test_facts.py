"""Facts of items by name: from every kind of source, and beside any."""

import datetime
import json
import pickle
import zipfile
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch.utils import data as torch_data

from ilk.core.errors import UserError
from ilk.data import Joined, Subset, fact, fact_names, labels, open_source
from tests.data.zoo import encoded, smooth, tarred, written

IMAGES = np.stack([smooth(number, 10, 12) for number in range(4)])
FILES = [encoded(Image.fromarray(image), "PNG") for image in IMAGES]


def table(path: Path, **columns: object) -> Path:
    made = pa.table({"image": pa.array(FILES, pa.binary())} | columns)
    pq.write_table(made, path / "table.parquet")
    return path / "table.parquet"


def named(source, name: str) -> list[str | None]:
    known = fact(source, name)
    assert len(known.values) == len(source)
    return [known.names[value] if value >= 0 else None for value in known.values]


@pytest.fixture
def forest(tmp_path: Path) -> Path:
    return table(
        tmp_path,
        species=["fox", "owl", "fox", "elk"],
        site=["north", "south", None, "north"],
        camera=[7, 7, 2, 9],
        day=[datetime.date(2021, 5, day) for day in (9, 10, 2, 9)],
    )


def test_labels_and_domains_are_read_from_the_columns_that_are_named(forest: Path) -> None:
    source = open_source(f"{forest}:labels=species,domain=site")
    assert source.classes == ("elk", "fox", "owl")
    assert labels(source).tolist() == [1, 2, 1, 0]
    assert named(source, "domain") == ["north", "south", None, "north"]
    assert "1 of 4" in fact(source, "domain").reason
    assert named(source, "label") == ["fox", "owl", "fox", "elk"]
    assert named(pickle.loads(pickle.dumps(source)), "domain") == named(source, "domain")


def test_any_column_is_a_fact_by_its_own_name(forest: Path) -> None:
    source = open_source(str(forest))
    assert fact_names(source) == ("species", "site", "camera", "day")
    assert named(source, "camera") == ["7", "7", "2", "9"]
    days = fact(source, "day")
    assert days.names == ("2021-05-02", "2021-05-09", "2021-05-10")
    assert days.values.tolist() == [1, 2, 0, 1]


def test_a_column_and_its_value_choose_rows_as_ever(forest: Path) -> None:
    source = open_source(f"{forest}:site=north,labels=species,place=camera")
    assert [source.key(row) for row in range(len(source))] == ["0", "3"]
    assert named(source, "place") == ["7", "9"]
    assert named(source, "site") == ["north", "north"]
    with pytest.raises(UserError, match=r"must have a column 'season', found .*species"):
        open_source(f"{forest}:season=winter")


def test_the_label_may_be_named_in_the_singular(forest: Path) -> None:
    source = open_source(f"{forest}:label=species")
    assert source.classes == ("elk", "fox", "owl")
    assert named(source, "label") == named(source, "species")


def test_numbers_of_joined_parts_stand_in_their_order(tmp_path: Path) -> None:
    parts = [
        open_source(IMAGES, facts={"time": times}) for times in ([9, 10, 2, 9], [100, 9, 2, -1])
    ]
    known = fact(Joined(parts), "time")
    ordered = [known.names[value] for value in sorted(known.values[known.values >= 0].tolist())]
    assert ordered == ["2", "2", "9", "9", "9", "10", "100"]
    folders = [
        written(tmp_path / name / place, {"1.png": FILES[0]}).parent
        for name, place in (("a", "01"), ("b", "1"))
    ]
    assert named(Joined([open_source(path) for path in folders]), "folder") == ["01", "1"]


def test_another_fingerprint_for_other_facts(forest: Path) -> None:
    plain, chosen = open_source(str(forest)), open_source(f"{forest}:domain=site")
    assert plain.fingerprint != chosen.fingerprint
    pixels = [{}, {"domain": [0, 1, 0, 1]}, {"domain": [0, 1, 1, 1]}, {"place": [0, 1, 0, 1]}]
    assert len({open_source(IMAGES, facts=known).fingerprint for known in pixels}) == 4


def test_class_names_of_a_file_are_names_of_labels_alone(tmp_path: Path) -> None:
    made = pa.table(
        {"image": pa.array(FILES, pa.binary()), "label": [0, 1, 0, 1], "site": [1, 0, 1, 0]}
    ).replace_schema_metadata({"classes": json.dumps(["cat", "dog"])})
    pq.write_table(made, tmp_path / "x.parquet")
    source = open_source(tmp_path / "x.parquet")
    assert named(source, "label") == ["cat", "dog", "cat", "dog"]
    assert named(source, "site") == ["1", "0", "1", "0"]


def test_a_column_that_cannot_be_a_fact_is_one_line(tmp_path: Path) -> None:
    source = open_source(table(tmp_path, label=[0, 1, 0, 1], weight=[0.5, 1.5, 2.5, 3.5]))
    with pytest.raises(
        UserError, match=r"column weight must be whole numbers or names, got 0.5"
    ):
        fact(source, "weight")


def test_features_of_a_hugging_face_data_set() -> None:
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.Value("int64"),
            "site": datasets.ClassLabel(names=["sea", "wood"]),
        }
    )
    rows = {
        "image": [{"bytes": file} for file in FILES],
        "label": [1, 0, 1, 1],
        "site": [1, 0, 0, 1],
    }
    made = datasets.Dataset.from_dict(rows, features=features)
    source = open_source(made, facts={"domain": "site"})
    assert named(source, "domain") == named(source, "site") == ["wood", "sea", "sea", "wood"]
    assert fact_names(source) == ("label", "domain", "site")
    assert labels(source).tolist() == [1, 0, 1, 1]
    with pytest.raises(UserError, match=r"items must have a fact 'sight', found label, site"):
        open_source(made, facts={"domain": "sight"})


def test_folders_say_domain_class_and_video(tmp_path: Path) -> None:
    names = ("photo/fox/1.png", "photo/fox/2.png", "sketch/owl/1.png", "sketch/3.png")
    files = dict(zip(names, FILES, strict=True))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, file in files.items():
            archive.writestr(name, file)
    written(tmp_path / "folder", files)
    tarred(tmp_path / "x.tar", files)
    meant = {"domain": "folder:1", "label": "folder:2", "video": "folder"}
    wanted = {
        name: (name.split("/")[0], name.split("/")[1] if name.count("/") == 2 else None)
        for name in names
    }
    for spec in ("folder", "x.zip", "x.tar"):
        source = open_source(tmp_path / spec, facts=meant)
        domains, animals = named(source, "domain"), named(source, "label")
        videos = named(source, "video")
        assert source.classes == ("fox", "owl")
        for index in range(4):
            key = source.key(index)
            assert (domains[index], animals[index]) == wanted[key]
            assert videos[index] == key.rpartition("/")[0]
        assert fact(source, "label").reason == "1 of 4 images lie less deep"
        assert fact_names(source)[-3:] == ("folder", "folder:1", "folder:2")
    flat = open_source(written(tmp_path / "flat", {"1.png": FILES[0]}))
    assert named(flat, "folder") == ["."]
    assert fact_names(flat) == ("folder",)


def test_values_beside_any_source(tmp_path: Path) -> None:
    files = {f"{number}.png": file for number, file in enumerate(FILES)}
    folder = written(tmp_path / "folder", files)
    shard = tarred(tmp_path / "x.tar", files)
    every = torch_data.TensorDataset(torch.from_numpy(IMAGES))
    for spec in (folder, shard, IMAGES, list(IMAGES), every):
        source = open_source(
            spec, facts={"video": ["b", "a", None, "b"], "label": [3, 3, 0, -1]}
        )
        assert named(source, "video") == ["b", "a", None, "b"]
        assert labels(source).tolist() == [3, 3, 0, -1]
        assert source.item(2) is not None
        with pytest.raises(
            UserError, match=r"video: needs one label for each of 4 items, got \(3,\)"
        ):
            open_source(spec, facts={"video": [1, 2, 3]})


def test_chosen_items_keep_the_values_of_the_whole(forest: Path) -> None:
    part = Subset(open_source(f"{forest}:domain=site"), np.array([3, 1, 1]))
    assert named(part, "domain") == ["north", "south", "south"]
    assert fact(part, "domain").names == ("north", "south")


def test_joined_parts_agree_on_names_and_lack_what_one_lacks(forest: Path) -> None:
    other = open_source(IMAGES, facts={"domain": ["south", "east", "south", "east"]})
    source = Joined([open_source(f"{forest}:domain=site"), other])
    wanted = ["north", "south", None, "north", "south", "east", "south", "east"]
    assert named(source, "domain") == wanted
    assert named(source, "camera") == ["7", "7", "2", "9", None, None, None, None]
    assert "array has none" in fact(source, "camera").reason


def test_sources_named_one_by_one_are_domains(tmp_path: Path) -> None:
    files = {"1.png": FILES[0], "2.png": FILES[1]}
    paths = [str(written(tmp_path / name, files)) for name in ("photo", "sketch")]
    assert named(open_source(paths), "domain") == [paths[0]] * 2 + [paths[1]] * 2
    assert fact_names(open_source(paths)) == ("folder", "domain")
    for name in ("a", "b"):  # the parts of one table are none
        (tmp_path / name).mkdir()
        table(tmp_path / name).rename(tmp_path / f"part-{name}.parquet")
    assert "domain" not in fact_names(open_source(str(tmp_path / "part-*.parquet")))


def test_a_missing_fact_is_one_line_that_says_what_to_do() -> None:
    source = open_source((IMAGES, np.arange(4)))
    with pytest.raises(
        UserError, match=r"items must have a fact 'video', found label; .*facts="
    ):
        fact(source, "video")
    with pytest.raises(UserError, match="did you mean label"):
        fact(source, "labl")
