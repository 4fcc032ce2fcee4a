"""Runs in a report: their training, and seeds that stand together."""

import json
from dataclasses import replace

import numpy as np
import pytest

from ilk.core import UserError, lock
from ilk.evaluate import Ledger, difference_over_seeds, evaluate, mean_over_seeds
from ilk.train.records.record import run_state
from ilk.viewer import evaluations_report, page, read_evaluations
from tests.evaluate.conftest import make_pair
from tests.viewer.reading import text, tree

RECORD = {
    "status": "finished", "step": 50, "seconds": 90.0, "last": {"loss": 1.25, "knn": 0.5},
    "length": {"steps": 50, "steps_per_epoch": 10.0},
    "data": {"items": 80, "fingerprint": "f", "name": "a", "spec": None, "classes": 4},
    "settings": {"method": "moco-v3", "kin": None, "mix": "sdmp", "backbone": "resnet_mini",
                 "image_size": 32, "seed": 0, "batch_size": 8},
}  # fmt: skip


def placed(directory, seed: int, *, method: str = "moco-v3", **changes):
    """A run directory with an evaluation, whose scores vary with the seed."""
    train, test = make_pair(n_train=80, n_test=60, signal=1.2)
    noise = np.random.default_rng(seed).normal(size=test.vectors.shape).astype(np.float32)
    test = replace(test, vectors=test.vectors + noise, encoder=f"{method}{seed}")
    train = replace(train, encoder=f"{method}{seed}")
    place = directory / f"{method}-{seed}"
    place.mkdir()
    settings = {**RECORD["settings"], "seed": seed, "method": method}
    (place / "run.json").write_text(json.dumps({**RECORD, "settings": settings, **changes}))
    ledger = Ledger(place / "evaluation.json")
    ledger.names = {"encoder": str(place), "train": "a", "test": "b"}
    evaluate(train, test, ["knn"], ledger=ledger)
    return place


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs")
    made = [placed(directory, seed) for seed in range(3)]
    made += [placed(directory, seed, method="byol") for seed in range(2)]
    return made


def scores(places) -> np.ndarray:
    return np.stack([s.results["knn@1"].scores for s in read_evaluations(places)])


def test_seeds_of_one_method_are_one_row(places):
    report = evaluations_report(read_evaluations(places))
    assert [row.name for row in report.results.rows] == [
        "moco-v3 + sdmp, 3 seeds", "byol + sdmp, 2 seeds",
    ]  # fmt: skip
    ours, theirs = scores(places[:3]), scores(places[3:])
    expected = mean_over_seeds(ours)
    (score,) = report.results.rows[0].scores
    assert (score.value, (score.low, score.high)) == (expected.mean, expected.interval)
    (chapter,) = [c for c in report.chapters if c.title.startswith("Is ")]
    found = difference_over_seeds(ours, theirs)
    ((other, protocol, words),) = chapter.grids[0].rows
    assert (other, protocol) == ("byol + sdmp, 2 seeds", "knn@1")
    assert f"{100 * found.difference:+.1f} points" in words
    assert "over seeds and test images together" in report.results.note


def test_measurements_that_were_not_finite_have_no_number(tmp_path):
    place = placed(tmp_path, 0, last={"loss": None, "knn": 0.5, "rankme": "x"})
    shown = text(tree(page(evaluations_report(read_evaluations([place])))))
    assert "50.0 %" in shown


def test_seeds_whose_probes_learned_from_other_images_have_no_mean(tmp_path):
    places = [placed(tmp_path, seed) for seed in range(2)] + [
        placed(tmp_path, 0, method="byol")
    ]
    path = places[1] / "evaluation.json"
    kept = json.loads(path.read_text())
    for entry in kept["results"]:
        entry["train_data"] = "other"
    path.write_text(json.dumps(kept))
    report = evaluations_report(read_evaluations(places))
    assert not [c for c in report.chapters if c.title.startswith("Is ")]


def test_one_seed_each_stays_as_it_was(places):
    report = evaluations_report(read_evaluations([places[0], places[3]]))
    assert [row.name for row in report.results.rows] == [str(places[0]), str(places[3])]
    assert "do not cover another seed" in report.results.note


def test_runs_of_other_length_do_not_stand_together(places, tmp_path):
    longer = placed(tmp_path, 5, length={"steps": 60, "steps_per_epoch": 10.0})
    report = evaluations_report(read_evaluations([places[0], longer]))
    assert len(report.results.rows) == 2


