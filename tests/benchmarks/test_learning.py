"""Learning by the clock: what is chosen by other images, and what a cell leaves behind."""

import itertools
import json
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import learning
from benchmarks.learning import CHOICES, PEERS, Bench, choosing, finished, reported, table, tiny
from ilk.core import UserError
from ilk.data import Subset, open_source
from ilk.networks import load_encoder, save_encoder


@pytest.fixture
def bench(shared_data, tmp_path, monkeypatch) -> Bench:
    monkeypatch.setattr(learning, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(learning, "RESULTS", tmp_path / "results")
    whole = tiny(reported(shared_data("cifar10-20k.parquet"), 0.1))
    return replace(whole, learned=Subset(whole.learned, np.arange(30)))


def test_no_test_image_is_chosen_by(shared_data):
    path = shared_data("cifar10-20k.parquet")
    report, choose = reported(path), choosing(path)
    learned, scored = (set(part.chosen.tolist()) for part in (choose.learned, choose.test))
    assert not learned & scored
    assert len(learned | scored) == len(report.learned) == 20_000
    assert choose.test.fingerprint != report.test.fingerprint
    assert choose.first_seed >= 100
    assert choose.command_line == "python -m benchmarks.learning choose --minutes 8"


def test_every_choice_is_a_command(bench, monkeypatch):
    from ilk.cli import CALLED, app

    for cell in CHOICES:
        words = bench.command(cell, 3, bench.images(), bench.images(), 0.0)
        assert words[:4] == [sys.executable, "-m", "ilk.cli", "train"]
        _, bound, _ = app.parse_args(words[3:], **CALLED)
        assert (bound.arguments["time"], bound.arguments["seed"]) == ("6s", 3)
        method = bound.arguments.get("method", "moco-v3")
        from ilk.cli.arguments import check_names, split_options

        check_names(method, None, None, split_options(bound.arguments.get("set", ())))
    assert len({tuple(words) for words in CHOICES.values()}) == len(CHOICES)


def test_a_cell_is_scored_and_kept_and_not_run_again(bench, monkeypatch):
    called: list[list[str]] = []

    def train(words: list[str]) -> None:
        pairs = itertools.pairwise(words)
        place = next(after for word, after in pairs if word in {"-o", "--output"})
        save_encoder(load_encoder("random:resnet_mini", image_size=32, seed=len(called)), place)
        called.append(words)

    monkeypatch.setattr(learning, "_called", train)
    bench.run(["ilk", "untrained"], 2)
    assert len(called) == 2
    assert len(list(bench.images().iterdir())) == 30
    content = json.loads(bench.path("ilk", 1).read_text())
    assert [one["protocol"] for one in content["results"]] == ["knn@1", "linear@1"]
    assert all(one["right"] for one in content["results"])
    assert {"command", "date", "machine", "commit", "seed", "minutes"} <= set(content)
    assert content["command"] == "python -m benchmarks.learning --minutes 0.1 --tiny"
    assert not [word for word in content["called"] if "/" in word]
    bench.run(["ilk", "untrained"], 2)
    assert len(called) == 2
    rows = table(finished(bench.results, bench.minutes))
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| ilk", "| untrained"]
    assert " to " in rows[3]
    assert rows[2].endswith("| 2 |")
    assert table(finished(bench.results, 7)) == ["Not measured yet."]


def test_a_command_that_fails_leaves_no_result(bench, monkeypatch):
    failed = SimpleNamespace(returncode=1)
    monkeypatch.setattr(learning.subprocess, "run", lambda *words, **more: failed)
    with pytest.raises(UserError, match=r"-m ilk.cli train must end well, got status 1"):
        bench.run(["ilk"], 1)
    assert not bench.path("ilk", 0).exists()


@pytest.mark.skipif(find_spec("lightly") is None, reason="lightly is not installed")
@pytest.mark.parametrize("cell", PEERS)
def test_a_peer_trains_until_its_time_is_over(bench, cell):
    place = bench.images().with_name("run")
    began = time.time()
    words = bench.command(cell, 0, bench.images(), place, began)
    learning._called(words)
    assert open_source(bench.images())
    assert json.loads((place / "seen.json").read_text())["images_seen"] >= 0
    assert load_encoder(str(place)).image_size == 32
