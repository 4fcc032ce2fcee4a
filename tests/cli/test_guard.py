"""What a person reads of given weights before and after, and of a run that was stopped."""

import json
from pathlib import Path

import pytest
import torch

from ilk.cli.guarded import guard_words
from ilk.train import read_record
from ilk.train.loop.trainer import Trainer
from tests.cli.test_from import SET, SMALL_RUN, copied, weights

__all__ = ["copied", "weights"]


@pytest.fixture
def words(folder, copied):
    return (
        "train", folder / "train", "--from", copied, "--backbone", "resnet18", *SET, *SMALL_RUN,
        "--set", "momentum=0.5", "--device", "cpu",
    )  # fmt: skip


def test_before_and_after_stand_in_a_table(ilk, words):
    said = ilk(*words, "-o", "run", "--lr", "1e-6")
    assert said.code == 0, said.err
    assert "before and after, " in said.out
    assert "k-NN accuracy" in said.out
    assert "RankMe" in said.out
    assert "worth it" in said.out
    guard = read_record(Path("run"))["guard"]
    answered = json.loads(ilk("--json", *words, "-o", "again", "--guard", "off").out)
    assert answered["guard"]["start"] == guard["start"]


RANK = "the effective rank (RankMe) was 30%"


@pytest.mark.parametrize(
    ("key", "worse", "says"),
    [
        ("knn", None, "so training was worth it"),
        ("stable", None, "which does not say whether training was worth it"),
        ("stable", RANK, f"At the end {RANK}, so keep the given weights: start.safetensors"),
    ],
)
def test_only_labels_say_that_training_was_worth_it(key, worse, says):
    words = "better than at the start by 5.0 points (interval 2.0 to 8.0, on 500 images)"
    found = {"words": words, "interval": [0.02, 0.08], "turns": []}
    said = guard_words({"key": key, "score": "score", "worse": worse, **found})
    assert says in said
    assert ("worth it" in said) == (worse is None)


def test_a_run_that_was_stopped_says_what_to_do(ilk, words, monkeypatch):
    whole = Trainer.take_step

    def breaking(self, batches, progress, monitor_labels=None):
        result = whole(self, batches, progress, monitor_labels)
        with torch.no_grad():
            for parameter in self.student.backbone.parameters():
                parameter.fill_(float("nan"))
        return result

    monkeypatch.setattr(Trainer, "take_step", breaking)
    at = words.index("--steps") + 1
    longer = (*words[:at], "4", *words[at + 1 :])
    said = ilk(*longer, "-o", "run", "--lr", "0.1", "--guard-every", "0.01")
    assert said.code == 4
    said_, turns = " ".join(said.out.split()), read_record(Path("run"))["guard"]["turns"]
    for turn in turns:
        assert f"after step {turn['step']}" in said_
        assert turn["why"] in said_
    assert "became worse" not in said_
    assert "the weights that were given" in said.out
    assert "--lr 0.001 or less, or with --anchor cosine" in " ".join(said.out.split())
    assert "Traceback" not in said.err
    assert read_record(Path("run"))["status"] == "stopped"
    again = ilk("train", "--resume", "run")
    assert again.code == 2
    assert "stopped by its guard" in again.err
