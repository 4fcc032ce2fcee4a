"""Lists of FAISS: equal to exact search where they must be, measured where they may differ."""

import json

import numpy as np
import pytest

from ilk.core import UserError
from ilk.core.ranks import Rank
from ilk.search import (
    Index,
    Plan,
    append_to_index,
    build_index,
    build_share,
    delete_from_index,
)
from ilk.search.recall import Truth, fewest_lists

pytest.importorskip("faiss", reason="needs faiss-cpu")


def groups(count, dim=16, seed=0, centres=12):
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(7).normal(size=(centres, dim))
    return (
        middles[rng.integers(centres, size=count)] + rng.normal(size=(count, dim)) / 3
    ).astype(np.float32)


def ivf(**more):
    return Plan(**{"engine": "ivf", "lists": 12, **more})


def overlap(a, b):
    return np.mean([len(set(x) & set(y)) / len(x) for x, y in zip(a, b, strict=True)])


@pytest.mark.parametrize("part_rows", [1000, 70])
def test_all_lists_without_compression_are_exact_search(table, tmp_path, part_rows):
    rows = groups(300)
    rows[17] = rows[3]
    plan = ivf(codes="none", part_rows=part_rows)
    build_index(table(tmp_path / "t", rows), tmp_path / "i", plan)
    index = delete_from_index(tmp_path / "i", ["5.png", "299.png"])
    asked = np.concatenate([groups(20, seed=1), rows[3:4]])
    found, similarities = index.search(asked, 9, probed=12)
    wanted, true = index.search(asked, 9, exact=True)
    assert found.tolist() == wanted.tolist()
    np.testing.assert_allclose(similarities, true, atol=1e-6)


@pytest.mark.parametrize("codes", ["none", "sq8"])
def test_the_header_says_the_recall_that_was_measured(table, tmp_path, codes):
    rows = groups(600)
    index = build_index(
        table(tmp_path / "t", rows), tmp_path / "i", ivf(codes=codes, recall=0.9)
    )
    said = index.header.recall
    assert said["value"] >= said["wanted"] == 0.9
    assert (said["at"], said["queries"]) == (10, 600)
    setup = index.header.ivf
    assert Truth(index).recall(setup["probed"]) == said["value"]
    assert setup["probed"] < setup["lists"] == 12, "groups are found in few lists"
    stored = index.vectors[:].astype(np.float64)
    cosines = stored @ stored.T
    np.fill_diagonal(cosines, -2)
    true = np.argsort(-cosines, 1)[:, :10]
    found = index.search(stored.astype(np.float32), 11)[0]
    mine = [[i for i in row if i != at][:10] for at, row in enumerate(found.tolist())]
    assert abs(overlap(mine, true.tolist()) - said["value"]) < 1e-9


def test_a_recall_that_cannot_be_had_fails_and_says_so(table, tmp_path):
    rng = np.random.default_rng(0)
    path = table(tmp_path / "t", rng.normal(size=(3000, 16)).astype(np.float32))
    with pytest.raises(
        UserError, match=r"recall@10 must reach 1, got 0\.\d+ .* with all 6 lists .*sq8 or none"
    ):
        build_index(path, tmp_path / "i", ivf(codes="pq", recall=1.0, lists=6))
    assert not (tmp_path / "i").exists()
    index = build_index(path, tmp_path / "i", ivf(codes="none", recall=1.0, lists=6))
    assert index.header.recall["value"] == 1.0


def test_appending_is_building_again_within_the_recall(table, tmp_path):
    rows = groups(500)
    first = table(tmp_path / "a", rows[:400])
    build_index(first, tmp_path / "i", ivf())
    whole = build_index(table(tmp_path / "b", rows), tmp_path / "whole", ivf())
    index = append_to_index(tmp_path / "i", tmp_path / "b")
    assert index.ids.tolist() == list(range(500))
    assert index.header.ivf["segments"] == 2
    assert index.header.recall["value"] >= 0.95
    asked = groups(100, seed=3)
    true = index.search(asked, 10, exact=True)[0]
    assert overlap(index.search(asked, 10)[0], true) >= 0.93
    assert overlap(index.search(asked, 10)[0], whole.search(asked, 10)[0]) >= 0.9


