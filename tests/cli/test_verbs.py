"""Each verb as a person types it, on a few images."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import timm
from safetensors.torch import load_file

from ilk.cli import VERBS
from ilk.core.counts import size_words
from ilk.networks import Encoder, backbone, load_encoder, save_encoder
from tests.cli.conftest import TINY


def test_train_says_where_the_encoder_is(ilk, folder, tmp_path):
    said = ilk("train", folder / "train", "--mix", "sdmp", *TINY, "--epochs", "1", "-o", "one")
    assert said.code == 0, said.err
    assert "The encoder is in one" in said.out
    assert json.loads(Path("one/run.json").read_text())["settings"]["mix"] == "sdmp"


def test_a_run_goes_on_only_where_there_is_more_to_do(ilk, run):
    said = ilk("train", "--resume", run)
    assert said.code == 2
    assert "the run is complete" in said.err


def test_dry_run_prints_the_record_and_the_plan(ilk, folder):
    said = ilk("train", folder / "train", *TINY, "--epochs", "4", "--dry-run")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == f"reading {folder / 'train'}"
    assert lines[1].startswith("found   40 images, median 32 x 32 px, 0 unreadable, 10 classes")
    assert lines[2].startswith("runs    moco-v3 with resnet_mini at 32 px, 8 images a step")
    assert "4 epochs (20 steps" in lines[3]
    assert lines[4].startswith("change  ")
    assert "{" not in said.out  # the record is for programs
    said = ilk("train", folder / "train", *TINY, "--epochs", "4", "--dry-run", "--json")
    record = json.loads(said.out)
    assert record["length"]["steps"] == 20
    assert f"chosen  momentum={record['plan']['chosen']['momentum']}" in lines
    assert not Path("runs").exists()


def test_a_run_on_labelled_images_says_what_it_is_worth(ilk, folder, run):
    said = ilk("train", folder / "train", *TINY, "--steps", "2", "-o", "one")
    assert said.code == 0, said.err
    assert "k-NN accuracy on 8 of its labelled images: " in said.out
    assert "raw pixels" in said.out
    assert "the same network untrained" in said.out


def test_a_run_without_labels_says_how_to_judge_it(ilk, folder):
    Path("flat").mkdir()
    for path in (folder / "test").rglob("*.png"):
        shutil.copy(path, "flat")
    said = ilk("train", "flat", *TINY, "--steps", "1", "-o", "one")
    assert said.code == 0, said.err
    assert "ilk evaluate one --train labelled/train" in said.out


def test_embed_writes_a_row_for_each_picture(ilk, run, folder):
    said = ilk("embed", run, f"{folder}:test", "-o", "test.parquet", "--dtype", "float32")
    assert said.code == 0, said.err
    assert "The vectors are in test.parquet" in said.out
    table = pq.read_table("test.parquet")
    assert len(table) == 20
    assert sorted(table["label_name"].unique().to_pylist())[:2] == ["bird", "butterfly"]
    assert len(table["vector"][0]) == load_encoder(run).feature_dim


def test_embed_writes_what_the_ending_says(ilk, run, folder):
    words = ("embed", run, f"{folder}:test", "--dtype", "float32", "-o")
    for name in ("t.parquet", "t.csv", "t.npz", "T.CSV"):
        said = ilk(*words, name)
        assert said.code == 0, said.err
        assert f"The vectors are in {name}" in said.out
    wanted = np.stack(pq.read_table("t.parquet")["vector"].to_numpy())
    with np.load("t.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["vector"], wanted)
    assert Path("t.csv").read_bytes() == Path("T.CSV").read_bytes()
    assert len(Path("t.csv").read_text().splitlines()) == 21
    refused = ilk("evaluate", "vectors", "--test", "t.csv", "--protocols", "quality")
    assert refused.code == 2
    assert "t.csv must be parquet" in refused.err


def test_embed_keeps_tokens_and_maps_which_are_no_vectors(ilk, run, folder):
    said = ilk("embed", run, folder / "test", "--field", "tokens")
    assert said.code == 0, said.err
    assert "The tokens are in test-tokens.parquet" in said.out
    said = ilk("embed", run, folder / "test", "--field", "map", "-o", "m.npz")
    assert said.code == 0, said.err
    with np.load("m.npz", allow_pickle=False) as arrays:
        maps = arrays["map"]
    assert maps.ndim == 4
    room = f"The maps of {len(maps)} images take about {size_words(maps.nbytes)}"
    assert room in " ".join((said.out + said.err).split())
    for words in (
        ("evaluate", "vectors", "--test", "test-tokens.parquet", "--protocols", "quality"),
        ("index", "test-tokens.parquet", "-o", "i"),
    ):
        refused = ilk(*words)
        assert refused.code == 2
        assert "one vector an image, got the tokens" in refused.err
    refused = ilk("export", run, "--to", "timm", "--field", "map")
    assert refused.code == 2
    assert "--field" in refused.err


@pytest.mark.parametrize("size", ["0", "-1"])
@pytest.mark.parametrize("words", [("embed", "random:resnet_mini"), ("predict", "no-run")])
def test_batches_without_an_image_are_refused_before_any_is_read(ilk, folder, words, size):
    said = ilk(*words, folder / "test", "--batch-size", size)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert f"--batch-size: must be 1 or more, got {size}" in said.err
    assert not list(Path().glob("*.parquet"))


def test_embed_names_its_output_after_the_data(ilk, folder):
    size = ("--batch-size", "4")
    said = ilk("embed", "random:resnet_mini", folder / "test", *size, "--shard-rows", "9")
    assert said.code == 0, said.err
    assert len(list(Path("test-vectors.parquet").glob("part-*.parquet"))) == 3


def test_fine_tuning_is_asked_of_what_has_weights(ilk, run, folder):
    words = ("--train", folder / "train", "--test", folder / "test", "-o", "tuned.json")
    asked = ("--protocols", "knn,finetune-1", *words)
    said = ilk("evaluate", run, *asked, "--against", "pixels")
    assert said.code == 0, said.err
    assert "note: pixels has no weights to train, it is left out of finetune-1@1" in said.out
    results = json.loads(Path("tuned.json").read_text())["results"]
    found = [(entry["names"]["encoder"], entry["protocol"]) for entry in results]
    assert found == [
        (str(run), "knn@1"), (str(run), "finetune-1@1"), ("pixels", "knn@1")
    ]  # fmt: skip
    refused = ilk("evaluate", "pixels", *asked)
    assert refused.code == 2
    assert "needs an encoder with weights to train, got pixels" in refused.err


@pytest.mark.parametrize("encoder", ["run", "random:resnet_mini", "pixels"])
def test_evaluate_prints_and_keeps_values_with_intervals(ilk, run, folder, encoder):
    place = run if encoder == "run" else encoder
    parts = ("--train", folder / "train", "--test", folder / "test")
    said = ilk("evaluate", place, *parts, "--protocols", "knn,linear", "-o", "deep/found.json")
    assert said.code == 0, said.err
    kept = json.loads(Path("deep/found.json").read_text())["results"]
    assert [result["protocol"] for result in kept] == ["knn@1", "linear@1"]
    shown = re.findall(r"([\d.]+) %\s+([\d.]+) to ([\d.]+)", said.out)
    assert len(shown) == 2
    for result, row in zip(kept, shown, strict=True):
        low, high = result["interval"]
        assert low < result["value"] < high or result["value"] == low == 0
        np.testing.assert_allclose(
            np.array(row, float), [100 * result["value"], 100 * low, 100 * high], atol=0.051
        )


def test_evaluate_reads_vectors_that_embed_wrote(ilk, run, folder):
    for part in ("train", "test"):
        ilk("embed", run, folder / part, "-o", f"{part}.parquet", "--dtype", "float32")
    ways = {
        "vectors": ("--train", "train.parquet", "--test", "test.parquet"),
        str(run): ("--train", folder / "train", "--test", folder / "test"),
    }
    values = []
    for encoder, parts in ways.items():
        said = ilk("evaluate", encoder, *parts, "-o", "found.json")
        assert said.code == 0, said.err
        kept = json.loads(Path("found.json").read_text())["results"]
        values.append([result["value"] for result in kept])
    assert values[0] == values[1]


def test_evaluate_compares_with_others_and_reuses_what_is_kept(
    ilk, run, folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("ILK_CACHE", str(tmp_path / "cache"))
    words = ("evaluate", run, "--train", folder / "train", "--test", folder / "test")
    words += ("--protocols", "knn", "-o", "kept.json")
    first = ilk(*words)
    assert first.code == 0, first.err
    assert "embed train" in first.out
    (before,) = json.loads(Path("kept.json").read_text())["results"]
    said = ilk(*words, "--against", "random", "--against", "pixels", "--against", "hog")
    assert said.code == 0, said.err
    kept = json.loads(Path("kept.json").read_text())
    assert [row["names"]["encoder"] for row in kept["results"]] == [
        str(run), "random", "pixels", "hog",
    ]  # fmt: skip
    assert len({tuple(row["scores"]) for row in kept["results"]}) > 1
    assert kept["results"][0] == before, "not measured again"
    for row in kept["comparisons"]:
        assert f"against {row['against']}: {row['verdict']}" in said.out
    assert [row["against"] for row in kept["comparisons"]] == ["random", "pixels", "hog"]
    (note,) = kept["notes"]["near_duplicates"]
    assert note["of"] == 20
    assert note["test_data"] == before["test_data"]
    assert not re.search(r"^embed t", said.out, re.M), "vectors of the run were kept"
    again = ilk(*words, "--no-cache")
    assert "embed train" in again.out


def test_evaluate_says_how_many_labels_it_takes(ilk, run, folder):
    words = ("evaluate", run, "--train", folder / "train", "--test", folder / "test")
    said = ilk(*words, "--protocols", "few-label,cluster,discover", "-o", "kept.json")
    assert said.code == 0, said.err
    (few, cluster, discover) = json.loads(Path("kept.json").read_text())["results"]
    assert few["details"]["in words"]
    for line in few["details"]["in words"]:
        assert f"few-label@1, {run}: {line}" in said.out
    assert cluster["train_data"] == ""
    assert discover["details"]["unlabelled"] == len(discover["scores"])


def test_a_runs_own_results_lie_beside_it(ilk, run, folder):
    words = ("--train", folder / "train", "--test", folder / "test", "--protocols", "knn")
    said = ilk("evaluate", run, *words)
    assert f"The results are in {run}/evaluation.json" in said.out
    assert ilk("evaluate", "pixels", *words).code == 0
    assert not list(Path().glob("*.json"))


def test_export_to_timm_tells_how_to_load_it(ilk):
    said = ilk("export", "random:mobilenetv3_small_050", "--to", "timm", "-o", "m.safetensors")
    assert said.code == 0, said.err
    assert float(re.search(r"differ from ilk's by ([\d.e+-]+)", said.out)[1]) < 1e-4
    expression = re.search(r"network = (.*)", said.out)[1]
    network = eval(expression, {"timm": timm})
    network.load_state_dict(load_file("m.safetensors"))


def test_export_of_a_network_that_timm_cannot_build_leaves_nothing(ilk, tmp_path):
    module = backbone("resnet10t", image_size=64)
    known = {"image_size": 64, "channels": 3, "statistics": ((0.5,) * 3, (0.25,) * 3)}
    save_encoder(Encoder.of(module, name="resnet10t", options={}, **known), "small")
    said = ilk("export", "small", "--to", "timm")
    assert said.code == 2
    assert said.err.count("\n") == 1
    assert "export it as ONNX, or train with --backbone-set stem=plain" in said.err
    assert not (tmp_path / "small" / "export").exists()
    assert "network =" not in said.out


@pytest.mark.parametrize("words", [(), ("--to", "onnx"), ("-o", "deep/e.onnx")])
def test_export_to_onnx_where_it_is_asked_for_or_all_there_is(ilk, run, words):
    pytest.importorskip("onnxruntime")
    said = ilk("export", run, *words)
    assert said.code == 0, said.err
    file = Path("deep/e.onnx") if "-o" in words else run / "export" / "encoder.onnx"
    assert file.exists()
    file.unlink()
    assert float(re.search(r"differ from ilk's by ([\d.e+-]+)", said.out)[1]) < 1e-4


def test_methods_lists_all_and_shows_one(ilk):
    said = ilk("methods")
    assert said.code == 0, said.err
    for name in ("moco-v3", "dino", "barlow-twins", "sdmp", "mixco"):
        assert name in said.out
    one = ilk("methods", "sdmp")
    assert one.code == 0
    assert "2206.07692" in one.out
    assert "static_source" in one.out


def test_methods_table_fits_a_terminal_and_gives_reasons(ilk, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    said = ilk("methods", "--table")
    assert said.code == 0, said.err
    table = said.out.partition("A number refers to")[0]
    assert max(map(len, table.splitlines())) <= 100
    row = next(line for line in said.out.splitlines() if line.split()[:1] == ["byol"])
    assert row.split()[1:6] == ["yes"] * 5
    number = next(word for word in row.split() if word.startswith("("))
    assert f"{number} the method must have negatives, but it has none" in said.out


def test_a_kin_rule_is_recorded_judged_and_drawn(ilk, folder):
    words = ("--kin", "labels:0.5", "--mix", "sdmp", *TINY, "--steps", "3", "-o", "one")
    said = ilk("train", folder / "train", *words)
    assert said.code == 0, said.err
    record = json.loads(Path("one/run.json").read_text())
    assert record["settings"]["kin"] == "labels:0.5"
    lines = [json.loads(line) for line in Path("one/metrics.jsonl").read_text().splitlines()]
    # Labels find nobody but the right ones.
    assert {line["kin_precision"] for line in lines if "kin_precision" in line} == {1.0}
    drawn = ilk("kin", "one", folder / "test", "--queries", "2", "-o", "page.html")
    assert drawn.code == 0, drawn.err
    assert "Positives and negatives in the source loss" in Path("page.html").read_text()


def test_a_kin_rule_that_does_not_fit_says_why(ilk, folder):
    said = ilk("train", folder / "train", "--method", "dino", "--kin", "fnc", "-o", "two")
    assert said.code == 2
    assert "they are classes" in said.err


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help(ilk, verb):
    said = ilk(*filter(None, [verb]), "--help")
    assert said.code == 0
    assert "Usage" in said.out
    for name in VERBS if not verb else ():
        assert name in said.out


def test_version(ilk):
    assert re.match(r"\d+\.\d+", ilk("--version").out)


def test_report_lays_out_evaluations_on_a_page(ilk, run, folder):
    words = ("--train", folder / "train", "--test", folder / "test", "--protocols", "knn")
    assert ilk("evaluate", run, *words, "--against", "pixels", "-o", "kept.json").code == 0
    said = ilk("report", "kept.json", "-o", "deep/page.html", "--workers", "1")
    assert said.code == 0, said.err
    assert "The report is in deep/page.html" in said.out
    page = Path("deep/page.html").read_text()
    assert "Confident mistakes" in page
    assert '>pixels</th><td class="name">knn@1</td>' in page
    assert (
        "Confident mistakes"
        not in Path(ilk("report", "kept.json", "--no-gallery").out.split()[-1]).read_text()
    )
    assert ilk("report", "nowhere.json").code == 2
    assert ilk("report").code == 2


def test_a_report_says_that_an_encoder_has_learned_on(ilk, run, folder):
    shutil.copytree(run, "own", ignore=shutil.ignore_patterns("evaluation.json"))
    words = ("--train", folder / "train", "--test", folder / "test", "--protocols", "knn")
    assert ilk("evaluate", "own", *words).code == 0
    assert "has changed" not in ilk("report", "own", "--no-gallery").out
    assert ilk("train", "--resume", "own", "--steps", "4").code == 0
    said = ilk("report", "own", "--no-gallery", "-o", "page.html")
    says = "The encoder in own has changed since it was evaluated"
    assert f"note: {says}" in said.out
    assert says in Path("page.html").read_text()


def test_an_unfinished_run_says_so_where_it_is_evaluated_and_drawn(ilk, run, folder):
    shutil.copytree(run, "stopped", ignore=shutil.ignore_patterns("evaluation.json"))
    record = json.loads(Path("stopped/run.json").read_text())
    changed = {**record, "status": "interrupted", "step": 2}
    Path("stopped/run.json").write_text(json.dumps(changed))
    parts = ("--train", folder / "train", "--test", folder / "test", "--protocols", "knn")
    said = ilk("evaluate", "stopped", *parts)
    assert said.code == 0, said.err
    assert "note: the run in stopped is interrupted at step 2 of 3" in said.out
    assert "is finished" not in ilk("evaluate", run, *parts).out
    assert ilk("report", "stopped", "--no-gallery", "-o", "page.html").code == 0
    assert "Evaluation of stopped (interrupted at step 2 of 3)" in Path("page.html").read_text()
    drawn = ilk("kin", "stopped", folder / "test", "-o", "kin.html")
    assert drawn.code == 0, drawn.err
    assert "The run is interrupted at step 2 of 3." in Path("kin.html").read_text()


def test_compare_gives_one_table_and_one_page(ilk, folder):
    words = ("compare", folder / "train", "--methods", "moco-v3", "--mixes", "none,sdmp",
             "--seeds", "2", "--train", folder / "train", "--test", folder / "test",
             "--protocols", "knn", *TINY, "--steps", "2", "-o", "both")  # fmt: skip
    said = ilk(*words)
    assert said.code == 0, said.err
    assert "knn@1: moco-v3-sdmp" in said.out
    for name in ("moco-v3", "moco-v3-sdmp", "untrained", "pixels"):
        assert re.search(rf"^. {name} +. +\d+\.\d %", said.out, re.MULTILINE), name
    content = json.loads(Path("both/compare.json").read_text())
    assert [row["name"] for row in content["rows"]][:2] == ["moco-v3", "moco-v3-sdmp"]
    assert content["seeds"] == 2
    page = Path("both/report.html").read_text()
    assert "Does mixing help?" in page
    again = ilk(*words, "--set", "moco-v3.hidden=32")
    assert again.code == 2
    assert "method_options" in again.err


def test_compare_names_an_unknown_place(ilk, folder):
    said = ilk("compare", folder / "train", "--methods", "moco-v3", "--train", "a", "--test",
               "b", "--set", "byol.hidden=3")  # fmt: skip
    assert said.code == 2
    assert "moco-v3.field" in said.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_verbs_and_flags(ilk, shell, tmp_path):
    said = ilk("completion", shell)
    assert said.code == 0, said.err
    for word in ("train", "evaluate", "image-size", "stop-on-collapse"):
        assert word in said.out
    if shutil.which(shell):
        script = tmp_path / "completion"
        script.write_text(said.out)
        done = subprocess.run([shell, "-n", script], check=False, capture_output=True)
        assert done.returncode == 0, done.stderr
    assert ilk("completion", "tcsh").code == 2
