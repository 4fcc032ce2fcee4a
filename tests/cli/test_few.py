"""Few labels on the command line: train with a folder of them, predict, evaluate."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilk.cli.worth import few_targets
from ilk.embedding import table
from ilk.train import read_record
from ilk.viewer.training import trained

SMALL = (
    "--backbone", "resnet_mini", "--backbone-set", "widths=(8,16)", "--backbone-set",
    "depths=(1,1)", "--batch-size", "8", "--image-size", "32", "--workers", "1", "--steps", "3",
    "--method", "fixmatch", "--set", "ratio=3", "--knn-every", "0",
)  # fmt: skip


SETS = ("--train", "labelled", "--test", "val")


@pytest.fixture
def few(folder, tmp_path):
    """photos/ without folders, and labelled/ with two images of two classes."""
    files = sorted((folder / "train").rglob("*.png"))
    (tmp_path / "photos").mkdir()
    for file in files:
        shutil.copy(file, tmp_path / "photos")
    for name in sorted({file.parent.name for file in files})[:2]:
        (tmp_path / "labelled" / name).mkdir(parents=True)
        for file in sorted((folder / "train" / name).iterdir())[:2]:
            shutil.copy(file, tmp_path / "labelled" / name)
            (tmp_path / "photos" / file.name).unlink()
        shutil.copytree(folder / "test" / name, tmp_path / "val" / name)
    return tmp_path


def test_a_person_trains_predicts_and_evaluates(ilk, few, monkeypatch):
    words = ("train", "photos", "--labelled", "labelled", *SMALL, "-o", "runs/few")
    said = ilk(*words)
    assert said.code == 0, said.err
    assert "4 of them labelled, of 2 classes" in said.out + said.err
    again = ilk(*words[:2], "--labelled", "labelled", *SMALL, "-o", "runs/few")
    assert again.code == 2

    monkeypatch.setattr(table, "PIECE", 8)
    said = ilk("predict", "runs/few", "photos", "-o", "predictions.parquet", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["predictions"] == "predictions.parquet"
    rows = pq.read_table("predictions.parquet").to_pylist()
    known = sorted(path.name for path in (few / "labelled").iterdir())
    assert len(rows) == 36
    assert {row["class"] for row in rows} <= set(known)
    assert all(0 <= row["margin"] <= row["probability"] <= 1 for row in rows)

    words = ("evaluate", "runs/few", *SETS)
    said = ilk(*words, "--protocols", "classify,knn", "--against", "random", "--json")
    assert said.code == 0, said.err
    results = json.loads(said.out)["results"]
    assert [(r["name"], r["protocol"]) for r in results] == [
        ("runs/few", "classify@1"), ("runs/few", "knn@1"), ("random", "knn@1"),
    ]  # fmt: skip
    assert results[0]["details"]["by class"]
    assert "no classifier of its own" in said.err


def test_a_run_is_shown_images_labelled_as_its_own_and_counts_them_once(ilk, few):
    ilk("train", "photos", "--labelled", "labelled", *SMALL, "-o", "runs/few")
    assert ilk("kin", "runs/few", "labelled", "-o", "kin.html").code == 0  # all are labelled
    said = ilk("kin", "runs/few", "photos", "-o", "kin.html")  # and as the run had them
    assert said.code == 0, said.err
    shutil.move("labelled", "elsewhere")
    said = ilk("kin", "runs/few", "photos", "-o", "kin.html")
    assert said.code == 2
    assert "labelled" in said.err
    record = read_record(Path("runs/few"))
    assert (record["data"]["items"], record["data"]["again"]) == (44, 4)
    (chapter,) = trained({"few": (Path("runs/few"), record)})
    (grid,) = chapter.grids
    assert grid.rows[0][grid.heads.index("Images")] == "40"


def test_predictions_go_on_where_they_stopped(ilk, few, monkeypatch):
    from ilk.embedding import columns

    ilk("train", "photos", "--labelled", "labelled", *SMALL, "-o", "runs/few")
    monkeypatch.setattr(table, "PIECE", 4)
    whole, calls = columns.ClassColumns.arrays, []

    def stopped(self, batch):
        calls.append(batch.items)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(self, batch)

    monkeypatch.setattr(columns.ClassColumns, "arrays", stopped)
    words = ("predict", "runs/few", "photos", "-o", "p.parquet", "--batch-size", "4")
    said = ilk(*words)
    assert said.code == 130
    assert "The predictions so far are kept" in said.out + said.err
    assert (
        ilk("predict", "runs/few", "photos", "-o", "p.parquet", "--batch-size", "4").code == 0
    )
    assert len(pq.read_table("p.parquet")) == 36
    assert [one.start for one in calls] == [0, 4, 8, *range(8, 36, 4)]


def test_what_cannot_be_predicted_or_scored_is_one_line(ilk, few, run):
    for words, message in [
        (("predict", run, "photos"), "must be a run that learned classes"),
        (("predict", "runs/none", "photos"), "encoder"),
        (
            ("evaluate", run, *SETS, "--protocols", "classify"),
            "must be a run that learned classes",
        ),
        (("train", "photos", *SMALL, "-o", "a"), "labelled images of two classes at least"),
        (
            ("train", "photos", "--labelled", "photos", *SMALL, "-o", "b"),
            "photos must lie apart from the unlabelled images",
        ),
        (("train", "photos", "--labels", "no.csv", *SMALL, "-o", "c"), "--labels: "),
    ]:
        said = ilk(*words)
        assert said.code == 2, words
        assert message in said.err
        assert said.err.count("\n") == 1 + said.err.count("reading")


def test_labels_that_cannot_be_right_are_a_clear_line(ilk, few):
    names = sorted(path.name for path in (few / "labelled").iterdir())
    first = sorted(path.name for path in (few / "photos").iterdir())[:3]
    rows = [f"{name},{title}" for name, title in zip(first, (*names, names[1]), strict=True)]
    tables = {
        "missing.csv": [*rows, f"gone.png,{names[0]}"],
        "none.csv": [f"{name}," for name in first],
        "twice.csv": [*rows, f"{first[0]},{names[1]}"],
        "lonely.csv": rows,
    }
    for name, lines in tables.items():
        (few / name).write_text("\n".join(["path,label", *lines]))
    begin = ("train", "photos", *SMALL, "-o", "runs/a")
    for table_, message in [
        ("missing.csv", "1 row of 4 do not, first 'gone.png'"),
        ("none.csv", "none.csv must have a row with a label, got none"),
        ("twice.csv", "rows of twice.csv must agree"),
    ]:
        said = ilk(*begin, "--labels", table_)
        assert said.code == 2
        assert message in said.err.replace(f"{few}/", "")
        assert said.err.count("\n") == 1 + said.err.count("reading")
        assert not (few / "runs" / "a").exists()
    said = ilk(*begin, "--labels", "lonely.csv")
    assert said.code == 0, said.err
    assert "warning: 1 of 2 classes has one labelled image" in said.out + said.err

    said = ilk("evaluate", "runs/a", "--train", "labelled", "--test", "labelled")
    assert said.code == 2
    assert "train and test must not share images" in said.err
    (few / "val" / "owl").mkdir()
    shutil.move(next((few / "val" / names[0]).iterdir()), few / "val" / "owl")
    said = ilk("evaluate", "runs/a", *SETS, "--protocols", "classify")
    assert said.code == 2
    assert "owl" in said.err
    assert said.err.count("\n") == 1 + said.err.count("reading")


def test_what_a_label_cannot_teach_is_a_warning(ilk, few):
    names = sorted(path.name for path in (few / "labelled").iterdir())
    for file in (few / "labelled" / names[1]).iterdir():
        file.write_bytes(b"no image")
    (few / "labelled" / names[0]).rename(few / "labelled" / "nan")
    said = ilk("train", "photos", "--labelled", "labelled", *SMALL, "--dry-run")
    assert said.code == 0, said.err
    assert f"warning: no labelled image of class '{names[1]}' can be read" in said.out
    assert "warning: a class is called 'nan'; leave the label empty" in said.out
    numbers = {"path": [f"{few}/photos/{p.name}" for p in (few / "photos").iterdir()]}
    numbers["label"] = [1, 1, 3, 3, *[None] * (len(numbers["path"]) - 4)]
    rows = pa.table({"image": [Path(p).read_bytes() for p in numbers["path"]], **numbers})
    pq.write_table(rows.drop_columns(["path"]), "known.parquet")
    said = ilk("train", "known.parquet", *SMALL, "--dry-run")
    assert said.code == 0, said.err
    assert "4 of them labelled, of 2 classes" in said.out
    assert "warning: 2 of 4 classes have no labelled image and cannot be learned" in said.out


def test_a_batch_that_labels_do_not_fill_is_refused_before_it_is_measured(ilk, few):
    begin = ("train", "photos", "--labelled", "labelled", *SMALL, "-o", "a")
    for words, message in [
        (("--batch-size", "3", "ratio=7"), "--batch-size: must be 5 at least in each pass"),
        (("--batch-size", "99", "ratio=3"), "a batch must have 44 at most in each pass"),
    ]:
        asked = [*begin]
        asked[asked.index("--batch-size") + 1] = words[1]
        asked[asked.index("ratio=3")] = words[2]
        said = ilk(*asked)
        assert said.code == 2
        assert message in said.err
        assert "takes" not in said.out
    assert not Path("a").exists()


def test_a_run_with_a_table_of_labels_is_scored_and_compared_by_it(ilk, few):
    names = sorted(path.name for path in (few / "labelled").iterdir())
    for name in names:  # all images in one folder, and a table of a few
        for number, file in enumerate(sorted((few / "labelled" / name).iterdir())):
            shutil.move(file, few / "photos" / f"{name}-{number}.png")
    rows = [f"photos/{name}-{number}.png,{name}" for name in names for number in range(2)]
    (few / "labels.csv").write_text("\n".join(["path,label", *rows]))
    said = ilk("train", "photos", "--labels", "labels.csv", *SMALL[:-2], "-o", "a")
    assert said.code == 0, said.err
    words = "ilk evaluate a --train photos/ --train-labels labels.csv --test val/"
    assert words in " ".join(said.out.split())
    sets = ("--train", "photos", "--train-labels", "labels.csv", "--test", "val")
    said = ilk("evaluate", "a", *sets, "--protocols", "classify", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["results"][0]["n_train"] == 4
    said = ilk("evaluate", "a", "--train-labels", "labels.csv", *sets[-2:])
    assert said.code == 2
    assert "--train-labels: must have --train beside it" in said.err

    words = [w for w in SMALL if w not in {"--method", "fixmatch", "--knn-every", "0"}]
    words = ["compare", "photos", "--labels", "labels.csv", "--methods", "fixmatch", *words]
    words += ["--seeds", "1", *SETS[2:], "--train", "val", "--protocols", "classify", "-o", "c"]
    words[words.index("--train") + 1] = "known"
    for name in names:
        (few / "known" / name).mkdir(parents=True)
        for file in (few / "photos").glob(f"{name}-*.png"):
            shutil.copy(file, few / "known" / name)
    for _ in range(2):  # the second time all is there
        said = ilk(*words)
        assert said.code == 0, said.err
        assert "classify@1" in said.out
    without = [w for w in words if w not in {"--labels", "labels.csv", "-o", "c"}]
    said = ilk(*without, "-o", "d")
    assert said.code == 2
    assert "labelled images of two classes" in said.err
    assert not Path("d").exists()


def test_a_torn_table_is_not_written_over(ilk, few):
    ilk("train", "photos", "--labelled", "labelled", *SMALL, "-o", "a")
    (few / "p.parquet").write_bytes(b"PAR1 and no more")
    said = ilk("predict", "a", "photos", "-o", "p.parquet")
    assert said.code == 2
    assert "predict: p.parquet must be free or hold a whole table" in said.err
    assert "choose another output or delete it" in said.err
    assert (few / "p.parquet").read_bytes() == b"PAR1 and no more"


def test_a_run_goes_through_its_stages_and_says_what_became_of_labels(ilk, few):
    small = [{"fixmatch": "noisy-student", "ratio=3": "ratio=1"}.get(w, w) for w in SMALL]
    words = ("train", "photos", "--labelled", "labelled", "--rounds", "1", *small)
    words = (*words, "--set", "threshold=0", "--set", "min_scale=0.5")
    said = ilk(*words, "-o", "runs/student")
    assert said.code == 0, said.err
    assert "stage   teacher, 1 of 2" in said.out
    assert "stage   student-1, 2 of 2: teacher labels" in said.out
    assert (few / "runs/student/stages/teacher/pseudo-labels.parquet").exists()
    assert not (few / "runs/student/stages/student-1").exists()

    said = ilk("evaluate", "runs/student", *SETS, "--protocols", "classify")
    assert said.code == 0, said.err
    assert ilk("report", "runs/student", "--no-gallery", "-o", "page.html").code == 0
    assert "Stages of runs/student" in (few / "page.html").read_text()
    assert ilk("predict", "runs/student", "photos", "-o", "p.parquet").code == 0

    again = ilk(*words, "-o", "runs/student")
    assert "must not hold a run" in again.err
    done = ilk("train", "--resume", "runs/student", "--rounds", "1")
    assert "must be unfinished, but the run is complete" in done.err
    other = ilk("train", "--resume", "runs/student", "--rounds", "2")
    assert "a run must keep the settings that it began with, rounds 1, got 2" in other.err
    said = ilk("train", "photos", "--labelled", "labelled", *SMALL, "--rounds", "2")
    assert (
        "--rounds: must go with a method that is trained in rounds, noisy-student" in said.err
    )


def test_a_run_that_is_stopped_while_it_labels_says_how_to_go_on(ilk, few, monkeypatch):
    from ilk.train import stages

    def stopped(*given, **more):
        raise KeyboardInterrupt

    small = [{"fixmatch": "noisy-student", "ratio=3": "ratio=1"}.get(w, w) for w in SMALL]
    words = ("train", "photos", "--labelled", "labelled", "--rounds", "1", *small, "-o", "a")
    with monkeypatch.context() as patched:
        patched.setattr(stages, "predict_to_table", stopped)
        said = ilk(*words, "--set", "threshold=0")
    assert said.code == 130
    assert "To continue the run, use ilk train --resume a" in said.out + said.err
    assert ilk("train", "--resume", "a").code == 0


def test_a_run_that_was_not_evaluated_has_a_report(ilk, few, run):
    own = few / "own"
    shutil.copytree(run, own, ignore=shutil.ignore_patterns("evaluation.json"))
    said = ilk("report", own, "-o", "page.html")
    assert said.code == 0, said.err
    page = (few / "page.html").read_text()
    assert "It was not evaluated" in page
    assert "Learning curves" in page
    assert ilk("report", few / "photos", "-o", "page.html").code == 2


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([0.5] * 18 + [0.0, 0.01], "At its end 0.5% of the unlabelled images"),
        ([0.0] * 18 + [0.02, 0.3], None),
        ([], None),
    ],
)
def test_it_is_said_where_unlabelled_images_taught_little(tmp_path, shares, words):
    lines = [{"epoch": 1, "pseudo_share": share} for share in shares] + [
        {"epoch": 2, "loss": 1}
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = few_targets(tmp_path)
    assert found == "" if words is None else words in found
