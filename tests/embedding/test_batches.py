import threading
import time

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.embedding import embed, embed_batches
from ilk.networks import Encoder, backbone, encode
from ilk.views import Plain, moments


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 1), (3, 2), (4, 3), (100, 2)])
def test_embed_says_what_the_encoder_says_in_order(
    encoder, arrays, colours, batch_size, workers
):
    source = arrays(11)
    made = embed(encoder(), source, batch_size=batch_size, workers=workers, device="cpu")
    np.testing.assert_allclose(made.vectors, colours(range(11)), atol=1e-6)
    assert made.vectors.dtype == np.float32
    assert made.labels.tolist() == [source.label(i) for i in range(11)]
    assert made.keys.to_pylist() == [source.key(i) for i in range(11)]
    assert (made.classes, made.encoder, made.data) == (("cat", "dog"), "c0de", "f00d")
    assert made.bad == ()
    assert sorted(source.read) == list(range(11)), "each item is read once"


def test_bad_items_have_no_row_and_are_listed(encoder, arrays, colours):
    bad = frozenset({0, 4, 5, 6, 9})
    made = embed(encoder(), arrays(10, bad=bad), batch_size=3)
    good = [i for i in range(10) if i not in bad]
    np.testing.assert_allclose(made.vectors, colours(good), atol=1e-6)
    assert made.keys.to_pylist() == [f"images/{i}.png" for i in good]
    assert len(made) == len(made.labels) == 5
    assert [skipped.index for skipped in made.bad] == sorted(bad)
    assert made.bad[0].key == "images/0.png"
    assert made.bad[0].reason.startswith("truncated")


def test_nothing_readable_is_the_users_to_solve(encoder, arrays):
    with pytest.raises(
        UserError, match=r"2 bad items and no good one; first images/0.png: trun"
    ):
        embed(encoder(), arrays(2, bad=frozenset({0, 1})))
    with pytest.raises(UserError, match="0 bad items and no good one"):
        embed(encoder(), arrays(0))


def test_progress_counts_items_to_the_end(encoder, arrays):
    told = []
    embed(encoder(), arrays(7), batch_size=3, progress=lambda *now: told.append(now))
    assert told == [(3, 7), (6, 7), (7, 7)]


def test_the_encoder_is_left_as_it_was(encoder, arrays):
    network = encoder()
    before = {name: value.clone() for name, value in network.module.state_dict().items()}
    embed(network, arrays(5), batch_size=2)
    after = network.module.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert network.module.calls == 3


def test_a_processor_takes_no_more_pixels_at_once_than_it_gains_by(
    encoder, arrays, colours, monkeypatch
):
    network = encoder()
    monkeypatch.setattr("ilk.embedding.batches.IN_ONE_PASS", 2 * network.image_size**2)
    made = embed(network, arrays(7), batch_size=5, device="cpu")
    assert network.module.calls == 3 + 1, "two, two and one of five, and the last two"
    np.testing.assert_allclose(made.vectors, colours(range(7)), atol=1e-6)


def test_what_waits_in_memory_is_bounded(encoder, arrays):
    source = arrays(200)
    batches = embed_batches(encoder(), source, batch_size=5, workers=2)
    next(batches)
    time.sleep(0.3)  # the readers could run ahead now
    assert len(source.read) <= 5 * (2 + 1), "one batch taken, one being read by each worker"
    batches.close()


def test_an_abandoned_iteration_ends_its_threads(encoder, arrays):
    batches = embed_batches(encoder(), arrays(50), batch_size=2)
    next(batches)
    batches.close()
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("ilk-embed")]


def test_a_part_of_the_items(encoder, arrays):
    source = arrays(20)
    batches = list(embed_batches(encoder(), source, items=range(6, 11), batch_size=3))
    assert [list(batch.items) for batch in batches] == [[6, 7, 8], [9, 10]]
    assert sorted(source.read) == list(range(6, 11))


@pytest.mark.parametrize("size", [0, -1])
def test_batches_without_an_item_are_refused(encoder, arrays, size):
    with pytest.raises(UserError, match=f"batch_size: must be 1 or more, got {size}"):
        embed(encoder(), arrays(3), batch_size=size)


def test_keys_that_are_no_text_are_made_text(encoder, arrays):
    source = arrays(1)
    source.key = lambda index: b"caf\xe9.png".decode(errors="surrogateescape")
    assert embed(encoder(), source).keys.to_pylist() == ["caf\\xe9.png"]


def test_a_real_network_says_what_encode_says(arrays):
    module = backbone("resnet_mini", image_size=16)
    network = Encoder.of(
        module, name="resnet_mini", options={}, image_size=16, channels=3, statistics=moments(3)
    )
    source = arrays(5)
    made = embed(network, source, batch_size=2, device="cpu")
    views = Plain(size=16).render([source.item(i) for i in range(5)], np.arange(5))
    np.testing.assert_allclose(made.vectors, encode(network, views).numpy(), atol=1e-5)
    assert made.encoder == network.fingerprint
