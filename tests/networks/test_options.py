"""What a backbone may be built with, whoever asks."""

import pytest
import timm

from ilk.core import UserError
from ilk.networks import load_encoder, recorded_options
from ilk.networks.backbone import backbone
from ilk.networks.options import OPTIONS, check_image, check_name, check_options

UNSAFE = [
    {"pretrained_cfg": {"url": "http://127.0.0.1:1/x"}},
    {"pretrained_cfg_overlay": {"url": "http://127.0.0.1:1/x"}},
    {"checkpoint_path": "/etc/passwd"},
    {"cache_dir": "/tmp/x"},
    {"pretrained": "yes"},
    {"pretrained_strict": False},
    {"features_only": True},
    {"feature_cfg": {}},
    {"scriptable": True},
    {"num_classes": 10**9},
    {"in_chans": 3},
    {"device": "cuda"},
    {"kwargs": {}},
    {"block_fn": "os.system"},
    {"depth": 10**9},
    {"depth": -1},
    {"depth": True},
    {"depth": 2.0},
    {"depth": "12"},
    {"embed_dim": 10**9},
    {"layers": [1] * 1000},
    {"layers": [[[[1]]]]},
    {"layers": [1, "a"]},
    {"drop_rate": 1.5},
    {"drop_rate": float("nan")},
    {"mlp_ratio": float("inf")},
    {"mlp_ratio": 10**400},
    {"class_token": "no"},
    {"class_token": [True]},
    {"depths": [512, 513]},  # each may be, together they take minutes to build
    {"block_config": [[1024] * 64] * 64},
    {"act_layer": "a/../b"},
    {"act_layer": "x" * 99},
    {"global_pool": ["avg"]},
    {"global_pool": "http://x"},
    {"stem": {"a": 1}},
]


@pytest.mark.parametrize("options", UNSAFE, ids=str)
def test_unsafe_options_are_refused_by_name_for_everyone(options):
    (name,) = options
    for refused in (
        lambda: check_options(options),
        lambda: backbone("resnet18", image_size=32, options=options),
        lambda: load_encoder("random:vit_tiny_patch16_224", image_size=32, options=options),
    ):
        with pytest.raises(UserError, match=name) as caught:
            refused()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400
    if name != "pretrained":
        with pytest.raises(UserError, match=name):
            recorded_options(options, 32)


@pytest.mark.parametrize(
    "options",
    [
        {"patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 2, "class_token": False,
         "global_pool": "avg", "init_values": 1e-5, "qk_norm": True, "reg_tokens": 4,
         "dynamic_img_size": True, "drop_path_rate": 0.1, "weight_init": "moco"},
        {"layers": (1, 1, 1, 1), "channels": [8, 8, 8, 8], "stem": "small",
         "act_layer": "silu"},
        {"depths": [1, 1, 1, 1], "dims": [8, 16, 32, 64], "ls_init_value": None,
         "window_size": [7, 7], "patch_size": (4, 4)},
    ],
)  # fmt: skip
def test_what_people_set_is_allowed(options):
    check_options(options)
    check_options(recorded_options(options, 32))


def test_every_published_name_is_a_plain_one_and_no_address_or_path_is():
    for name in timm.list_models(pretrained=True):
        check_name(name)
    for name in ("hf-hub:timm/resnet18", "hf_hub:x", "local-dir:/tmp/x", "http://x/resnet18",
                 "../resnet18", "/etc/passwd", "resnet18.a.b", "", "a" * 200, "resnet18\n",
                 "résnet"):  # fmt: skip
        with pytest.raises(UserError, match="plain name"):
            check_name(name)
        with pytest.raises(UserError, match="plain name"):
            load_encoder(f"timm:{name}")


@pytest.mark.parametrize("size", [(0, 3), (-1, 3), (10**9, 3), (8192, 3), (32, 10**6)])
def test_images_no_machine_has_room_for(size):
    with pytest.raises(UserError, match="must"):
        check_image(*size)


def test_no_option_hands_over_a_place_or_an_address():
    spoken = ("url", "dir", "file", "cache", "cfg", "hub", "fn", "checkpoint")
    assert not [name for name in OPTIONS if any(part in name.split("_") for part in spoken)]
