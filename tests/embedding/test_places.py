"""Maps and tokens of images in tables: exact, resumed, bounded, and no tables of vectors."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from ilk.core import UserError
from ilk.data import open_source
from ilk.embedding import (
    embed_batches,
    embed_readable,
    embed_to_table,
    read_embeddings,
    read_places,
    table,
)
from ilk.networks import Encoder, backbone, encode, field_shape
from ilk.search import build_index

MINI = {"vit_mini": {"embed_dim": 8, "depth": 1, "num_heads": 2}, "resnet_mini": {}}
SHAPES = {
    ("vit_mini", "tokens"): (64, 8), ("vit_mini", "map"): (8, 8, 8),
    ("resnet_mini", "tokens"): (4, 192), ("resnet_mini", "map"): (192, 2, 2),
}  # fmt: skip


def made(name="vit_mini", seed=0):
    torch.manual_seed(seed)
    module = backbone(name, image_size=32, options=MINI[name])
    return Encoder.of(
        module, name=name, options=MINI[name], image_size=32, channels=3,
        statistics=((0.5,) * 3, (0.25,) * 3),
    )  # fmt: skip


def images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def shown(encoder, pixels, field):
    return encode(encoder, torch.from_numpy(pixels).permute(0, 3, 1, 2), field).numpy()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(("name", "field"), SHAPES)
def test_what_is_read_is_what_the_backbone_shows(tmp_path, name, field, dtype):
    encoder, pixels = made(name), images(5)
    wanted = shown(encoder, pixels, field)
    assert wanted.shape[1:] == SHAPES[name, field] == field_shape(encoder, field)
    source = open_source(pixels)
    settings = {"field": field, "dtype": dtype, "batch_size": 2}
    path = embed_to_table(encoder, source, tmp_path / "p.parquet", **settings)
    found = read_places(path)
    assert (found.field, found.places.dtype) == (field, dtype)
    np.testing.assert_allclose(found.places, wanted.astype(dtype), atol=1e-5, rtol=2e-3)
    assert found.keys.to_pylist() == [source.key(index) for index in range(5)]
    assert (found.encoder, found.data) == (encoder.fingerprint, source.fingerprint)
    column = pq.read_table(path)[field].combine_chunks()
    assert np.array_equal(column.to_numpy_ndarray(), found.places)
    other = embed_to_table(encoder, source, tmp_path / "p.npz", **settings)
    with np.load(other, allow_pickle=False) as arrays:
        assert np.array_equal(arrays[field], found.places)


def test_the_map_is_the_tokens_in_raster_order_and_lacks_the_class_token(tmp_path):
    encoder, pixels = made(), images(2)
    tokens, grid = shown(encoder, pixels, "tokens"), shown(encoder, pixels, "map")
    assert np.array_equal(grid.reshape(2, 8, 64).swapaxes(1, 2), tokens)


@pytest.mark.parametrize("name", ["p.parquet", "shards", "p.npz"])
def test_small_pieces_are_resumed_and_make_the_same_table(tmp_path, monkeypatch, name):
    encoder, pixels = made(), images(7)
    settings = {"field": "tokens"} | ({"shard_rows": 4} if name == "shards" else {})
    whole = embed_to_table(encoder, open_source(pixels), tmp_path / f"w-{name}", **settings)
    monkeypatch.setattr(table, "NUMBERS", 2 * 64 * 8 + 1)  # two images
    done = []

    def stopped(count, _):
        done.append(count)
        if count >= 6:
            raise KeyboardInterrupt

    out = tmp_path / name
    with pytest.raises(KeyboardInterrupt):
        embed_to_table(encoder, open_source(pixels), out, progress=stopped, **settings)
    assert done == [2, 4, 6], "no batch is larger than a piece"
    with pytest.raises(UserError, match="another encoder"):
        embed_to_table(made(seed=1), open_source(pixels), out, **settings)
    seen = []
    embed_to_table(encoder, open_source(pixels), out, progress=lambda n, _: seen.append(n),
                   **settings)  # fmt: skip
    assert seen[-1] == 7
    if name == "p.npz":
        with np.load(whole) as a, np.load(out) as b:
            assert np.array_equal(a["tokens"], b["tokens"])
    else:
        assert np.array_equal(read_places(whole).places, read_places(out).places)


@pytest.mark.parametrize("first", ["feature", "tokens", "map"])
def test_a_table_of_one_field_is_not_taken_for_another(tmp_path, first):
    encoder, source = made(), open_source(images(2))
    out = embed_to_table(encoder, source, tmp_path / "p.parquet", field=first)
    before = out.read_bytes()
    for field in {"feature", "tokens", "map"} - {first}:
        with pytest.raises(UserError, match="got another field"):
            embed_to_table(encoder, source, out, field=field)
    assert out.read_bytes() == before


def test_what_asks_for_vectors_refuses_places_in_one_line(tmp_path):
    path = embed_to_table(made(), open_source(images(2)), tmp_path / "p.parquet", field="map")
    for read in (read_embeddings, lambda p: build_index(p, tmp_path / "i")):
        with pytest.raises(UserError, match="one vector an image, got the map") as caught:
            read(path)
        assert "\n" not in str(caught.value)
    vectors = embed_to_table(made(), open_source(images(2)), tmp_path / "v.parquet")
    with pytest.raises(UserError, match="must hold maps or tokens, got one vector"):
        read_places(vectors)


@pytest.mark.parametrize("field", ["tokens", "map"])
def test_an_encoder_without_places_is_refused(encoder, arrays, tmp_path, field):
    with pytest.raises(UserError, match=f"means must show its {field}.*feature alone"):
        embed_to_table(encoder(), arrays(2), tmp_path / "p.parquet", field=field)
    module = backbone("resnet_mini_1d", image_size=32)
    windows = Encoder.of(module, name="resnet_mini_1d", options={}, image_size=32, channels=3,
                         statistics=((0.5,) * 3, (0.25,) * 3))  # fmt: skip
    with pytest.raises(UserError, match=f"{field} must be of images"):
        embed_to_table(windows, arrays(2), tmp_path / "p.parquet", field=field)
    with pytest.raises(UserError, match=f"{field} must go to parquet or npz"):
        embed_to_table(made(), arrays(2), tmp_path / "p.csv", field=field)
    assert not list(tmp_path.iterdir())


def test_tokens_that_form_no_grid_are_tokens_still_but_no_map():
    class Loose(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def forward_features(self, batch):
            return batch.flatten(2).transpose(1, 2)[:, :5] * self.weight

        def forward_head(self, shown):
            return shown.mean(1)

    encoder = Encoder(
        module=Loose(), name="loose", options={}, image_size=4, channels=3, mean=(0.0,) * 3,
        std=(1.0,) * 3, feature_dim=3, fingerprint="f",
    )  # fmt: skip
    assert field_shape(encoder, "tokens") == (5, 3)
    with pytest.raises(UserError, match="5 tokens of an image must form a grid"):
        field_shape(encoder, "map")


def test_bad_images_have_no_places_and_numbers_must_be_finite(arrays, tmp_path):
    encoder = made()
    source = arrays(4, bad=frozenset({0, 1}))
    path = embed_to_table(encoder, source, tmp_path / "p.parquet", field="tokens", batch_size=2)
    found = read_places(path)
    assert found.places.shape == (2, 64, 8)
    assert [bad.index for bad in found.bad] == [0, 1]
    assert found.labels.tolist() == [0, 1]
    with pytest.warns(UserWarning, match="2 of 4 images"):
        rows, kept = embed_readable(encoder, source, "nan", title="t", field="map")
    assert rows.shape == (4, 8, 8, 8)
    assert np.isnan(rows[:2]).all()
    assert np.isfinite(rows[2:]).all()
    assert kept.tolist() == [2, 3]
    (batch,) = embed_batches(encoder, arrays(1, bad=frozenset({0})), field="tokens")
    assert batch.vectors.shape == (0, 64, 8)
    encoder.module.norm.weight.data[3] = float("nan")
    with pytest.raises(UserError, match="all 2 images have NaN"):
        embed_to_table(encoder, source, tmp_path / "n.parquet", field="tokens")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"shape": [64, 9]}, "no column tokens of"), ({"shape": [0, 8]}, "shape must be"),
        ({"shape": [2**24] * 3}, "whole table"), ({"field": "vector"}, "field must be one of"),
        ({"field": 5}, "field must be text"), ({"dtype": "float64"}, "dtype must be"),
        ({"field": "map"}, "no column map"), ({"items": 1}, "2 rows of 1 items"),
    ],
)  # fmt: skip
def test_a_strangers_table_is_refused(tmp_path, changes, says):
    out = tmp_path / "p.parquet"
    path = embed_to_table(made(), open_source(images(2)), out, field="tokens")
    found = pq.read_table(path)
    facts = json.loads(found.schema.metadata[b"ilk"])
    facts["made"] |= changes
    pq.write_table(found.replace_schema_metadata({b"ilk": json.dumps(facts)}), path)
    with pytest.raises(UserError, match=says):
        read_places(path)
