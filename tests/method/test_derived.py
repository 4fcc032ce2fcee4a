"""Derived views in a method: rows of several blocks, and who cannot be mixed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric

from ilk.core import Kin, Output, RowFacts, UserError
from ilk.kin import CommonSource, Evenly, OwnTask, RowByRow, SameCluster
from ilk.method import refusals, with_background
from ilk.mixes import MIXES, mixture
from ilk.mixes.sdmp import SDMP
from ilk.train.previews.views import rendered_views
from ilk.views import Rotations, ViewRows
from tests.laws.world import batch, progress, small_method, small_trainer


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@dataclass(frozen=True)
class Levels:
    """Each image at three levels of brightness, one block each."""

    names: tuple[str, ...] = ("levels",)
    of: tuple[str, ...] = ("b",)

    unmixable: ClassVar[str] = ""

    def __call__(self, views: Mapping[str, ViewRows], chance) -> dict[str, ViewRows]:
        shown = views["b"]
        made = shown.facts.composition
        facts = RowFacts(type(made)(made.sources.repeat(3, 1), made.shares.repeat(3, 1)), 3)
        images = torch.cat([shown.images, shown.images / 2, shown.images / 4])
        return {"levels": ViewRows(images, facts)}


class Strips(Levels):
    """The same, of which it is said that it cannot be mixed."""

    unmixable: ClassVar[str] = "its strips lie in an order of their own"


def with_levels(view: Levels):
    """MoCo v3 whose second view has three rows for each image."""
    method = small_method("moco-v3")
    one, _ = method.terms
    query = replace(one.queries[0], view="levels")
    other = replace(one, queries=(query,), candidates=(replace(one.candidates[0], view="a"),))
    key = replace(one.candidates[0], view="levels")
    return replace(
        method,
        derived=(view,),
        terms=(replace(one, candidates=(key,)), other),
        mixable=replace(method.mixable, queries=("levels",), swap=None),
    )


def test_rows_of_an_image_have_slots_of_their_own_and_know_their_image(fabric):
    trainer = small_trainer(fabric, with_levels(Levels()))
    shown = batch(trainer.method.views, 0)
    context = trainer.take_step([shown], progress(0)).context
    rows = context.rows(Output("teacher", "levels", "projector"))
    own = context.rows(Output("student", "a", "predictor"))
    assert len(rows) == 24
    assert len({*rows.slots.tolist(), *own.slots.tolist()}) == 32
    assert rows.composition.sources[:, 0].tolist() == shown.items.tolist() * 3
    first, second = context.kin_records
    assert first.kin.weights.shape == (8, 24)
    assert (first.kin.weights.view(8, 3, 8).diagonal(dim1=0, dim2=2) == 1 / 3).all()
    assert (second.kin.weights.view(3, 8, 8).diagonal(dim1=1, dim2=2) == 1).all()


@dataclass(frozen=True)
class Unlike(Levels):
    """The levels, changed to something that no derived view may make."""

    change: Callable[[ViewRows], dict[str, ViewRows]] = lambda rows: {"levels": rows}

    def __call__(self, views: Mapping[str, ViewRows], chance) -> dict[str, ViewRows]:
        return self.change(Levels.__call__(self, views, chance)["levels"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: {"level": rows}, "made as named, levels, got level"),
        (lambda rows: {}, "made as named, levels, got none"),
        (
            lambda rows: {"levels": replace(rows, facts=replace(rows.facts, blocks=1))},
            "blocks of at most 8 rows, .* got 24 rows, 24 compositions, blocks=1",
        ),
        (
            lambda rows: {"levels": replace(rows, facts=replace(rows.facts, blocks=5))},
            "got 24 rows, 24 compositions, blocks=5",
        ),
        (
            lambda rows: {"levels": replace(rows, images=rows.images[:8])},
            "got 8 rows, 24 compositions, blocks=3",
        ),
    ],
)
def test_a_view_that_is_not_made_in_blocks_of_the_batch_is_refused(fabric, change, words):
    trainer = small_trainer(fabric, with_levels(Unlike(change=change)))
    with pytest.raises(ValueError, match=f"Unlike: .*{words}"):
        trainer.take_step([batch(trainer.method.views, 0)], progress(0))


def test_a_view_of_many_rows_is_mixed_as_the_paper_mixes_one(fabric):
    """The whole source and mix loss of SDMP by hand, over three blocks."""
    trainer = small_trainer(fabric, SDMP().apply(with_levels(Levels())))
    context = trainer._look(batch(trainer.method.views, 3), progress(0), first=False)
    losses, tau = trainer._losses(context), 0.2
    q = context.rows(Output("student", "levels~", "predictor"))
    k = context.rows(Output("teacher", "a", "projector"))
    m = context.rows(Output("teacher", "a~", "projector"))
    assert len(q) == 24
    shares = m.composition.shares[:, 0].double()
    assert torch.equal(q.composition.shares, m.composition.shares.repeat(3, 1))
    unit = [F.normalize(rows.vectors.double(), dim=1) for rows in (q, k, m)]
    source = mix = 0.0
    for row in range(24):
        i, p = row % 8, 7 - row % 8
        logs = (unit[1] @ unit[0][row] / tau).log_softmax(0)
        source -= (shares[i] * logs[i] + (1 - shares[i]) * logs[p]).item() / 24
        logs = (unit[2] @ unit[0][row] / tau).log_softmax(0)
        c = (min(shares[i], 1 - shares[p]) + min(1 - shares[i], shares[p])).item()
        mix -= ((logs[i] + c * logs[p]) / (1 + c)).item() / 24
    total = sum(term.weight for term in with_levels(Levels()).terms)
    expected = {"source": total * source / 4, "mix": total * mix / 4}
    found = {name: losses[name].item() for name in expected}
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("mix", MIXES)
def test_every_mix_takes_a_view_of_many_rows(fabric, mix):
    trainer = small_trainer(fabric, mixture(mix, {}).apply(with_levels(Levels())))
    context = trainer.take_step([batch(trainer.method.views, 0)], progress(0)).context
    mixed = [r for r in context.kin_records if r.queries.composition.sources.shape[1] == 2]
    assert mixed
    for record in mixed:
        assert record.kin.weights.sum(1) == pytest.approx(1)


class Ranked(CommonSource):
    """A rule of a stranger."""

    unmixable: ClassVar[str] = "it ranks whole images"


def none_made(queries, candidates, kin: Kin, context) -> None:
    return None


none_made.unmixable = "its negatives are whole images"


@pytest.mark.parametrize("mix", MIXES)
def test_view_rule_objective_and_negatives_refuse_by_one_word(mix):
    method = small_method("moco-v3")
    one, two = method.terms
    output = Output("teacher", "b", "projector")
    asked = {
        "its strips lie in an order of their own": with_levels(Strips()),
        "it ranks whole images": replace(
            method, terms=(one, replace(two, kin=Evenly(rule=CommonSource() | Ranked())))
        ),
        "its negatives are whole images": replace(
            method, terms=(one, replace(two, negatives=none_made))
        ),
        "exactly one partner": small_method("vicreg"),
        "row by row": replace(
            method, terms=(replace(one, kin=SameCluster(by=output, head="projector")), two)
        ),
        "before the background": replace(
            method, terms=(replace(one, negatives=RowByRow(output)), two)
        ),
    }
    for reason, case in asked.items():
        with pytest.raises(UserError, match=f"mix {mix}: .*must take mixed images.*{reason}"):
            mixture(mix, {}).apply(case)
    assert refusals(method) == ()
    assert (
        refusals(replace(method, terms=(replace(one, kin=SameCluster(head="projector")), two)))
        == ()
    )


def test_several_reasons_are_all_told():
    case = with_levels(Strips())
    terms = tuple(replace(term, kin=Ranked()) for term in case.terms)
    assert refusals(replace(case, terms=terms)) == (Ranked.unmixable, Strips.unmixable)


def test_a_mix_that_would_mix_nothing_is_refused():
    method = small_method("moco-v3")
    lost = replace(method, mixable=replace(method.mixable, queries=("c",)))
    with pytest.raises(UserError, match="must have queries that show a view, .* any of c"):
        SDMP().apply(lost)


def test_a_further_view_must_be_one_of_images():
    with pytest.raises(UserError, match="levels is made from another view; .*version=replace"):
        SDMP(version="extra").apply(with_levels(Levels()))


def test_a_derived_view_must_be_made_from_views_that_there_are():
    method = small_method("moco-v3")
    with pytest.raises(ValueError, match="from views that there are, a, b, got c"):
        replace(method, derived=(Rotations(name="r", view="c"),))
    with pytest.raises(ValueError, match="a, b, got r"):
        replace(
            method,
            derived=(Rotations(name="s", view="r"), Rotations(name="r", view="a")),
        )


def test_a_background_is_swapped_in_views_of_images_alone():
    method = with_levels(Levels())
    one, _ = method.terms
    with pytest.raises(UserError, match="levels, which is made from another view"):
        with_background(replace(method, terms=(one,)), "swap")


def test_a_task_reaches_the_rule_and_a_view_without_one_is_refused(fabric):
    method = small_method("rotation")
    trainer = small_trainer(fabric, method)
    (record,) = trainer.take_step([batch(method.views, 0)], progress(0)).context.kin_records
    expected = torch.eye(4).repeat_interleave(8, dim=0)
    assert torch.equal(record.kin.weights, expected)
    plain = small_trainer(fabric, replace(small_method("uic"), terms=tuple(
        replace(term, kin=OwnTask(classes=5)) for term in small_method("uic").terms
    )))  # fmt: skip
    with pytest.raises(ValueError, match="must show a view with a task"):
        plain.take_step([batch(plain.method.views, 0)], progress(0))


def test_one_term_may_ask_of_rows_with_a_task_and_without(fabric):
    method = small_method("rotation")
    (term,) = method.terms
    both = (*term.queries, replace(term.queries[0], view="a"))
    trainer = small_trainer(fabric, replace(method, terms=(replace(term, queries=both),)))
    (record,) = trainer.take_step([batch(method.views, 0)], progress(0)).context.kin_records
    assert record.queries.task.tolist() == [k for k in range(4) for _ in range(8)] + [-1] * 8
    assert (record.kin.weights[32:] == 0).all()


@pytest.mark.parametrize("mix", MIXES)
def test_mixes_of_images_rotated_alike_are_rotated_so_too(fabric, mix):
    trainer = small_trainer(fabric, small_method("rotation", mix))
    shown = batch(trainer.method.views, 0)
    context = trainer.take_step([shown], progress(0)).context
    mixed = [r for r in context.kin_records if r.queries.composition.sources.shape[1] == 2]
    assert mixed
    for record in mixed:
        rows = len(record.queries) // 4
        assert rows == (4 if mix == "mixco" else 8)
        expected = torch.eye(4).repeat_interleave(rows, dim=0)
        assert torch.equal(record.kin.weights, expected)


def test_a_preview_shows_every_row_of_an_image_and_mixes_of_the_first():
    drawn = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3)).astype(np.uint8)
    previews = rendered_views(small_method("rotation", "sdmp"), list(drawn), seed=0)
    for preview in previews:
        plain, *rest = preview.views
        kinds = [f"view rotated, {k} of 4" for k in (1, 2, 3, 4)]
        kinds += [f"{name} of view rotated" for name in ("Mixup", "CutMix", "ResizeMix")]
        assert [image.kind for image in rest] == kinds
        for turn, image in enumerate(rest[:4]):
            assert np.array_equal(image.pixels, np.rot90(plain.pixels, turn))
