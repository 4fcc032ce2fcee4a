"""How the authors of each mix draw it, and what a mix is held against."""

import math

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import Output, UserError
from ilk.kin import Batchmates, CommonSource, Itself, LeaveOut, Without, among_batchmates
from ilk.method import FromMemory, Given, Method
from ilk.methods import recipe
from ilk.mixes import mixture
from ilk.train.loop.profile import no_clock
from ilk.views.mixed import mix
from ilk.views.mixing import Mixing
from tests.laws.world import batch, built, progress, small_method, small_trainer


def mixed_terms(method: Method) -> list:
    return [term for term in method.terms if term.name == "source"]


def shares(trainer, step: int) -> dict[str, tuple]:
    """First and second source of each row, and the share of the first, by mixed view."""
    shown = batch(trainer.method.views, step)
    _, made = trainer._view_maker(shown, epoch=0, step=step, clock=no_clock)
    return {
        view: (known.composition.sources.tolist(), known.composition.shares[:, 0].tolist())
        for view, known in made.items()
        if view in trainer.method.mixes
    }


def test_i_mix_draws_for_each_direction(fabric: Fabric):
    trainer = built(fabric, "moco-v3", "i-mix")
    found = shares(trainer, 0)
    (first, mine), (second, theirs) = found["a~"], found["b~"]
    assert [row[0] for row in first] == [row[0] for row in second]
    assert [row[1] for row in first] != [row[1] for row in second]
    assert all(a != b for a, b in zip(mine, theirs, strict=True) if 1 not in (a, b))
    assert min(*mine, *theirs) >= 0.5


def test_mixco_draws_for_each_direction_with_the_same_halves(fabric: Fabric):
    found = shares(built(fabric, "moco-v3", "mixco"), 0)
    assert found["a~"][0] == found["b~"][0]
    assert all(a != b for a, b in zip(found["a~"][1], found["b~"][1], strict=True))


def test_sdmp_has_the_same_shares_in_all_views(fabric: Fabric):
    found = shares(built(fabric, "moco-v3", "sdmp"), 0)
    assert found["a~"] == found["b~"]


def test_un_mix_mixes_the_first_view_against_the_other():
    method = small_method("moco-v3", "un-mix")
    (term,) = mixed_terms(method)
    assert term.queries == (Output("student", "a~", "predictor"),)
    assert term.candidates == (Output("teacher", "b", "projector"),)
    clean = sum(term.weight for term in method.terms if term.name == "clean")
    assert term.weight == pytest.approx(clean)
    (other,) = mixed_terms(small_method("moco-v2", "un-mix"))
    assert [query.view for query in other.queries] == ["a~"]


def test_un_mix_pastes_one_box_for_the_batch():
    plan = Mixing(strategies=("cutmix",), per_sample=False)
    marks = torch.arange(8.0).view(-1, 1, 1, 1).expand(8, 1, 20, 20).contiguous()
    places = set()
    for step in range(30):
        draw = plan.draw(np.arange(8) + 3, epoch=0, step=step, seed=0, view="a~")
        made = mix(marks, draw, view="a~").images
        boxes = made != marks
        assert torch.equal(boxes, boxes[:1].expand_as(boxes))
        assert torch.equal(made.flip(0)[boxes], marks[boxes])
        rows, columns = boxes[0, 0].nonzero().T
        places.add((int(rows.min()), int(columns.min())))
    assert len(places) > 20
    other = Mixing(strategies=("cutmix",))
    made = mix(marks, other.draw(np.arange(8), epoch=0, step=0, seed=0, view="a~"), view="a~")
    boxes = made.images != marks
    assert not torch.equal(boxes, boxes[:1].expand_as(boxes))


@pytest.mark.parametrize("mix_name", ["mixco", "i-mix"])
def test_mixes_are_held_against_all_keys_and_the_queue(fabric: Fabric, mix_name: str):
    trainer = built(fabric, "moco-v2", mix_name)
    (term,) = mixed_terms(trainer.method)
    assert term.candidates == (Output("teacher", "b", "projector"), FromMemory("queue"))
    context = trainer._look(batch(trainer.method.views, 0), progress(0), first=True)
    for term in trainer.method.terms:
        context.loss(term)
        kin = context.kin_records[-1].kin
        if term.name == "source":
            assert kin.ignored is None or not kin.ignored.any()
            assert (kin.weights[:, :8].sum(1) - 1).abs().max() < 1e-6
            assert kin.weights.shape[1] == 8 + 32
        else:  # the clean query is held against its own key and the queue alone
            assert kin.ignored is not None
            assert kin.ignored.sum() == 8 * 7


def test_only_the_rule_of_the_queue_is_lifted():
    plain = CommonSource() - Itself()
    assert among_batchmates(plain) == plain
    assert among_batchmates((CommonSource() | Itself()) - Batchmates()) == (
        CommonSource() | Itself()
    )
    nested = LeaveOut(rule=CommonSource() - Batchmates(), those=Itself())
    assert among_batchmates(nested) == plain
    assert among_batchmates((CommonSource() - Batchmates()) | Itself()) == (
        CommonSource() | Itself()
    )
    marked = Without(rule=CommonSource() - Batchmates(), those=Itself())
    assert among_batchmates(marked) == Without(rule=CommonSource(), those=Itself())


@pytest.mark.parametrize(
    ("mix_name", "options"),
    [("sdmp", {}), ("sdmp", {"version": "extra"}), ("i-mix", {}), ("un-mix", {})],
)
def test_views_of_odd_sides_are_refused_for_puzzles_before_the_first_step(mix_name, options):
    odd, even = (recipe("moco-v3", {}).build(Given(width=12, size=size)) for size in (33, 34))
    puzzling = mixture(mix_name, {**options, "strategies": ("mixup", "puzzlemix")})
    with pytest.raises(UserError, match="sides are even, got 33 px of view a"):
        puzzling.apply(odd)
    assert puzzling.apply(even).mixes
    assert mixture(mix_name, options).apply(odd).mixes


@pytest.mark.parametrize(("name", "mix_name", "rows"), [
    ("moco-v3", "mixco", [12, 12]),  # a and half as many mixes of it, then b
    ("moco-v3", "i-mix", [8, 8]),
    ("moco-v3", "un-mix", [8, 8, 8]),
    ("moco-v2", "mixco", [12]),
])  # fmt: skip
def test_mixco_alone_joins_clean_and_mixed_queries(fabric: Fabric, name, mix_name, rows):
    trainer = built(fabric, name, mix_name)
    seen: list[int] = []
    trainer.student.backbone.register_forward_hook(lambda _, given, out: seen.append(len(out)))
    trainer.take_step([batch(trainer.method.views, 0)], progress(0))
    assert seen == rows


def test_mixco_in_multi_crop_shares_the_pass_of_its_size(fabric: Fabric):
    method = mixture("mixco", {}).apply(small_method("dino"))
    from tests.laws.world import small_trainer

    trainer = small_trainer(fabric, method)
    calls = []
    trainer.student.projector.register_forward_hook(
        lambda _, given, out: calls.append(len(out))
    )
    trainer.take_step([batch(method.views, 0)], progress(0))
    assert calls == [6 * 12]


@pytest.mark.parametrize("name", ["fixmatch", "flexmatch", "uda", "s4l-rotation"])
def test_terms_that_are_turned_off_are_not_mixed(fabric: Fabric, name):
    trainer = small_trainer(fabric, small_method(name, "sdmp", weight=0.0))
    result = trainer.take_step([batch(trainer.method.views, 0)], progress(0))
    assert math.isfinite(result.loss)