def test_a_recall_that_appending_loses_is_said_as_it_is(table, tmp_path):
    rng = np.random.default_rng(0)
    first = np.repeat(rng.normal(size=(12, 1, 16)), 30, 1) + rng.normal(size=(12, 30, 16)) / 9
    path = table(tmp_path / "a", first.reshape(-1, 16).astype(np.float32))
    index = build_index(path, tmp_path / "i", ivf(codes="pq", recall=0.98))
    assert index.header.recall["value"] >= 0.98
    more = table(
        tmp_path / "b", rng.normal(size=(3000, 16)).astype(np.float32),
        keys=[f"more/{row}.png" for row in range(3000)],
    )  # fmt: skip
    for _ in range(2):  # nothing is added twice
        with pytest.raises(
            UserError, match=r"recall@10 must reach 0\.98.*build it again"
        ) as no:
            append_to_index(tmp_path / "i", more)
        assert "use codes" not in str(no.value)
        index = Index.open(tmp_path / "i")
        assert len(index) == 3360
        assert index.header.ivf["probed"] == index.header.ivf["lists"]
        said = index.header.recall
        assert (said["wanted"], said["value"]) == (0.98, Truth(index).recall(12))
        assert said["value"] < 0.98


@pytest.mark.parametrize(
    "more", [{"codes": "sq8"}, {"lists": 6}, {"recall": 0.5}, {"engine": "exact"}], ids=str
)
def test_an_index_of_other_lists_is_not_taken_for_the_one_asked_for(table, tmp_path, more):
    path = table(tmp_path / "t", groups(100))
    build_index(path, tmp_path / "i", ivf(codes="none"))
    assert len(build_index(path, tmp_path / "i", ivf(codes="none"))) == 100
    with pytest.raises(UserError, match="must be free or this index of"):
        build_index(path, tmp_path / "i", ivf(**{"codes": "none", **more}))


def test_one_image_by_itself_has_nothing_to_find(table, tmp_path):
    index = build_index(table(tmp_path / "t", groups(1)), tmp_path / "i", ivf())
    assert index.header.recall["value"] == 1.0


def test_masks_and_deletions_hold(table, tmp_path, monkeypatch):
    monkeypatch.setattr("ilk.search.index.FEW", 20)
    rows = groups(400)
    build_index(table(tmp_path / "t", rows), tmp_path / "i", ivf(codes="none"))
    index = delete_from_index(tmp_path / "i", [f"{row}.png" for row in range(0, 400, 7)])
    for within in (np.arange(len(index)) % 2 == 0, np.arange(len(index)) < 15):
        found = index.search(rows[:30], 5, within=within, probed=12)[0]
        assert (
            found.tolist() == index.search(rows[:30], 5, within=within, exact=True)[0].tolist()
        )
        assert within[index.places(found.ravel())].all()


@pytest.mark.parametrize("stop", ["train", "encode", "write_segment", "measured"])
def test_a_build_killed_at_any_stage_goes_on(table, tmp_path, monkeypatch, stop):
    path = table(tmp_path / "t", groups(200))
    whole = build_index(path, tmp_path / "whole", ivf(part_rows=60))
    places = {
        "train": "ilk.search.ivf.Coarse.train", "encode": "ilk.search.ivf.Coarse.encode",
        "write_segment": "ilk.search.build.write_segment",
        "measured": "ilk.search.build.measured",
    }  # fmt: skip

    def killed(*given, **named):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(places[stop], killed)
        with pytest.raises(KeyboardInterrupt):
            build_index(path, tmp_path / "i", ivf(part_rows=60))
    assert not (tmp_path / "i").exists()
    shown = []
    index = build_index(
        path, tmp_path / "i", ivf(part_rows=60), progress=lambda *n: shown.append(n)
    )
    assert shown == [], "the vectors were written before"
    same = {f.name: f.read_bytes() for f in (tmp_path / "i/ivf").iterdir()}
    assert same == {f.name: f.read_bytes() for f in (tmp_path / "whole/ivf").iterdir()}
    assert index.header.recall == whole.header.recall


