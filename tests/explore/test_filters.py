"""Whatever the page filters by, the command line takes, and means the same images by it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from ilk.core import UserError
from ilk.curate.filters import FOUND_BY, Findings, rows_of_index
from ilk.explore import Page, open_collection
from ilk.explore.jobs import Jobs
from ilk.search import Index, append_to_index, delete_from_index
from ilk.search.where import Compare, Missing, written
from tests.explore.conftest import ENCODER


def find_everything(page: Page, client: TestClient) -> list[dict]:
    """All that the page finds out by itself; its columns then."""
    page.maps.graph(0)
    for question in ("clusters/0", "issues", "issues", "duplicates"):
        assert client.get(f"api/{question}").status_code == 200
    return client.get("api/about").json()["columns"]


def filters_of(columns: list[dict]) -> list[str]:
    """What boxes and sliders of these columns write."""
    found = ["key~*cat*", 'key~"*onerror*"']
    for column in columns:
        name = column["name"]
        if column["kind"] == "category":
            found += [written(Compare(name, "=", value)) for value in column["values"]]
        else:
            middle = (column["min"] + column["max"]) / 2
            found += [
                f"{name}>={middle:.4g}",
                f"{name}<={middle:.4g}",
                f"not {name}<{middle!r}",
            ]
        if column["missing"]:
            found.append(written(Missing(name)))
    return found


def by_page(client: TestClient, text: str) -> list[int]:
    answer = client.post("api/where", content=text.encode())
    assert answer.status_code == 200, (text, answer.text)
    bits = np.unpackbits(np.frombuffer(answer.content, np.uint8), bitorder="little")
    return np.flatnonzero(bits).tolist()


def test_every_filter_of_the_page_means_the_same_to_the_command_line(
    page: Page, client: TestClient, folder: Path
) -> None:
    columns = find_everything(page, client)
    names = {column["name"] for column in columns}
    assert {"label", "folder", "width", *FOUND_BY} - names == {"cluster_2"}
    index = Index.open(folder / "photos.index")
    for text in filters_of(columns):
        rows = by_page(client, text)
        assert np.flatnonzero(rows_of_index(index, text)).tolist() == rows, text
        assert rows, text
    copies = by_page(client, "duplicates>=2")
    assert copies == [
        row for row in range(42) if page.found["duplicates"][row].as_py() is not None
    ]
    dark = by_page(client, "issue~*unreadable*")
    assert client.get("api/issues/unreadable").json()["rows"] == dark
    # and it is there when the page is opened again
    again = open_collection(Index.open(folder / "photos.index"), encoder=ENCODER)
    files = folder / "curation.parquet", folder / "pairs.parquet"
    second = Page.of(again, *files, jobs=Jobs(at_once=True))
    known = {column.name: column for column in page.columns}
    assert {column.name for column in second.columns} == set(known)
    for column in second.columns:
        assert column.said() == known[column.name].said()
        assert column.data == known[column.name].data


def test_columns_are_of_one_state_of_the_index(folder: Path, made: Path) -> None:
    place = folder / "photos.index"
    for change in (
        lambda: None,
        lambda: delete_from_index(place, ["cat/03.png"]),
        lambda: append_to_index(place, made / "photos.parquet"),
    ):
        findings = Findings.of(Index.open(place))
        findings.keep("issue", pa.array(["dark"] * findings.rows))
        assert rows_of_index(Index.open(place), "issue=dark").all()
        change()
        for name in {*FOUND_BY} - (
            {"issue"} if findings.rows == len(Index.open(place)) else set()
        ):
            says = f"where: {name} is not known of these images as they are now; find it by ilk"
            with pytest.raises(UserError, match=says):
                rows_of_index(Index.open(place), f"key=x or not {name}=0")


@pytest.mark.parametrize(
    "values",
    [
        pa.table({"issue": pa.array(["dark"] * 41)}),
        pa.table({"issue": pa.array([1] * 42)}),
        pa.table({"other": pa.array(["dark"] * 42)}),
        b"PAR1 and no more PAR1",
        b"",
    ],
)
def test_a_column_that_is_none_is_not_there(folder: Path, values: object) -> None:
    index = Index.open(folder / "photos.index")
    findings = Findings.of(index)
    findings.keep("issue", pa.array(["dark"] + [None] * 41))
    assert rows_of_index(index, "issue=dark").tolist() == [True] + [False] * 41
    file = folder / "photos.index" / "derived" / "columns" / "issue.parquet"
    if isinstance(values, bytes):
        file.write_bytes(values)
    else:
        from ilk.curate.filters import MARK
        from ilk.curate.grouped import save_table

        save_table(file, values, MARK, index.fingerprint)
    with pytest.raises(UserError, match="issue is not known"):
        rows_of_index(index, "issue=dark")
    findings.keep("issue", pa.array([None] * 41 + ["gray"]))
    assert rows_of_index(index, "issue=gray")[41]


def test_nothing_is_kept_through_a_link(folder: Path, tmp_path: Path) -> None:
    place = folder / "photos.index"
    (place / "derived").mkdir(exist_ok=True)
    (tmp_path / "elsewhere").mkdir()
    (place / "derived" / "columns").symlink_to(tmp_path / "elsewhere")
    Findings.of(Index.open(place)).keep("issue", pa.array(["dark"] * 42))
    assert not list((tmp_path / "elsewhere").iterdir())
