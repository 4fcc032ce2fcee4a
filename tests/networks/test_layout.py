"""Tests of how the numbers of an image lie in memory."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from ilk.networks import fast_in_bfloat16, fastest_layout
from ilk.networks.backbone import backbone_without_weights

LAST, PLAIN = torch.channels_last, torch.contiguous_format

BACKWARD = """
import sys
import torch
from torch import nn
from ilk.networks import fastest_layout

for words in sys.argv[1:]:
    inputs, outputs, side, stride = map(int, words.split(","))
    network = nn.Conv2d(inputs, outputs, side, stride)
    layout = fastest_layout(network)
    network = network.to(memory_format=layout)
    for _ in range(3):
        images = torch.randn(4, inputs, 160, 160, requires_grad=True)
        network(images.to(memory_format=layout)).square().mean().backward()
"""


@pytest.mark.parametrize(
    ("network", "layout"),
    [
        (nn.Conv2d(3, 48, 3, 2), LAST),
        (nn.Conv2d(16, 3, 1, 2), LAST),
        (nn.Conv2d(3, 48, 1), LAST),
        (nn.Conv2d(64, 64, 1, 2, groups=64), LAST),
        (nn.Conv2d(15, 48, 1, 2), PLAIN),
        (nn.Conv2d(3, 48, 1, (1, 2)), PLAIN),
        (nn.Sequential(nn.Conv2d(3, 48, 3), nn.Conv2d(12, 64, 1, 4)), PLAIN),
        (nn.Conv3d(3, 48, 3), PLAIN),
        (nn.Linear(3, 4), LAST),
    ],
)
def test_channels_come_last_but_where_that_does_harm(network, layout):
    assert fastest_layout(network) == layout


@pytest.mark.parametrize(
    ("name", "fast"),
    [
        ("resnet_mini", True),
        ("resnet_mini_1d", True),
        ("vit_mini", False),
        ("resnext50_32x4d", True),
        ("swin_tiny_patch4_window7_224", True),
        ("mobilenetv3_small_100", False),
        ("convnext_atto", False),
    ],
)
def test_narrow_kernels_are_slow_in_bfloat16(name, fast):
    size = 224 if name.startswith("swin") else 64
    network = backbone_without_weights(name, image_size=size, channels=3, options={})
    assert fast_in_bfloat16(network) is fast


def test_a_backward_pass_in_the_chosen_layout_ends_no_process():
    """Of one pixel with a stride, of few channels in or out, and their neighbours."""
    shapes = ["2,64,1,2", "3,64,1,2", "8,64,1,4", "12,48,1,2", "15,48,1,2", "16,48,1,2"]
    shapes += ["16,3,1,2", "32,1,3,1", "3,64,3,2", "3,64,4,4"]
    done = subprocess.run(
        [sys.executable, "-c", BACKWARD, *shapes], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
