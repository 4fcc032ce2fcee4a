"""Heads that compare an image with its places, and the map half-way through a backbone."""

import pytest
import torch
from torch import nn

from ilk.core import UserError
from ilk.core.masks import Mask
from ilk.networks import (
    DrawnPlace,
    FewerPlaces,
    Head,
    Network,
    RowContext,
    ShortcutHead,
    UniformCritic,
    backbone,
    check_rows_apart,
    early_shape,
)

EARLY = {
    "resnet_mini": ({}, (48, 8)),
    "resnet18": ({}, (128, 16)),
    "vit_mini": ({}, (64, 8)),
    "amdim_mini": ({"base_width": 4, "depth": 1, "feature_dim": 16}, (16, 7)),
    "convnext_atto": ({}, (80, 4)),
}


@pytest.mark.parametrize("name", EARLY)
def test_the_early_map_is_half_way_and_changes_nothing_else(name):
    options, shape = EARLY[name]
    trunk = backbone(name, image_size=32, options=options)
    assert early_shape(trunk, 32, 3) == shape
    assert trunk.training
    network = Network(trunk).eval()
    images = torch.randn(2, 3, 32, 32)
    out = network(images, {"feature", "map", "tokens", "early"})
    assert out["early"].shape == (2, shape[0], shape[1], shape[1])
    plain = network(images, {"feature", "map"})
    for what in ("feature", "map"):
        torch.testing.assert_close(out[what], plain[what])


def test_the_early_map_of_a_transformer_is_that_of_its_middle_block():
    options = {"patch_size": 8, "embed_dim": 16, "depth": 3, "num_heads": 2}
    trunk = backbone("vit_tiny_patch16_224", image_size=32, options=options)
    seen = []
    trunk.blocks[1].register_forward_hook(lambda *args: seen.append(args[2]))
    out = Network(trunk).eval()(torch.randn(2, 3, 32, 32), {"early"})["early"]
    assert torch.equal(out.flatten(2).transpose(1, 2), seen[0][:, 1:])


class Blind(nn.Module):
    """A network that has places, and none half-way."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)

    def forward_features(self, images):
        return self.layer(images)

    def forward_head(self, shown):
        return shown.mean((2, 3))


def test_a_backbone_without_a_map_half_way_is_refused():
    assert early_shape(Blind(), 8, 3) == (0, 0)
    with pytest.raises(ValueError, match="must show a map half-way, but Blind shows none"):
        Network(Blind())(torch.zeros(1, 3, 8, 8), {"early"})
    with pytest.raises(UserError, match="must show a map half-way"):
        ShortcutHead(0, 4)


def test_the_early_map_asks_for_whole_images():
    trunk = backbone("vit_mini", image_size=32)
    mask = Mask(torch.ones(1, 8, 8, dtype=torch.bool), 0)
    with pytest.raises(ValueError, match="must be seen whole"):
        Network(trunk)(torch.zeros(1, 3, 32, 32), {"early"}, mask=mask)


@pytest.mark.parametrize(
    ("side", "most", "left"), [(8, 8, 8), (14, 7, 7), (16, 7, 6), (5, 8, 5)]
)
def test_fewer_places_are_means_of_squares(side, most, left):
    torch.manual_seed(0)
    shown, fewer = torch.randn(2, 3, side, side), FewerPlaces(most)
    out = fewer(shown)
    assert out.shape == (2, 3, left, left)
    assert fewer.left(side) == left
    square = -(-side // most)
    for y in range(left):
        for x in range(left):
            part = shown[:, :, y * square : (y + 1) * square, x * square : (x + 1) * square]
            torch.testing.assert_close(out[:, :, y, x], part.mean((2, 3)))


def test_a_drawn_place_is_any_place_of_its_own_image():
    torch.manual_seed(0)
    images, places = torch.meshgrid(torch.arange(3000.0), torch.arange(5.0), indexing="ij")
    drawn = DrawnPlace()(torch.stack([images, places], dim=2))
    assert torch.equal(drawn[:, 0], torch.arange(3000.0))
    counts = drawn[:, 1].long().bincount()
    assert len(counts) == 5
    assert (counts - 600).abs().max() < 90  # four deviations


def test_a_shortcut_begins_near_the_identity():
    torch.manual_seed(0)
    head, rows = ShortcutHead(4, 6), torch.randn(5, 4)
    torch.testing.assert_close(
        head(rows) - head.layers(rows), torch.nn.functional.pad(rows, (0, 2)), atol=0.6, rtol=0
    )
    normed = ShortcutHead(4, 6, layer_norm=True)(rows)
    torch.testing.assert_close(normed.mean(1), torch.zeros(5), atol=1e-5, rtol=0)


def test_a_critic_tells_a_uniform_variable_from_another():
    """It learns to, and a reversed gradient makes the code uniform."""
    torch.manual_seed(0)
    code = nn.Linear(3, 2)
    critic = Head(UniformCritic(2, 32), on="code", reverse=1.0)
    network = Network(nn.Identity(), {"code": Head(code), "critic": critic})
    images = torch.randn(512, 3)
    with torch.no_grad():
        code.bias.fill_(3.0)  # at the upper border, of which a draw is seldom
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    means = []
    for _ in range(300):
        out = network(images, {"code", "critic"}, {"critic": 1.0})
        answers = torch.arange(2).repeat(512)
        loss = nn.functional.cross_entropy(out["critic"].flatten(0, 1), answers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        means.append(out["code"].detach().sigmoid().mean().item())
    assert means[0] > 0.9
    assert sum(means[-50:]) / 50 == pytest.approx(0.5, abs=0.1)
    assert loss.item() > 0.5


@pytest.mark.parametrize("upwards", [False, True])
def test_a_context_knows_its_own_row_and_those_before_it(upwards):
    torch.manual_seed(0)
    head = RowContext(4, hidden=8, depth=3, side=5, upwards=upwards)
    rows = torch.randn(25, 2, 4)
    before = head(rows.flatten(0, 1)).view(5, 5, 2, 4)
    for row in range(5):
        changed = rows.clone().view(5, 5, 2, 4)
        changed[row, 3, 0] += 1
        after = head(changed.flatten(0, 2)).view(5, 5, 2, 4)
        moved = (after != before).any(dim=3)
        assert not moved[:, :, 1].any()  # of another image
        seen = [r for r in range(5) if moved[r].any()]
        reach = range(row, min(row + 4, 5)) if not upwards else range(max(row - 3, 0), row + 1)
        assert seen == list(reach)


def test_patches_must_not_see_one_another_through_a_batch_norm():
    with pytest.raises(UserError, match=r"vit_mini.*\"norm_layer\": \"groupnorm1\""):
        check_rows_apart(backbone("resnet_mini", image_size=32))
    check_rows_apart(backbone("vit_mini", image_size=32))
    trunk = backbone("resnet_mini", image_size=32, options={"norm_layer": "groupnorm1"})
    check_rows_apart(trunk)
    images = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(trunk.train()(images)[:1], trunk(images[:1]))
    with pytest.raises(UserError, match=r"must be batchnorm or groupnorm1, got \W*layer"):
        backbone("resnet_mini", image_size=32, options={"norm_layer": "layer"})
