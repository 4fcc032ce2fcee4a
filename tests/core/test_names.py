"""A name that is not known leads to the one that was meant."""

from typing import get_args

import pytest

from ilk.core import UserError
from ilk.core.names import STRATEGIES, known, suggestion
from ilk.kin_rules import KIN_RULES, kin_rule
from ilk.methods import METHODS, recipe
from ilk.mixes import MIXES, mixture
from ilk.views.mixing import Strategy


def test_every_name_is_known_and_no_other():
    lists = {"method": METHODS, "mix": MIXES, "kin rule": KIN_RULES}
    assert all(known(kind) == tuple(names) for kind, names in lists.items())
    assert get_args(Strategy) == STRATEGIES


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        ("method", "mocov3", "did you mean moco-v3?"),
        ("method", "MoCo_v2", "did you mean moco-v2?"),
        ("method", "moco", "did you mean moco-v2 or moco-v3?"),
        ("method", "barlow", "did you mean barlow-twins?"),
        ("method", "sdmp", 'sdmp is a mix: mix="sdmp"'),
        ("method", "labels", 'labels is a kin rule: kin="labels"'),
        ("method", "resnet50", 'backbone="NAME"'),
        ("method", "vit_small_patch16_224", 'backbone="NAME"'),
        ("mix", "cutmix", 'mix="sdmp" with mix_options={"strategies": "cutmix"}'),
        ("mix", "mixup", 'mix="sdmp" with mix_options={"strategies": "mixup"}'),
        ("mix", "imix", "did you mean i-mix?"),
        ("mix", "neighbours:5", "neighbours is a kin rule"),
        ("kin rule", "knn", "did you mean neighbours:5?"),
        ("kin rule", "knn:7", "did you mean neighbours:5?"),
        ("kin rule", "byol", 'byol is a method: method="byol"'),
        ("kin rule", "xyzzy", "choose from neighbours, fnc"),
    ],
)
def test_what_was_meant(kind, given, meant):
    assert meant in suggestion(kind, given)


def test_errors_of_each_list_name_the_parameter_and_what_was_meant():
    with pytest.raises(UserError, match=r"^mix: .*'cutmix'; cutmix is a strategy of .* sdmp"):
        mixture("cutmix", {})
    with pytest.raises(UserError, match=r"^method: .*'sdmp'; sdmp is a mix"):
        recipe("sdmp", {})
    with pytest.raises(UserError, match=r"^kin: .*'knn'; did you mean neighbours"):
        kin_rule("knn:3", {})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_suggested_is_taken(strategy):
    assert mixture("sdmp", {"strategies": strategy}).strategies == (strategy,)


def test_several_words_of_a_list_are_parted_by_commas():
    both = mixture("sdmp", {"strategies": "mixup,cutmix"})
    assert both == mixture("sdmp", {"strategies": ["mixup", "cutmix"]})
    with pytest.raises(UserError, match=r"strategies must be .*got 'mixup,cutmux'"):
        mixture("sdmp", {"strategies": "mixup,cutmux"})
