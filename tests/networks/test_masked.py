"""Hidden patches: left out, replaced, painted over; each against a slow reference."""

import pytest
import torch
from torch import nn

from ilk.core import Mask, UserError
from ilk.networks import (
    Head,
    MaskToken,
    Network,
    backbone,
    check_drops_patches,
    check_heads,
    patch_width,
)

VIT = {"patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}


def mask(size: int = 3, visible: int = 5, grid=(4, 4)) -> Mask:
    drawn = torch.rand(size, grid[0] * grid[1], generator=torch.Generator().manual_seed(1))
    return Mask((drawn.argsort(1).argsort(1) >= visible).view(size, *grid), visible)


def vit(**options) -> nn.Module:
    torch.manual_seed(0)
    return backbone("vit_tiny_patch16_224", image_size=32, options={**VIT, **options}).eval()


@pytest.mark.parametrize("options", [{}, {"class_token": False, "global_pool": "avg"}], ids=str)
def test_patches_are_left_out_behind_their_positions(options):
    trunk, hidden, images = vit(**options), mask(), torch.randn(3, 3, 32, 32)
    out = Network(trunk)(images, {"tokens", "sequence", "feature"}, mask=hidden)
    prefix = trunk.num_prefix_tokens
    for row in range(3):
        x = trunk._pos_embed(trunk.patch_embed(images[row : row + 1]))
        kept = [*range(prefix)] + [
            prefix + at for at in range(16) if not hidden.hidden[row].flatten()[at]
        ]
        x = trunk.norm(trunk.blocks(x[:, kept]))
        torch.testing.assert_close(out["sequence"][row : row + 1], x)
        torch.testing.assert_close(out["tokens"][row : row + 1], x[:, prefix:])
        torch.testing.assert_close(out["feature"][row : row + 1], trunk.forward_head(x))
    assert not trunk.patch_drop._forward_hooks


def test_what_is_hidden_changes_nothing_where_it_is_left_out():
    trunk, hidden, images = vit(), mask(), torch.randn(3, 3, 32, 32, requires_grad=True)
    Network(trunk)(images, {"sequence"}, mask=hidden)["sequence"].square().sum().backward()
    moved = images.grad.abs().sum(1).unfold(1, 8, 8).unfold(2, 8, 8).sum((3, 4)) > 0
    assert torch.equal(moved, ~hidden.hidden)


def with_token(trunk: nn.Module, channels: int = 3) -> Network:
    token = MaskToken(patch_width(trunk, channels))
    return Network(trunk, {"mask_token": Head(token, on="hidden")}).eval()


def test_a_token_stands_in_the_place_of_embedded_patches():
    network, hidden, images = with_token(vit()), mask(visible=7), torch.randn(3, 3, 32, 32)
    trunk, token = network.backbone, network.mask_token.vector
    out = network(images, {"tokens", "map"}, mask=hidden)
    patches = trunk.patch_embed(images).reshape(3, 16, 32).clone()
    for row in range(3):
        for at in range(16):
            if hidden.hidden[row].flatten()[at]:
                patches[row, at] = token
    x = trunk._pos_embed(patches.view(3, 4, 4, 32))
    x = trunk.norm(trunk.blocks(x))
    torch.testing.assert_close(out["tokens"], x[:, 1:])
    assert out["map"].shape == (3, 32, 4, 4)
    assert not trunk.patch_embed._forward_hooks
    # Images need not show equally much.
    unlike = Mask(torch.rand(3, 4, 4) < 0.5)
    assert network(images, {"tokens"}, mask=unlike)["tokens"].shape == (3, 16, 32)


def test_a_colour_stands_in_the_place_of_pixels_where_there_are_no_patches():
    trunk = backbone("resnet_mini", image_size=32).eval()
    network, hidden, images = with_token(trunk), mask(), torch.randn(3, 3, 32, 32)
    assert network.mask_token.vector.shape == (3,)
    painted = images.clone()
    for row in range(3):
        for y, x in hidden.hidden[row].nonzero().tolist():
            painted[row, :, 8 * y : 8 * y + 8, 8 * x : 8 * x + 8] = (
                network.mask_token.vector.detach()[:, None, None]
            )
    out = network(images, {"feature"}, mask=hidden)["feature"]
    torch.testing.assert_close(out, network(painted, {"feature"})["feature"])


def test_cells_of_several_patches_hide_all_of_them_in_swin():
    options = {"embed_dim": 16, "depths": (1, 1), "num_heads": (2, 2), "window_size": 4}
    trunk = backbone("swin_tiny_patch4_window7_224", image_size=32, options=options)
    network, images = with_token(trunk), torch.randn(2, 3, 32, 32)
    assert network.mask_token.vector.shape == (16,)
    hidden = mask(2, 2, (2, 2))
    out = network(images, {"map"}, mask=hidden)["map"]
    changed = torch.where(
        hidden.hidden.repeat_interleave(16, 1).repeat_interleave(16, 2)[:, None],
        torch.randn(2, 3, 32, 32),
        images,
    )
    torch.testing.assert_close(network(changed, {"map"}, mask=hidden)["map"], out)
    assert not torch.allclose(network(images, {"map"})["map"], out)


def test_nothing_hidden_is_the_network_as_it_is():
    network, images = with_token(vit()), torch.randn(2, 3, 32, 32)
    none = Mask(torch.zeros(2, 4, 4, dtype=torch.bool), 16)
    torch.testing.assert_close(
        network(images, {"tokens"}, mask=none)["tokens"], network(images, {"tokens"})["tokens"]
    )
    left = Network(network.backbone)(images, {"tokens"}, mask=none)["tokens"]
    torch.testing.assert_close(left, network(images, {"tokens"})["tokens"])


def test_convolutions_leave_no_patches_out():
    network = Network(backbone("resnet_mini", image_size=32))
    with pytest.raises(UserError, match="must be a vision transformer, .* got ByobNet"):
        network(torch.randn(3, 3, 32, 32), {"tokens"}, mask=mask())


def test_a_mask_of_another_grid_is_refused():
    with pytest.raises(ValueError, match="grid of 16 patches, got 2 x 2 cells"):
        Network(vit())(torch.randn(3, 3, 32, 32), {"tokens"}, mask=mask(3, 2, (2, 2)))
    with pytest.raises(ValueError, match="whole patches, got 3 on 4"):
        with_token(vit())(torch.randn(3, 3, 32, 32), {"tokens"}, mask=mask(3, 2, (3, 3)))


def test_a_head_may_read_the_mask_and_none_stands_on_a_token():
    class Count(nn.Module):
        def forward(self, tokens, given):
            assert given is None or tokens.shape[1] == given.visible
            return tokens.mean(1) * (0 if given is None else given.visible)

    network = Network(vit(), {"count": Head(Count(), on="tokens", mask=True)})
    out = network(torch.randn(3, 3, 32, 32), {"count", "tokens"}, mask=mask())
    torch.testing.assert_close(out["count"], out["tokens"].mean(1) * 5)
    token = Head(MaskToken(32), on="hidden")
    with pytest.raises(ValueError, match="must sit on a head before it, got 'token'"):
        check_heads({"token": token, "top": Head(nn.Linear(32, 2), on="token")})


def test_patches_that_are_dropped_by_chance_are_refused_where_places_are_needed():
    trunk = vit(patch_drop_rate=0.25)
    says = "patch_drop_rate must be 0 .* got 0.25; leave it out"
    with pytest.raises(UserError, match=says):
        check_drops_patches(trunk)
    token = Head(MaskToken(32), on="hidden")
    for head in (Head(nn.Identity(), on="map"), Head(nn.Identity(), on="sequence"), token):
        with pytest.raises(UserError, match=says):
            Network(trunk, {"head": head})
    network, images = (
        Network(trunk, {"head": Head(nn.Linear(32, 2))}),
        torch.randn(2, 3, 32, 32),
    )
    assert network.train()(images, {"head"})["head"].shape == (2, 2)
    with pytest.raises(UserError, match=says):
        network(images, {"tokens"})
    assert network.eval()(images, {"tokens"})["tokens"].shape == (2, 16, 32)
