"""Some steps of every method agree with plain formulas of our own."""

import warnings

import pytest
from lightning_fabric import Fabric

from ilk.methods import METHODS
from ilk.mixes import MIXES
from tests.oracles.contrast import dclw, moco_v3_for_resnets
from tests.oracles.table import MIXED, ORACLES, STILL
from tests.oracles.world import differences, trainer_of


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def test_no_method_and_no_mix_lacks_an_oracle():
    assert set(ORACLES) == set(METHODS)
    assert {mix.partition(":")[0] for _, mix in MIXED} == set(MIXES)


@pytest.mark.parametrize("name", ORACLES)
def test_steps_agree(fabric, name):
    trainer, still = trainer_of(fabric, name), STILL.get(name, ())
    assert list(differences(trainer, ORACLES[name], still)) == []


def test_steps_of_the_recipe_for_resnets_agree(fabric):
    trainer = trainer_of(fabric, "moco-v3", recipe="resnet", warmup_epochs=10)
    assert list(differences(trainer, moco_v3_for_resnets)) == []


def test_steps_of_dcl_with_weights_agree(fabric):
    trainer = trainer_of(fabric, "dcl", sigma=0.5)
    assert list(differences(trainer, dclw)) == []


@pytest.mark.parametrize("case", MIXED, ids="+".join)
def test_mixed_steps_agree(fabric, case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of few small crops
        trainer = trainer_of(fabric, *case)
    assert list(differences(trainer, MIXED[case])) == []
