import pytest
import torch
from torch import nn

from ilk.networks import backbone, mlp, multiply_adds


@pytest.mark.parametrize(("image_size", "expected"), [(224, 4_598_498_304), (96, 808_879_104)])
def test_vit_small_costs_what_its_layers_say(image_size, expected):
    """Per block of N tokens and width D: 12 N D^2 and 2 N^2 D for attention's two products."""
    net = backbone("vit_small_patch16_224", image_size=image_size)
    tokens, width = (image_size // 16) ** 2 + 1, 384
    by_hand = 12 * (12 * tokens * width**2 + 2 * tokens**2 * width)
    by_hand += (tokens - 1) * 3 * 16**2 * width
    assert multiply_adds(net, (3, image_size, image_size)) == expected == by_hand


def test_convolutions_by_hand():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1), nn.Conv2d(8, 8, 3, groups=8)
    )
    assert multiply_adds(net, (3, 9, 9)) == 5 * 5 * 8 * 27 + 3 * 3 * 8 * 9


def test_head_by_hand():
    assert multiply_adds(mlp(384, 4096, 256, layers=3), (384,)) == 19_398_656


def test_module_is_left_as_it_was(conv):
    conv.stages[0].eval()
    before = {name: tensor.clone() for name, tensor in conv.state_dict().items()}
    multiply_adds(conv, (3, 32, 32))
    assert all(torch.equal(tensor, before[name]) for name, tensor in conv.state_dict().items())
    assert conv.training
    assert not conv.stages[0].training
