"""Kin rules on methods: what they change, which they refuse, and whom they find."""

import math
from dataclasses import replace

import pytest
import torch

from ilk.cli.matrix import Fits, fits
from ilk.core import UserError
from ilk.kin import AddedFromMemory, Union
from ilk.kin_rules import KIN_RULES, kin_rule
from ilk.method import FromMemory
from ilk.methods import METHODS
from ilk.mixes import MIXES
from ilk.train.loop.monitor import kin_scores, signs
from tests.laws.world import LABELS, SMALL, batch, built, progress, small_method


@pytest.fixture(scope="session")
def table() -> Fits:
    return fits()


@pytest.mark.parametrize("kin", [None, *KIN_RULES])
@pytest.mark.parametrize("name", METHODS)
def test_method_mix_and_kin_rule_run_or_refuse_as_the_table_says(fabric, table, name, kin):
    for mix in (None, *MIXES):
        refusals = [table[name][axis] for axis in (kin, mix) if axis and table[name][axis]]
        if refusals:
            with pytest.raises(UserError) as refusal:
                built(fabric, name, mix, kin)
            # The rule is added before the mix, so its reason comes first.
            assert str(refusal.value).partition(": ")[2] == refusals[0]
            assert ", but " in refusals[0]
            continue
        trainer = built(fabric, name, mix, kin)
        for step in range(2):
            shown = batch(trainer.method.views, step)
            result = trainer.take_step([shown], progress(step), LABELS)
            assert math.isfinite(result.loss)
            assert all(torch.isfinite(p).all() for p in trainer.student.parameters())


def test_past_keys_become_guests_where_they_were_no_candidates():
    for term in small_method("moco-v3", kin="neighbours:3").terms:
        assert isinstance(term.kin, AddedFromMemory)
        assert term.candidates[-1] == FromMemory("kin")
    (term,) = small_method("moco-v2", kin="neighbours:3").terms
    assert isinstance(term.kin, Union)
    assert term.candidates == small_method("moco-v2").terms[0].candidates


def test_a_rule_that_finds_nobody_changes_no_loss(fabric):
    losses = []
    for kin in (None, "fnc:1.0", "fnc-eliminate:1.0"):
        trainer = built(fabric, "moco-v3", "sdmp", kin)
        losses.append(trainer.take_step([batch(trainer.method.views, 0)], progress(0)).loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert losses[0] == pytest.approx(losses[2], rel=1e-6)


def test_the_first_step_has_no_past_to_look_at(fabric):
    plain, rule = (built(fabric, "byol", None, kin) for kin in (None, "neighbours:3"))
    losses = [[], []]
    for step in range(2):
        for trainer, out in zip((plain, rule), losses, strict=True):
            shown = batch(trainer.method.views, step)
            out.append(trainer.take_step([shown], progress(step)).loss)
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-6)
    assert losses[0][1] != pytest.approx(losses[1][1], rel=1e-3)


def test_labels_as_kin_are_supervised_contrast(fabric):
    rule = small_method("simclr", kin="labels")
    supcon = small_method("supcon")
    trainers = [built(fabric, "simclr"), built(fabric, "simclr")]
    trainers[0].method = rule
    trainers[1].method = replace(rule, terms=supcon.terms)
    shown = batch(rule.views, 0)
    losses = [t.take_step([shown], progress(0)).terms["clean"] for t in trainers]
    # The temperatures are the same; only the way in which kin were written down differs.
    assert rule.terms[0].objective == supcon.terms[0].objective
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_rules_are_judged_where_labels_exist_and_only_then(fabric):
    for name, kin in (("nnclr", None), ("fnc", None), ("moco-v3", "neighbours:2")):
        trainer = built(fabric, name, None, kin)
        known = torch.arange(64) % 4
        for step in range(3):
            shown = batch(trainer.method.views, step)
            result = trainer.take_step([shown], progress(step), known if step == 2 else None)
            if step < 2:
                assert result.context.kin_counts == []
        found = signs(trainer.method, result.context)
        assert 0 <= found["kin_precision"] <= 1
        assert 0 < found["kin_recall"] <= 1 or found["kin_precision"] == 0


def test_stand_ins_of_nnclr_are_judged_by_what_they_show(fabric):
    trainer = built(fabric, "nnclr")
    known = torch.arange(64) % 4
    for step in range(2):
        trainer.take_step([batch(trainer.method.views, step)], progress(step))
    queue = trainer.memory["queue"]
    vectors, sources = queue.vectors.clone(), queue.sources.clone()
    shown = batch(trainer.method.views, 2)
    context = trainer.take_step([shown], progress(2), known).context
    found = right = 0
    for view in ("a", "b"):
        rows = context._outputs["student"][view]["projector"].detach()
        for row, item in zip(rows, shown.items, strict=True):
            entry = torch.cosine_similarity(row[None], vectors).argmax().item()
            other = sources[entry].item()
            if other >= 0 and other != item:
                found += 1
                right += known[item].item() == known[other].item()
    assert found > 0
    # Every view is looked up once as a query and once as a candidate.
    assert kin_scores(context.kin_counts)["kin_precision"] == pytest.approx(right / found)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("neighbors:5", "did you mean neighbours"),
        ("neighbours:five", "k must be int"),
        ("labels:1.5", "up to 1, got 1.5"),
        ("labels:0", "above 0"),
    ],
)
def test_a_rule_that_is_no_rule(rule, message):
    with pytest.raises(UserError, match=message):
        kin_rule(rule, {})


def test_one_rule_and_before_the_mix():
    once = small_method("moco-v3", kin="fnc")
    with pytest.raises(UserError, match="give one only"):
        kin_rule("labels", {}).apply(once)
    with pytest.raises(UserError, match="add kin before the mix"):
        kin_rule("labels", {}).apply(small_method("moco-v3", "sdmp"))


def test_methods_are_all_covered():
    assert set(SMALL) == set(METHODS)
