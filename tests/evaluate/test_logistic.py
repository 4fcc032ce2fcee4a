import warnings

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ilk.evaluate.protocols.logistic import fit_path

EXACT = {"tolerance": 1e-6, "most_steps": 5000}


def reference(vectors, labels, strength):
    """scikit-learn on standardised features in float64, folded back to the features."""
    scaler = StandardScaler().fit(vectors)
    model = LogisticRegression(C=1 / (len(vectors) * strength), tol=1e-9, max_iter=20_000).fit(
        scaler.transform(vectors), labels
    )
    return model.coef_ / scaler.scale_, model.predict_proba(scaler.transform(vectors))


def probabilities(fit, vectors):
    logits = (vectors - fit.mean).double() @ fit.weights.T.double() + fit.bias
    return logits.softmax(1)


@pytest.mark.parametrize("rows", [120, 25])  # more rows than features, and fewer
def test_agrees_with_scikit_learn(pair, rows):
    train, _ = pair(n_train=rows, dim=40)
    vectors, labels = torch.from_numpy(train.vectors), torch.from_numpy(train.labels)
    strengths = (1.0, 0.1, 0.01, 0.001)
    fits = fit_path(vectors, labels, classes=4, strengths=strengths, **EXACT)
    for strength, fit in zip(strengths, fits, strict=True):
        weights, expected = reference(train.vectors.astype(np.float64), labels, strength)
        np.testing.assert_allclose(probabilities(fit, vectors), expected, atol=2e-3)
        centred = fit.weights - fit.weights.mean(0)
        scale = np.abs(weights).max()
        np.testing.assert_allclose(centred, weights - weights.mean(0), atol=0.01 * scale)
        assert torch.equal(fit.predict(vectors), probabilities(fit, vectors).argmax(1))


def test_the_slope_vanishes_at_the_solution(pair):
    """Autograd on the objective as it is written, in float64."""
    train, _ = pair(n_train=200, dim=8)
    vectors, labels = torch.from_numpy(train.vectors).double(), torch.from_numpy(train.labels)
    (fit,) = fit_path(vectors.float(), labels, classes=4, strengths=[0.05], **EXACT)
    scale = vectors.std(0, correction=0)
    weights = (fit.weights.double() * scale).requires_grad_()  # of standardised features
    bias = fit.bias.double().requires_grad_()
    logits = (vectors - vectors.mean(0)) / scale @ weights.T + bias
    loss = torch.nn.functional.cross_entropy(logits, labels) + 0.05 / 2 * weights.square().sum()
    loss.backward()
    assert weights.grad.abs().max() < 1e-5
    assert bias.grad.abs().max() < 1e-5


def test_the_path_does_not_depend_on_where_it_started(pair):
    train, _ = pair(n_train=150, dim=20)
    vectors, labels = torch.from_numpy(train.vectors), torch.from_numpy(train.labels)
    *_, warm = fit_path(vectors, labels, classes=4, strengths=[10, 1, 0.01], **EXACT)
    (cold,) = fit_path(vectors, labels, classes=4, strengths=[0.01], **EXACT)
    close = {"atol": 1e-3, "rtol": 0}
    torch.testing.assert_close(
        probabilities(warm, vectors), probabilities(cold, vectors), **close
    )


def test_scale_and_offset_of_features_do_not_matter(pair):
    train, test = pair(dim=6)
    labels = torch.from_numpy(train.labels)
    stretch, shift = torch.logspace(-4, 4, 6), torch.linspace(-100, 100, 6)
    found = []
    for a, b in ((torch.ones(6), torch.zeros(6)), (stretch, stretch * shift)):
        vectors = torch.from_numpy(train.vectors) * a + b
        (fit,) = fit_path(vectors, labels, classes=4, strengths=[0.01], **EXACT)
        found.append(fit.predict(torch.from_numpy(test.vectors) * a + b))
    assert (found[0] == found[1]).float().mean() > 0.99


@pytest.mark.parametrize("rows", [40, 5])
def test_features_that_never_vary_are_no_trouble(rows):
    labels = torch.arange(rows) % 2
    vectors = torch.full((rows, 8), 3.3)
    vectors[:, 2] = labels * 2.0
    for given in (vectors, torch.full((rows, 8), 3.3)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (fit,) = fit_path(given, labels, classes=2, strengths=[0.01], **EXACT)
        assert fit.weights.isfinite().all()
    (fit,) = fit_path(vectors, labels, classes=2, strengths=[0.01], **EXACT)
    assert torch.equal(fit.predict(vectors), labels)
