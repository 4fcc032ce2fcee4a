"""Pairs marked by hand as a kin rule: resolved by key, never positive where they differ."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.data import open_source
from ilk.data.pairs import MARKED, keep_pairs, marked, marked_groups, with_pairs
from ilk.kin_rules import kin_rule
from ilk.train import (
    Interrupted,
    Settings,
    dry_run,
    preview_step,
    read_record,
    resume,
    train,
)
from tests.laws.world import LABELS, batch, built, progress, small_method
from tests.train.conftest import TINY, Witness
from tests.train.test_resume import StopAt, same

PAIRS = [("00.png", "01.png", True), ("01.png", "02.png", True), ("00.png", "03.png", False),
         ("gone.png", "04.png", False)]  # fmt: skip


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Sixteen images and a table that marks some."""
    import cv2

    folder = tmp_path / "photos"
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(16):
        pixels = chance.integers(0, 255, (32, 32, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number:02}.png"), pixels)
    keep_pairs(tmp_path / "pairs.parquet", marked(PAIRS))
    return folder


def test_groups_are_what_pairs_say_through_others_too(photos, tmp_path):
    found = marked_groups(tmp_path / "pairs.parquet")
    of = found.of
    assert of["00.png"] == of["01.png"] == of["02.png"]
    assert len({of["00.png"], of["03.png"], of["04.png"], of["gone.png"]}) == 4
    wanted = (("00.png", "03.png"), ("04.png", "gone.png"))
    assert {frozenset(pair) for pair in found.different} == {
        frozenset(of[key] for key in pair) for pair in wanted
    }
    source = with_pairs(open_source(str(photos)), tmp_path / "pairs.parquet")
    values = source.fact(MARKED).values
    assert (values >= 0).sum() == 5
    assert values[0] == values[1] == values[2] != values[3]
    assert source.fact(MARKED).reason == (
        "1 of 6 images of pairs.parquet are not in " + str(photos) + ", first 'gone.png'"
    )


def test_any_pair_changes_the_fingerprint(photos, tmp_path):
    source, path = open_source(str(photos)), tmp_path / "pairs.parquet"
    prints = [with_pairs(source, path).fingerprint]
    for pair in (("04.png", "03.png", False), ("04.png", "05.png", True)):
        keep_pairs(path, marked([pair]))
        prints.append(with_pairs(source, path).fingerprint)
    assert len(set(prints)) == 3


def test_a_contradiction_is_refused(photos, tmp_path):
    keep_pairs(tmp_path / "pairs.parquet", marked([("02.png", "00.png", False)]))
    with pytest.raises(
        UserError, match="must not mark images as different .* '00.png' and '02"
    ):
        marked_groups(tmp_path / "pairs.parquet")


def test_the_same_are_positives_and_the_different_are_none(fabric, tmp_path):
    """Loss by hand on supervised contrast, whose labels say otherwise."""
    path = tmp_path / "pairs.parquet"
    keep_pairs(path, marked([("0", "2", False), ("4", "6", True)]))
    groups = marked_groups(path).of
    facts = torch.full((len(LABELS),), -1)
    for key, group in groups.items():
        facts[int(key)] = group
    trainer = built(fabric, "supcon")
    trainer.method = kin_rule(f"table:{path}", {}).apply(small_method("supcon"))
    trainer.reveal(MARKED, facts)
    # 0 and 2 are of one class, and so is 4; 4 and 6 would not be.
    labels = torch.arange(len(LABELS)) % 2
    labels[6] = 1
    trainer.reveal("label", labels)
    seen = {}
    term = trainer.method.terms[0]
    kind = type(term.kin)
    inner = kind.__call__

    def watched(self, queries, candidates, context):
        kin = inner(self, queries, candidates, context)
        if self is term.kin:
            seen["kin"], seen["rows"] = kin, (queries, candidates)
        return kin

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "__call__", watched)
        trainer.take_step([batch(trainer.method.views, 0)], progress(0))
    kin, (queries, candidates) = seen["kin"], seen["rows"]
    ours, theirs = (rows.composition.sources[:, 0] for rows in (queries, candidates))

    def weight(a: int, b: int) -> torch.Tensor:
        return kin.weights[ours == a][:, theirs == b]

    assert (weight(0, 2) == 0).all()
    assert (weight(4, 6) > 0).all()
    assert (weight(0, 4) > 0).all()  # by their label
    assert kin.ignored is None or not kin.ignored[ours == 0][:, theirs == 2].any()


def test_a_run_with_a_mix_says_what_it_found_and_checks_it(photos, tmp_path):
    path = tmp_path / "pairs.parquet"
    settings = Settings(**TINY, steps=4, kin=f"table:{path}")
    lines: list[str] = []
    dry_run(settings, str(photos), lines.append)
    (line,) = [line for line in lines if line.startswith("marked")]
    assert re.fullmatch(
        r"marked  5 images of 4 groups; 1 of 6 images .* are not in .*, first 'gone.png'", line
    )
    train(settings, str(photos), tmp_path / "whole", Witness())
    with pytest.raises(Interrupted):
        train(settings, str(photos), tmp_path / "cut", StopAt(2))
    before = shutil.copy(path, tmp_path / "before.parquet")
    keep_pairs(path, marked([("05.png", "06.png", False)]))
    with pytest.raises(UserError, match="must hold what it held when the run began"):
        resume(tmp_path / "cut", Witness())
    shutil.copy(before, path)
    resume(tmp_path / "cut", Witness())
    assert same(tmp_path / "whole", tmp_path / "cut")
    seen = preview_step(tmp_path / "cut", open_source(str(photos)))
    assert seen.first == 0  # they are the images of the run
    assert read_record(tmp_path / "cut")["settings"]["kin"] == f"table:{path}"


def test_what_names_no_image_here_or_no_table_is_refused(photos, tmp_path):
    settings = Settings(**TINY, steps=4, kin="table")
    with pytest.raises(UserError, match="table must name its pairs, as in table:pairs.parquet"):
        train(settings, str(photos), tmp_path / "run", Witness())
    keep_pairs(tmp_path / "others.parquet", marked([("a", "b", True)]))
    settings = Settings(**TINY, steps=4, kin=f"table:{tmp_path / 'others.parquet'}")
    with pytest.raises(
        UserError, match="got none in .*: 2 of 2 images of others.parquet are not"
    ):
        train(settings, str(photos), tmp_path / "run", Witness())
