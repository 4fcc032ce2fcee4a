"""Contrast without positives among the negatives, against loops."""

import math

import pytest
import torch

from ilk.core import Kin, Progress
from ilk.objectives import DecoupledContrast, SoftCrossEntropy

NOW = Progress(0, 1, 1.0)


def slow(rows: list[list[float]], keys: list[list[float]], kin: Kin, t: float,
         sigma: float | None) -> float:  # fmt: skip
    """Eq. 6 and 8 of Yeh et al., ECCV 2022, row by row; positives may be soft."""

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

    pulls, pushes = [], []
    for i, row in enumerate(rows):
        near = [cosine(row, key) for key in keys]
        mine = kin.weights[i].tolist()
        if not any(mine):
            continue
        away = [n for n, w, out in zip(near, mine, kin.ignored[i].tolist(), strict=True)
                if not w and not out]  # fmt: skip
        pulls.append(sum(w * n for w, n in zip(mine, near, strict=True)))
        pushes.append(math.log(sum(math.exp(n / t) for n in away)) if away else 0.0)
    weights = [1.0] * len(pulls)
    if sigma is not None:
        heights = [math.exp(pull / sigma) for pull in pulls]
        weights = [2 - h * len(heights) / sum(heights) for h in heights]
    rows_of = zip(weights, pulls, pushes, strict=True)
    return sum(push - w * pull / t for w, pull, push in rows_of) / len(pulls)


@pytest.mark.parametrize("sigma", [None, 0.5])
def test_it_is_what_loops_say(sigma):
    torch.manual_seed(0)
    rows, keys = torch.randn(5, 3).double(), torch.randn(6, 3).double()
    weights = torch.zeros(5, 6).double()
    weights[0, 0] = weights[1, 4] = 1
    weights[2, :3] = torch.tensor([0.5, 0.2, 0.3])
    weights[4] = 1 / 6  # without negatives; the fourth row has no kin
    ignored = (torch.rand(5, 6) < 0.3) & (weights == 0)
    kin = Kin(weights, ignored)
    objective = DecoupledContrast(temperature=0.2, sigma=sigma)
    found = objective(rows, (keys[:2], keys[2:]), kin, NOW)
    assert found.item() == pytest.approx(slow(rows.tolist(), keys.tolist(), kin, 0.2, sigma))


def test_gradients_are_those_of_differences_and_finite_without_negatives():
    torch.manual_seed(1)
    rows, keys = torch.randn(4, 3).double().requires_grad_(), torch.randn(4, 3).double()
    kin = Kin(torch.eye(4).double())
    objective = DecoupledContrast(temperature=0.5)
    assert torch.autograd.gradcheck(lambda r: objective(r, (keys,), kin, NOW), (rows,))
    lone = Kin(torch.ones(4, 1).double())
    assert objective(rows, (keys[:1],), lone, NOW).isfinite()
    (grad,) = torch.autograd.grad(objective(rows, (keys[:1],), lone, NOW), rows)
    assert grad.isfinite().all()
    assert grad.abs().max() > 0


def test_far_positives_count_more_and_weights_have_no_gradient():
    """With weights the gradient is that without them, each positive times its weight."""
    rows = torch.tensor([[1.0, 0.0], [0.6, 0.8]]).double().requires_grad_()
    keys, kin = torch.eye(2).double(), Kin(torch.eye(2).double())
    heights = [math.exp(1.0 / 0.5), math.exp(0.8 / 0.5)]
    weights = [2 - 2 * height / sum(heights) for height in heights]
    assert weights[0] < 1 < weights[1]
    found = DecoupledContrast(temperature=1.0, sigma=0.5)(rows, (keys,), kin, NOW)
    unit = torch.nn.functional.normalize(rows)
    pulls = torch.stack([w * unit[n] @ keys[n] for n, w in enumerate(weights)])
    pushes = torch.stack([unit[0] @ keys[1], unit[1] @ keys[0]])
    expected = (pushes - pulls).mean()
    torch.testing.assert_close(found, expected)
    grads = [torch.autograd.grad(loss, rows)[0] for loss in (found, expected)]
    torch.testing.assert_close(*grads)


def test_with_many_negatives_it_is_nearly_infonce():
    torch.manual_seed(2)
    rows, keys = torch.randn(3, 8), torch.randn(4000, 8)
    kin = Kin(torch.eye(3, 4000))
    ours = DecoupledContrast(temperature=1.0)(rows, (keys,), kin, NOW)
    other = SoftCrossEntropy(temperature=1.0)(rows, (keys,), kin, NOW)
    assert 0 < other - ours < 2e-3


@pytest.mark.parametrize("sigma", [None, 0.5])
def test_a_batch_without_kin_has_a_loss_and_gradients_of_zero(sigma):
    rows, keys = (torch.randn(3, 4, requires_grad=True) for _ in range(2))
    loss = DecoupledContrast(temperature=0.1, sigma=sigma)(
        rows, (keys,), Kin(torch.zeros(3, 3)), NOW
    )
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(rows.grad, torch.zeros(3, 4))
    assert torch.equal(keys.grad, torch.zeros(3, 4))
