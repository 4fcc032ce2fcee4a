import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ilk.core import UserError
from ilk.evaluate import PROTOCOLS, Ledger, compare, evaluate
from ilk.evaluate.protocols.knn import NearestNeighbours


@pytest.fixture
def place(tmp_path):
    return tmp_path / "deep" / "evaluation.json"


@pytest.fixture
def measured(monkeypatch):
    """How often k-NN was measured."""
    calls, measure = [], NearestNeighbours.measure

    def counted(self, task):
        calls.append(task.seed)
        return measure(self, task)

    monkeypatch.setattr(NearestNeighbours, "measure", counted)
    return calls


def test_a_second_call_reuses_what_is_there(pair, place, measured):
    train, test = pair()
    ledger = Ledger(place)
    ledger.names = {"encoder": "run"}
    (first,) = evaluate(train, test, ["knn"], ledger=ledger)
    (again,) = evaluate(train, test, ["knn"], ledger=Ledger(place))
    assert len(measured) == 1
    assert again.to_dict() == json.loads(first.to_json()) | {
        "interval": first.interval, "settings": again.settings,
    }  # fmt: skip
    assert (again.scores == first.scores).all()
    assert json.loads(place.read_text())["results"][0]["names"] == {"encoder": "run"}


@pytest.mark.parametrize("change", ["encoder", "train", "test", "seed", "settings"])
def test_anything_else_is_measured_again(pair, place, measured, monkeypatch, change):
    train, test = pair()
    evaluate(train, test, ["knn"], ledger=Ledger(place))
    if change == "encoder":
        train, test = (replace(part, encoder="beef") for part in (train, test))
    if change == "train":
        train = replace(train, data="train-2")
    if change == "test":
        test = replace(test, data="test-2")
    if change == "settings":
        other = replace(PROTOCOLS["knn@1"].procedure, temperature=0.1)
        monkeypatch.setitem(PROTOCOLS, "knn@1", replace(PROTOCOLS["knn@1"], procedure=other))
    seed = 1 if change == "seed" else 0
    evaluate(train, test, ["knn"], seed, ledger=Ledger(place))
    assert len(measured) == 2
    assert len(json.loads(place.read_text())["results"]) == 2, "both are kept"


def test_an_interrupted_evaluation_keeps_what_is_finished(pair, place, measured, monkeypatch):
    train, test = pair()

    def stopped(self, task):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(PROTOCOLS["linear@1"].procedure), "measure", stopped)
        with pytest.raises(KeyboardInterrupt):
            evaluate(train, test, ["knn", "linear"], ledger=Ledger(place))
    assert [r["protocol"] for r in json.loads(place.read_text())["results"]] == ["knn@1"]
    results = evaluate(train, test, ["knn", "linear"], ledger=Ledger(place))
    assert [result.protocol for result in results] == ["knn@1", "linear@1"]
    assert len(measured) == 1


def test_scores_stand_on_one_line_and_graded_ones_are_rounded(pair, place):
    (result,) = evaluate(*pair(), ["knn"])
    ledger = Ledger(place)
    ledger.add(result)
    ledger.add(replace(result, seed=9, scores=result.scores / 3))
    lines = [line for line in place.read_text().splitlines() if '"scores"' in line]
    assert len(lines) == 2
    assert "0.333333" in lines[1]
    assert "." not in lines[0].partition("[")[2]
    assert [len(json.loads(line.partition(": ")[2])) for line in lines] == [300, 300]


def test_comparisons_and_notes_are_kept(pair, place):
    ours = evaluate(*pair(), ["knn"])
    ledger = Ledger(place)
    ledger.compared(compare(ours, ours, "itself"))
    ledger.note("near_duplicates", {"count": 0})
    Ledger(place).add(ours[0])
    content = json.loads(place.read_text())
    assert content["comparisons"][0]["against"] == "itself"
    assert content["comparisons"][0]["verdict"].startswith("no difference")
    assert content["notes"] == {"near_duplicates": {"count": 0}}


def encoded(pair, encoder, seed):
    """A result of one encoder, whose vectors differ from those of the others."""
    parts = [replace(part, encoder=encoder) for part in pair(seed=seed)]
    return evaluate(*parts, ["knn"])


def test_comparisons_of_two_encoders_with_the_same_third_both_stay(pair, place):
    third = encoded(pair, "fff", 0)
    for number, name in enumerate(("pixels", "random", "pixels")):
        ours = encoded(pair, f"of {name}", 1 + number % 2)
        Ledger(place).compared(compare(ours, third, "hog", name))
    rows = json.loads(place.read_text())["comparisons"]
    assert [(row["ours"], row["encoder"]) for row in rows] == [
        ("random", "of random"), ("pixels", "of pixels"),
    ]  # fmt: skip
    for row in rows:
        assert (row["against"], row["against_encoder"]) == ("hog", "fff")
        assert (row["train_data"], row["test_data"]) == ("train", "test")
    assert rows[0]["difference"] != rows[1]["difference"]


@pytest.mark.parametrize("change", ["train_data", "test_data", "gallery_data", "seed"])
def test_comparisons_on_other_data_both_stay(pair, place, change):
    (ours,) = encoded(pair, "a", 1)
    (theirs,) = encoded(pair, "b", 2)
    for value in (getattr(ours, change), 7 if change == "seed" else "other"):
        one, two = (replace(side, **{change: value}) for side in (ours, theirs))
        Ledger(place).compared(compare([one], [two], "b", "a"))
    assert len(json.loads(place.read_text())["comparisons"]) == 2


