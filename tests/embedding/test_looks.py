"""Images place by place: components against scikit-learn, and what is left out."""

import cv2
import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from ilk.core import UserError
from ilk.data import Arrays, Loose
from ilk.embedding import drawn_items, look
from ilk.embedding.looks import components
from ilk.evaluate import oriented_gradients
from ilk.networks import load_encoder
from ilk.rendered import Rendered


def test_components_are_those_of_all_places():
    places = torch.randn(3, 7, 4, 5, generator=torch.Generator().manual_seed(0))
    places *= torch.arange(7, 0, -1).view(1, 7, 1, 1)
    pixels, explained = components(places)
    rows = places.permute(0, 2, 3, 1).reshape(-1, 7).numpy()
    model = PCA(3).fit(rows)
    scores = model.transform(rows)
    for axis, loading in enumerate(model.components_):
        scores[:, axis] *= np.sign(loading[np.abs(loading).argmax()])
    low, high = np.quantile(scores, [0.02, 0.98], axis=0)
    expected = 255 * np.clip((scores - low) / (high - low), 0, 1)
    np.testing.assert_allclose(pixels.reshape(-1, 3), expected, atol=0.51)
    np.testing.assert_allclose(explained, model.explained_variance_ratio_, rtol=1e-4)


def test_fewer_features_than_colours_leave_colours_out():
    pixels, explained = components(torch.randn(1, 2, 3, 3))
    assert (pixels[..., 2] == pixels[0, 0, 0, 2]).all()
    assert explained[2] == 0
    assert sum(explained) == pytest.approx(1)


def test_images_are_seen_as_the_encoder_is_given_them():
    encoder, source = load_encoder("random:vit_mini", image_size=32), Rendered(9, size=32)
    items = drawn_items(9, 4, 1)
    seen = look(encoder, source, items, {"device": "cpu"})
    assert items == sorted(set(items)) == [one.item for one in seen.images]
    assert items == drawn_items(9, 4, 1) != drawn_items(9, 4, 2)
    for one in seen.images:
        np.testing.assert_array_equal(one.view, source.item(one.item))
        assert one.weights.shape == one.components.shape[:2] == (8, 8)
        assert (one.weights.min(), one.weights.max()) == (0, 1)
    alone = look(encoder, source, items[:1], {"device": "cpu"}).images[0]
    np.testing.assert_allclose(alone.weights, seen.images[0].weights, atol=1e-4)


def test_an_unreadable_image_is_left_out_and_named(tmp_path):
    good = cv2.imencode(".png", np.zeros((32, 32, 3), np.uint8))[1].tobytes()
    (tmp_path / "bad.png").write_bytes(good[:60])
    (tmp_path / "good.png").write_bytes(good)
    source = Loose([tmp_path / "bad.png", tmp_path / "good.png"])
    seen = look(load_encoder("random:resnet_mini", image_size=32), source, [0, 1], {})
    assert [one.item for one in seen.images] == [1]
    assert [bad.index for bad in seen.bad] == [0]
    with pytest.raises(
        UserError, match=r"must be readable, got none of 1; the first is \S*bad"
    ):
        look(load_encoder("random:resnet_mini", image_size=32), source, [0], {})


def test_an_encoder_without_places_is_refused():
    source = Arrays(np.zeros((2, 64, 64, 3), np.uint8))
    with pytest.raises(UserError, match="look: the encoder must show images place by place"):
        look(oriented_gradients(), source, [0], {})
