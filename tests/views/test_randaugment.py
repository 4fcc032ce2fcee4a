"""RandAugment beside torchvision's, which draws for itself, and the ranges of FixMatch."""

import numpy as np
import pytest
import torch
from scipy import stats
from torchvision.transforms import RandAugment as Theirs
from torchvision.transforms import functional as F

from ilk.core import UserError
from ilk.views import RandAugment, RandomMagnitudes
from ilk.views.operations import NAMES, augment
from ilk.views.randaugment import ALL

MANY = 20_000


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)


@pytest.mark.parametrize("magnitude", [0, 9, 30])
@pytest.mark.parametrize("name", ALL)
def test_every_operation_is_torchvisions(name, magnitude, picture, monkeypatch):
    for negative in (False, True):
        sequence = iter([ALL.index(name), int(negative)] * 2)
        monkeypatch.setattr(torch, "randint", lambda *_, s=sequence: torch.tensor(next(s)))
        image = picture(40, 40, seed=ALL.index(name))
        signed = Theirs()._augmentation_space(31, (40, 40))[name][1]
        expected = Theirs(num_ops=1, magnitude=magnitude)(tensor(image))
        u = np.array(
            [[(ALL.index(name) + 0.5) / len(ALL), 0.2 if negative and signed else 0.9]]
        )
        augment(image, RandAugment(count=1, magnitude=magnitude).draw(u, 40).of(0))
        assert torch.equal(tensor(image), expected)


def test_our_names_are_torchvisions():
    assert tuple(Theirs()._augmentation_space(31, (32, 32))) == ALL


def test_operations_follow_one_another(picture):
    image = picture(32, 32)
    expected = F.posterize(F.solarize(tensor(image), 255.0 - 255 / 30 * 20), 5)
    u = (np.array([[ALL.index("Solarize"), ALL.index("Posterize")]]) + 0.5) / len(ALL)
    policy = RandAugment(magnitude=20)
    augment(image, policy.draw(np.concatenate([u, u], 1), 32).of(0))
    assert torch.equal(tensor(image), expected)


@pytest.mark.parametrize("policy", [RandAugment(), RandomMagnitudes()])
def test_all_operations_are_as_likely_and_independent(policy):
    drawn = policy.draw(np.random.default_rng(0).random((MANY, policy.draws)), 32)
    pairs = np.unique(drawn.operations @ [100, 1], return_counts=True)[1]
    assert len(pairs) == 14**2
    assert stats.chisquare(pairs).pvalue > 1e-3


# FixMatch, Table 12: factors of PIL's enhancements, degrees, slopes, shares, bits, a threshold.
TABLE = {
    "Brightness": (0.05, 0.95), "Color": (0.05, 0.95), "Contrast": (0.05, 0.95),
    "Sharpness": (0.05, 0.95), "Rotate": (-30, 30), "ShearX": (-0.3, 0.3),
    "ShearY": (-0.3, 0.3), "TranslateX": (-0.3, 0.3), "TranslateY": (-0.3, 0.3),
    "Solarize": (0, 1),
}  # fmt: skip
FACTORS = ("Brightness", "Color", "Contrast", "Sharpness")


@pytest.mark.parametrize("name", TABLE)
def test_magnitudes_are_uniform_over_the_ranges_of_fixmatch(name):
    policy = RandomMagnitudes(count=1, operations=(name,))
    u = np.random.default_rng(1).random((MANY, 2))
    amounts = policy.draw(u, 40).amounts[:, 0]
    low, high = TABLE[name]
    if name in FACTORS:
        amounts = 1 + amounts  # as the operation takes it
    unit = {"TranslateX": 40, "TranslateY": 40, "Solarize": 255}.get(name, 1)
    assert stats.kstest(amounts / unit, stats.uniform(low, high - low).cdf).pvalue > 1e-3


def test_bits_are_four_to_eight_as_likely(picture):
    policy = RandomMagnitudes(count=1, operations=("Posterize",))
    u = np.random.default_rng(1).random((MANY, 2))
    drawn = policy.draw(u, 40)
    bits, counts = np.unique(drawn.amounts.astype(int), return_counts=True)
    assert bits.tolist() == [4, 5, 6, 7, 8]
    assert stats.chisquare(counts).pvalue > 1e-3
    image, row = picture(16, 16), int((drawn.amounts < 5).argmax())
    expected = image & 0xF0
    augment(image, drawn.of(row))
    assert np.array_equal(image, expected)


@pytest.mark.parametrize("channels", [1, 2, 4, 13])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "Invert"])
def test_bands_are_grey_images_of_their_own(name, channels, picture):
    image = picture(20, 20, channels)
    amount = {"Posterize": 4.0, "Solarize": 99.0, "Rotate": 20.0, "TranslateX": 5.0}.get(
        name, 0.4
    )
    bands = image.copy()
    for band in range(channels):
        one = bands[:, :, band : band + 1].copy()
        augment(one, [(name, amount)])
        bands[:, :, band : band + 1] = one
    augment(image, [(name, amount)])
    assert np.array_equal(image, bands)
    if name == "Color":
        assert np.array_equal(image, picture(20, 20, channels))


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UserError, match="magnitude must be 0 to 30, got 31"):
        RandAugment(magnitude=31)
    with pytest.raises(UserError, match="count must be at least 1, got 0"):
        RandomMagnitudes(count=0)
    for operations in ((), ("Invert",)):
        with pytest.raises(UserError, match="operations must be some of Identity, ShearX"):
            RandomMagnitudes(operations=operations)