def test_files_of_earlier_versions_are_read_and_lose_nothing(pair, place):
    ours, theirs = encoded(pair, "a", 1), encoded(pair, "b", 2)
    Ledger(place).compared(compare(ours, theirs, "b", "a"))
    content = json.loads(place.read_text())
    parts = ("protocol", "against", "difference", "interval", "verdict")
    old = {name: content["comparisons"][0][name] for name in parts}
    notes = {"near_duplicates": {"count": 3, "of": 20}, "other": [1]}
    place.write_text(json.dumps(content | {"comparisons": [old], "notes": notes}))
    for _ in range(2):
        ledger = Ledger(place)
        ledger.compared(compare(ours, theirs, "b", "a"))
        ledger.note("near_duplicates", {"count": 0, "of": 20}, {"test_data": "test"})
    content = json.loads(place.read_text())
    assert content["comparisons"][0] == old
    assert [row.get("encoder") for row in content["comparisons"]] == [None, "a"]
    assert content["notes"] == {
        "other": [1],
        "near_duplicates": [
            {"count": 3, "of": 20}, {"test_data": "test", "count": 0, "of": 20},
        ],
    }  # fmt: skip


def test_notes_about_several_all_stay(place):
    for test, count in (("one", 1), ("two", 2), ("one", 3)):
        Ledger(place).note("near_duplicates", {"count": count}, {"test_data": test})
    assert Ledger(place).notes["near_duplicates"] == [
        {"test_data": "two", "count": 2}, {"test_data": "one", "count": 3},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 1}', '{"format": 2, "results": [{}]}']
)
def test_a_file_of_another_kind_is_not_written_over(place, text):
    place.parent.mkdir()
    place.write_text(text)
    with pytest.raises(UserError, match="choose another or delete it"):
        Ledger(place)
    assert place.read_text() == text


def test_without_a_place_nothing_is_written(pair, tmp_path):
    evaluate(*pair(), ["knn"], ledger=Ledger(None))
    assert not list(tmp_path.iterdir())


def test_two_that_evaluate_at_once_both_keep_their_results(pair, place):
    train, test = pair()
    one, other = Ledger(place), Ledger(place)
    one.names, other.names = {"encoder": "a"}, {"encoder": "b"}
    knn, linear = (evaluate(train, test, [name])[0] for name in ("knn", "linear"))
    one.add(knn)
    other.add(linear)
    one.note("first", 1)
    other.note("second", 2)
    one.compared(compare([knn], [knn], "itself"))
    other.compared(compare([linear], [linear], "itself"))
    other.compared([])
    found = Ledger(place)
    assert {(r.protocol, n["encoder"]) for r, n in found.entries} == {
        ("knn@1", "a"), ("linear@1", "b"),
    }  # fmt: skip
    assert found.notes == {"first": 1, "second": 2}
    content = json.loads(place.read_text())
    assert [entry["protocol"] for entry in content["comparisons"]] == ["knn@1", "linear@1"]


def test_many_at_once_lose_nothing(pair, place):
    train, test = pair()
    results = [evaluate(train, test, ["knn"], seed)[0] for seed in range(6)]
    threads = [threading.Thread(target=Ledger(place).add, args=(one,)) for one in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Ledger(place).entries) == len({result.identity for result in results})
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_a_place_for_results_that_is_none_is_said_before_the_work(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file/x.json", tmp_path, Path("/dev/full"), Path("/proc/x.json")):
        with pytest.raises(
            UserError, match=r"^output: .* must be (writable, got|a plain file)"
        ):
            Ledger(place).check()
    Ledger(None).check()
    Ledger(tmp_path / "new/x.json").check()
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("value", "0.5"),
        ("value", None),
        ("interval", [0.1]),
        ("interval", [0.9, 0.1]),
        ("n_test", "many"),
        ("classes", -1),
        ("selected", {"k": "five"}),
        ("selected", "k"),
        ("details", [1]),
        ("details", {"by class": [{"name": "cat", "images": 0, "correct": 0}]}),
        ("details", {"confused": "x"}),
        ("details", {"curves": {"tuned": [{"labels": 1}]}}),
        ("scores", 5),
        ("scores", ["a"]),
        ("names", ["run"]),
        ("encoder", ["a", "b"]),
        ("surplus", 1),
    ],
)
def test_a_result_of_another_kind_is_refused_by_name(pair, place, field, given):
    train, test = pair()
    evaluate(train, test, ["knn"], ledger=Ledger(place))
    content = json.loads(place.read_text())
    content["results"][0][field] = given
    place.write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"evaluate wrote, it is not: .*{field}"):
        Ledger(place)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("comparisons", [5]), ("comparisons", [{}]), ("comparisons", "abc"), ("notes", [1]),
        ("results", {"a": 1}), ("format", "2"),
    ],
)  # fmt: skip
def test_a_file_of_other_parts_is_refused_by_name(pair, place, field, given):
    train, test = pair()
    evaluate(train, test, ["knn"], ledger=Ledger(place))
    place.write_text(json.dumps(json.loads(place.read_text()) | {field: given}))
    with pytest.raises(UserError, match=f"evaluate wrote, it is not: .*{field}"):
        Ledger(place)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"format": NaN}', '{"a": 1, "a": 2}', ""])
def test_what_is_no_json_is_refused(tmp_path, text):
    path = tmp_path / "evaluation.json"
    path.write_text(text)
    with pytest.raises(UserError, match="it is not: .* must be whole JSON"):
        Ledger(path)
