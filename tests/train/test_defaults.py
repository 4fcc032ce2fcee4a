"""What is chosen where nothing is named: every row of the table is reached."""

import dataclasses
import math
from typing import Any

import pytest

from ilk.core import Progress, WarmMomentum
from ilk.method import EMA, Given
from ilk.methods import METHODS, recipe
from ilk.train import Settings
from ilk.train.assemble import sizes
from ilk.train.planning import choices, tuning
from ilk.train.planning.defaults import LIMITS, NETWORKS, SMALL_METHODS
from ilk.train.planning.facts import SMALL_NETWORK, Facts

SMALL = Facts(
    images=800, side=333, device="cpu", parameters=680_000, batch=128, epochs=50, steps=300
)
LARGE = Facts(
    images=1_281_167, side=400, device="cuda", parameters=21_000_000, batch=4096, epochs=300,
    steps=93_000,
)  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "backbone"),
    [
        (SMALL, "resnet_mini"),
        (dataclasses.replace(SMALL, images=10**6), "resnet_mini"),
        (dataclasses.replace(SMALL, device="cuda"), "resnet18"),
        (dataclasses.replace(LARGE, side=32), "resnet18"),
        (LARGE, "vit_small_patch16_224"),
    ],
)
def test_every_network_is_reached(facts, backbone):
    assert choices.network_for(facts).backbone == backbone


def test_every_row_names_a_field_that_a_method_has_and_lowers_it():
    lowered = [field for row in LIMITS for field in row.fields]
    known = {field.name for kind in METHODS.values() for field in dataclasses.fields(kind)}
    assert set(lowered) <= known
    assert len(lowered) == len(set(lowered))
    chosen: set[str] = set()
    for name in METHODS:
        for facts in (SMALL, dataclasses.replace(SMALL, epochs=5)):
            chosen |= set(choices.method_options(name, recipe(name, {}), facts, {}))
    assert set(lowered) <= chosen


@pytest.mark.parametrize("name", SMALL_METHODS)
def test_a_row_of_a_method_is_taken_for_small_networks_alone(name):
    chosen = choices.method_options(name, recipe(name, {}), SMALL, {})
    for field, value in SMALL_METHODS[name].items():
        queue = field == "queue_size"  # which the number of images lowers further
        assert chosen[field] == (512 if queue else value)
    large = choices.method_options(name, recipe(name, {}), LARGE, {})
    assert not set(large) & set(SMALL_METHODS[name])


def test_an_average_that_teaches_nothing_is_kept_without_its_random_start():
    """After a short run the first weights are a thousandth of it at most, with tune as well."""
    given = Given(width=8, size=32, classes=2)
    for name in METHODS:
        teacher = recipe(name, {}).build(given).teacher
        if not (isinstance(teacher, EMA) and teacher.buffers):
            continue
        for tune, steps in ((None, 10), ("lora", 10), (None, 300), ("full", 15_000)):
            facts = dataclasses.replace(LARGE, images=2_000, tune=tune, steps=steps)
            chosen = choices.method_options(name, recipe(name, {}), facts, {})
            fitted = recipe(name, chosen).build(given).teacher
            assert isinstance(fitted, EMA)
            assert isinstance(fitted.momentum, WarmMomentum)
            kept = math.prod(
                fitted.momentum(Progress(step, steps, 10.0)) for step in range(steps)
            )
            assert kept < 1e-3, (name, tune, steps)
        named = choices.method_options(name, recipe(name, {}), SMALL, {"catch_up": 0.0})
        assert "catch_up" not in named


@pytest.mark.parametrize("name", METHODS)
def test_a_large_run_of_a_large_network_is_the_papers(name):
    assert choices.method_options(name, recipe(name, {}), LARGE, {}) == {}
    assert choices.optimiser_options(LARGE, 10, {}, {}) == {}


def test_prototypes_are_as_many_whatever_the_method():
    chosen = {
        name: choices.method_options(name, recipe(name, {}), SMALL, {})["prototypes"]
        for name in ("dino", "swav")
    }
    assert chosen == {"dino": 80, "swav": 80}


def test_one_thing_has_one_name_in_all_methods():
    """One command line serves many: synonyms of a name that most methods use are refused."""
    known = {field.name for kind in METHODS.values() for field in dataclasses.fields(kind)}
    assert not known & {
        "bottleneck", "student_temperature", "hidden_dim", "out_dim", "projection_dim",
        "small_views", "related", "memory_size", "bank_size", "neighbours",
    }  # fmt: skip
    for name, method in METHODS.items():
        fields = {field.name for field in dataclasses.fields(method)}
        assert not ("teacher_temperature" in fields and "temperature" not in fields), name


def test_what_is_named_stays():
    named = {"queue_size": 65_536, "hidden": 4096}
    chosen = choices.method_options("moco-v2", recipe("moco-v2", named), SMALL, named)
    assert set(chosen) == {"momentum"}
    kept = choices.optimiser_options(SMALL, 0, {"name": "sgd"}, {})
    assert kept == {}
    assert "lr" not in choices.optimiser_options(SMALL, 0, {}, {"base_lr": 0.1})
    assert "warmup_epochs" not in choices.optimiser_options(SMALL, 10, {}, {"warmup_epochs": 9})


def test_a_recipe_counts_as_named():
    named = {"recipe": "resnet"}
    chosen = choices.method_options("moco-v3", recipe("moco-v3", named), SMALL, named)
    assert set(chosen) == {"warmup_epochs"}
    assert "lr" not in choices.optimiser_options(SMALL, 10, {}, named)


