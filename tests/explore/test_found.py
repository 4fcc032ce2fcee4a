"""Groups, issues and copies of a page."""

import numpy as np
import pyarrow as pa
from starlette.testclient import TestClient

from ilk.explore import Page
from ilk.explore.columns import category
from ilk.explore.grouping import terms
from ilk.explore.issues import issues
from tests.explore.test_api import row_of, rows_of, values


def test_groups_have_a_medoid_and_a_column(client: TestClient) -> None:
    found = client.get("api/clusters/0").json()
    assert sum(group["size"] for group in found) == 42
    assert [group["size"] for group in found] == sorted(
        (group["size"] for group in found), reverse=True
    )
    about = client.get("api/about").json()
    number = [column["name"] for column in about["columns"]].index("cluster")
    codes = values(client, f"api/column/{number}", "<u2")
    for place, group in enumerate(found):
        assert codes[group["row"]] == place
        assert (codes == place).sum() == group["size"]
    chosen = client.post("api/where", content="cluster=0")
    assert np.unpackbits(np.frombuffer(chosen.content, np.uint8)).sum() == found[0]["size"]


def test_terms_are_what_a_group_has_more_of() -> None:
    label = category("label", pa.array(["cat"] * 4 + ["dog"] * 4))
    place = category("place", pa.array(["in", "out"] * 4))
    of = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert terms([label, place], of, 2) == ["cat", "dog"]
    assert terms([place], of, 2) == ["", ""]
    mixed = np.array([0, 1, 0, 1, -1, -1, 0, 1])
    assert terms([place, label], mixed, 2) == ["in", "out"]


def test_issues_are_listed_the_worst_first(client: TestClient, page: Page) -> None:
    listed = {entry["kind"]: entry for entry in client.get("api/issues").json()}
    gone = row_of(client, "gone.png")
    assert client.get("api/issues/unreadable").json()["rows"] == [gone]
    assert listed["unreadable"]["count"] == 1
    assert listed["unreadable"]["words"]
    assert set(listed) == {found.kind for found in page.issues.kinds}
    none = next(kind for kind, entry in listed.items() if not entry["count"])
    assert client.get(f"api/issues/{none}").json()["rows"] == []
    assert "unreadable" in rows_of(client)[gone]["issues"]
    large = row_of(client, "large.png")
    assert client.get("api/issues/odd-size").json()["rows"][0] == large
    assert client.get("api/issues/nothing").status_code == 409
    before = set(listed)
    page.maps.graph(0)
    after = {entry["kind"] for entry in client.get("api/issues").json()}
    assert before <= after


def test_what_neighbours_showed_before_stays_until_the_page_knows_better(page: Page) -> None:
    findings = page.collection.findings
    old = ["outlier", "label, outlier", "dark"] + [None] * (len(page) - 3)
    findings.keep("issue", pa.array(old, pa.string()))
    made = issues(page)
    before = findings.columns()["issue"].to_pylist()
    own = [", ".join(made.of(row)) for row in range(3)]
    wanted = [(own[0], "outlier"), (own[1], "outlier, label"), (own[2], "")]
    assert before[:3] == [", ".join(filter(None, words)) or None for words in wanted]
    page.maps.graph(0)
    made = issues(page)
    after = findings.columns()["issue"].to_pylist()
    assert after == [", ".join(made.of(row)) or None for row in range(len(page))]


def test_copies_are_grouped_with_the_one_that_stays(client: TestClient) -> None:
    first, last = row_of(client, "cat/00.png"), row_of(client, "cat/18.png")
    answer = client.get("api/duplicates").json()
    assert "groups" in answer, answer
    group = next(group for group in answer["groups"] if first in group["rows"])
    assert {first, last} <= set(group["rows"])
    assert group["keep"] in group["rows"]
    assert group["reason"].startswith("same file")
    assert 0 < group["similarity"] <= 1.001
    assert "agreement" in answer["words"]
    stays = client.get("api/duplicates?rule=folder:cat/18").json()["groups"]
    assert next(g for g in stays if first in g["rows"])["keep"] == last
    assert client.get("api/duplicates?rule=nicest").status_code == 409
    near = client.get(f"api/neighbours/0/{first}?k=1").json()
    assert near[0]["reason"] == "same file"
