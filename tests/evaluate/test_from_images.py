"""Protocols that look at images: robustness, linear-aug, finetune; on coloured squares."""

import copy
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch

from ilk.core import UserError
from ilk.corruptions import corrupt
from ilk.data import Arrays
from ilk.embedding import embed
from ilk.evaluate.protocols.draws import Amount, amounts, ranks
from ilk.evaluate.protocols.few_label_tuned import TunedFewLabels
from ilk.evaluate.protocols.finetune import FineTune, copied
from ilk.evaluate.protocols.linear import LogisticRegression
from ilk.evaluate.protocols.linear_aug import AugmentedLinear
from ilk.evaluate.protocols.protocol import Images, Labelled, Task
from ilk.evaluate.protocols.recipe import Augmented, _rand_augment, decayed_groups, seeded
from ilk.evaluate.protocols.robustness import Robustness
from ilk.networks import Encoder, encode, load_encoder

SIZE = 32
VIT = {"patch_size": 16, "embed_dim": 24, "depth": 4, "num_heads": 3}
LINEAR = AugmentedLinear(
    lrs=(0.001, 0.3, 3.0), momentum=0.9, epochs=6, batch_size=16, min_scale=0.3, blocks=1,
    held_out=0.25,
)  # fmt: skip
TUNE = FineTune(
    share=1.0, epochs=4, batch_size=16, lr=0.05, end_lr=1e-5, warmup_epochs=1,
    weight_decay=0.05, layer_decay=0.8, drop_path=0.1, mixup=0.8, cutmix=1.0, smoothing=0.1,
    erasing=0.25,
)  # fmt: skip
SLOW = replace(TUNE, lr=0.002)
PROBE = LogisticRegression(strengths=(1.0, 0.1), tolerance=1e-3, most_steps=100, held_out=0.25)


