"""Several methods over several seeds."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

import ilk.study.study
from ilk.core import UserError, lock
from ilk.data import Arrays, open_label_maps
from ilk.evaluate import PROTOCOLS, difference_over_seeds, mean_over_seeds
from ilk.rendered import Rendered
from ilk.study import Cell, Study, baselines, cells, percentage_points, summary
from ilk.study.same import check_same
from ilk.train import Settings, Worsened, read_record, resume, train
from ilk.viewer import study_report

SHARED = Settings(
    backbone="resnet_mini", backbone_options={"widths": (8, 16), "depths": (1, 1)},
    image_size=32, batch_size=8, steps=3, workers=1, method_options={"hidden": 16, "dim": 8},
)  # fmt: skip


def drawn(count: int, split: str) -> Arrays:
    source = Rendered(count, size=32, split=split)
    images = np.stack([source.item(index) for index in range(count)])
    labels = np.array([source.label(index) for index in range(count)])
    return Arrays(images, labels, name=split, classes=source.classes)


class Watcher:
    """Counts steps."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    @contextmanager
    def __call__(self, title: str):
        self.titles.append(title)
        yield self

    def on_step(self, step: int, steps: int, numbers: dict[str, float]) -> None:
        pass

    def on_message(self, message: str) -> None:
        pass


