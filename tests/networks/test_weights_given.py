"""Weights that somebody brings: read as data, kept as they are, and named where they do not fit."""  # noqa: E501

import argparse
import copy
import json
import os
import pickle

import pytest
import timm
import torch
from safetensors.torch import save_file

from ilk.core import UserError
from ilk.networks import (
    backbone,
    encode,
    feature_dim,
    load_encoder,
    read_given,
    save_encoder,
    start_from,
)
from ilk.networks.fitting import channels_fitted

# Small settings of timm families, so that each builds in a moment.
SMALL = {"layers": (1, 1, 1, 1), "channels": (8, 16, 16, 16)}
FAMILIES = {
    "resnet18": SMALL,
    "resnet10t": {**SMALL, "stem_type": "deep_tiered", "stem_width": 8, "avg_down": True},
    "vit_tiny_patch16_224": {"embed_dim": 16, "depth": 1, "num_heads": 2},
    "deit_tiny_distilled_patch16_224": {"embed_dim": 16, "depth": 1, "num_heads": 2},
    "vit_small_patch14_reg4_dinov2": {"embed_dim": 16, "depth": 1, "num_heads": 2},
    "convnext_atto": {"depths": (1, 1, 1, 1), "dims": (8, 16, 16, 32)},
    "swin_tiny_patch4_window7_224": {"embed_dim": 16, "depths": (1, 1), "num_heads": (1, 2)},
    "efficientnet_lite0": {},
    "mobilenetv3_small_050": {},
    "regnetx_002": {},
    "resnet_mini": {"widths": (8, 16), "depths": (1, 1)},
}
VIT = FAMILIES["vit_tiny_patch16_224"]


def trained(name, *, size=64, channels=3, options=None, seed=1):
    """A network in timm's own form, with a classifier, whose batch norms have seen images."""
    torch.manual_seed(seed)
    options = FAMILIES[name] if options is None else options
    if name == "resnet_mini":
        network = backbone(name, image_size=size, channels=channels, options=options)
    else:
        sizes = {} if "img_size" not in timm_takes(name) else {"img_size": size}
        network = timm.create_model(name, in_chans=channels, num_classes=5, **sizes, **options)
    for parameter in network.parameters():  # fresh layer scales and norms are all alike
        parameter.data += 0.02 * torch.randn_like(parameter)
    network.train()(torch.randn(4, channels, size, size))
    return network.eval()


def timm_takes(name):
    transformer = ("vit", "deit", "swin")
    return {"img_size"} if name.startswith(transformer) else set()


def alike(encoder, network, size=64):
    """Whether both give the same features, bit for bit, in the same memory layout."""
    plain = copy.deepcopy(encoder.module).to(memory_format=torch.contiguous_format)
    x = torch.randn(2, encoder.channels, size, size)
    with torch.no_grad():
        return torch.equal(plain(x), features(network, x))


def features(network, x):
    if hasattr(network, "forward_head"):
        return network.forward_head(network.forward_features(x), pre_logits=True)
    return network(x)


def start(path, name=None, **given):
    given.setdefault("options", FAMILIES.get(name))
    return start_from(read_given(str(path)), name, **given)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_features_are_bit_for_bit_those_of_before(tmp_path, name, kind):
    size = 56 if "patch14" in name else 64
    network = trained(name, size=size)
    path = tmp_path / f"weights.{kind}"
    if kind == "safetensors":
        save_file({n: t.contiguous() for n, t in network.state_dict().items()}, path)
    else:
        torch.save({"model": network.state_dict(), "epoch": 3}, path)
    found = start(path, name, image_size=size)
    assert alike(found.encoder, network, size)
    assert not found.fitted.missing
    assert not found.fitted.unused
    assert bool(found.fitted.heads) == (name != "resnet_mini")


@pytest.mark.parametrize(
    "prefix",
    ["module.", "backbone.", "encoder.", "student.", "module.base_encoder.", "encoder_q.",
     "_orig_mod.", "model.", "visual.", "module._orig_mod.backbone.", "anything.at.all."],
)  # fmt: skip
def test_prefixes_are_taken_off(tmp_path, prefix):
    network = trained("resnet18")
    state = {prefix + n: t for n, t in network.state_dict().items()}
    state |= {"projector.0.weight": torch.randn(4, 16), "projector.0.bias": torch.randn(4)}
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    found = start(tmp_path / "w.pth", "resnet18", image_size=64)
    assert alike(found.encoder, network)
    assert "fc.weight" in found.fitted.words
    assert "projector." in found.fitted.words


