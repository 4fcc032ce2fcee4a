"""Pixels to numbers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional as F

from ilk.core.errors import UserError
from ilk.views import CIFAR_MEAN, CIFAR_STD, IMAGENET_MEAN, IMAGENET_STD, moments, normalise


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    channels=st.sampled_from([1, 2, 3, 13]),
    pixels=st.lists(st.integers(1, 5), max_size=3),
    dtype=st.sampled_from([torch.uint8, torch.float16, torch.float32, torch.float64]),
    single=st.booleans(),
)
def test_is_the_formula_in_double_precision(channels, pixels, dtype, single):
    torch.manual_seed(0)
    batch = torch.randint(0, 256, (3, channels, *pixels)).to(dtype)
    before = batch.clone()
    count = 1 if single else channels
    mean, std = torch.rand(count).tolist(), (torch.rand(count) + 0.1).tolist()
    result = normalise(batch, mean, std)
    axes = (-1, *([1] * len(pixels)))
    mean64, std64 = (torch.tensor(v, dtype=torch.float64).view(axes) for v in (mean, std))
    assert result.dtype == torch.float32
    torch.testing.assert_close(
        result.double(), (batch.double() / 255 - mean64) / std64, atol=3e-6, rtol=0
    )
    assert torch.equal(batch, before)


def test_torchvisions_result_and_memory_layout():
    batch = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    expected = F.normalize(
        F.to_dtype(batch, torch.float32, scale=True), [*CIFAR_MEAN], [*CIFAR_STD]
    )
    result = normalise(
        batch.contiguous(memory_format=torch.channels_last), CIFAR_MEAN, CIFAR_STD
    )
    torch.testing.assert_close(result, expected)
    assert result.is_contiguous(memory_format=torch.channels_last)


def test_interleaved_pixels_give_the_very_same_numbers():
    """Large enough for several pieces, the last of them shorter."""
    batch = torch.randint(0, 256, (5, 3, 90, 101), dtype=torch.uint8)
    interleaved = batch.contiguous(memory_format=torch.channels_last)
    assert torch.equal(
        normalise(interleaved, IMAGENET_MEAN, IMAGENET_STD),
        normalise(batch, IMAGENET_MEAN, IMAGENET_STD),
    )


def test_moments_by_number_of_channels():
    assert moments(3) == (IMAGENET_MEAN, IMAGENET_STD)
    assert moments(1) == ((0.5,), (0.25,))
    assert moments(13) == ((0.5,) * 13, (0.25,) * 13)


@pytest.mark.parametrize("name", ["mean", "std"])
def test_a_wrong_number_of_moments_is_refused(name):
    values = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD, name: (0.5, 0.5)}
    with pytest.raises(UserError, match=f"{name} must have 1 or 3 values, got 2"):
        normalise(torch.zeros(1, 3, 2, 2), **values)
