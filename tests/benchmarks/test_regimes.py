"""The map of regimes: settings are chosen on other images and seeds than are reported."""

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import regimes as module
from benchmarks.chosen import CHOICE, best, tried
from benchmarks.grid import RESULTS, Grid, packed, unpacked
from benchmarks.regimes import (
    ABLATIONS,
    AXES,
    DINO_AXIS,
    HALVES,
    IMAGES,
    SEEN,
    WARM,
    ablations,
    choices,
    lasting,
    regimes,
)
from ilk.core import UserError
from ilk.evaluate import evaluate
from ilk.method import Given
from ilk.methods import METHODS
from ilk.mixes import mixture
from ilk.train import Settings
from tests.evaluate.conftest import make_pair
from tests.laws.world import SMALL

PAIRS = [(method, mix) for method in ("moco-v3", "dino") for mix in ("none", "sdmp")]


def written(place: Path, name: str, knn: float, seed: int = 100) -> None:
    """A cell of the choosing grid, as far as choosing reads it."""
    results = [{"protocol": "knn@1", "value": knn}, {"protocol": "linear@1", "value": 1 - knn}]
    folder = place / CHOICE
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}-seed{seed}.json").write_text(json.dumps({"results": results}))


@pytest.fixture
def chosen(tmp_path) -> Path:
    """Results of choosing in which the last try of each method is the best by k-NN."""
    for method, mix in PAIRS:
        for number, name in enumerate(tried(method, mix)):
            written(tmp_path, name, 0.3 + number / 100)
    return tmp_path


@pytest.fixture
def grids(shared_data, chosen):
    path = shared_data("cifar10-20k.parquet")
    return regimes(path, (*AXES, DINO_AXIS), chosen), choices(path)


def test_plain_and_mixed_methods_have_the_settings_that_were_best_for_each(grids, chosen):
    written(chosen, "moco-v3-none-lr-0.008-t-0.5", 0.6)
    assert best("moco-v3", "none", chosen) == {
        "method_options": {"base_lr": 8e-3, "temperature": 0.5}
    }
    assert best("moco-v3", "sdmp", chosen) == {
        "method_options": {"base_lr": 3.2e-2, "temperature": 0.5},
        "mix": "sdmp", "mix_options": {},
    }  # fmt: skip
    assert best("dino", "none", chosen) == {"method_options": {"local_views": 8}}
    assert best("dino", "sdmp", chosen)["mix_options"] == {"weighting": "crops"}
    written(chosen, "moco-v3-none-lr-0.008-t-0.5", 0.1, seed=101)  # a mean of 0.35
    assert best("moco-v3", "none", chosen)["method_options"]["base_lr"] == 3.2e-2
    cells = {cell.name: cell.settings for cell in grids[0].cells}
    for axis in AXES:
        for mix in ("none", "sdmp"):
            settings = cells[f"moco-v3-{axis}-{mix}"]
            assert settings["method_options"]["base_lr"] == 3.2e-2
            assert settings["method_options"]["temperature"] == 0.5
            assert settings["method_options"]["weight_decay"] == 0.01
            assert settings.get("mix") == (None if mix == "none" else mix)
    assert cells["dino-centre-sdmp"]["mix_options"] == {"weighting": "crops"}
    assert cells["dino-centre-none"]["method_options"]["local_views"] == 8


def test_a_map_without_its_choice_says_in_one_line_what_is_missing(shared_data, chosen):
    path = shared_data("cifar10-20k.parquet")
    (chosen / CHOICE / "dino-6-crops-pairs-seed100.json").unlink()
    with pytest.raises(UserError, match=r"1 of 9 cells .*: dino-6-crops-pairs; run") as error:
        regimes(path, (DINO_AXIS,), chosen)
    assert "\n" not in str(error.value)
    assert len(regimes(path, tuple(AXES), chosen).cells) == 2 * len(AXES) + 2
    (only,) = regimes(path, (DINO_AXIS,), chosen, "dino-centre-none").cells
    assert only.settings["method_options"]["local_views"] == 8


def test_cells_that_were_run_hold_what_their_names_say():
    for method, mix in PAIRS:
        for name, options in tried(method, mix).items():
            for path in (RESULTS / CHOICE).glob(f"{name}-seed*.json"):
                kept = json.loads(path.read_text())["settings"]
                assert kept["method"] == method
                assert kept["mix"] == options.get("mix")
                assert kept["mix_options"] == options.get("mix_options", {})
                assert options["method_options"].items() <= kept["method_options"].items()


def test_ablations_change_one_thing_of_sdmp(shared_data, chosen):
    path = shared_data("cifar10-20k.parquet")
    grid = ablations(path, "10000-images", chosen)
    assert grid.command == "python -m benchmarks.regimes ablate --at 10000-images"
    cells = {cell.name: cell for cell in grid.cells}
    plain = regimes(path, ("10000-images",), chosen).cells[1]
    assert cells["moco-v3-10000-images-i-mix"].settings == plain.settings | {"mix": "i-mix"}
    assert len(cells) == len(ABLATIONS) + 1
    for name, options in ABLATIONS.items():
        cell = cells[f"moco-v3-10000-images-{name}"]
        assert cell.settings == plain.settings | {"mix_options": options}
        assert len(cell.images) == 10_000


