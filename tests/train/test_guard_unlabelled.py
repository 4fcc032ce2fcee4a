"""A guard without labels, or with few: by neighbours, rank and k-NN, one of which is enough."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from ilk.data import Subset
from ilk.embedding import rankme, rankme_without
from ilk.train import Worsened, read_record, train
from ilk.train.guard.look import Look
from ilk.train.guard.scores import (
    PARTS,
    FewLabels,
    RightNeighbours,
    Scores,
    StableNeighbours,
    images_embedded,
    scorer_for,
)
from ilk.train.guard.verdict import paired, rank_left, why_worse
from ilk.train.loop.trainer import Trainer
from tests.train.conftest import Witness
from tests.train.test_guard import (
    CPU,
    DESTROYS,
    GOOD,
    coloured,
    encoder_of,
    measured,
    network,
    settings,
)

__all__ = ["settings"]
STABLE = "share of stable neighbours"
OFTEN = {"guard_every": 2 / 3}  # every two steps


def plain():
    """Few images without labels, to be quick."""
    return coloured(60, labelled=False)


def test_an_image_that_comes_several_times_is_one_of_those_that_are_scored():
    labelled = Subset(coloured(60, labelled=False), np.repeat(np.arange(40), 3))
    scorer = scorer_for(labelled, kind="image", seed=0, workers=1, device=CPU)
    found = scorer.images
    assert sorted(found.key(index) for index in range(len(found))) == sorted(
        {labelled.key(index) for index in range(len(labelled))}
    )


@pytest.fixture
def shrinking(monkeypatch):
    """From the fourth step on, features of steps at the full rate have one dimension."""
    whole = Trainer.take_step

    def take_step(self, batches, progress, monitor_labels=None):
        result = whole(self, batches, progress, monitor_labels)
        if self.step >= 4 and self.pace.share == 1:
            with torch.no_grad():
                self.student.backbone.norm.weight[1:] = 0
                self.student.backbone.norm.bias[1:] = 0
        return result

    monkeypatch.setattr(Trainer, "take_step", take_step)


def scores(each, rank=20.0, labelled=None) -> Scores:
    """Of 20 parts, each of which has the whole rank."""
    return Scores(
        each=np.array(each, float), rankme=rank, lidar=None, ranks=np.full(PARTS + 1, rank),
        labelled=None if labelled is None else np.array(labelled, float),
    )  # fmt: skip


def test_features_of_few_dimensions_turn_back_an_unlabelled_run(settings, tmp_path, shrinking):
    seen, run = Witness(), tmp_path / "run"
    train(settings(GOOD, **OFTEN), plain(), run, seen)
    guard = read_record(run)["guard"]
    (turn,) = guard["turns"]
    assert (turn["step"], guard["key"]) == (4, "stable")
    assert "less than 50%" in turn["why"] or STABLE in turn["why"]
    assert guard["last"]["rankme"] > 0.9 * guard["start"]["rankme"]
    assert guard["rank"]["low"] > 0.5
    lines = {line["step"] + 1: line for line in measured(run) if "stable" in line}
    assert lines[4]["guard_rankme"] < 0.5 * guard["start"]["rankme"] < lines[6]["guard_rankme"]


@pytest.mark.parametrize("labels", ["none", "few"])
def test_a_rate_that_destroys_is_caught_without_labels_and_a_good_one_is_not(
    settings, tmp_path, labels
):
    source = coloured(60) if labels == "few" else plain()
    with contextlib.suppress(Worsened):
        train(settings(DESTROYS, **OFTEN), source, tmp_path / "bad", Witness())
    assert read_record(tmp_path / "bad")["guard"]["turns"]
    seen = Witness()
    train(settings(GOOD, **OFTEN), source, tmp_path / "good", seen)
    assert seen.messages == []
    good = read_record(tmp_path / "good")["guard"]
    assert (good["turns"], good["key"]) == ([], "stable")
    assert (good["labelled"] or {"images": 0})["images"] == (12 if labels == "few" else 0)
    assert ("knn" in measured(tmp_path / "good")[-1]) == (labels == "few")


def test_any_measure_that_is_worse_turns_back_and_none_does_for_a_little():
    rng = np.random.default_rng(0)
    each = rng.random(500)
    start = scores(each, labelled=[1.0] * 5)
    assert why_worse(start, start, 20, STABLE) is None
    assert why_worse(scores(each, 11.0, [1.0] * 5), start, 20, STABLE) is None
    why = why_worse(scores(each, 8.0, [1.0] * 5), start, 20, STABLE)
    assert why == (
        "the effective rank (RankMe) was 40% of 20.0 at the start (interval 40% to 40%, on 500 "
        "images), less than 50%"
    )
    assert why_worse(scores(each - 0.08, 20.0, [1.0] * 5), start, 20, STABLE) is None
    why = why_worse(scores(each - 0.15, 20.0, [1.0] * 5), start, 20, STABLE)
    assert str(why).startswith(f"the {STABLE} was worse than at the start by 15")
    assert why_worse(scores(each, 20.0, [0.0] * 5), start, 20, STABLE) is None, (
        "too few to show"
    )
    some = scores(each, labelled=[1.0] * 60)
    why = why_worse(scores(each, labelled=[0.0] * 30 + [1.0] * 30), some, 20, STABLE)
    assert str(why).startswith("the k-NN accuracy was worse")


def test_the_rank_s_interval_is_the_jackknife_s_and_widens_with_what_images_say():
    torch.manual_seed(0)
    before = torch.randn(60, 12)
    now = before * torch.tensor([1.0] * 4 + [0.1] * 8)
    ranks = [rankme_without(rows, 6) for rows in (now, before)]
    for found, rows in zip(ranks, (now, before), strict=True):
        parts = [rankme(rows[[r % 6 != p for r in range(60)]]) for p in range(6)]
        assert found.tolist() == pytest.approx([rankme(rows), *parts], rel=1e-4)
    share, low, high = rank_left(*ranks, 0.025)
    logs = [np.log(a / b) for a, b in zip(*ranks, strict=True)]
    pseudo = np.array([6 * logs[0] - 5 * log for log in logs[1:]])
    reach = 2.570582 * pseudo.std(ddof=1) / np.sqrt(6)
    assert share == pytest.approx(np.exp(logs[0]))
    ends = np.exp([pseudo.mean() - reach, pseudo.mean() + reach])
    assert (low, high) == pytest.approx(tuple(ends))
    assert low < share < high < 1
    wider = rank_left(*ranks, 0.0005)
    assert wider[1] < low
    assert wider[2] > high
    assert rank_left(np.zeros(7), ranks[1], 0.025)[0] == pytest.approx(1 / ranks[1][0])


def test_the_rank_of_other_images_of_one_kind_is_seldom_below_half_and_a_third_always_is():
    """The interval is over images: what two samples of one kind differ by stays within it."""
    rng = np.random.default_rng(0)
    scale = 1 / np.arange(1, 33)
    fired = 0
    for run in range(5):
        rows, others = (torch.from_numpy(rng.normal(size=(100, 32)) * scale) for _ in range(2))
        few = rows * torch.from_numpy(np.arange(32) < 4)
        start = rank_left(*(rankme_without(r, PARTS) for r in (others, rows)), 0.0005)
        assert start[1] < 1 < start[2], run
        fired += rank_left(*(rankme_without(r, PARTS) for r in (few, rows)), 0.0005)[2] < 0.5
    assert fired == 5


def test_which_score_decides_goes_by_the_number_of_labels(monkeypatch):
    monkeypatch.undo()  # of what is enough
    kinds = {
        0: StableNeighbours, 25: FewLabels, 495: FewLabels, 500: RightNeighbours,
    }  # fmt: skip
    for labelled, kind in kinds.items():
        source = coloured(labelled, labelled=True) if labelled else coloured(labelled=False)
        scorer = scorer_for(source, kind="image", seed=0, workers=1, device=CPU)
        assert isinstance(scorer, kind)
    assert images_embedded(1000, 0) == 2500
    assert images_embedded(1000, 25) == 2525
    assert images_embedded(10_000, 10_000) == 2500
    source = coloured(5, labelled=False)
    assert scorer_for(source, kind="image", seed=0, workers=1, device=CPU) is None


def test_looks_come_back_from_a_record_exactly_and_those_of_before_too():
    scorer = scorer_for(coloured(25), kind="image", seed=0, workers=1, device=CPU)
    look = Look(3, scorer(encoder_of(network())))
    record = look.as_record()
    assert Look.read(record, "here").as_record() == record
    assert len(record["ranks"]) == PARTS + 1
    assert len(record["labelled"]) == 5
    for name in ("ranks", "labelled"):
        del record[name]
    old = Look.read(record, "here")
    assert (old.scores.ranks, old.scores.labelled) == (None, None)
    assert why_worse(replace(look.scores, ranks=np.ones(21)), old.scores, 20, STABLE) is None
    assert paired(old.scores.each, look.scores.each, 0.025).value == 0
