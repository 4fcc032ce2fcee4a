"""What is chosen for given weights: every row is reached, and what is named stays."""

from dataclasses import replace

import pytest

from ilk.core import Ramp
from ilk.data import Arrays
from ilk.method import Optimisation
from ilk.methods import recipe
from ilk.networks import Tuning
from ilk.networks.tuning import in_words
from ilk.train import Settings
from ilk.train.assemble import sizes
from ilk.train.planning import choices, tuning
from ilk.train.planning.facts import Facts
from ilk.train.planning.survey import unseen
from ilk.train.planning.words import running

VIT = {"patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 2}
CONV = {"widths": [8, 16], "depths": [1, 1]}
FACTS = Facts(
    images=5000, side=64, device="cpu", parameters=680_000, batch=50, epochs=50, steps=5000,
    weights=True, tune="lora",
)  # fmt: skip


def given(network: str, **changes) -> Settings:
    name, options = {"vit": ("vit_tiny_patch16_224", VIT), "conv": ("resnet_mini", CONV)}[
        network
    ]
    return Settings(**{
        "weights": "w", "tune": "auto", "backbone": name, "backbone_options": options,
        "image_size": 32, **changes,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("network", "images", "parts"),
    [
        ("vit", 999, "norms"), ("vit", 1000, "lora"), ("vit", 999_999, "lora"),
        ("vit", 1_000_000, "full"), ("conv", 999, "norms"), ("conv", 1000, "last"),
        ("conv", 99_999, "last"), ("conv", 100_000, "full"),
    ],
)  # fmt: skip
def test_auto_goes_by_images_and_network(network, images, parts):
    settings = tuning.with_parts(given(network), images)
    assert settings.tune == parts
    asked = given(network)
    assert choices.differences(asked, settings)["tune"] == parts
    named = given(network, tune="last")
    assert tuning.with_parts(named, images) == named
    assert "tune" not in choices.differences(named, named)


def test_numbers_of_the_tuning():
    def chosen(**changes):
        return tuning.tune_options(replace(FACTS, **changes), {})

    assert chosen() == {"rank": 8, "blocks": 1, "rate": 0.1, "head_steps": 500}
    assert chosen(images=10_000)["rank"] == 16
    assert (chosen(images=100_000)["rank"], chosen(images=100_000)["blocks"]) == (64, 2)
    assert chosen(tune="last") == {"blocks": 1, "rate": 0.03, "head_steps": 500}
    assert chosen(tune="norms") == {"rate": 0.1, "head_steps": 500}
    assert chosen(tune="full")["layer_decay"] == 0.75
    assert chosen(tune="full", images=10_000)["rate"] == 0.1
    assert chosen(tune=None) == {}
    for row in tuning.NUMBERS:
        kept = tuning.tune_options(replace(FACTS, tune="full"), {row.field: 1})
        assert row.field not in kept
    for options in (chosen(), chosen(tune="full")):
        parts = "full" if "layer_decay" in options else "lora"
        Tuning(parts=parts, **options)


@pytest.mark.parametrize(
    ("steps", "epochs", "alone"),
    [
        (5000, 50, 500),  # a tenth of the run
        (5000, 5, 1000),  # an epoch
        (100_000, 10, 2000),  # no more than that
        (100, 2, 25),  # nor than a quarter of the run
        (3, 3, 0),
    ],
)
def test_heads_learn_alone_for_as_long_as_the_data_asks(steps, epochs, alone):
    facts = replace(FACTS, steps=steps, epochs=epochs)
    assert tuning.tune_options(facts, {})["head_steps"] == alone


def test_fields_of_a_method_for_given_weights():
    def chosen(name, **changes):
        facts = replace(FACTS, **changes)
        return choices.method_options(name, recipe(name, {}), facts, {})

    large = {"parameters": 21_000_000, "device": "cuda", "images": 400_000, "steps": 30_000}
    dino = chosen("dino", **large)
    assert dino["prototypes"] == 8192
    assert "drop_path" not in dino, "the paper's is 0.1"
    assert "momentum" not in dino, "the paper's is 0.996"
    assert chosen("dino")["prototypes"] == 500
    assert chosen("moco-v3")["momentum"] == 0.996
    assert chosen("moco-v3", tune=None)["momentum"] == 0.95
    assert "momentum" not in chosen("moco-v2"), "0.999 is slow enough"
    named = {"momentum": 0.9}
    assert "momentum" not in choices.method_options(
        "moco-v3", recipe("moco-v3", named), FACTS, named
    )


def test_heads_learn_at_the_rate_from_scratch():
    lr = choices.optimiser_options(FACTS, 10, {}, {})["lr"]
    assert lr == pytest.approx(8e-3)
    assert choices.optimiser_options(replace(FACTS, tune=None), 10, {}, {})["lr"] == lr


def test_decay_and_clipping_are_bounded():
    paper = Optimisation(name="adamw", lr=1e-3, weight_decay=Ramp(0.04, 0.4, 3), clip=None)
    assert tuning.tuned_optimisation(paper, {}) == {"weight_decay": 0.05, "clip": 3.0}
    assert tuning.tuned_optimisation(paper, {"clip": 9}) == {"weight_decay": 0.05}
    mild = Optimisation(name="sgd", lr=1e-3, weight_decay=1e-4, clip=1.0)
    assert tuning.tuned_optimisation(mild, {}) == {}


def test_the_papers_values_stay_with_the_papers_defaults():
    asked = given("vit", tune="lora", defaults="paper")
    settings = choices.with_method(asked, asked, FACTS)
    assert settings == asked


def test_fewer_parameters_learn_and_the_plan_says_which():
    settings = given("vit", tune="lora", tune_options={"rank": 4, "head_steps": 7})
    total, learning, _ = sizes(settings)
    assert sizes(replace(settings, tune=None)) == (total, total, True)
    block, norm = 7224, 2 * 24  # parameters
    lora = 4 * 24 + 24 * 4
    assert learning == block + norm + 2 * 2 * norm + 2 * 2 * lora
    line = running(settings, {"tune.rank": 4}, "", unseen(Arrays(*_few())), "32-true")
    words = in_words(Tuning(parts="lora", rank=4))
    assert f'what learns of the backbone: {words}, by tune="lora", after 7 steps' in line
    assert "not as in the paper" not in line


def _few():
    import numpy as np

    return np.zeros((4, 32, 32, 3), np.uint8), np.zeros(4, np.int64)
