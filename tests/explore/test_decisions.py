"""What is decided on the page, and pairs that are marked."""

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from ilk.curate import decided, keep_decisions, read_decisions, verdicts, write_decisions
from ilk.data.pairs import read_pairs
from ilk.explore import Page
from ilk.explore.curation import Choice
from tests.explore.test_api import row_of, rows_of


def test_decisions_are_written_and_taken_back(client: TestClient, folder: Path) -> None:
    first, last = row_of(client, "cat/00.png"), row_of(client, "cat/18.png")
    given = [
        {"row": last, "decision": "drop", "reason": "duplicate", "other": first},
        {"row": first, "decision": "keep", "reason": "duplicate"},
        {"row": 5, "decision": "drop"},
    ]
    answer = client.post("api/decisions", content=json.dumps(given)).json()
    assert answer == {"count": 3, "file": str(folder / "curation.parquet")}
    held = {row["key"]: row for row in read_decisions(folder / "curation.parquet").to_pylist()}
    dropped = held["cat/18.png"]
    assert (dropped["decision"], dropped["by"]) == ("drop", "hand")
    assert dropped["other"] == "cat/00.png"
    assert dropped["content"]
    made = {entry["row"]: entry for entry in client.get("api/decisions").json()}
    assert made[last]["decision"] == "drop"
    assert made[first]["decision"] == "keep"
    assert client.get(f"api/rows?rows={last}").json()[0]["decision"]["reason"] == "duplicate"
    back = json.dumps([{"row": last, "decision": None}])
    assert client.post("api/decisions", content=back).json()["count"] == 2
    left = verdicts(read_decisions(folder / "curation.parquet"))["key"].to_pylist()
    assert "cat/18.png" not in left
    assert len(left) == 2


def test_a_list_that_a_command_changes_is_read_again(page: Page, folder: Path) -> None:
    path = folder / "curation.parquet"
    assert page.curation.made() == {}
    keys = page.collection.keys.to_pylist()
    page.curation.decide([Choice(4, "drop")])
    made = page.curation.made()
    assert page.curation.made() is made, "and not for every question"
    keep_decisions(path, decided(keys[6:7], None, "keep", reason="dark", by="a rule"))
    assert set(page.curation.made()) == {4, 6}


@pytest.mark.parametrize(
    "given",
    ["{}", "[1]", '[{"row": 42, "decision": "keep"}]', '[{"row": 0, "decision": "delete"}]',
     '[{"row": 0, "decision": "keep", "path": "/etc"}]', '[{"row": 0}]', "[", '[{"row": 0.5}]'],
)  # fmt: skip
def test_only_decisions_are_written(client: TestClient, folder: Path, given: str) -> None:
    answer = client.post("api/decisions", content=given)
    assert answer.status_code == 409
    assert answer.json()["error"]
    assert not (folder / "curation.parquet").exists()


def test_pairs_are_marked_and_forgotten(client: TestClient, folder: Path) -> None:
    for same, count in ((True, 1), (False, 1), (None, 0), (True, 1)):
        mark = json.dumps({"a": 7, "b": 3, "same": same})
        assert client.post("api/pairs", content=mark).json()["count"] == count
    (one,) = read_pairs(folder / "pairs.parquet").to_pylist()
    rows = rows_of(client)
    assert {one["key_a"], one["key_b"]} == {rows[3]["key"], rows[7]["key"]}
    assert one["same"]
    near = client.get("api/neighbours/0/3?k=41").json()
    assert {entry["row"] for entry in near if entry["pair"] == "same"} == {7}
    itself = client.post("api/pairs", content='{"a": 3, "b": 3, "same": true}')
    assert itself.status_code == 409


def test_a_decision_is_about_the_image_with_its_content(page: Page) -> None:
    keys, contents = page.collection.keys.to_pylist(), page.collection.contents
    path = page.curation.decisions
    write_decisions(path, decided([keys[3]], [int(contents[3])], "drop", reason="r", by="x"))
    assert list(page.curation.made()) == [3]
    write_decisions(path, decided([keys[3]], [7], "drop", reason="r", by="x"))
    assert page.curation.made() == {}  # it has changed since
    write_decisions(path, decided([keys[3]], None, "drop", reason="r", by="x"))
    assert list(page.curation.made()) == [3]


def test_what_is_decided_by_hand_of_a_selected_image_is_seen_again(page: Page) -> None:
    key, path = page.collection.keys[3].as_py(), page.curation.decisions
    write_decisions(path, decided([key], None, "select", reason="spread", by="ilk select"))
    assert page.curation.made()[3]["decision"] == "select"
    for decision in ("drop", "keep"):
        page.curation.decide([Choice(3, decision, "duplicate")])
        assert page.curation.made()[3]["decision"] == decision
    page.curation.decide([Choice(3, None)])
    assert page.curation.made()[3]["decision"] == "select"
