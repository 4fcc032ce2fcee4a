"""Methods of places: what they are at the ends of their settings, and what they refuse."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import UserError
from ilk.kin import NearestByFeature, NearestByPlace
from ilk.kin_rules import kin_rule
from ilk.method import with_background
from ilk.method.references import parts_in
from ilk.methods import recipe
from ilk.networks import Network
from ilk.train.loop.trainer import Trainer
from tests.laws.world import (
    GIVEN_VIT,
    SMALL,
    batch,
    built,
    progress,
    small_method,
    small_trainer,
    vit,
)


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def trained(fabric, name, optimisation=None, **options):
    """Four steps of a method on one small transformer."""
    torch.manual_seed(3)
    method = recipe(name, {**SMALL[name], **options}).build(GIVEN_VIT)
    if optimisation is not None:
        method = replace(method, optimisation=optimisation)
    torch.manual_seed(4)
    trainer = Trainer(
        method, Network(vit(), method.heads), fabric=fabric, batch_size=8, lr=0.1,
        statistics=((0.5,) * 3, (0.25,) * 3), seed=0,
    )  # fmt: skip
    losses = []
    for step in range(4):
        taken = trainer.take_step([batch(trainer.method.views, step)], progress(step))
        losses.append(taken.loss)
    return losses, trainer.state()


@pytest.mark.parametrize("match", ["feature", "place", "both"])
def test_without_dense_terms_densecl_is_moco_v2_bit_for_bit(fabric, match):
    losses, state = trained(fabric, "densecl", dense=0.0, match=match)
    theirs, expected = trained(fabric, "moco-v2")
    assert losses == theirs
    assert expected.keys() < state.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())
    assert trained(fabric, "densecl", match=match)[0][1:] != theirs[1:]


def test_without_local_terms_vicregl_is_vicreg_bit_for_bit(fabric):
    same = recipe("vicregl", SMALL["vicregl"]).build(GIVEN_VIT).optimisation
    losses, state = trained(fabric, "vicregl", alpha=1.0)
    theirs, expected = trained(fabric, "vicreg", same)
    assert losses == theirs
    assert expected.keys() < state.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())
    assert trained(fabric, "vicregl")[0][1:] != theirs[1:]


@pytest.mark.parametrize(
    ("match", "rules"),
    [
        ("feature", [NearestByFeature]), ("place", [NearestByPlace]),
        ("both", [NearestByFeature, NearestByPlace]),
    ],
)  # fmt: skip
def test_the_share_of_places_is_divided_by_their_kinds_of_match(fabric, match, rules):
    method = small_method("densecl", match=match, dense=0.3)
    assert [term.weight for term in method.terms] == [0.7, *[0.3 / len(rules)] * len(rules)]
    kinds = NearestByFeature | NearestByPlace
    used = [p for p in parts_in([term.kin for term in method.terms]) if isinstance(p, kinds)]
    assert [type(rule) for rule in used] == rules
    assert method.places == (NearestByPlace in rules)
    trainer = small_trainer(fabric, method)
    assert trainer.take_step([batch(method.views, 0)], progress(0)).loss > 0
    assert trainer.memory["pooled"].written().sum() == 8


@pytest.mark.parametrize(("name", "passes"), [("densecl", (1, 1)), ("vicregl", (2, 0))])
def test_places_cost_no_further_pass(fabric, name, passes):
    trainer, calls = built(fabric, name), {"student": 0, "teacher": 0}
    networks = {"student": trainer.student}
    if trainer.teacher is not None:
        networks["teacher"] = trainer.teacher.network
    for role, network in networks.items():

        def count(*_, role=role):
            calls[role] += 1

        network.backbone.blocks[0].register_forward_hook(count)
    trainer.take_step([batch(trainer.method.views, 0)], progress(0))
    assert (calls["student"], calls["teacher"]) == passes


def test_kin_of_images_come_to_the_term_of_images_alone(fabric):
    method = small_method("densecl")
    changed = kin_rule("neighbours:2", {"queue_size": 32}).apply(method)
    assert changed.terms[0].kin != method.terms[0].kin
    assert changed.terms[1] == method.terms[1]
    trainer = small_trainer(fabric, changed)
    assert trainer.take_step([batch(changed.views, 0)], progress(0)).loss > 0
    with pytest.raises(UserError, match="soft kin weights, but"):
        kin_rule("neighbours:2", {}).apply(small_method("vicregl"))


def test_a_further_negative_is_one_of_images_alone():
    for match in ("feature", "place"):
        changed = with_background(small_method("densecl", match=match), "swap")
        assert changed.terms[1].negatives is None
        assert changed.terms[0].negatives is not None
    with pytest.raises(UserError, match="must use other images of the batch as negatives"):
        with_background(small_method("vicregl"), "swap")