def lengthened(*legs: tuple[int, int, str]) -> dict:
    entries = [
        {"from": one, "to": two, "when": when, "settings": {}} for one, two, when in legs
    ]
    return {"steps": legs[-1][1], "steps_per_epoch": 10.0, "legs": entries}


def test_runs_that_were_lengthened_stand_with_their_like(places, tmp_path):
    """Runs of 50 steps: in one go, as 20 and 30, and as 20 of 40 and 30."""
    alike = [
        placed(tmp_path, seed, length=lengthened((0, 20, "then"), (20, 50, f"day {seed}")))
        for seed in (5, 6)
    ]
    other = placed(tmp_path, 7, length=lengthened((0, 40, "then"), (20, 50, "now")))
    report = evaluations_report(read_evaluations([places[0], *alike, other]))
    assert len(report.results.rows) == 3
    assert "moco-v3 + sdmp, 2 seeds" in [row.name for row in report.results.rows]
    (training,) = [c for c in report.chapters if c.title == "Training"]
    assert [row[4] for row in training.grids[0].rows] == ["5 epochs", *["2 + 3 epochs"] * 3]


def test_the_page_says_how_a_run_was_trained(places, tmp_path):
    stopped = placed(tmp_path, 9, status="interrupted", step=20)
    shown = text(
        tree(page(evaluations_report(read_evaluations([stopped, places[0]])))).find("html/body")
    )
    assert "moco-v3 + sdmp" in shown
    assert "5 epochs" in shown
    assert "1.250" in shown
    name = f"{stopped} (interrupted at step 20 of 50)"
    assert f"{name} has not finished its training." in shown
    assert shown.lstrip().startswith(f"ilkEvaluation of {name}")


def test_the_page_says_what_of_given_weights_learned(places, tmp_path):
    words = {"parts": "lora", "parameters": 1200, "of": 45_000, "words": "LoRA of rank 8"}
    shown = text(
        tree(page(evaluations_report(read_evaluations([placed(tmp_path, 9, tuned=words)]))))
    )
    assert (
        "began with given weights. LoRA of rank 8 learned: 1,200 of 45,000 parameters of the "
        "backbone."
    ) in shown
    with pytest.raises(UserError, match="run.json: tuned: parameters must be"):
        read_evaluations([placed(tmp_path, 8, tuned={**words, "parameters": "<b>"})])


def test_an_unfinished_run_says_so_wherever_it_is_drawn(places, tmp_path):
    stopped = placed(tmp_path, 9, status="interrupted", step=20)
    for paths in ([stopped, *places], [*places, stopped]):
        root = tree(page(evaluations_report(read_evaluations(paths))))
        drawn = [
            *(e.get("aria-label", "") for e in root.iter("svg")),
            *(
                text(e)
                for tag in ("h2", "th", "td", "title", "caption")
                for e in root.iter(tag)
            ),
        ]
        naming = [words for words in drawn if str(stopped) in words]
        assert len(naming) >= 4
        assert all(f"{stopped} (interrupted at step 20 of 50)" in words for words in naming)


def test_an_unfinished_run_is_no_seed_of_finished_ones(places, tmp_path):
    same = placed(tmp_path, 9, status="interrupted", step=20)
    report = evaluations_report(read_evaluations([*places[:2], same]))
    assert [row.name for row in report.results.rows] == [
        "moco-v3 + sdmp, 2 seeds", f"{same} (interrupted at step 20 of 50)",
    ]  # fmt: skip


def test_the_page_shows_classes_and_confusions(places):
    found = read_evaluations(places[:1])
    root = tree(page(evaluations_report(found)))
    details = found[0].results["knn@1"].details
    cells = [text(e) for e in root.iter("td")]
    worst = min(row["correct"] / row["images"] for row in details["by class"])
    assert f"{100 * worst:.1f} %" in cells
    matrix = next(e for e in root.iter("table") if e.get("class") == "matrix")
    counts = [int(text(e) or 0) for e in matrix.iter("td")]
    assert sum(counts) == 60


def test_a_run_that_nothing_holds_is_dead(places, tmp_path):
    killed = placed(tmp_path, 9, status="running", step=20)
    record = json.loads((killed / "run.json").read_text())
    assert run_state(record, killed) == "dead at step 20 of 50"
    with lock(killed / "run.json", "run"):
        assert run_state(record, killed) == "running at step 20 of 50"
    assert run_state(record, killed) == "dead at step 20 of 50"
    report = evaluations_report(read_evaluations([killed]))
    shown = text(tree(page(report)).find("html/body"))
    assert f"{killed} (dead at step 20 of 50) has not finished its training." in shown
