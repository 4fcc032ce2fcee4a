"""Decoders against slow references, and what an encoder keeps of them."""

import pytest
import torch

from ilk.core import Mask
from ilk.networks import (
    CutPatches,
    Encoder,
    Enlarge,
    Head,
    ImageDecoder,
    Network,
    Posterior,
    TokenDecoder,
    backbone,
    encode,
    load_encoder,
    save_encoder,
)


def test_a_token_decoder_puts_every_token_in_its_place():
    torch.manual_seed(0)
    decoder = TokenDecoder(6, 5, dim=8, depth=0, heads=2).eval()
    hidden = torch.tensor([[[1, 0], [0, 1]], [[0, 1], [1, 0]]]).bool()
    sequence = torch.randn(2, 3, 6)  # a class token and two visible patches
    out = decoder(sequence, Mask(hidden, 2))
    assert out.shape == (2, 4, 5)
    for row in range(2):
        number = 1
        for at in range(4):
            token = decoder.mask_token
            if not hidden[row].flatten()[at]:
                token = decoder.embed(sequence[row, number])
                number += 1
            waves = [
                torch.tensor(float(place)) / 100**k for place in divmod(at, 2) for k in (0, 1)
            ]
            position = torch.stack([
                wave(w) for pair in (waves[:2], waves[2:]) for wave in (torch.sin, torch.cos)
                for w in pair
            ])  # fmt: skip
            expected = decoder.predict(decoder.norm(token + position))
            torch.testing.assert_close(out[row, at], expected)


def test_a_hidden_patch_is_told_from_visible_ones():
    torch.manual_seed(0)
    decoder = TokenDecoder(6, 5, dim=8, depth=1, heads=2)
    mask = Mask(torch.tensor([[[True, False], [False, True]]]), 2)
    sequence = torch.randn(1, 2, 6, requires_grad=True)
    decoder(sequence, mask)[0, 0].sum().backward()
    assert (sequence.grad.abs().sum(2) > 0).all()
    assert decoder.mask_token.grad.abs().sum() > 0


def test_enlarging_lays_squares_out():
    layer, shown = Enlarge(4, 3, 2), torch.randn(2, 4, 3, 5)
    out = layer(shown)
    assert out.shape == (2, 3, 6, 10)
    for y in range(6):
        for x in range(10):
            values = layer.predict(shown[1, :, y // 2, x // 2]).view(3, 2, 2)
            torch.testing.assert_close(out[1, :, y, x], values[:, y % 2, x % 2])


@pytest.mark.parametrize(
    ("size", "side"), [(32, 4), (224, 7), (100, 13), (97, 13), (33, 9), (15, 15), (6, 3)]
)
def test_an_image_decoder_draws_any_size(size, side):
    decoder = ImageDecoder(8, 3, size, hidden=8)
    assert decoder.side == side
    assert decoder(torch.randn(2, 8)).shape == (2, 3, size, size)
    assert CutPatches(size)(torch.randn(2, 3, size, size)).shape == (2, 1, 3 * size**2)


def test_a_sample_has_mean_and_deviation_of_its_code():
    torch.manual_seed(0)
    code = torch.tensor([[1.0, -2.0, 0.0, 2.0]]).repeat(20_000, 1)
    drawn = Posterior()(code)
    torch.testing.assert_close(drawn.mean(0), torch.tensor([1.0, -2.0]), atol=0.1, rtol=0)
    deviations = torch.tensor([1.0, torch.tensor(1.0).exp().item()])
    torch.testing.assert_close(drawn.std(0), deviations, rtol=0.05, atol=0)
    assert torch.equal(Posterior().eval()(code), code[:, :2])
    assert torch.equal(Posterior(0.0)(code), code[:, :2])


def test_an_encoder_keeps_nothing_of_the_decoder_and_reads_other_sizes(tmp_path):
    trunk = backbone("vit_mini", image_size=32)
    decoder = TokenDecoder(64, 48, dim=8, depth=1, heads=2)
    network = Network(trunk, {"decoder": Head(decoder, on="sequence", mask=True)})
    encoder = Encoder.of(
        network.backbone, name="vit_mini", options={}, image_size=32, channels=3,
        statistics=((0.5,) * 3, (0.25,) * 3),
    )  # fmt: skip
    save_encoder(encoder, tmp_path / "encoder.safetensors")
    again = load_encoder(str(tmp_path / "encoder.safetensors"))
    assert set(again.module.state_dict()) == set(
        backbone("vit_mini", image_size=32).state_dict()
    )
    images = torch.randint(0, 256, (2, 3, 48, 48), dtype=torch.uint8)
    assert encode(again, images).shape == (2, 64)
    assert torch.equal(encode(again, images), encode(encoder, images))