def test_of_two_copies_the_trained_one_is_taken_and_the_other_named(tmp_path):
    query, key = trained("resnet18"), trained("resnet18", seed=2)
    for first, second in (("encoder_q", "encoder_k"), ("encoder_k", "encoder_q")):
        nets = {"encoder_q": query, "encoder_k": key}
        state = {
            f"{n}.{k}": t for n in (first, second) for k, t in nets[n].state_dict().items()
        }
        save_file(state, tmp_path / "w.safetensors")
        found = start(tmp_path / "w.safetensors", "resnet18", image_size=64)
        weight = found.encoder.module.state_dict()["conv1.weight"]
        assert torch.equal(weight, query.conv1.weight)
        assert "encoder_k.*" in found.fitted.words
    torch.save({"student": key.state_dict(), "teacher": query.state_dict()}, tmp_path / "d.pth")
    found = start(tmp_path / "d.pth", "resnet18", image_size=64)
    assert torch.equal(found.encoder.module.state_dict()["conv1.weight"], query.conv1.weight)
    assert "took teacher of it, and not student" in found.fitted.words


def test_another_network_is_refused_with_the_nearest_reason(tmp_path):
    network = trained("resnet18")
    path = tmp_path / "w.safetensors"
    save_file(network.state_dict(), path)
    deeper = {**SMALL, "layers": (2, 2, 2, 2)}
    wider = {**SMALL, "channels": (8, 16, 16, 32)}
    for options, says in (
        (deeper, r"of \d+ weights that fit: layer1.1.conv1.weight is not among"),
        (
            wider,
            r"layer4.0.conv1.weight must have shape \(32, 16, 3, 3\), got \(16,",
        ),
        ({**SMALL, "stem": "small"}, r"conv1.weight must have shape \(64, 3, 3, 3\)"),
    ):
        with pytest.raises(UserError, match=says):
            start(path, "resnet18", options=options)
    save_file(trained("resnet18", options=deeper).state_dict(), tmp_path / "deep.safetensors")
    with pytest.raises(UserError, match="and others have no place in it"):
        start(tmp_path / "deep.safetensors", "resnet18")
    with pytest.raises(UserError, match="0 of .* is not among its"):
        start(path, "vit_tiny_patch16_224")


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto"])
def test_smaller_images_and_more_channels_keep_the_weights(tmp_path, name):
    network = trained(name, size=224)
    path = tmp_path / "w.safetensors"
    save_file(network.state_dict(), path)
    found = start(path, name, image_size=64, channels=4).encoder
    ours, theirs = found.module.state_dict(), network.state_dict()
    other = {n for n in ours if not torch.equal(ours[n], theirs[n])} if name != "vit" else set()
    first = {"resnet18": "conv1.weight", "convnext_atto": "stem.0.weight"}.get(
        name, "patch_embed.proj.weight"
    )
    assert other == {first, *(["pos_embed"] if name.startswith("vit") else [])}
    torch.testing.assert_close(ours[first][:, :3], theirs[first] * 0.75)
    assert found.options["stem"] == "plain"
    assert encode(found, torch.zeros(2, 4, 64, 64, dtype=torch.uint8)).isfinite().all()


def test_positions_are_resampled_as_timm_does_and_tokens_stay(tmp_path):
    network = trained("vit_tiny_patch16_224", size=224)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    found = start(tmp_path / "w.safetensors", "vit_tiny_patch16_224", image_size=64)
    ours = found.encoder.module.state_dict()["pos_embed"]
    expected = timm.layers.resample_abs_pos_embed(
        network.pos_embed.data, (4, 4), num_prefix_tokens=1
    )
    torch.testing.assert_close(ours, expected)
    assert "timm's rules for VisionTransformer: pos_embed" in found.fitted.words


def test_the_original_names_of_dinov2_are_known(tmp_path):
    network = trained("vit_small_patch14_reg4_dinov2", size=56)
    theirs = {
        n.replace("reg_token", "register_tokens"): t for n, t in network.state_dict().items()
    }
    grid = network.pos_embed.data
    theirs |= {"pos_embed": torch.cat([torch.zeros(1, 1, 16), grid], 1)}
    theirs |= {"mask_token": torch.randn(1, 16)}
    save_file(theirs, tmp_path / "w.safetensors")
    found = start(tmp_path / "w.safetensors", "vit_small_patch14_reg4_dinov2", image_size=56)
    assert alike(found.encoder, network, 56)
    assert "mask_token" in found.fitted.heads
    assert not found.fitted.missing


def test_names_that_are_not_plain_text_are_only_shown(tmp_path):
    state = {f"a\x1b[31m\n.{n}": t for n, t in trained("resnet18").state_dict().items()}
    save_file(state | {"evil\nname": torch.zeros(1)}, tmp_path / "w.safetensors")
    words = start(tmp_path / "w.safetensors", "resnet18", image_size=64).fitted.words
    assert words.isprintable()
    assert "evil\\nname" in words


def test_positions_of_other_tokens_are_refused(tmp_path):
    network = trained("deit_tiny_distilled_patch16_224", size=224)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="positions of .* a square grid and 1 tokens, got 198"):
        start(tmp_path / "w.safetensors", "vit_tiny_patch16_224", image_size=64)


