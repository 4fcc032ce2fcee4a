"""Networks are asked for their patches, whatever their names."""

import pytest

from ilk.core import UserError
from ilk.networks import check_patches, patch_side


@pytest.mark.parametrize(
    ("name", "options", "patch"),
    [
        ("vit_tiny_patch16_224", {}, 16),
        ("vit_tiny_patch16_224", {"patch_size": 8}, 8),
        ("vit_small_patch14_dinov2", {}, 14),
        ("deit_tiny_distilled_patch16_224", {}, 16),
        ("mixer_s32_224", {}, 32),
        ("swin_tiny_patch4_window7_224", {}, 4),
        ("convmixer_768_32", {}, 7),
        ("xcit_nano_12_p16_224", {}, 16),
        ("vit_tiny_r_s16_p8_224", {}, 32),
        ("convnext_atto", {}, 4),
        ("resnet18", {}, 1),
        ("mobilenetv3_small_050", {}, 1),
        ("resnet_mini", {}, 1),
        ("no_such_network", {}, 1),
    ],
)
def test_the_patch_of_a_network(name, options, patch):
    assert patch_side(name, channels=3, options=options) == patch


def test_the_channels_of_the_images_do_not_matter():
    assert patch_side("vit_tiny_patch16_224", channels=1, options={}) == 16


@pytest.mark.parametrize(("size", "near"), [(100, "take 96 or 112"), (10, "take 16$")])
def test_sizes_that_do_not_fit_are_refused_with_those_that_do(size, near):
    with pytest.raises(UserError, match=f"image_size: must be a multiple of 16 px.*{near}"):
        check_patches("vit", 16, size)
    check_patches("vit", 16, 96)
    check_patches("resnet18", 1, size)
