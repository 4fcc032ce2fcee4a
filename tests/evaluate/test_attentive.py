"""The attentive probe: attention written out, and what only attention finds."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ilk.core import UserError
from ilk.data import Arrays
from ilk.embedding import embed
from ilk.evaluate import Images, evaluate, raw_pixels
from ilk.evaluate.protocols.attentive import Attentive, AttentivePooling
from ilk.evaluate.protocols.protocol import Labelled, Task
from ilk.networks import Encoder
from tests.evaluate.test_segmentation import Colours, colours

PROBE = Attentive(
    lrs=(0.01, 0.3), weight_decay=0.05, epochs=12, batch_size=16, min_scale=1.0, held_out=0.25
)


def test_it_begins_as_a_linear_classifier_of_the_mean():
    head = AttentivePooling(128, 5)
    assert head.heads == 2
    torch.nn.init.normal_(head.classifier.weight)
    tokens = torch.randn(3, 7, 128)
    expected = F.layer_norm(tokens, (128,)).mean(1) @ head.classifier.weight.T
    torch.testing.assert_close(head(tokens), expected)


def test_attention_written_out():
    torch.manual_seed(0)
    head = AttentivePooling(128, 4)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    tokens = torch.randn(2, 5, 128)
    expected = torch.zeros(2, 4)
    for image in range(2):
        rows = [(t - t.mean()) / (t.var(correction=0) + 1e-5).sqrt() for t in tokens[image]]
        keys, values = ([layer(row) for row in rows] for layer in (head.key, head.value))
        pooled = torch.zeros(128)
        for part in range(2):
            span = slice(64 * part, 64 * part + 64)
            logits = torch.stack(
                [key[span] @ head.query[part, 0] / math.sqrt(64) for key in keys]
            )
            weights = logits.softmax(0)
            pooled[span] = sum(w * v[span] for w, v in zip(weights, values, strict=True))
        expected[image] = head.classifier(pooled)
    torch.testing.assert_close(head(tokens), expected, rtol=1e-4, atol=1e-5)


class Random(Colours):
    """Sixty-four random features of the mean colour of each cell."""

    num_features = 64

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(3, 64, 1)

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(super().forward_features(images)).relu()


def drawn() -> Encoder:
    return replace(colours(), module=Random().eval(), feature_dim=64, fingerprint="random")


def corners(count: int, seed: int) -> Arrays:
    """A small square of one of three colours, anywhere on noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(100, 150, (count, 16, 16, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        top, left = 4 * rng.integers(0, 4, 2)
        image[top : top + 4, left : left + 4] = 255 * np.eye(3)[label]
    return Arrays(images, labels=labels, classes=("red", "green", "blue"))


def task_of() -> Task:
    sources = corners(60, 1), corners(30, 2)
    parts = [embed(drawn(), source, device="cpu", workers=1) for source in sources]
    train, test = (
        Labelled(vectors=torch.from_numpy(p.vectors), labels=torch.from_numpy(p.labels))
        for p in parts
    )
    images = Images(
        encoder=drawn(), train=sources[0], test=sources[1], batch_size=16, device="cpu"
    )
    return Task(train=train, test=test, classes=parts[0].classes, seed=0, images=images)


def test_it_learns_and_repeats():
    seen: list[tuple[int, int]] = []
    task = replace(task_of(), tell=lambda done, of: seen.append((done, of)))
    found = PROBE.measure(task)
    assert found.value > 0.9
    assert found.selected["lr"] in PROBE.lrs
    assert "15 held-out train items" in found.selected_on
    assert seen == [(step, 12 * 7) for step in range(1, 12 * 7 + 1)]
    assert torch.equal(PROBE.measure(task).scores, found.scores)


def test_an_encoder_without_places_is_refused():
    parts = [embed(raw_pixels(8), corners(n, n), device="cpu", workers=1) for n in (12, 6)]
    images = Images(encoder=raw_pixels(8), train=corners(12, 12), test=corners(6, 6))
    with pytest.raises(UserError, match="attentive@1 needs .* place by place, got pixels"):
        evaluate(*parts, ["attentive"], images=images)
