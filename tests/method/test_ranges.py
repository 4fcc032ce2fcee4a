"""Numbers that no recipe can work with are refused before anything is built."""

import dataclasses
import typing

import pytest

from ilk.core import UserError
from ilk.kin_rules import KIN_RULES, kin_rule
from ilk.method import Given
from ilk.method.ranges import (
    ABOVE_ZERO,
    COUNTS_FROM_ZERO,
    FROM_TWO,
    SHARES,
    SIGNED,
    check_ranges,
)
from ilk.methods import METHODS, RECIPES, recipe
from ilk.mixes import MIXES, mixture
from ilk.train import Settings
from ilk.train.assemble import check_fits


@pytest.mark.parametrize("name", METHODS)
def test_the_defaults_of_every_recipe_are_in_range(name):
    for made in (METHODS[name](), *RECIPES.get(name, {}).values()):
        check_ranges(name, made, [field.name for field in dataclasses.fields(made)])


def test_every_name_with_a_range_is_a_setting_of_some_recipe():
    known = {field.name for kind in METHODS.values() for field in dataclasses.fields(kind)}
    assert known >= SIGNED | COUNTS_FROM_ZERO | FROM_TWO | ABOVE_ZERO | SHARES
    whole = {
        n
        for kind in METHODS.values()
        for n, h in typing.get_type_hints(kind).items()
        if h is int
    }
    assert whole >= COUNTS_FROM_ZERO | FROM_TWO
    assert not whole & (ABOVE_ZERO | SHARES)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("mae", {"decoder_dim": 0}, "mae: decoder_dim must be at least 1, got 0"),
        ("mae", {"decoder_depth": "-1"}, "mae: decoder_depth must be at least 0, got -1"),
        ("mae", {"base_lr": -1.0}, "mae: base_lr must be at least 0, got -1"),
        ("mae", {"share": float("nan")}, "mae: share must be finite, got nan"),
        ("variational", {"beta": float("inf")}, "beta must be finite, got inf"),
        ("dcl", {"temperature": 0}, "dcl: temperature must be above 0, got 0"),
        ("dcl", {"sigma": 0.0}, "dcl: sigma must be above 0, got 0"),
        ("i-jepa", {"momentum": 2}, r"momentum must be in \[0, 1\], got 2"),
        ("moco-v3", {"recipe": "resnet", "dim": 0}, "moco-v3: dim must be at least 1, got 0"),
        ("colorization", {"uniform": 1.5}, r"uniform must be in \[0, 1\], got 1.5"),
        ("fnc", {"view_count": 1}, "fnc: view_count must be at least 2, got 1"),
        ("exemplar", {"view_count": 1}, "exemplar: view_count must be at least 2, got 1"),
        ("s4l-exemplar", {"view_count": 1}, "view_count must be at least 2, got 1"),
        ("amdim", {"side": 0}, "amdim: side must be at least 1"),
        ("ibot", {"patch_weight": -1}, "ibot: patch_weight must be at least 0"),
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_refused(name, options, said):
    with pytest.raises(UserError, match=said):
        recipe(name, options)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mix": "sdmp", "mix_options": {"alpha": 0}}, "an alpha above 0, got .* and 0"),
        ({"mix": "sdmp", "mix_options": {"strategies": "()"}}, r"a strategy .*, got \(\) and"),
        (
            {"mix": "sdmp", "mix_options": {"mix_weight": -1}},
            "mix_weight must be at least 0",
        ),
        ({"mix": "i-mix", "mix_options": {"alpha": -1}}, "i-mix: alpha must be at least 0"),
        (
            {"mix": "mixco", "mix_options": {"temperature": 0}},
            "temperature must be above 0",
        ),
        ({"mix": "dacl", "mix_options": {"lowest": 0.5}}, "lowest must be above one half"),
        ({"kin": "neighbours:0"}, "neighbours: k must be at least 1, got 0"),
        (
            {"kin": "neighbours", "kin_options": {"queue_size": -1}},
            "size must be at least 0",
        ),
        ({"kin": "fnc", "kin_options": {"top": "0"}}, "fnc: top must be at least 1, got 0"),
        ({"optimiser_options": {"lr": "-1"}}, "optimiser: lr must be at least 0, got -1"),
        ({"optimiser_options": {"momentum": 2}}, r"optimiser: momentum must be in \[0, 1\]"),
    ],
)
def test_a_mix_a_kin_rule_and_an_optimiser_have_ranges_too(given, said):
    with pytest.raises(UserError, match=said):
        check_fits(Settings(**given))


@pytest.mark.parametrize(("list_of", "made"), [(MIXES, mixture), (KIN_RULES, kin_rule)])
def test_the_defaults_of_every_mix_and_kin_rule_are_in_range(list_of, made):
    for name, kind in list_of.items():
        given = {field.name: getattr(kind(), field.name) for field in dataclasses.fields(kind)}
        assert made(name, given) == kind()


def test_what_is_in_range_is_taken():
    assert recipe("dino", {"local_views": "0"}).local_views == 0
    assert recipe("interclr", {"margin": -0.5}).margin == -0.5
    assert recipe("dcl", {"sigma": None}).sigma is None
    assert recipe("byol", {"momentum": 1}).momentum == 1


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        (
            "mae",
            {"decoder_heads": 5},
            "decoder: the width must be a multiple of 4 and of the 5",
        ),
        ("i-jepa", {"predictor_dim": 30, "predictor_heads": 3}, "predictor: the width must be"),
        (
            "colorization",
            {"nearest": 10_000},
            "colours: nearest must be 1 to .* bins, got 10000",
        ),
    ],
)
def test_numbers_that_do_not_fit_one_another_are_refused(name, options, said):
    with pytest.raises(UserError, match=said):
        recipe(name, options).build(Given(width=16, size=32, place_width=16, patch=4))
