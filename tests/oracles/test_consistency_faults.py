"""The oracles of methods of consistency notice another setting."""

import pytest
from lightning_fabric import Fabric

from tests.oracles.table import ORACLES
from tests.oracles.world import differences, trainer_of


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("pseudo-label", {"threshold": 0.35}),
        ("pseudo-label", {"ramp_share": 0.5}),
        ("pi-model", {"zero_epochs": 0.0}),
        ("pi-model", {"labelled": 0.081}),
        ("temporal-ensembling", {"memory": 0.61}),
        ("mean-teacher", {"ramp_epochs": 5.1}),
        ("fast-swa", {"cycle_share": 1.0}),
        ("fast-swa", {"average_share": 1.0}),
        ("vat", {"radius": 8.1}),
        ("vat", {"probe": 2.0}),
        ("vat", {"iterations": 2}),
        ("vat-entmin", {"entropy": 1.01}),
    ],
    ids=str,
)
def test_another_setting_is_noticed(fabric, name, setting):
    trainer = trainer_of(fabric, name, **setting)
    assert next(differences(trainer, ORACLES[name]), None) is not None
