"""Methods that compare images with places: their variants, their passes and their tables."""

import math
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import AlignedKin, UserError
from ilk.kin_rules import kin_rule
from ilk.methods import recipe
from ilk.train import Settings
from ilk.train.assemble import check_fits
from tests.laws.world import GIVEN_VIT, batch, progress, small_method, small_trainer

IMAGES, PLACES = 8, 4


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, {"local", "prior"}),
        ({"local": 0.0, "whole": 1.0}, {"whole", "prior"}),
        ({"prior": 0.0, "bound": "nce"}, {"local"}),
        ({"prior": 0.0, "bound": "dv", "whole": 0.5}, {"local", "whole"}),
    ],
)
def test_dim_has_the_terms_that_have_a_weight_and_no_other_heads(fabric, options, names):
    method = small_method("dim", **options)
    assert {term.name for term in method.terms} == names
    trainer = small_trainer(fabric, method)
    for step in range(2):
        result = trainer.take_step([batch(method.views, step)], progress(step))
        assert math.isfinite(result.loss)
    assert all(p.grad is not None for p in trainer.student.parameters() if p.requires_grad)


@pytest.mark.parametrize(("name", "rows"), [("dim", 1), ("amdim", 2), ("cpc", 9)])
def test_what_is_encoded_and_how_large_tables_are(fabric, name, rows):
    """Tables are of images by places, and never of places by places."""
    trainer = small_trainer(fabric, small_method(name))
    seen = []
    first = next(
        m for m in trainer.student.backbone.modules() if isinstance(m, torch.nn.Conv2d)
    )
    first.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    context = trainer._look(batch(trainer.method.views, 0), progress(0), first=False)
    trainer._losses(context)
    assert seen == [rows * IMAGES]
    for record in context.kin_records:
        if isinstance(record.kin, AlignedKin):
            assert len(record.kin.negatives) == 2 * IMAGES
        elif record.term.classes is None:
            assert record.kin.weights.numel() <= IMAGES * IMAGES * PLACES


@pytest.mark.parametrize("name", ["dim", "amdim", "cpc"])
def test_kin_of_images_are_none_of_places(name):
    with pytest.raises(
        UserError, match="must be images, but they are places of the image itself"
    ):
        kin_rule("neighbours:2", {}).apply(recipe(name, {}).build(GIVEN_VIT))


def test_a_mix_by_boxes_does_not_fit_places():
    with pytest.raises(UserError, match=r"fine, coarse, drawn reads .* but cutmix, resizemix"):
        small_method("amdim", "sdmp")


def test_an_image_and_its_own_places_take_no_mix():
    with pytest.raises(UserError, match="the same view of it shows elsewhere"):
        small_method("dim", "sdmp")


def test_a_method_without_any_loss_is_refused():
    """Before anything is built; one weight above zero is enough."""
    none = {"local": 0.0, "whole": 0.0, "prior": 0.0}
    settings = Settings(method="dim", method_options=none, image_size=32)
    with pytest.raises(UserError, match="dim: the weight of some loss must be above 0"):
        check_fits(settings)
    check_fits(replace(settings, method_options={**none, "whole": 0.5}))
