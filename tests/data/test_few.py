"""A few labels beside many images: what is labelled, what is hidden, and what is refused."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ilk.core import UserError
from ilk.data import fact, labels, left_out, monitor_labels, open_source, pooled
from ilk.train import Settings, open_images


@pytest.fixture
def folders(tmp_path):
    """photos/{cat,dog,owl}/*.png, six of each, and labelled/{cat,dog}/*.png, two of each."""
    chance = np.random.default_rng(0)
    for folder, classes, count in (("photos", "cat dog owl", 6), ("labelled", "cat dog", 2)):
        for name in classes.split():
            (tmp_path / folder / name).mkdir(parents=True)
            for number in range(count):
                pixels = chance.integers(0, 256, (12, 12, 3), np.uint8)
                Image.fromarray(pixels).save(tmp_path / folder / name / f"{number}.png")
    return tmp_path


def opened(folders, method="simclr", **given):
    return open_images(Settings(method=method, **given), str(folders / "photos"))


def test_images_of_a_folder_alone_are_labelled(folders):
    source = opened(folders, labelled=str(folders / "labelled"))
    assert source.classes == ("cat", "dog")
    assert labels(source).tolist() == [0, 0, 1, 1] + [-1] * 18
    # Monitors know what the folders of the photos say; owls are no class of the labelled ones.
    assert monitor_labels(source).tolist() == [0, 0, 1, 1] + [0] * 6 + [1] * 6 + [-1] * 6
    assert source.fingerprint != opened(folders).fingerprint


def test_labelled_images_are_in_the_pool_too_unless_it_is_set_otherwise(folders):
    given = {"labelled": str(folders / "labelled"), "method": "fixmatch"}
    source = opened(folders, **given)
    assert labels(source).tolist() == [0, 0, 1, 1] + [-1] * 22
    # What was learned by heart says nothing of pseudo-labels.
    assert monitor_labels(source).tolist()[-4:] == [-1] * 4
    assert (monitor_labels(source)[4:16] >= 0).all()
    assert np.array_equal(source.item(22), source.item(0))
    assert source.fingerprint != opened(folders, labelled=given["labelled"]).fingerprint
    assert len(opened(folders, **given, method_options={"pooled": "false"})) == 22
    assert len(opened(folders, labelled=given["labelled"], method="supervised")) == 22
    (folders / "labelled/notes.txt").write_text("no image")
    alone = open_source(str(folders / "labelled"))
    assert len(pooled(alone)) == 8
    assert left_out(pooled(alone)) == left_out(alone) != ()


ROWS = {"cat/0.png": "tabby", "dog/1.png": "pug", "owl/2.png": "", "cat/3.png": "tabby"}


def written(folders, rows, kind, place="photos"):
    table = folders / place / f"labels.{kind}"
    paths, names = zip(*rows, strict=True)
    if kind == "csv":
        lines = [f"{path},{name}" for path, name in rows]
        table.write_text("\n".join(["path,label", *lines]) + "\n")
    else:
        pq.write_table(pa.table({"path": paths, "label": [n or None for n in names]}), table)
    return str(table)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("place", ["photos", "."])
def test_a_table_labels_some_images(folders, kind, place):
    begin = "photos/" if place == "." else ""
    rows = [(begin + path, name) for path, name in ROWS.items()]
    rows.append((str(folders / "photos/dog/5.png"), "pug"))  # an absolute path
    source = opened(folders, labels=written(folders, rows, kind, place))
    assert source.classes == ("pug", "tabby")
    keys = {source.key(i): source.label(i) for i in range(len(source))}
    known = {key: label for key, label in keys.items() if label >= 0}
    assert known == {"cat/0.png": 1, "cat/3.png": 1, "dog/1.png": 0, "dog/5.png": 0}
    assert fact(source, "hidden label").names == ("cat", "dog", "owl")
    changed = written(folders, [*rows[:-1], (rows[-1][0], "tabby")], kind, place)
    assert opened(folders, labels=changed).fingerprint != source.fingerprint


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("./cat/0.png", "photos"),
        ("./photos/./cat/0.png", "."),
        ("../photos/cat/0.png", "labelled"),
        ("photos\\cat\\0.png", "."),
        ("photos/cat/caf\u00e9.png", "."),  # in the folder in the coding of macOS
        ("0.png", "photos/cat"),
        ("beside/cat/0.png", "."),  # a link to the photos
    ],
)
def test_one_image_has_many_names(folders, path, place):
    (folders / "photos/cat/0.png").rename(folders / "photos/cat/0.png.old")
    name = "cafe\u0301.png" if "caf" in path else "0.png"
    (folders / "photos/cat/0.png.old").rename(folders / "photos/cat" / name)
    (folders / "beside").symlink_to(folders / "photos")
    photos = "beside" if "beside" in path else "photos"
    rows = [(path, "a"), (str(folders / "photos/dog/1.png"), "b")]
    table = written(folders, rows, "csv", place)
    source = open_images(Settings(method="simclr", labels=table), str(folders / photos))
    known = {source.key(i): source.label(i) for i in range(len(source))}
    assert {key for key, label in known.items() if label == 0} == {f"cat/{name}"}
    assert {key for key, label in known.items() if label == 1} == {"dog/1.png"}


def test_two_names_of_an_image_must_agree(folders):
    rows = [("cat/0.png", "a"), ("dog/1.png", "b"), ("photos/cat/0.png", "a")]
    source = opened(folders, labels=written(folders, rows, "csv", "."))
    assert (labels(source) >= 0).sum() == 2
    rows[-1] = ("photos/cat/0.png", "b")
    with pytest.raises(UserError, match="must agree, got 'a' for 'cat/0.png' and 'b' for"):
        opened(folders, labels=written(folders, rows, "csv", "."))


@pytest.mark.parametrize(
    ("column", "classes", "known"),
    [
        (pa.array([0.0, 1.0, float("nan")]), ("0", "1"), [0, 1, -1]),
        (pa.array([0.0, 1.0, None]), ("0", "1"), [0, 1, -1]),
        (pa.array([0, 1, -1]), ("0", "1"), [0, 1, -1]),
        (pa.array(["x", "y", None]).dictionary_encode(), ("x", "y"), [0, 1, -1]),
        (pa.array(["cafe\u0301", "caf\u00e9", "x"]), ("caf\u00e9", "x"), [0, 0, 1]),
        (pa.array([0.5, 1.5, 2.5]), "must be whole numbers or names, got 0.5", None),
        (pa.array([b"x", b"y", None]), "must be whole numbers or names, it is binary", None),
    ],
)
def test_labels_of_a_parquet_table_are_those_of_images(folders, column, classes, known):
    table = folders / "labels.parquet"
    paths = ["cat/0.png", "cat/1.png", "cat/2.png"]
    pq.write_table(pa.table({"path": paths, "label": column}), table)
    if known is None:
        with pytest.raises(UserError, match=classes):
            opened(folders, labels=str(table))
        return
    source = opened(folders, labels=str(table))
    assert source.classes == classes
    assert labels(source)[:3].tolist() == known


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("cat/0.png", "a"), ("cat/9.png", "b"), ("x", "b")],
            "2 rows of 3 do not, first 'cat/9",
        ),
        (
            [("cat/0.png", "a"), ("cat/0.png", "b")],
            "must agree, got 'a' and 'b' for 'cat/0.png'",
        ),
        ([("cat/0.png", "")], "must have a row with a label, got none"),
        ([("cat/0.png", "a"), ("cat/1.png", "a")], "two classes at least, got those of 1"),
    ],
)
def test_a_table_that_does_not_fit_is_one_line(folders, rows, message):
    table = written(folders, rows, "csv")
    with pytest.raises(UserError, match=message) as caught:
        opened(folders, method="fixmatch", labels=table)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('path, label\ncat/0.png, a\ncat/1.png, "b, c"\n', {0: "a", 1: "b, c"}),
        ("label,who,path\r\na,me,cat/0.png\r\nb,you,cat/1.png\r\n,,\r\n", {0: "a", 1: "b"}),
        ("\ufeffpath,label\ncat/0.png,a\n\n,\ncat/1.png,b\ncat/2.png\n", {0: "a", 1: "b"}),
        ("path,label\ncat/0.png,1\ncat/1.png,3\ncat/2.png,-1\n", {0: "1", 1: "3"}),
        ("path,label\ncat/0.png,01\ncat/1.png,2007\n", {0: "1", 1: "2007"}),
    ],
)
def test_tables_as_programs_write_them(folders, text, found):
    (folders / "photos/labels.csv").write_bytes(text.encode())
    source = opened(folders, labels=str(folders / "photos/labels.csv"))
    known = labels(source)
    assert {i: source.classes[known[i]] for i in np.flatnonzero(known >= 0)} == found
    assert source.classes == tuple(found.values())  # none that no image has


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path;label\ncat/0.png;a\n", "one column path and one column label, .* 'path;label'"),
        ("path,label,label\ncat/0.png,a,b\n", "one column path and one column label"),
        ("Path,Label\ncat/0.png,a\n", "got 'Path', 'Label'"),
        ('path,label\ncat/0.png,"a\ncat/1.png,b\n', "must be CSV in UTF-8: unexpected end"),
        ("path,label\ncat/0.png,a\ncat/1.png,b, c\n", "a row of .* got more in line 3"),
        ("path,label\ncat/0.png,h\xe9ron\n", "must be CSV in UTF-8: 'utf-8' codec"),
        ("path,label\ncat/0.png,-1\ncat/1.png,-1\n", "must have a row with a label"),
        ("path,label\n,a\ncat/0.png,b\n", "1 row of 2 do not, first ''"),
    ],
)
def test_a_table_that_would_be_misread_is_refused(folders, text, message):
    (folders / "photos/labels.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=message) as caught:
        opened(folders, labels=str(folders / "photos/labels.csv"))
    assert "\n" not in str(caught.value)


def test_what_cannot_be_labels_is_one_line(folders, tmp_path):
    (folders / "other.csv").write_text("file,class\na,b\n")
    (folders / "torn.parquet").write_bytes(b"PAR1 and no more")
    flat = folders / "flat"
    flat.mkdir()
    (folders / "photos/owl/0.png").rename(flat / "0.png")
    (folders / "linked").symlink_to(folders / "photos/cat")
    for given, message in [
        (
            {"labels": str(folders / "other.csv")},
            "must have one column path and one column label",
        ),
        ({"labels": str(folders / "torn.parquet")}, "must be a parquet file"),
        ({"labels": str(folders / "none.csv")}, "must be a file, found none"),
        ({"labels": str(folders / "labelled")}, "must be a .csv or .parquet file"),
        ({"labelled": str(flat)}, "must hold images with labels"),
        ({"labelled": str(folders / "photos/cat")}, "must lie apart from the unlabelled"),
        ({"labelled": str(folders / "linked")}, "must lie apart from the unlabelled"),
        ({"labelled": str(folders / "photos")}, "must lie apart from the unlabelled"),
        ({"labelled": "a", "labels": "b"}, "got both"),
    ]:
        with pytest.raises(UserError, match=message) as caught:
            opened(folders, **given)
        assert "\n" not in str(caught.value)