def test_shards_built_apart_are_the_index_that_one_process_builds(table, tmp_path):
    path = table(tmp_path / "t", groups(310), shard_rows=100)
    whole = build_index(path, tmp_path / "whole", ivf(part_rows=60))
    shares = [
        build_share(path, tmp_path / "i", ivf(part_rows=60), mine=Rank(n, 3)) for n in (2, 0, 1)
    ]
    assert shares[0] is shares[1] is None
    index = shares[2]
    for file in sorted((tmp_path / "whole").rglob("*")):
        if file.suffix in {".npy", ".bin"}:
            other = tmp_path / "i" / file.relative_to(tmp_path / "whole")
            assert other.read_bytes() == file.read_bytes(), file.name
    assert index.table.equals(whole.table)
    again = build_share(path, tmp_path / "i", ivf(part_rows=60), mine=Rank(1, 3))
    assert len(again) == 310


TORN = {
    "lists end early": lambda f: (f / "lists-00000.bin").write_bytes(b"x" * 80),
    "lists are gone": lambda f: (f / "lists-00000.bin").unlink(),
    "sizes beyond": lambda f: np.save(f / "lists-sizes-00000.npy", np.full(12, 10**9)),
    "sizes below": lambda f: np.save(f / "lists-sizes-00000.npy", np.full(12, -1)),
    "other sizes": lambda f: np.save(f / "lists-sizes-00000.npy", np.full(3, 1)),
    "other centroids": lambda f: np.save(f / "centroids.npy", np.eye(3, dtype=np.float32)),
    "no numbers": lambda f: np.save(f / "centroids.npy", np.full((12, 16), np.nan, np.float32)),
    "other codes": lambda f: np.save(f / "trained.npy", np.zeros(7, np.float32)),
}


@pytest.mark.parametrize("kind", TORN)
def test_torn_lists_are_refused_with_a_reason(table, tmp_path, kind):
    index = build_index(table(tmp_path / "t", groups(100)), tmp_path / "i", ivf())
    TORN[kind](tmp_path / "i/ivf")
    with pytest.raises(UserError, match=r"index: .* must be what ilk index wrote"):
        Index.open(index.folder).search(groups(1))


def test_ids_that_lists_make_up_lead_nowhere(table, tmp_path):
    index = build_index(table(tmp_path / "t", groups(100)), tmp_path / "i", ivf())
    file = tmp_path / "i/ivf/lists-00000.bin"
    data = np.fromfile(file, np.int64)
    data[data < 100] = 10**12
    data.tofile(file)
    ids, _ = Index.open(index.folder).search(groups(20), probed=12)
    assert ids.max() < 100


def test_an_index_of_lists_needs_its_library(table, tmp_path, monkeypatch):
    path = table(tmp_path / "t", groups(50))
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(UserError, match=r"needs FAISS.*pip install 'ilk\[search\]'"):
        build_index(path, tmp_path / "i", ivf())
    assert not (tmp_path / "i.partial").exists(), "nothing was begun"


def test_the_fewest_lists_that_will_do():
    asked = []

    def recall(probed):
        asked.append(probed)
        return min(probed / 100, 1.0)

    assert fewest_lists(recall, 1000, 0.5) == (52, 0.52)
    assert len(asked) < 12
    assert fewest_lists(recall, 30, 0.5) == (30, 0.3)
    assert fewest_lists(recall, 1000, 0.005) == (1, 0.01)


def test_other_lists_begin_again_and_vectors_stay(table, tmp_path, monkeypatch):
    monkeypatch.setattr("ilk.search.index.AGAIN", {"pq": 1})
    path = table(tmp_path / "t", groups(300))
    with pytest.raises(UserError, match="recall"):
        build_index(path, tmp_path / "i", ivf(codes="pq", recall=1.0))
    index = build_index(path, tmp_path / "i", Plan(engine="exact"))
    assert index.header.engine == "exact"
    assert json.loads((tmp_path / "i/index.json").read_text())["ivf"] is None


def test_lists_put_together_in_ranges_are_those_put_together_at_once(
    table, tmp_path, monkeypatch
):
    path = table(tmp_path / "t", groups(200))
    build_index(path, tmp_path / "a", ivf(part_rows=60))
    monkeypatch.setattr("ilk.search.lists._TOGETHER", 300)
    build_index(path, tmp_path / "b", ivf(part_rows=60))
    name = "ivf/lists-00000.bin"
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
