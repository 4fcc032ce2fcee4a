"""CSV and npz hold what parquet holds, are read without ilk, and do nothing of their own."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ilk.core import UserError
from ilk.data import open_source
from ilk.embedding import embed_to_table, formats, left_behind, read_embeddings, table
from ilk.embedding.formats import neutral, plain

NAMES = [
    "=1+1.png", "+1.png", "-1.png", "@SUM(A1).png", "\t=1.png", "\r=1.png",
    " =cmd|' /C calc'!A0", "\uff1d1.png", "'quoted'.png", 'a,"b";c.png', "two\nlines.png",
    "a;=1+1.png", "käse.png", "NA", "a\\xe9.png", "''.png", "null", "001",
]  # fmt: skip
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(table, "PIECE", 4)
    monkeypatch.setattr(formats, "ROWS", 3)


@pytest.fixture
def hostile(arrays, monkeypatch):
    """A source whose file and class names come from strangers."""
    source = arrays(len(NAMES), bad=frozenset({12}), classes=("=HYPERLINK(1)", "x;@y"))
    monkeypatch.setattr(type(source), "key", lambda _, index: NAMES[index])
    return source


def both(make, source, tmp_path, name, **settings):
    """The same as parquet and in another format."""
    other = embed_to_table(make(), source, tmp_path / name, **settings)
    return pq.read_table(
        embed_to_table(make(), source, tmp_path / "p.parquet", **settings)
    ), other


def from_csv(path: Path, wanted: pa.Schema) -> pa.Table:
    """As the documentation reads it, with what `neutral` put in taken out."""
    whole = [field for field in wanted if field.name != "vector"]
    found = pacsv.read_csv(
        path,
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types={field.name: field.type for field in whole},
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        ),
    )
    columns = {}
    for field in whole:
        columns[field.name] = found[field.name]
        if pa.types.is_string(field.type):
            texts = [text and plain(text) for text in found[field.name].to_pylist()]
            columns[field.name] = pa.array(texts, pa.string())
    dim = wanted.field("vector").type.list_size
    vectors = np.stack([found[f"v{place}"].to_numpy() for place in range(dim)], 1)
    kind = wanted.field("vector").type.value_type.to_pandas_dtype()
    flat = pa.array(vectors.astype(np.float32).astype(kind).ravel())
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, dim)
    return pa.table(columns, schema=wanted.remove_metadata())


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_csv_is_read_back_without_loss(encoder, hostile, tmp_path, dtype):
    wanted, path = both(encoder, hostile, tmp_path, "v.csv", dtype=dtype)
    assert from_csv(path, wanted.schema).equals(wanted.replace_schema_metadata())
    facts = json.loads((tmp_path / "v.csv.json").read_text())
    apart = ("made", "version")
    inside = json.loads(wanted.schema.metadata[b"ilk"])
    assert {**facts, **dict.fromkeys(apart)} == {**inside, **dict.fromkeys(apart)}
    assert left_behind(path) == left_behind(tmp_path / "p.parquet")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "p.parquet", "v.csv", "v.csv.json",
    ]  # fmt: skip


def test_no_cell_of_text_begins_a_formula_whatever_separates_them(encoder, hostile, tmp_path):
    path = embed_to_table(encoder(), hostile, tmp_path / "v.csv")
    for separator in ",;\t":
        with path.open(newline="") as file:
            for cell in (cell for row in csv.reader(file, delimiter=separator) for cell in row):
                if cell.strip()[:1] in FORMULA:
                    assert separator == ",", cell
                    assert float(cell) < 0


def test_no_name_of_a_column_begins_a_formula(encoder, tmp_path):
    images = np.zeros((2, 8, 8, 3), np.uint8)
    source = open_source(images, facts={'=HYPERLINK("x")': ["a", "b"], "kept": ["c", "d"]})
    path = embed_to_table(encoder(), source, tmp_path / "v.csv")
    with path.open(newline="") as file:
        names = next(csv.reader(file))
    assert {'\'=HYPERLINK("x")', "kept"} <= set(names)


def test_text_is_quoted_and_numbers_are_not(encoder, arrays, tmp_path):
    path = embed_to_table(encoder(), arrays(6), tmp_path / "v.CSV", dtype="float32")
    lines = path.read_text().splitlines()
    assert lines[0] == ('"key","content","width","height","label","label_name","v0","v1","v2"')
    assert lines[1].startswith('"images/0.png",')
    assert lines[5].split(",")[4:6] == ["", ""], "a label that is not known is empty"
    assert len(lines) == 7


def test_pandas_reads_the_csv_by_itself(encoder, arrays, tmp_path):
    wanted, path = both(encoder, arrays(9), tmp_path, "v.csv")
    found = pd.read_csv(path, dtype={"content": "uint64"})
    vectors = found.filter(regex=r"^v\d+$").to_numpy("float32")
    assert np.array_equal(vectors, np.stack(wanted["vector"].to_numpy()).astype(np.float32))
    assert found["key"].tolist() == wanted["key"].to_pylist()
    assert found["content"].tolist() == wanted["content"].to_pylist()


@given(st.text(alphabet="'=+-@;\t\r\n \x00ab\uff1d", max_size=12) | st.text())
def test_what_is_made_safe_is_found_again(text):
    safe = neutral(text)
    assert plain(safe) == text
    for cell in (safe, *safe.split(";"), *safe.split("\t"), *safe.split("\n")):
        assert cell.strip(" \t\r\n\x00")[:1] not in FORMULA


def test_long_runs_of_white_space_cost_no_more_than_others():
    text = "\t" * 2_000_000 + "x"  # steps that grow with the square would take hours
    assert neutral(text) == plain(text) == text


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_npz_is_read_without_pickle(encoder, hostile, tmp_path, dtype):
    wanted, path = both(encoder, hostile, tmp_path, "v.npz", dtype=dtype)
    with np.load(path, allow_pickle=False) as found:
        assert list(found) == wanted.schema.names
        assert found["vector"].dtype == dtype
        assert np.array_equal(found["vector"], np.stack(wanted["vector"].to_numpy()))
        for name in ("content", "width", "height"):
            assert found[name].tolist() == wanted[name].to_pylist()
            assert found[name].dtype == wanted[name].to_numpy().dtype
        assert found["key"].tolist() == wanted["key"].to_pylist()
        assert found["label"].tolist() == wanted["label"].fill_null(-1).to_pylist()
        assert found["label_name"].tolist() == wanted["label_name"].fill_null("").to_pylist()
    assert left_behind(path) == left_behind(tmp_path / "p.parquet")


def test_an_unlabelled_source_has_no_labels_in_any_format(encoder, arrays, tmp_path):
    for name in ("v.csv", "v.npz"):
        path = embed_to_table(encoder(), arrays(5, classes=()), tmp_path / name)
        if name == "v.npz":
            with np.load(path) as found:
                names = list(found)
        else:
            names = list(pd.read_csv(path).columns)
        assert not {"label", "label_name"} & {*names}


@pytest.mark.parametrize("name", ["v.csv", "v.npz"])
@pytest.mark.parametrize("stop_at", [1, 13, 21])
def test_an_interrupted_run_goes_on_where_it_stopped(encoder, arrays, tmp_path, name, stop_at):
    settings = {"batch_size": 2, "workers": 1}
    whole = embed_to_table(encoder(), arrays(22), tmp_path / f"whole-{name}", **settings)
    out = tmp_path / name
    with pytest.raises(KeyboardInterrupt):
        embed_to_table(encoder(), arrays(22, stop_at=stop_at), out, **settings)
    assert not out.exists()
    if stop_at > 4:  # a piece is finished
        with pytest.raises(UserError, match="got another encoder"):
            embed_to_table(encoder(fingerprint="beef"), arrays(22), out, **settings)
    source = arrays(22)
    embed_to_table(encoder(), source, out, **settings)
    assert min(source.read) in range(stop_at - 3, stop_at + 1), "finished pieces are kept"
    assert out.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.rglob("*.partial")) + list(tmp_path.rglob("*.tmp"))
    again = arrays(22)
    embed_to_table(encoder(), again, out, **settings)
    assert again.read == [], "a finished table is not made again"


@pytest.mark.parametrize("name", ["v.csv", "v.npz"])
def test_stopped_while_the_file_is_put_together(encoder, arrays, tmp_path, name, monkeypatch):
    real, out = formats._batches, tmp_path / name

    def stopped(pieces, columns=None):
        if pieces[0].parent.name == f"{name}.partial":
            yield from real(pieces[:1], columns)
            raise KeyboardInterrupt
        yield from real(pieces, columns)

    monkeypatch.setattr(formats, "_batches", stopped)
    with pytest.raises(KeyboardInterrupt):
        embed_to_table(encoder(), arrays(10), out)
    assert not out.exists()
    monkeypatch.setattr(formats, "_batches", real)
    source = arrays(10)
    embed_to_table(encoder(), source, out)
    assert source.read == []
    whole = embed_to_table(encoder(), arrays(10), tmp_path / f"whole-{name}")
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("name", ["v.csv", "v.npz"])
def test_what_was_made_otherwise_is_refused(encoder, arrays, tmp_path, name):
    out = embed_to_table(encoder(), arrays(9), tmp_path / name)
    before = out.read_bytes()
    with pytest.raises(UserError, match="got another encoder; choose another output"):
        embed_to_table(encoder(fingerprint="beef"), arrays(9), out)
    with pytest.raises(UserError, match="got another data; choose another output"):
        embed_to_table(encoder(), arrays(9, fingerprint="beef"), out)
    (tmp_path / f"{name}.json").unlink()
    source = arrays(9)
    with pytest.raises(UserError, match=rf"{name} must have {name}.json beside it"):
        embed_to_table(encoder(), source, out)
    assert out.read_bytes() == before
    assert not source.read


@pytest.mark.parametrize("name", ["v.csv", "v.npz"])
def test_nothing_readable_leaves_nothing(encoder, arrays, tmp_path, name):
    with pytest.raises(UserError, match="got 3 bad items and no good one"):
        embed_to_table(encoder(), arrays(3, bad=frozenset(range(3))), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["v.csv", "v.npz"])
def test_only_parquet_is_read_back_and_comes_in_shards(encoder, arrays, tmp_path, name):
    out = embed_to_table(encoder(), arrays(5), tmp_path / name)
    with pytest.raises(UserError, match=r"must be parquet, .* -o v.parquet"):
        read_embeddings(out)
    with pytest.raises(UserError, match="must be left out for"):
        embed_to_table(encoder(), arrays(5), tmp_path / f"b{name}", shard_rows=4)
    with pytest.raises(UserError, match="must be 1 or more"):
        embed_to_table(encoder(), arrays(5), tmp_path / "b", shard_rows=0)


@pytest.mark.parametrize("name", ["v.feather", "v.csv.gz", "v.TSV", "v.xlsx", "v.npy"])
def test_other_endings_are_refused_before_anything_is_read(encoder, arrays, tmp_path, name):
    source = arrays(5)
    with pytest.raises(
        UserError, match=r"must end in \.parquet, \.csv or \.npz, .* got .*/v\."
    ):
        embed_to_table(encoder(), source, tmp_path / name)
    assert not source.read
    (tmp_path / name).mkdir()
    assert embed_to_table(encoder(), source, tmp_path / name).is_dir(), "shards of parquet"


def test_a_version_in_a_name_is_no_ending(encoder, arrays, tmp_path):
    out = embed_to_table(encoder(), arrays(5), tmp_path / "run-v1.2")
    assert len(read_embeddings(out)) == 5


@pytest.mark.parametrize("name", ["v.csv", "v.npz"])
def test_memory_does_not_grow_with_the_source(encoder, arrays, tmp_path, name, monkeypatch):
    """Never more than some rows of the pieces are asked for at once."""
    seen = []
    real = formats._batches

    def watched(pieces, columns=None):
        for batch in real(pieces, columns):
            seen.append(len(batch))
            yield batch

    monkeypatch.setattr(formats, "_batches", watched)
    embed_to_table(encoder(), arrays(50), tmp_path / name)
    assert max(seen) == 3


@pytest.mark.parametrize("name", ["v.csv", "v.npz"])
@pytest.mark.parametrize("content", ["{}", "my own notes"])
def test_a_file_of_ones_own_beside_it_is_not_written_over(
    encoder, arrays, tmp_path, name, content
):
    beside = tmp_path / f"{name}.json"
    beside.write_text(content)
    source = arrays(5)
    with pytest.raises(UserError, match=rf"{name}.json must be free for the facts of {name}"):
        embed_to_table(encoder(), source, tmp_path / name)
    assert beside.read_text() == content
    assert not source.read