def study(directory, *, seeds: int = 2, methods=("moco-v3", "simclr"), **changes) -> Study:
    train, test = drawn(40, "train"), drawn(30, "test")
    made = cells(replace(SHARED, **changes), methods=methods, mixes=("none", "sdmp"))
    return Study(
        directory=directory, cells=(*made, *baselines()), seeds=seeds, learned=train,
        names={"train": "train", "test": "test"}, train=train, test=test,
        protocols=("knn@1",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Study:
    made = study(tmp_path_factory.mktemp("study"), methods=("moco-v3",))
    made.finish(Watcher())
    return made


def test_every_cell_and_seed_has_a_run_and_a_score(finished):
    names = [(cell.name, seed) for cell, seed, _ in finished.places()]
    assert names == [
        ("moco-v3", 0), ("moco-v3-sdmp", 0), ("untrained", 0), ("pixels", 0),
        ("moco-v3", 1), ("moco-v3-sdmp", 1), ("untrained", 1),
    ]  # fmt: skip
    for cell, seed, place in finished.places():
        assert set(finished.results(place)) == {"knn@1"}
        if cell.settings is not None:
            record = read_record(place)
            assert record["settings"]["seed"] == seed
            assert (record["settings"]["mix"] == "sdmp") == cell.name.endswith("sdmp")


def test_the_untrained_network_is_measured_again_where_it_is_another_one(finished, tmp_path):
    kept = shutil.copytree(finished.directory, tmp_path / "study")
    other = replace(finished, directory=kept)
    untrained = next(cell for cell in other.cells if cell.name == "untrained")
    path = other.place(untrained, 0) / "evaluation.json"
    before = path.read_text()
    (result,) = finished.results(finished.place(untrained, 0)).values()
    path.write_text(before.replace(result.encoder, "of another network"))
    other.finish(Watcher())
    (again,) = other.results(other.place(untrained, 0)).values()
    assert (again.encoder, again.value) == (result.encoder, result.value)


def test_scores_by_other_training_labels_are_not_those_of_this_study(finished):
    other = replace(finished, train=drawn(36, "train"))
    for _, _, place in finished.places():
        assert finished.results(place)
        assert not other.results(place)


def test_the_table_is_what_the_scores_come_to(finished):
    found = summary(finished)
    assert [row.name for row in found.rows] == [
        "moco-v3",
        "moco-v3-sdmp",
        "untrained",
        "pixels",
    ]
    scores = {}
    for cell, _, place in finished.places():
        scores.setdefault(cell.name, []).append(finished.results(place)["knn@1"].scores)
    rows = {row.name: row for row in found.rows}
    stacked = np.stack(scores["moco-v3"])
    assert rows["moco-v3"].means["knn@1"] == mean_over_seeds(stacked)
    assert rows["moco-v3"].means["knn@1"].mean == pytest.approx(stacked.mean())
    assert rows["pixels"].means["knn@1"].seeds == 1
    assert rows["pixels"].minutes is None
    assert rows["moco-v3"].images_per_second > 0
    one = found.between("moco-v3-sdmp", "moco-v3", "knn@1")
    assert one.found == difference_over_seeds(np.stack(scores["moco-v3-sdmp"]), stacked)
    turned = found.between("moco-v3", "moco-v3-sdmp", "knn@1")
    assert turned.found.difference == pytest.approx(-one.found.difference)
    assert found.mixes == (("moco-v3-sdmp", "moco-v3"),)
    assert len(found.differences) == 6
    smallest = min(found.differences, key=lambda d: d.found.p)
    assert smallest.p == pytest.approx(min(1.0, 6 * smallest.found.p))


def test_what_is_finished_is_not_done_again(finished):
    watcher = Watcher()
    finished.finish(watcher)
    assert watcher.titles == []


def test_seeds_and_methods_may_be_added(finished):
    more = study(finished.directory, seeds=3, methods=("moco-v3", "simclr"))
    watcher = Watcher()
    more.finish(watcher)
    trained = {title for title in watcher.titles if ":" not in title}
    assert "moco-v3, seed 2" in trained
    assert "simclr, seed 0" in trained
    assert "moco-v3, seed 0" not in trained


def test_other_settings_are_refused(finished):
    other = study(finished.directory, methods=("moco-v3",), steps=4)
    with pytest.raises(UserError, match=r"steps 3, got 4; choose another -o"):
        other.finish(Watcher())
    hidden = {"hidden": 32, "dim": 8}
    other = study(finished.directory, methods=("moco-v3",), method_options=hidden)
    with pytest.raises(UserError, match="method_options"):
        other.finish(Watcher())


def test_runs_on_other_images_are_refused(finished):
    other = replace(study(finished.directory, methods=("moco-v3",)), learned=drawn(41, "train"))
    with pytest.raises(UserError, match=r"holds a run on other images, .* choose another -o"):
        other.finish(Watcher())


def test_a_run_that_was_lengthened_is_not_one_of_that_length(finished, tmp_path):
    shutil.copytree(finished.directory, tmp_path / "grid")
    resume(tmp_path / "grid/moco-v3/seed0", Watcher(), finished.learned, steps=4)
    longer = study(tmp_path / "grid", methods=("moco-v3",), steps=4)
    with pytest.raises(UserError, match="a run that was lengthened, which is not the same"):
        longer.finish(Watcher())


def test_options_of_one_method_reach_it_alone():
    made = cells(SHARED, methods=("moco-v3", "simclr"), options={"simclr": {"dim": 4}})
    assert made[0].settings.method_options == {"hidden": 16, "dim": 8}
    assert made[1].settings.method_options == {"hidden": 16, "dim": 4}


def test_mixes_without_the_plain_method_have_nothing_beside_them():
    made = cells(SHARED, methods=("moco-v3",), mixes=("sdmp", "i-mix"), kin=("neighbours:3",))
    assert [cell.name for cell in made] == [
        "moco-v3-neighbours-3-sdmp", "moco-v3-neighbours-3-i-mix",
    ]  # fmt: skip
    assert all(cell.plain == "" for cell in made)


def test_a_name_twice_is_refused():
    with pytest.raises(
        UserError, match="^methods: must name one thing at least and none twice"
    ):
        cells(SHARED, methods=("moco-v3", "moco-v3"))


def test_what_another_process_works_on_is_left_to_it(tmp_path):
    made = study(tmp_path, seeds=1, methods=("moco-v3",))
    (cell, seed, place), (mixed, *_), *_ = made.places()
    with lock(place, "compare"):
        assert made.finish(Watcher()) == ("moco-v3, seed 0", "untrained, seed 0")
    assert not place.exists()
    assert made.trained(mixed, 0)
    place.mkdir()
    record = json.loads((made.place(mixed, 0) / "run.json").read_text())
    record["settings"]["mix"] = None
    (place / "run.json").write_text(json.dumps({**record, "status": "running", "step": 1}))
    report = study_report(made, summary(made), title="t")
    assert "The run of moco-v3 with seed 0 is dead at step 1 of 3" in report.verdict
    shutil.rmtree(place)
    assert [row.name for row in summary(made).rows] == ["moco-v3-sdmp", "pixels"]
    assert made.finish(Watcher()) == ()
    assert made.trained(cell, seed)
    assert len(summary(made).rows) == 4


def test_pixels_are_left_out_of_what_trains_weights_or_asks_for_places(tmp_path):
    made = replace(
        study(tmp_path), protocols=("knn@1", "finetune-1@1", "attentive@1"), cells=baselines()
    )
    *_, (pixels, seed, place) = replace(made, seeds=1).places()
    made.score(pixels, seed, Watcher())
    assert set(made.results(place)) == {"knn@1"}


def test_what_a_protocol_of_other_settings_found_is_measured_again(tmp_path, monkeypatch):
    made = replace(study(tmp_path), protocols=("knn@1",), cells=baselines())
    *_, (pixels, seed, place) = replace(made, seeds=1).places()
    made.score(pixels, seed, Watcher())
    first = made.results(place)["knn@1"]
    knn = PROTOCOLS["knn@1"]
    other = replace(knn, procedure=replace(knn.procedure, neighbours=(3,)))
    monkeypatch.setitem(PROTOCOLS, "knn@1", other)
    assert not made.results(place)
    made.score(pixels, seed, Watcher())
    assert made.results(place)["knn@1"].protocol_hash == other.hash != first.protocol_hash


def test_cells_may_learn_from_images_of_their_own_and_be_scored_on_others(tmp_path):
    few, other = drawn(16, "few"), drawn(12, "other")
    (cell,) = cells(SHARED, methods=("moco-v3",))
    made = replace(
        study(tmp_path, seeds=1), cells=(replace(cell, learned=few),), first_seed=5,
        protocols=("knn@1", "linear@1"), other_tests={"linear@1": other},
    )  # fmt: skip
    made.finish(Watcher())
    place = tmp_path / "moco-v3" / "seed5"
    record = read_record(place)
    assert record["data"]["fingerprint"] == few.fingerprint
    assert record["settings"]["seed"] == 5
    found = made.results(place)
    assert found["knn@1"].n_test == 30
    assert found["linear@1"].n_test == 12


@pytest.mark.parametrize(
    ("share", "printed"),
    [(-0.0001, "+0.0"), (-0.0, "+0.0"), (0.1234, "+12.3"), (-0.5, "-50.0")],
)
def test_points_have_no_negative_zero(share, printed):
    assert f"{percentage_points(share):+.1f}" == printed


def test_a_network_is_scored_as_it_is(finished, tmp_path):
    trained = finished.place(finished.cells[0], 0)
    cell = Cell(name="frozen", encoder=str(trained))
    other = replace(finished, directory=tmp_path, cells=(cell,), seeds=1)
    other.finish(Watcher())
    (result,) = other.results(other.place(cell, 0)).values()
    theirs = finished.results(trained)["knn@1"]
    assert result.value == theirs.value
    assert np.array_equal(result.scores, theirs.scores)


def test_what_is_left_open_may_be_decided(finished, tmp_path):
    begun = str(finished.place(finished.cells[0], 0))
    settings = replace(
        SHARED, weights=begun, tune="auto", backbone=None, backbone_options={}, seed=0
    )
    cell = Cell(name="continued", settings=settings)
    other = replace(finished, directory=tmp_path, cells=(cell,), seeds=1)
    other.finish(Watcher())
    assert read_record(other.place(cell, 0))["settings"]["tune"] == "norms"
    assert other.trained(cell, 0)
    wrong = replace(cell, settings=replace(settings, tune="full"))
    with pytest.raises(UserError, match="holds a run with tune norms, got full"):
        other.trained(wrong, 0)


@pytest.mark.parametrize(
    "begun", [{"steps": 4}, {"lr": 0.1}, {"labels": "some.csv"}, {"masks": "some"}]
)
def test_what_was_named_once_must_be_named_again(finished, begun):
    cell = finished.cells[0]
    record = read_record(finished.place(cell, 0))
    asked = replace(cell.settings, steps=None, seed=0)
    record["settings"] |= {"steps": None}
    check_same(asked, record, finished.place(cell, 0))
    record["settings"] |= begun
    (name,) = begun
    with pytest.raises(UserError, match=f"holds a run with {name} .*, got none"):
        check_same(asked, record, finished.place(cell, 0))


def test_what_the_guard_has_stopped_is_scored_and_not_trained_again(
    finished, tmp_path, monkeypatch
):
    calls = []

    def stopped(settings, images, place, watcher):
        calls.append(place)
        train(settings, images, place, watcher)
        record = json.loads((place / "run.json").read_text())
        (place / "run.json").write_text(json.dumps(record | {"status": "stopped"}))
        raise Worsened("the run is stopped")

    monkeypatch.setattr(ilk.study.study, "train", stopped)
    other = replace(finished, directory=tmp_path, cells=finished.cells[:1], seeds=1)
    for _ in range(2):
        assert other.finish(Watcher()) == ()
    assert len(calls) == 1
    assert other.results(calls[0])["knn@1"].value > 0


def test_places_are_scored_on_the_masks_that_are_given(tmp_path):
    places = ("patch-knn@1",)
    made = replace(study(tmp_path, methods=("moco-v3",)), cells=baselines(), seeds=1)
    made = replace(made, cells=(Cell(name="net", encoder="random:vit_mini"), *made.cells[1:]))
    with pytest.raises(UserError, match="train_masks: must be given for patch-knn@1"):
        replace(made, protocols=places).finish(Watcher())
    known = {
        split: open_label_maps(None, Rendered(count, size=32, split=split))
        for split, count in (("train", 40), ("test", 30))
    }
    scored = replace(made, protocols=places, masks=known)
    scored.finish(Watcher())
    found = {cell.name: scored.results(place) for cell, _, place in scored.places()}
    assert found["net"]["patch-knn@1"].details["patches by class"].keys() == {
        "background",
        "foreground",
    }
    assert found["pixels"] == {}
