"""Details that the authors' code settles, each with its right value."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from ilk.core import Progress, UserError
from ilk.method import Given
from ilk.methods import METHODS, recipe
from ilk.methods.moco_v3 import RECIPES, MoCoV3
from ilk.mixes import mixture
from ilk.train.loop.optimiser import Pace, peak_lr
from tests.laws.world import batch, built, progress, small_method, small_trainer

CROPS = ("dino", "swav", "deepcluster-v2")  # batch norm of the projector sees all crops


def kinds(head: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in head.children()]


def test_moco_v3_of_resnets_is_a_recipe_of_its_own():
    method = recipe("moco-v3", {"recipe": "resnet"}).build(Given(width=24, size=224))
    projector, predictor = (method.heads[n].module for n in ("projector", "predictor"))
    assert kinds(projector) == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]
    assert kinds(predictor) == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert {term.objective.temperature for term in method.terms} == {1.0}
    assert {term.weight for term in method.terms} == {2.0}
    plan = method.optimisation
    assert (plan.name, plan.lr, plan.weight_decay, plan.warmup_epochs) == (
        "lars",
        0.3,
        1e-6,
        10,
    )
    assert peak_lr(plan, method.batch_size) == pytest.approx(4.8)
    assert {view.scale for view in method.views} == {(0.2, 1.0)}


def test_what_is_set_openly_wins_over_a_recipe():
    made = recipe("moco-v3", {"temperature": "0.5", "recipe": "resnet", "hidden": 64})
    assert (made.temperature, made.hidden, made.projector_layers) == (0.5, 64, 2)
    assert recipe("moco-v3", {"recipe": "vit"}) == recipe("moco-v3", {}) == MoCoV3()
    assert RECIPES["vit"].temperature == 0.2


@pytest.mark.parametrize("word", ["resnet50", "", 3, ["resnet"], None])
def test_recipes_that_are_not_there_are_refused(word):
    with pytest.raises(UserError, match="recipe must be one of vit, resnet"):
        recipe("moco-v3", {"recipe": word})
    with pytest.raises(UserError, match="got 'recipe'"):
        recipe("byol", {"recipe": "resnet"})


@pytest.mark.parametrize(
    ("name", "batch_size", "end"),
    [
        ("dino", 1024, 1e-6),
        ("dino", 4096, 1e-6),  # whatever the batch
        ("swav", 4096, 0.0048),
        ("swav", 256, 0.0003),
        ("deepcluster-v2", 4096, 0.0048),
        ("vicreg", 2048, 0.0016),
        ("barlow-twins", 2048, 0.0016),
        ("simclr", 4096, 0.0),
    ],
)
def test_learning_rates_end_where_the_authors_do(name, batch_size, end):
    plan = small_method(name).optimisation
    pace = Pace(plan, peak_lr(plan, batch_size))
    group = {"params": [], "decays": False, "constant_lr": False, "rate": 1.0, "tuned": False}
    optimiser = torch.optim.SGD([group], lr=1)
    assert pace.apply(optimiser, Progress(400, 400, 4.0)) == pytest.approx(end, abs=1e-12)


def test_the_scale_of_dinos_last_layer_decays(fabric: Fabric):
    trainer = built(fabric, "dino")
    scale = trainer.student.prototypes.scale
    (group,) = (
        group
        for group in trainer.optimiser.optimizer.param_groups
        if any(parameter is scale for parameter in group["params"])
    )
    assert scale.shape == (12, 1)
    for step in range(6):  # it stands still for an epoch of four steps
        before = scale.detach().clone()
        trainer.take_step([batch(trainer.method.views, step)], progress(step))
        assert torch.equal(scale, before) == (step < 4)
    assert group["weight_decay"] > 0.04


@pytest.mark.parametrize("name", CROPS)
def test_batch_norm_of_the_projector_sees_all_crops(fabric: Fabric, name):
    torch.manual_seed(1)
    options = {"batch_norm": True} if name == "dino" else {}
    trainer = small_trainer(fabric, small_method(name, **options))
    norm = next(m for m in trainer.student.projector if isinstance(m, nn.BatchNorm1d))
    seen: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    passes = {"backbone": 0, "projector": 0}
    for part in passes:

        def count(*_, part=part):
            passes[part] += 1

        trainer.student.parts()[part].register_forward_hook(count)
    trainer.take_step([batch(trainer.method.views, 0)], progress(0))
    assert passes == {"backbone": 2, "projector": 1}
    (rows,) = seen
    assert len(rows) == 8 * len(trainer.method.views)
    assert norm.num_batches_tracked == 1
    torch.testing.assert_close(norm.running_mean, 0.1 * rows.mean(0))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * rows.var(0))


@pytest.mark.parametrize(
    ("name", "passes"),
    [("dino", 2), ("swav", 3), ("deepcluster-v2", 2)],  # SwAV's mixed codes have no gradient
)
def test_clean_and_mixed_crops_are_normalised_apart(fabric: Fabric, name, passes):
    options = {"batch_norm": True} if name == "dino" else {}
    method = mixture("sdmp", {}).apply(small_method(name, **options))
    trainer = small_trainer(fabric, method)
    norm = next(m for m in trainer.student.projector if isinstance(m, nn.BatchNorm1d))
    trainer.take_step([batch(trainer.method.views, 0)], progress(0))
    assert norm.num_batches_tracked == passes


def test_every_method_with_defaults_is_itself():
    assert all(recipe(name, {}) == kind() for name, kind in METHODS.items())


@pytest.mark.parametrize(
    ("name", "interpolation"),
    [
        ("simclr", "bicubic"),
        ("byol", "bicubic"),
        ("barlow-twins", "bicubic"),
        ("vicreg", "bicubic"),
        ("dino", "bicubic"),
        ("moco-v2", "bilinear"),
        ("moco-v3", "bilinear"),
        ("simsiam", "bilinear"),
        ("swav", "bilinear"),
        ("ressl", "bilinear"),
        ("uic", "bilinear"),
    ],
)
def test_crops_are_scaled_as_the_authors_do(name, interpolation):
    assert {view.interpolation for view in small_method(name).views} == {interpolation}


def test_ressl_has_no_batch_norm_and_decays_matrices_alone():
    method = small_method("ressl")
    projector = method.heads["projector"].module
    assert kinds(projector) == ["Linear", "ReLU", "Linear"]
    assert all(layer.bias is not None for layer in projector if hasattr(layer, "bias"))
    assert not method.optimisation.decay_all


def test_simsiams_last_norm_learns_nothing(fabric: Fabric):
    projector = small_method("simsiam").heads["projector"].module
    assert kinds(projector)[-1] == "BatchNorm1d"
    assert not list(projector[-1].parameters())


def test_simclrs_last_norm_learns_a_scale_and_no_shift(fabric: Fabric):
    trainer = built(fabric, "simclr")
    norm = trainer.student.projector[-1]
    for step in range(3):
        trainer.take_step([batch(trainer.method.views, step)], progress(step))
    assert not norm.bias.any()
    assert (norm.weight != 1).all()
    hidden = trainer.student.projector[1]  # the norm between the layers has both
    assert hidden.bias.any()