def test_channels_are_fitted_as_timm_does():
    from timm.models import adapt_input_conv

    weight = torch.randn(8, 3, 5, 5)
    for channels in (1, 2, 4, 7):
        torch.testing.assert_close(
            channels_fitted(weight, channels), adapt_input_conv(channels, weight)
        )


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_needs_code_is_refused_and_not_run(tmp_path):
    mark = tmp_path / "ran"
    for name, save in (("old", pickle.dump), ("new", torch.save)):
        with (tmp_path / f"{name}.pth").open("wb") as file:
            save({"state_dict": {"a": torch.zeros(1)}, "args": Evil(str(mark))}, file)
        with pytest.raises(UserError, match="weights: .* none was") as told:
            read_given(str(tmp_path / f"{name}.pth"))
        assert "\n" not in str(told.value)
        assert not mark.exists()
    torch.save(trained("resnet18"), tmp_path / "module.pth")
    with pytest.raises(UserError, match="save its state_dict as safetensors"):
        read_given(str(tmp_path / "module.pth"))


def test_the_arguments_that_trainers_keep_beside_weights_do_no_harm(tmp_path):
    network = trained("resnet18")
    args = argparse.Namespace(lr=0.1, data="/x")
    torch.save({"model": network.state_dict(), "args": args}, tmp_path / "w.pth")
    assert not start(tmp_path / "w.pth", "resnet18").fitted.missing


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04", b"\x80\x02."])
@pytest.mark.parametrize("ending", ["pth", "safetensors", "bin"])
def test_damaged_files_are_one_line(tmp_path, content, ending):
    path = tmp_path / f"w.{ending}"
    path.write_bytes(content)
    with pytest.raises(UserError, match="weights: ") as told:
        read_given(str(path))
    assert "\n" not in str(told.value)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    state = trained("resnet18").state_dict()
    state["layer1.0.conv1.weight"][0] = float("nan")
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match='"layer1.0.conv1.weight" must be finite'):
        start(tmp_path / "w.safetensors", "resnet18")


def test_a_hub_folder_says_all(tmp_path):
    network = trained("vit_tiny_patch16_224", size=48)
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    config = {
        "architecture": "vit_tiny_patch16_224",
        "num_classes": 5,
        "model_args": {**VIT, "img_size": 48},
        "pretrained_cfg": {
            "input_size": [3, 48, 48], "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6],
            "url": "http://never.asked", "tag": "mine",
        },
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    encoder = load_encoder(str(tmp_path), tell=lambda words: None)
    assert encoder.image_size == 48
    assert encoder.mean == (0.1, 0.2, 0.3)
    assert alike(encoder, network, 48)
    assert load_encoder(str(tmp_path), image_size=32, tell=lambda words: None).image_size == 32
    config["model_args"]["checkpoint_path"] = "/etc/passwd"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="checkpoint_path"):
        load_encoder(str(tmp_path))


def test_a_run_gives_its_network_size_and_normalisation(tmp_path, encoder_of):
    made = encoder_of("vit_tiny_patch16_224", VIT, image_size=64)
    save_encoder(made, tmp_path / "run")
    found = start_from(read_given(str(tmp_path / "run")))
    assert (found.encoder.name, found.encoder.image_size) == ("vit_tiny_patch16_224", 64)
    assert found.encoder.mean == made.mean
    assert not found.fitted.words
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(found.encoder.module(x), made.module(x))
    other = start_from(read_given(str(tmp_path / "run" / "encoder.safetensors")), image_size=32)
    assert other.encoder.image_size == 32


def test_a_name_with_weights_is_an_encoder(tmp_path, monkeypatch):
    network = trained("mobilenetv3_small_050", size=64)
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    spec = f"mobilenetv3_small_050@{tmp_path}/w.safetensors"
    with pytest.warns(UserWarning, match="left out what lies behind the features: classifier"):
        encoder = load_encoder(spec, image_size=64)
    assert alike(encoder, network)
    made = timm.get_pretrained_cfg("mobilenetv3_small_050")
    assert (encoder.mean, encoder.std) == (made.mean, made.std)
    assert feature_dim(spec) == encoder.feature_dim
    with pytest.raises(UserError, match="nothing there"):
        load_encoder("resnet18@none.safetensors")
    with pytest.raises(UserError, match="does not say which network"):
        start_from(read_given(str(tmp_path / "w.safetensors")))


def test_names_of_another_program_are_matched_by_order(tmp_path):
    network = trained("mobilenetv3_small_050")
    state = {f"_{n}": t for n, t in network.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    found = start(tmp_path / "w.pth", "mobilenetv3_small_050", image_size=64)
    assert "matched by order" in found.fitted.words
    assert alike(found.encoder, network)


@pytest.mark.parametrize("content", [b"hello", b"just words\n", b""])
def test_a_file_that_holds_no_weights_is_refused_in_words(tmp_path, content):
    (tmp_path / "notes.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"got ('\w+ .*'|something else)$"):
        read_given(str(tmp_path / "notes.pth"))
