"""The direction in which scores change most: worked examples, the exact Hessian, and chance."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ilk.core import Composition, Output, RowFacts
from ilk.views import AdversarialView, Chance, ViewRows
from ilk.views.adversarial import unit

BY = Output("student", "a", "classifier", stopped=True)
ITEMS = np.array([7, 3, 11, 5])


def view(**settings) -> AdversarialView:
    return AdversarialView(name="r", by=BY, **{"radius": 2.0, **settings})


def shown(shape=(4, 3, 5, 5), items=ITEMS) -> dict[str, ViewRows]:
    images = torch.stack([torch.full(shape[1:], float(item)) for item in items])
    return {"a": ViewRows(images, RowFacts(Composition.plain(torch.from_numpy(items))))}


def divergence(clean: torch.Tensor, moved: torch.Tensor) -> float:
    return F.kl_div(moved.log_softmax(1), clean.softmax(1), reduction="sum").item()


@pytest.mark.parametrize("probe", [1e-3, 1.0, 10.0])
def test_of_a_linear_model_with_two_classes_it_is_the_difference_of_their_weights(probe):
    weights = torch.tensor([[1.0, 2.0, -1.0], [0.5, -1.0, 3.0]]).double()
    images = torch.tensor([[0.3, -0.2, 0.1]]).double()

    def ask(rows):
        return rows @ weights.T

    across = unit((weights[0] - weights[1])[None])
    found = set()
    for seed in range(6):
        start = unit(torch.randn(1, 3, generator=torch.Generator().manual_seed(seed)).double())
        moved = view(probe=probe).worst(images, start, ask(images), ask)
        step = moved - images
        assert float((step * across).sum().abs()) == pytest.approx(2.0)
        found.add(round(divergence(ask(images), ask(moved)), 6))
    assert found == {5.834849, 2.653416}


def test_more_iterations_find_the_largest_eigenvector_of_the_hessian():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 4)).double()
    images = torch.randn(1, 6).double()
    clean = model(images).detach()

    def against(step):
        return F.kl_div(model(images + step).log_softmax(1), clean.softmax(1), reduction="sum")

    hessian = torch.autograd.functional.hessian(against, torch.zeros(1, 6).double())
    values, vectors = torch.linalg.eigh(hessian.reshape(6, 6))
    assert values[-1] > 1.5 * values[-2]
    start = unit(torch.randn(1, 6).double())
    step = view(probe=1e-4, iterations=30).worst(images, start, clean, model) - images
    assert float((unit(step)[0] @ vectors[:, -1]).abs()) == pytest.approx(1, abs=1e-4)
    one = view(probe=1e-4).worst(images, start, clean, model) - images
    exact = unit((hessian.reshape(6, 6) @ start[0])[None])
    torch.testing.assert_close(unit(one), exact, rtol=1e-3, atol=1e-3)


def test_a_network_that_never_changes_its_answer_moves_nothing():
    images = torch.randn(4, 3, 2, 2)
    start = unit(torch.randn(4, 3, 2, 2))

    def ask(rows):
        return (0 * rows).sum(dim=(1, 2, 3))[:, None] + torch.tensor([1.0, 2.0])

    assert torch.equal(view().worst(images, start, ask(images), ask), images)


def test_half_precision_finds_the_direction_of_single_precision():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 4))
    # Fabric rounds what a network is given, too.
    rounded, start = torch.randn(4, 3, 5, 5).bfloat16(), unit(torch.randn(4, 3, 5, 5))
    images = rounded.float()
    exact = view().worst(images, start, model(images), model)
    with torch.autocast("cpu", torch.bfloat16):
        found = view().worst(rounded, start, model(rounded), model)
    torch.testing.assert_close(found, exact)


def test_directions_are_unit_vectors_of_the_item_and_the_step_alone():
    made = view()(shown(), Chance(ITEMS, epoch=0, step=9, seed=4))["r"]
    assert made.images.flatten(1).norm(dim=1).tolist() == pytest.approx([1.0] * 4)
    assert torch.equal(made.facts.composition.sources[:, 0], torch.from_numpy(ITEMS))
    part = np.array([5, 7])
    alone = view()(shown(items=part), Chance(part, epoch=3, step=9, seed=4))["r"]
    assert torch.equal(alone.images, made.images[[3, 0]])
    later = view()(shown(), Chance(ITEMS, epoch=0, step=10, seed=4))["r"]
    assert (later.images != made.images).all()
    assert (made.images[0] != made.images[1]).all()


def test_blocks_have_directions_of_their_own():
    rows = shown()["a"]
    twice = Composition.cat([rows.facts.composition] * 2)
    doubled = {"a": ViewRows(torch.cat([rows.images] * 2), RowFacts(twice, blocks=2))}
    made = view()(doubled, Chance(ITEMS, epoch=0, step=9, seed=4))["r"]
    assert (made.images[:4] != made.images[4:]).all()
    few = {"a": ViewRows(rows.images, RowFacts(twice, blocks=2))}
    with pytest.raises(ValueError, match="must have 8 rows, got 4"):
        view()(few, Chance(ITEMS, epoch=0, step=9, seed=4))


def test_unit_takes_rows_whose_square_no_float_holds():
    rows = torch.tensor([[3e-30, 4e-30], [0.0, 0.0], [3e30, 4e30]])
    torch.testing.assert_close(unit(rows), torch.tensor([[0.6, 0.8], [0.0, 0.0], [0.6, 0.8]]))
