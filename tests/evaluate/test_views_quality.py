import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.linalg import sqrtm

from ilk.embedding import Looked, alignment, embed, lidar
from ilk.evaluate import Images, evaluate
from ilk.evaluate.comparisons.baselines import raw_pixels
from ilk.evaluate.protocols.views_quality import stability
from ilk.rendered import Rendered
from ilk.views import ImageView


def slow_lidar(vectors, delta):
    """The definition, an image and a view at a time."""
    n, q, d = vectors.shape
    centres = vectors.mean(1)
    between, within = np.zeros((d, d)), delta * np.eye(d)
    for i in range(n):
        between += np.outer(centres[i] - centres.mean(0), centres[i] - centres.mean(0)) / n
        for j in range(q):
            within += np.outer(vectors[i, j] - centres[i], vectors[i, j] - centres[i]) / (n * q)
    root = np.linalg.inv(sqrtm(within).real)
    values = np.linalg.eigvalsh(root @ between @ root)
    shares = values / np.abs(values).sum() + 1e-7
    return np.exp(-(shares * np.log(shares)).sum())


def some(noise=0.3, images=30, views=4, dim=6):
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(images, 1, dim)) * np.logspace(0, -1, dim)
    return centres + noise * rng.normal(size=(images, views, dim))


def test_lidar_is_that_of_a_slow_loop():
    for noise in (0.1, 1.0):
        found = lidar(torch.from_numpy(some(noise)).float(), 1e-4)
        assert found == pytest.approx(slow_lidar(some(noise), 1e-4), rel=1e-4)


def test_lidar_looks_at_what_is_beyond_the_noise():
    """RankMe would be the same for both: only the noise within images differs."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(400, 1, 8))
    loud = np.array([0.01] * 2 + [10.0] * 6)
    even = centres + 0.1 * rng.normal(size=(400, 10, 8))
    odd = centres + loud * rng.normal(size=(400, 10, 8))
    assert lidar(torch.from_numpy(even).float(), 1e-4) > 7.5
    assert lidar(torch.from_numpy(odd).float(), 1e-4) < 2.5
    assert lidar(torch.ones(5, 3, 4), 1e-4) == 0.0


def test_alignment_is_that_of_a_slow_loop():
    rows = torch.from_numpy(some())
    unit = F.normalize(rows, dim=2)
    apart = [
        (unit[i, a] - unit[i, b]).square().sum()
        for i in range(len(rows))
        for a in range(4)
        for b in range(4)
        if a != b
    ]
    assert alignment(rows.float()) == pytest.approx(torch.stack(apart).mean().item(), rel=1e-5)
    assert alignment(torch.ones(3, 2, 4)) == pytest.approx(0, abs=1e-12)


def test_stability_is_that_of_a_slow_loop():
    views = some(0.5)
    plain = views[:, 0]
    unit = plain / np.linalg.norm(plain, axis=1, keepdims=True)

    def near(row, own):
        order = np.argsort(-(unit @ row), kind="stable")
        return set(order[order != own][:5])

    kept = [
        len(near(views[i, v], i) & near(plain[i], i)) / 5 for i in range(30) for v in range(4)
    ]
    found = stability(torch.from_numpy(plain).float(), torch.from_numpy(views).float(), 5)
    assert found == pytest.approx(np.mean(kept), abs=1e-9)
    assert 0.3 < found < 0.9


def test_views_of_a_source_are_items_that_differ_and_repeat():
    source = Rendered(3, size=20)
    view = ImageView(name="v", size=16, scale=(0.2, 0.6))
    looked = Looked(source=source, view=view, views=2, channels=3, seed=0)
    items = [looked.item(index) for index in range(6)]
    assert len(looked) == 6
    assert all(item.shape == (16, 16, 3) for item in items)
    assert (items[0] != items[1]).any()
    assert (items[0] == looked.item(0)).all()
    assert [looked.label(index) for index in range(6)] == [
        source.label(index // 2) for index in range(6)
    ]
    other = Looked(source=source, view=view, views=2, channels=3, seed=1)
    assert (items[0] != other.item(0)).any()
    assert other.fingerprint != looked.fingerprint


def test_the_protocol_looks_at_images_and_at_no_label():
    encoder, source = raw_pixels(8), Rendered(40, size=16)
    images = Images(encoder=encoder, train=None, test=source, workers=1)
    test = embed(encoder, source)
    told = []
    (found,) = evaluate(
        None, test, ["views-quality"], images=images, progress=lambda *at: told.append(at)
    )
    assert (found.metric, found.unit, found.interval) == ("LiDAR", "", None)
    assert 1 < found.value < 40
    assert 0 < found.details["alignment"] < 2
    assert 10 / 39 < found.details["neighbourhood stability"] < 1
    assert found.details["images"] == 40
    assert told[-1] == (400, 400)
