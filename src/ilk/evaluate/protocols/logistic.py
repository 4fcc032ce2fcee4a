"""Multinomial logistic regression on fixed features.

Axes: N rows, D features, K classes, R principal axes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from scipy.optimize import minimize
from torch import Tensor

NOISE = 1e-6  # deviation, as a share of the mean, that float32 cannot tell from none


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear:
    """A linear classifier.

    Args:
        mean: of each feature where it was fitted.
        weights: of the features less their mean.
        bias: of each class.
    """

    mean: Float32[Tensor, " D"]
    weights: Float32[Tensor, "K D"]
    bias: Float32[Tensor, " K"]

    def predict(self, vectors: Float32[Tensor, "N D"]) -> Int64[Tensor, " N"]:
        """The most likely class of each row; ties go to the lowest."""
        return self.logits(vectors).argmax(1)

    def logits(self, vectors: Float32[Tensor, "N D"]) -> Float32[Tensor, "N K"]:
        """Log-odds of each class, up to a constant a row."""
        return torch.addmm(self.bias, vectors - self.mean, self.weights.T)


def fit_path(
    vectors: Float32[Tensor, "N D"],
    labels: Int64[Tensor, " N"],
    *,
    classes: int,
    strengths: Sequence[float],
    tolerance: float,
    most_steps: int,
) -> list[Linear]:
    r"""Minimise $-\frac{1}{N}\sum_n\log p(y_n|x_n) + \frac{\lambda}{2}\|W\|^2$ for each lambda.

    W weighs features standardised by their own mean and deviation; the bias is not penalised.
    Solved by full-batch L-BFGS along the principal axes, each scaled by the bound on its
    curvature of Boehning, Ann. Inst. Stat. Math. 1992: some ten times fewer steps than on the
    features themselves. Each fit starts from the one before, so give strong ones first.

    Args:
        vectors: finite.
        labels: in [0, classes).
        classes: K, at least 2.
        strengths: lambda, positive. It is 1 / (N C) in scikit-learn's terms.
        tolerance: largest slope along any scaled axis where a fit ends.
        most_steps: of each fit.
    """
    mean, scale = vectors.mean(0), vectors.std(0, correction=0)
    scale = torch.where(scale > NOISE * mean.abs(), scale, 1.0)
    rows, axes, variance = _principal((vectors - mean) / scale)
    rows = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
    flat = np.zeros(classes * rows.shape[1])
    stretch = torch.ones(rows.shape[1], dtype=torch.float64)
    fits: list[Linear] = []
    for strength in strengths:
        before = stretch
        stretch = torch.cat(
            [variance / classes + strength, variance.new_tensor([1 / classes])]
        ).rsqrt()
        start = (torch.from_numpy(flat).view(classes, -1) * before / stretch).numpy().ravel()
        options = {"gtol": tolerance, "ftol": 0.0, "maxiter": most_steps}
        found = minimize(
            _loss_and_slope, start, (rows, labels, strength, stretch), "L-BFGS-B",
            jac=True, options=options,
        )  # fmt: skip
        flat = found.x
        solution = (torch.from_numpy(flat).view(classes, -1) * stretch).to(rows)
        weights = solution[:, :-1] @ axes.T / scale
        fits.append(Linear(mean=mean, weights=weights, bias=solution[:, -1].clone()))
    return fits


def _principal(
    rows: Float32[Tensor, "N D"],
) -> tuple[Float32[Tensor, "N R"], Float32[Tensor, "D R"], Float64[Tensor, " R"]]:
    """Rows along their principal axes, the axes, and the variance along each.

    The penalty keeps a solution in the span of the rows, so R = min(N, D) axes are enough.
    """
    span = None
    if len(rows) < rows.shape[1]:
        span, triangle = torch.linalg.qr(rows.T)
        rows = triangle.T
    variance, axes = torch.linalg.eigh(rows.T @ rows / len(rows))
    whole = axes if span is None else span @ axes
    return rows @ axes, whole, variance.double().clamp_min(0).cpu()


def _loss_and_slope(
    flat: Float64[np.ndarray, " KR"],
    rows: Float32[Tensor, "N R"],
    labels: Int64[Tensor, " N"],
    strength: float,
    stretch: Float64[Tensor, " R"],
) -> tuple[float, Float64[np.ndarray, " KR"]]:
    weights = torch.from_numpy(flat).view(-1, len(stretch)) * stretch  # [K, R]
    logp = (rows @ weights.T.to(rows)).double().log_softmax(1)
    loss = torch.nn.functional.nll_loss(logp, labels)
    slope = logp.exp()
    slope.scatter_add_(1, labels[:, None], -slope.new_ones(len(labels), 1))
    slope = ((slope / len(labels)).to(rows).T @ rows).double().cpu()
    weights[:, -1] = 0  # the bias is free
    total = loss.cpu() + strength / 2 * weights.square().sum()
    return total.item(), ((slope + strength * weights) * stretch).numpy().ravel()