@pytest.mark.parametrize("facts", [SMALL, dataclasses.replace(SMALL, epochs=0.2, steps=1)])
def test_no_warm_up_outlasts_a_run_and_no_queue_the_data(facts):
    for name in METHODS:
        made = recipe(name, {})
        fields: dict[str, Any] = {
            field.name: getattr(made, field.name) for field in dataclasses.fields(made)
        }
        fields |= choices.method_options(name, made, facts, {})
        for field in ("warmup_epochs", "warmup_teacher_epochs", "from_epoch"):
            assert fields.get(field, 0) < facts.epochs
        assert fields.get("queue_steps", 0) <= max(0.4 * facts.steps, 1)
        assert fields.get("queue_size", 0) <= facts.images
        for field, each in (("clusters", 50), ("prototypes", 10), ("classes", 80)):
            sizes = fields.get(field, 0)
            assert max(sizes if isinstance(sizes, tuple) else (sizes,)) <= facts.images / each
        lr = choices.optimiser_options(facts, 10, {}, {})
        assert lr["warmup_epochs"] == pytest.approx(facts.epochs / 10)


def test_small_networks_have_their_optimiser():
    chosen = choices.optimiser_options(dataclasses.replace(SMALL, epochs=math.inf), 10, {}, {})
    assert (chosen["name"], chosen["lr"]) == ("adamw", 8e-3)
    assert chosen["end_lr"] == chosen["end_share"] == 0  # also of methods whose rate stays
    assert "warmup_epochs" not in chosen
    large = dataclasses.replace(SMALL, parameters=SMALL_NETWORK)
    assert choices.optimiser_options(large, 10, {}, {}) == {"warmup_epochs": 7.5}


def test_batches_leave_several_steps_in_an_epoch():
    assert choices.batch_for(SMALL, 128) == 128
    assert choices.batch_for(dataclasses.replace(SMALL, images=200), 128) == 50
    assert choices.batch_for(dataclasses.replace(SMALL, images=40), 128) == 32
    assert choices.batch_for(dataclasses.replace(SMALL, images=7), 128) == 6
    assert choices.batch_for(dataclasses.replace(SMALL, images=1), 128) == 1


def test_few_images_are_seen_more_often():
    assert choices.epochs_for(5000) == (100, False)
    assert choices.epochs_for(50) == (400, False)
    assert choices.epochs_for(3) == (800, True)


def test_the_table_has_a_line_for_each_row():
    rows = choices.table()
    continued = len(tuning.rows())
    assert len(rows) == len(NETWORKS) + len(LIMITS) + len(SMALL_METHODS) + 5 + continued
    assert all(all(cell for cell in row) for row in rows)


@pytest.mark.parametrize("epochs", [2, 12, 50])
def test_a_ramp_in_steps_is_as_long_in_a_short_run(epochs):
    facts = dataclasses.replace(SMALL, epochs=epochs, steps=6 * epochs)
    chosen = choices.method_options("mixmatch", recipe("mixmatch", {}), facts, {})
    made = recipe("mixmatch", chosen).build(Given(width=8, size=32, classes=4))
    (unlabelled,) = (term for term in made.terms if term.name == "unlabelled")
    end = Progress(6 * epochs, 6 * epochs, 6.0)
    assert unlabelled.schedule(end) == pytest.approx(6 * epochs / 16_000)


def test_patches_of_a_small_network_learn_slowly():
    """At the rate of small convolutions MAE lost to the untrained network."""
    facts = dataclasses.replace(SMALL, patches=True)
    assert choices.optimiser_options(facts, 10, {}, {})["lr"] == pytest.approx(1e-3)
    assert "lr" not in choices.optimiser_options(facts, 10, {"lr": 0.1}, {})
    tuned = dataclasses.replace(facts, tune="lora")  # its backbone learns at a share of it
    assert choices.optimiser_options(tuned, 10, {}, {})["lr"] == pytest.approx(8e-3)
    large = dataclasses.replace(facts, parameters=22_000_000)
    assert "lr" not in choices.optimiser_options(large, 10, {}, {})


@pytest.mark.parametrize(
    ("backbone", "cut"),
    [("vit_mini", True), ("vit_tiny_patch16_224", True), ("convnext_atto", True),
     ("resnet_mini", False), ("resnet18", False), ("tf_efficientnet_lite0", False)],
)  # fmt: skip
def test_what_cuts_patches_is_seen_in_the_network(backbone, cut):
    found = sizes(Settings(method="mae", backbone=backbone, image_size=64))
    assert found.patches is cut


def test_own_weights_move_as_fast_as_random_ones():
    """At a tenth of the rate every comparison lost, from a run's encoder and from ImageNet."""
    facts = dataclasses.replace(SMALL, weights=True)
    own, random = (choices.optimiser_options(f, 10, {}, {}) for f in (facts, SMALL))
    assert own == random


@pytest.mark.parametrize("steps", [1, 4, 100, 3000, math.inf])
@pytest.mark.parametrize("images", [8, 120, 5000])
@pytest.mark.parametrize("name", METHODS)
def test_what_is_chosen_has_the_type_of_its_field(name, images, steps):
    batch = choices.batch_for(dataclasses.replace(SMALL, images=images), 128)
    epochs = steps * batch / images
    facts = dataclasses.replace(SMALL, images=images, batch=batch, epochs=epochs, steps=steps)
    chosen = choices.method_options(name, recipe(name, {}), facts, {})
    recipe(name, chosen)  # refuses what has another type
    if "queue_size" in chosen:
        assert chosen["queue_size"] >= 4 * batch or name == "swav"
