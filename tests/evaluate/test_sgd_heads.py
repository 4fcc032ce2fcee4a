import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ilk.evaluate.protocols.sgd_heads import epochs_of, fit_heads, linear

RATES = (0.01, 0.1, 1.0)


def stream(steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    chance = torch.Generator().manual_seed(0)
    for _ in range(steps):
        labels = torch.randint(3, (16,), generator=chance)
        noise = torch.randn(16, 5, generator=chance)
        yield noise + 2 * F.one_hot(labels, 5), labels


def test_side_by_side_is_one_by_one() -> None:
    together = fit_heads(
        stream(20), linear(0.9), lrs=RATES, classes=3, steps=20, tell=lambda _: None
    )
    for rate, head in zip(RATES, together, strict=True):
        (alone,) = fit_heads(
            stream(20), linear(0.9), lrs=(rate,), classes=3, steps=20, tell=lambda _: None
        )
        torch.testing.assert_close(head.weight, alone.weight, rtol=0, atol=0)
        torch.testing.assert_close(head.bias, alone.bias, rtol=0, atol=0)


def test_against_momentum_written_out() -> None:
    (head,) = fit_heads(
        stream(7), linear(0.9), lrs=(0.3,), classes=3, steps=7, tell=lambda _: None
    )
    weight, speed = torch.zeros(3, 5), torch.zeros(3, 5)
    bias, drift = torch.zeros(3), torch.zeros(3)
    for step, (features, labels) in enumerate(stream(7)):
        error = (features @ weight.T + bias).softmax(1) - F.one_hot(labels, 3)
        speed = 0.9 * speed + error.T @ features / 16
        drift = 0.9 * drift + error.mean(0)
        lr = 0.15 * (1 + math.cos(math.pi * step / 7))
        weight, bias = weight - lr * speed, bias - lr * drift
    torch.testing.assert_close(head.weight.detach(), weight)
    torch.testing.assert_close(head.bias.detach(), bias)


def test_every_item_once_an_epoch() -> None:
    chosen = np.array([3, 5, 8, 13, 21])
    batches = list(epochs_of(chosen, epochs=2, batch_size=2, seed=1))
    assert [len(items) for _, items in batches] == [2, 2, 1] * 2
    epochs = [np.concatenate([i for e, i in batches if e == epoch]) for epoch in (0, 1)]
    assert all(sorted(epoch) == chosen.tolist() for epoch in epochs)
    assert epochs[0].tolist() != epochs[1].tolist()
