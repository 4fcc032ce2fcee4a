"""Backgrounds as an axis of methods."""

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import UserError
from ilk.data import Arrays, Scenery, open_masks
from ilk.method import with_background
from ilk.rendered import Rendered
from ilk.train import Settings
from ilk.train.setup import Setup
from ilk.views import Background
from tests.laws.world import SMALL, batch, progress, small_method, small_trainer

OPPOSED = {
    "simclr", "moco-v2", "moco-v3", "supcon", "fnc", "ifnd", "relic-v2", "interclr", "rekd",
    "revisiting", "densecl", "dcl",
}  # fmt: skip


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@pytest.mark.parametrize("kind", ["remove", "random"])
@pytest.mark.parametrize("name", SMALL)
def test_any_method_takes_other_backgrounds(name: str, kind: str):
    method = small_method(name)
    changed = with_background(method, f"{kind}:0.3")
    assert {view.background for view in changed.views} == {Background(kind=kind, p=0.3)}
    assert changed.terms == method.terms


@pytest.mark.parametrize("name", SMALL)
def test_a_swap_adds_a_negative_or_says_why_not(name: str, fabric):
    if name not in OPPOSED:
        with pytest.raises(UserError, match="background swap: .*; take random"):
            with_background(small_method(name), "swap")
        return
    method = with_background(small_method(name), "swap")
    torch.manual_seed(0)
    trainer = small_trainer(fabric, method)
    result = trainer.take_step([batch(method.views, 0)], progress(0))
    assert np.isfinite(result.loss)


def test_the_negative_stands_in_its_own_row_and_costs_what_it_should(fabric):
    """MoCo v3's loss, row by row in float64, with one summand more below."""
    method = with_background(small_method("moco-v3"), "swap:0.5")
    trainer = small_trainer(fabric, method)
    result = trainer.take_step([batch(method.views, 0)], progress(0))
    context, expected = result.context, 0.0
    for term in method.terms:
        rows = [context.rows(output).vectors.double() for output in
                (*term.queries, *term.candidates, term.negatives.of)]  # fmt: skip
        q, k, m = (torch.nn.functional.normalize(part, dim=1) for part in rows)
        for i in range(len(q)):
            scores = [float(q[i] @ k[j]) / 0.2 for j in range(len(k))]
            below = sum(np.exp(s) for s in [*scores, float(q[i] @ m[i]) / 0.2])
            expected -= term.weight * (scores[i] - np.log(below)) / len(q)
    assert result.loss == pytest.approx(expected, rel=1e-5)


def test_the_negative_of_a_decoupled_contrast_stands_beside_the_others(fabric):
    """DCL's loss, row by row in float64: the positive and the row itself are no negatives."""
    method = with_background(small_method("dcl"), "swap:0.5")
    result = small_trainer(fabric, method).take_step([batch(method.views, 0)], progress(0))
    expected = 0.0
    for term in method.terms:
        t = term.objective.temperature
        rows = [result.context.rows(output).vectors.double() for output in
                (*term.queries, *term.candidates, term.negatives.of)]  # fmt: skip
        q, a, b, m = (torch.nn.functional.normalize(part, dim=1) for part in rows)
        own, other = (a, b) if torch.equal(q, a) else (b, a)
        for i in range(len(q)):
            others = [side[j] for side in (own, other) for j in range(len(q)) if j != i]
            below = sum(np.exp(float(q[i] @ n) / t) for n in (*others, m[i]))
            expected -= term.weight * (float(q[i] @ other[i]) / t - np.log(below)) / len(q)
    assert result.loss == pytest.approx(expected, rel=1e-5)


def test_words_are_checked():
    method = small_method("moco-v3")
    with pytest.raises(UserError, match="must be one of remove, random, swap, got 'blur'"):
        with_background(method, "blur")
    with pytest.raises(UserError, match="must be a number, got 'often'"):
        with_background(method, "random:often")
    with pytest.raises(UserError, match=r"must be in \[0, 1\], got 2"):
        with_background(method, "random:2")
    with pytest.raises(UserError, match="must not be mixed"):
        with_background(small_method("moco-v3", "sdmp"), "swap")


def settings(**changes) -> Settings:
    given = {
        "method": "moco-v3", "method_options": {"hidden": 16, "dim": 8}, "steps": 4,
        "backbone": "resnet_mini", "image_size": 32, "batch_size": 8, "workers": 1,
        "backbone_options": {"stem": "small", "widths": [16, 16, 16], "depths": [1, 1, 1]},
        "device": "cpu", "precision": "32-true", "knn_every": 0,
    }  # fmt: skip
    return Settings(**{**given, **changes})


@pytest.mark.parametrize("masks", [None, "saliency"])
def test_batches_do_not_depend_on_threads_and_have_the_very_views(masks):
    source = Rendered(16, size=40)
    one, many = (
        Setup(settings(background="swap:0.5", masks=masks, workers=n), source) for n in (1, 3)
    )
    scenery = Scenery(one.reader, open_masks(masks, source))
    for first, second in zip(one.loader.batches(0, 3), many.loader.batches(0, 3), strict=True):
        assert list(first.views) == ["a", "b", "matched"]
        for view in one.method.views:
            assert torch.equal(first.views[view.name], second.views[view.name])
    step = next(iter(one.loader.batches(0, 1)))
    images = [source.item(int(i)) for i in step.items]
    for view in one.method.views:
        again = view.render(images, step.items, 0, one.settings.seed, scenery)
        assert torch.equal(step.views[view.name], again)


def test_a_source_without_masks_is_refused_before_anything_happens():
    source = Arrays(np.zeros((16, 32, 32, 3), np.uint8))
    with pytest.raises(UserError, match='has no masks; give masks="FOLDER"'):
        Setup(settings(background="random"), source)
    with pytest.raises(UserError, match="need a background to replace"):
        settings(masks="saliency")
