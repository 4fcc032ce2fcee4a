"""Settings that would change nothing are refused before anything is read."""

import pytest

from ilk.core import UserError
from ilk.train import Settings, dry_run, train
from ilk.train.unused import check_used
from tests.train.conftest import TINY, Witness

WEIGHTS = {"weights": "encoder.safetensors"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mix_options": {"alpha": 1.0}}, "mix_options: alpha needs a mix, got none"),
        ({"kin_options": {"k": 3}}, "kin_options: k needs a kin rule, got none"),
        ({"tune_options": {"rank": 8}}, "rank needs to know what is tuned"),
        ({"tune_options": {"rank": 8}, "tune": "full"}, "rank needs given weights, got none"),
        ({"tune_options": {"rank": 8}, **WEIGHTS}, "got no tune; give weights"),
        ({"guard_every": 2.0}, "guard_every: 2 needs given weights"),
        ({"optimiser_options": {"momentum": 0.5}}, "momentum is of sgd and lars"),
        ({"optimiser_options": {"name": "lars", "betas": "0.9,0.99"}}, "betas is of adamw"),
        ({"optimiser_options": {"name": "sgd", "trust": 1.0}}, "trust is of lars and larc"),
        ({"optimiser_options": {"name": "larc", "decay_all": True}}, "decay_all is of adamw"),
    ],
)  # fmt: skip
def test_what_would_change_nothing_is_refused(tmp_path, given, words):
    settings = Settings(**{**TINY, "mix": None, **given})
    for work in (
        lambda: train(settings, "nowhere", tmp_path / "run", Witness()),
        lambda: dry_run(settings, "nowhere"),
    ):
        with pytest.raises(UserError, match=words) as refused:
            work()
        assert str(refused.value).endswith(", or leave it out")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "given",
    [
        {"mix": "sdmp", "mix_options": {"alpha": 1.0}},
        {"kin": "neighbours", "kin_options": {"k": 3}},
        {"tune": "auto", "tune_options": {"rank": 8}, **WEIGHTS},
        {"tune": "lora", "tune_options": {"rank": 8}, "backbone_options": {"pretrained": True}},
        {"guard_every": 2.0, **WEIGHTS},
        {"optimiser_options": {"name": "sgd", "momentum": 0.5, "nesterov": True}},
        {"method": "moco-v2", "method_options": {}, "optimiser_options": {"momentum": 0.5}},
        {"optimiser_options": {"lr": 0.1, "betas": "0.9,0.99"}},
    ],
)
def test_what_is_used_is_let_through(given):
    check_used(Settings(**{**TINY, "mix": None, **given}))