def squares(count: int, seed: int) -> Arrays:
    """Red, green and blue squares on grey noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(90, 130, (count, SIZE, SIZE, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(2, 10, 2)
        image[top : top + 20, left : left + 20, label] = 230
    return Arrays(images, labels=labels, classes=("red", "green", "blue"))


def task_of(encoder: Encoder, n_train: int = 48, n_test: int = 24, seed: int = 0) -> Task:
    sources = squares(n_train, 1), squares(n_test, 2)
    parts = [embed(encoder, source, device="cpu", workers=1) for source in sources]
    train, test = (
        Labelled(vectors=torch.from_numpy(p.vectors), labels=torch.from_numpy(p.labels))
        for p in parts
    )
    images = Images(
        encoder=encoder,
        train=sources[0],
        test=sources[1],
        batch_size=10,
        device="cpu",
        workers=2,
    )
    return Task(
        train=train, test=test, classes=parts[0].classes, seed=seed, images=images,
    )  # fmt: skip


@pytest.fixture(scope="module")
def mini() -> Encoder:
    return load_encoder("random:resnet_mini", image_size=SIZE)


@pytest.fixture(scope="module")
def vit() -> Encoder:
    return load_encoder("random:vit_tiny_patch16_224", image_size=SIZE, options=VIT)


def test_linear_aug_learns_and_leaves_the_backbone_alone(mini: Encoder) -> None:
    before = copy.deepcopy(mini.module.state_dict())
    told: list[tuple[int, int]] = []
    task = replace(task_of(mini), tell=lambda done, of: told.append((done, of)))
    found = LINEAR.measure(task)
    assert found.value > 0.9
    assert found.selected["lr"] in LINEAR.lrs
    assert "12 held-out train items" in found.selected_on
    assert told == [(step, 36) for step in range(1, 37)]  # 18 for 36 items, 18 for all 48
    for name, tensor in mini.module.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    again = LINEAR.measure(task)
    assert (found.value, found.selected) == (again.value, again.selected)


def test_linear_aug_reads_four_blocks_of_a_vit(vit: Encoder, mini: Encoder) -> None:
    from ilk.evaluate.protocols.blocks import features_of

    images = torch.randn(3, 3, SIZE, SIZE)
    features = features_of(vit, 4)(images)
    assert features.shape == (3, 4 * 24)
    torch.testing.assert_close(features[:, -24:], features_of(vit, 1)(images))
    module: torch.nn.Module = vit.module
    tokens = module._pos_embed(module.patch_embed(images))
    for number, block in enumerate(module.blocks):
        tokens = block(module.norm_pre(tokens) if number == 0 else tokens)
        expected = module.norm(tokens)[:, 0]
        torch.testing.assert_close(features[:, 24 * number : 24 * (number + 1)], expected)
    with pytest.raises(UserError, match="need a ViT"):
        features_of(mini, 4)


def test_finetune_learns_and_repeats(vit: Encoder) -> None:
    before = copy.deepcopy(vit.module.state_dict())
    state = np.random.get_state()[1].tolist()
    task = task_of(vit)
    found = TUNE.measure(task)
    assert found.value > 0.8
    assert found.details == {"labels": 48}
    again = TUNE.measure(task)
    assert torch.equal(found.scores, again.scores)
    for key, tensor in vit.module.state_dict().items():
        assert torch.equal(tensor, before[key]), key
    assert np.random.get_state()[1].tolist() == state


def test_a_share_of_the_labels(mini: Encoder) -> None:
    found = replace(TUNE, share=0.1, epochs=1).measure(task_of(mini))
    assert found.details == {"labels": 6}  # two of sixteen in each class


def test_fine_tuning_by_the_number_of_labels(vit: Encoder) -> None:
    told: list[tuple[int, int]] = []
    few = TunedFewLabels(per_class=(1, 4), shares=(0.5,), resamples=2, steps=12, recipe=SLOW)
    task = replace(task_of(vit), tell=lambda done, of: told.append((done, of)))
    found = few.measure(task)
    (points,) = cast("dict[str, list[dict[str, Any]]]", found.details["curves"]).values()
    assert [(p["amount"], p["labels"]) for p in points] == [
        ("1 a class", 3), ("4 a class", 12), ("50 %", 24)
    ]  # fmt: skip
    assert points[0]["value"] < points[2]["value"]
    assert points[2]["value"] > 0.8
    assert found.metric == "accuracy of fine-tuning, 4 a class"
    assert found.value == pytest.approx(points[1]["value"])
    assert told == [(step, 6) for step in range(1, 7)]
    slow = [
        few._tuned(amounts(task.train.labels.numpy(), (4,), ())[0])
        .correct(replace(task, seed=draw), np.flatnonzero(ranks(labels, 0, draw) < 4))
        for draw in range(2)
        for labels in [task.train.labels.numpy()]
    ]  # fmt: skip
    assert found.value == pytest.approx(torch.stack(slow).double().mean().item())


@pytest.mark.parametrize("labels", [2, 5, 16, 30])
def test_few_labels_get_steps_and_rate_of_many(labels: int) -> None:
    few = TunedFewLabels(per_class=(1,), shares=(), resamples=1, steps=12, recipe=TUNE)
    tuned = few._tuned(Amount(name="", wanted=np.zeros(0, np.int64), labels=labels))
    batches = list(tuned._batches(np.arange(labels), 0))
    assert 12 <= len(batches) <= 13
    assert tuned.lr * len(batches[0]) / 512 == pytest.approx(TUNE.lr)


def test_layer_decay(vit: Encoder) -> None:
    module, head = copied(vit, 0.1), torch.nn.Linear(24, 3)
    groups = decayed_groups(module, head, weight_decay=0.05, layer_decay=0.5)
    names = {id(p): name for name, p in module.named_parameters()}
    names |= {id(head.weight): "head.weight", id(head.bias): "head.bias"}
    found = {
        names[id(p)]: (group["lr_scale"], group["weight_decay"])
        for group in groups
        for p in group["params"]
    }
    assert found.keys() == set(names.values())
    for name, (scale, decay) in found.items():
        layer = 5 if name.startswith("head") else 4  # timm puts the last norm to the last block
        if name.startswith("blocks."):
            layer = int(name.split(".")[1]) + 1
        elif name.startswith(("patch_embed", "pos_embed", "cls_token")):
            layer = 0
        assert scale == 0.5 ** (5 - layer), name
        matrix = name.endswith("weight") and "norm" not in name
        assert decay == (0.05 if matrix else 0), name


def test_views_for_tuning_are_a_function_of_seed_epoch_and_item() -> None:
    views = Augmented(squares(4, 1), SIZE, 3, seed=5)
    torch.manual_seed(1)
    first = views[0, 2]
    torch.manual_seed(2)
    assert torch.equal(first, views[0, 2])
    assert not torch.equal(first, views[1, 2])
    assert not torch.equal(first, Augmented(squares(4, 1), SIZE, 3, seed=6)[0, 2])
    assert (first.shape, first.dtype) == ((3, SIZE, SIZE), torch.uint8)


def test_seeded_leaves_all_generators_as_they_were() -> None:
    import random

    def draw() -> tuple[float, float, float]:
        return random.random(), np.random.rand(), torch.rand(()).item()

    with seeded(3):
        inside = draw()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    expected = draw()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    with seeded(3):
        assert draw() == inside
    assert draw() == expected


def test_robustness_against_a_loop(mini: Encoder) -> None:
    task = task_of(mini, n_test=15)
    names = ("gaussian_noise", "contrast", "saturate")
    found = Robustness(probe=PROBE, corruptions=names, severities=(2, 5)).measure(task)
    fit, selected, _ = PROBE.choose(task)
    assert task.images is not None
    accuracy: dict[str, list[float]] = {}
    for name in names:
        accuracy[name] = []
        for severity in (2, 5):
            right = 0
            for item in range(15):
                image = np.asarray(task.images.test.item(item))
                spoilt = corrupt(image, name, severity, item=item, seed=0)
                vectors = encode(mini, torch.from_numpy(spoilt).permute(2, 0, 1)[None])
                right += int(fit.predict(vectors)[0] == task.test.labels[item])
            accuracy[name].append(right / 15)
    assert _near(found.details["accuracy"], accuracy)
    common = np.mean([accuracy["gaussian_noise"], accuracy["contrast"]])
    assert found.value == pytest.approx(common)
    assert found.value == pytest.approx(found.scores.mean().item())
    for place, point in enumerate(found.details["by_severity"]):
        assert point["severity"] == (2, 5)[place]
        mean = np.mean([accuracy[name][place] for name in ("gaussian_noise", "contrast")])
        assert point["accuracy"] == pytest.approx(mean)
        assert 0 <= point["low"] <= mean <= point["high"] <= 1
    assert found.details["mean_extra_accuracy"] == pytest.approx(np.mean(accuracy["saturate"]))
    assert found.selected == selected
    assert found.interval is not None
    assert found.interval[0] <= found.value <= found.interval[1]


def _near(found: object, expected: dict[str, list[float]]) -> bool:
    assert isinstance(found, dict)
    return all(found[name] == pytest.approx(row) for name, row in expected.items())


def test_no_draw_of_augmentations_asks_for_what_pillow_refuses():
    from PIL import Image

    picture = Image.fromarray(squares(1, 0).item(0))
    change = _rand_augment(["PosterizeIncreasing"], SIZE)
    with seeded(0):
        levels = {len(np.unique(np.array(change(picture)))) for _ in range(2000)}
    assert min(levels) == 2  # one bit is left at the strongest