@pytest.mark.parametrize(
    ("words", "ran"),
    [
        ({"what": "map"}, [("regimes", 16, 2), ("regimes", 2, 2)]),
        ({"what": "map", "at": "wide", "seeds": 4}, [("regimes", 2, 4)]),
        ({"what": "choose"}, [("regimes-choice", 28, 1)]),
        ({"what": "ablate", "at": "wide"}, [("regimes-ablations", 13, 2), ("regimes", 2, 4)]),
        ({"what": "ablate", "at": "vit", "cell": "moco-v3-vit-i-mix"},
         [("regimes-ablations", 13, 2)]),
    ],
)  # fmt: skip
def test_one_command_runs_each_part(shared_data, monkeypatch, words, ran):
    path = shared_data("cifar10-20k.parquet")
    done: list[tuple[str, int, int]] = []

    def run(grid, seeds, only) -> None:
        done.append((grid.name, len(grid.cells), seeds))

    monkeypatch.setattr(
        module, "best", lambda method, mix, _: next(iter(tried(method, mix).values()))
    )
    monkeypatch.setattr(Grid, "run", lambda grid, seeds, only=None: run(grid, seeds, only))
    usual = {"data": path, "at": None, "seeds": None, "cell": None}
    module._run(Namespace(**usual | words))
    assert done == ran


def test_an_ablation_needs_an_axis(shared_data):
    asked = Namespace(
        what="ablate", data=shared_data("cifar10-20k.parquet"), at=None, cell=None
    )
    with pytest.raises(UserError, match="ablate needs --at, one of centre, 10000-images"):
        module._run(asked)


def test_the_mixed_half_has_the_weight_that_its_cell_says():
    torch.manual_seed(0)
    plain = METHODS["moco-v3"](**SMALL["moco-v3"]).build(Given(width=8, size=32))
    total = sum(term.weight for term in plain.terms)
    weights = {"source-alone": (0.5, 0.5, 0), "mix-alone": (0.5, 0, 0.5)}
    weights |= {f"mixed-half-{w:g}": (1 - w, w / 2, w / 2) for w in HALVES if w != 0.5}
    weights["static"] = (0.5, 0.25, 0.25)
    for name, wanted in weights.items():
        method = mixture("sdmp", ABLATIONS[name]).apply(replace(plain))
        found = [
            sum(term.weight for term in method.terms if term.name == kind) / total
            for kind in ("clean", "source", "mix")
        ]
        assert found == pytest.approx(wanted), name


def test_choosing_sees_no_image_that_is_reported(grids):
    reported, choosing = grids
    centre = next(cell for cell in reported.cells if cell.name == "moco-v3-centre-none")
    learned = set(centre.images.chosen.tolist())
    tried = next(cell for cell in choosing.cells if cell.settings)
    assert len(learned) == len(tried.images) == IMAGES
    assert not learned & set(tried.images.chosen.tolist())
    assert not set(tried.images.chosen.tolist()) & set(choosing.test.chosen.tolist())
    assert not set(choosing.train.chosen.tolist()) & set(choosing.test.chosen.tolist())
    assert not learned & set(choosing.test.chosen.tolist())
    assert choosing.first_seed >= 100


def test_every_cell_can_be_run(grids):
    for grid in grids:
        names = [cell.name for cell in grid.cells]
        assert len(set(names)) == len(names)
        for cell in grid.cells:
            if cell.settings:
                Settings(seed=0, **{**grid.shared, **cell.settings})


def test_runs_of_every_size_warm_up_for_the_same_steps():
    small, large = lasting({}, 2_000, SEEN), lasting({}, 10_000, SEEN)
    assert small["steps"] == large["steps"] == SEEN // 128
    for found, count in ((small, 2_000), (large, 10_000)):
        warm = found["method_options"]["warmup_epochs"] * count / 128
        assert warm == pytest.approx(WARM * SEEN / 128, rel=0.01)


def test_scores_of_items_come_back_from_json():
    train, test = make_pair(n_train=40, n_test=37)
    (result,) = evaluate(train, test, ["knn"])
    kept = json.loads(json.dumps(result.to_dict() | packed(result)))
    assert (unpacked(kept) == result.scores).all()
    assert unpacked(kept).mean() == pytest.approx(result.value)


@pytest.mark.parametrize("of", [1, 2, 75])
def test_scores_under_corruptions_come_back_as_shares(of):
    train, test = make_pair(n_train=40, n_test=37)
    (result,) = evaluate(train, test, ["knn"])
    shares = torch.randint(0, of + 1, (37,), generator=torch.Generator().manual_seed(of))
    result = replace(result, scores=(shares / of).numpy().astype("float64"))
    kept = json.loads(json.dumps(result.to_dict() | packed(result)))
    assert unpacked(kept) == pytest.approx(result.scores, abs=1e-6)
