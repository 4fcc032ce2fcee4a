"""Rows of the places that masks ask for: which they are, what they cost, what refuses them."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import Output, UserError
from ilk.kin import Itself
from ilk.kin_rules import kin_rule
from ilk.memory import Centre
from ilk.method import Term, asks_for_places, with_background
from ilk.methods import recipe
from ilk.mixes import mixture
from ilk.objectives import KoLeo
from ilk.train.assemble import assemble
from ilk.train.loop.places import place_by_place, rows_of_its_image
from ilk.train.planning.choices import with_network
from ilk.train.planning.defaults import NETWORKS
from ilk.train.settings import Settings
from tests.kin.context import plain
from tests.laws.world import (
    GIVEN_VIT,
    SMALL,
    batch,
    built,
    in_float64,
    progress,
    small_method,
    small_trainer,
)

PLACES = ("ibot", "dinov2", "i-jepa")


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def look(trainer, step=0):
    return trainer._look(batch(trainer.method.views, step), progress(2), first=False)


def test_asked_rows_are_those_of_all_tokens_at_these_places(fabric):
    trainer = built(fabric, "ibot")
    context = look(trainer)
    facts = context._views["t1"].facts
    images, cells = facts.mask.asked_cells()
    shown, mask = context._views["t1"].images, facts.mask
    with torch.no_grad():
        network = trainer.teacher.network
        tokens = network(shown, {"tokens"}, mask=mask)["tokens"]
        scores = network.prototypes(network.projector(tokens.flatten(0, 1)))
    asked = context.rows(Output("teacher", "t1", "patch_prototypes"))
    whole = place_by_place(
        tokens, facts, context.rows(Output("teacher", "t1", "feature")).slots
    )
    at = images * 16 + cells
    assert 0 < len(at) < 128
    torch.testing.assert_close(asked.vectors, scores[at])
    assert torch.equal(asked.slots, whole.slots[at])
    assert torch.equal(asked.composition.sources, whole.composition.sources[at])
    # The student's rows are of the same images and places, all of them hidden from it.
    ours = context.rows(Output("student", "m1", "patch_prototypes"))
    assert ours.hidden.all()
    assert torch.equal(ours.slots >> 40, asked.slots >> 40)
    assert torch.equal(ours.composition.sources, asked.composition.sources)


def test_an_image_counts_as_one_however_many_places_it_has(fabric):
    trainer = built(fabric, "ibot")
    context = look(trainer)
    for term, n in zip(trainer.method.terms[2:], (1, 2), strict=True):
        loss = context.loss(term)
        record = context.kin_records[-1]
        images, _ = context._views[f"m{n}"].facts.mask.asked_cells()
        logs = (record.queries.vectors / 0.1).log_softmax(1)
        rows = -(record.kin.weights * logs).sum(1)
        means = [rows[images == i].mean() if (images == i).any() else 0.0 for i in range(8)]
        assert len(set(images.tolist())) < 8  # some have no mask
        assert loss.item() == pytest.approx(float(sum(means)) / 8, rel=1e-5)


def test_a_statistic_of_the_batch_is_no_mean_over_images():
    own = (Output("student", "m1", "feature"),)
    with pytest.raises(
        UserError, match="rows may be images where the loss is a mean over rows"
    ):
        Term(
            name="x",
            queries=own,
            candidates=own,
            kin=Itself(),
            objective=KoLeo(),
            rows="images",
        )


def test_rows_of_an_image_are_counted_where_they_count():
    slots = torch.tensor([5, 9, 5, 5, 9]) + (torch.arange(5) << 40)
    counted = torch.tensor([True, True, False, True, True])
    assert rows_of_its_image(slots, counted).tolist() == [2, 2, 2, 2, 2]
    assert rows_of_its_image(slots[:0], counted[:0]).tolist() == []


def test_class_scores_are_made_of_asked_places_alone(fabric):
    """A dense table of places against classes would be several times as large."""
    trainer, seen = built(fabric, "dinov2"), []
    for network in (trainer.student, trainer.teacher.network):
        network.patch_prototypes.register_forward_hook(
            lambda *given: seen.append(len(given[2]))
        )
    context = look(trainer)
    wanted = sum(context._views[f"m{n}"].facts.mask.wanted for n in (1, 2))
    assert seen == [wanted, wanted]
    assert wanted < 0.3 * 2 * 8 * 16


@pytest.mark.parametrize(("name", "student", "teacher"), [
    ("ibot", 2, 1), ("dinov2", 2, 1), ("i-jepa", 1, 1),
])  # fmt: skip
def test_encoder_passes(fabric, name, student, teacher):
    trainer, calls = built(fabric, name), {"student": 0, "teacher": 0}
    networks = {"student": trainer.student, "teacher": trainer.teacher.network}
    for role, network in networks.items():

        def count(*_, role=role):
            calls[role] += 1

        network.backbone.patch_embed.register_forward_hook(count)
    look(trainer)
    assert calls == {"student": student, "teacher": teacher}


def test_without_masks_ibot_is_dino(fabric):
    """The same losses and weights, step by step; patches then have no target and no loss."""
    torch.manual_seed(1)
    ibot = recipe("ibot", {**SMALL["ibot"], "share": (0.0, 0.0)}).build(GIVEN_VIT)
    ours = small_trainer(fabric, ibot)
    torch.manual_seed(1)
    dino = recipe("dino", {**SMALL["dino"], "prototypes": 12}).build(GIVEN_VIT)
    # One more head, so that there is a transformer, and weights are drawn in the same order.
    dino = replace(dino, heads={**dino.heads, "mask_token": ibot.heads["mask_token"]})
    theirs = small_trainer(fabric, dino)
    theirs.student.load_state_dict(ours.student.state_dict())
    theirs.teacher.network.load_state_dict(ours.teacher.network.state_dict())
    with in_float64(ours), in_float64(theirs):
        for step in range(4):
            taken = [
                t.take_step([batch(dino.views, step)], progress(step)) for t in (ours, theirs)
            ]
            assert taken[0].terms["patches"] == 0
            assert taken[0].loss == pytest.approx(taken[1].loss, rel=1e-12)
    for (name, a), b in zip(
        ours.student.named_parameters(), theirs.student.parameters(), strict=True
    ):
        torch.testing.assert_close(a, b, msg=name)
    torch.testing.assert_close(ours.memory["prototypes"].value, theirs.memory["centre"].value)


def test_a_centre_of_no_rows_stays():
    centre = Centre(3)
    centre.remember(plain(torch.tensor([[1.0, 2, 3]])))
    before = centre.value.clone()
    centre.remember(plain(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)))
    assert torch.equal(centre.value, before)


@pytest.mark.parametrize("name", ["ibot", "dinov2"])
def test_sdmp_mixes_small_crops_and_leaves_patches_as_they_are(fabric, name):
    clean, mixed = small_method(name), small_method(name, "sdmp")
    patches = [[t for t in m.terms if t.name in ("patches", "spread")] for m in (clean, mixed)]
    assert [replace(t, weight=0) for t in patches[0]] == [
        replace(t, weight=0) for t in patches[1]
    ]
    for before, after in zip(*patches, strict=True):
        assert after.weight == pytest.approx(before.weight)
    total = sum(term.weight for term in clean.terms)
    assert sum(term.weight for term in mixed.terms) == pytest.approx(total)
    asked = {q.view for t in mixed.terms if t.name in ("source", "mix") for q in t.queries}
    assert asked == {"l3~", "l4~"}
    few = small_method(name, local_views=1)  # the crop that it would mix has a mask
    with pytest.raises(UserError, match="must take mixed images, but its queries have one kin"):
        mixture("sdmp", {}).apply(few)


@pytest.mark.parametrize("name", PLACES)
def test_axes_fit_or_are_refused_with_their_reason(name):
    method = small_method(name)
    why = "they are places of the image" if name == "i-jepa" else "they are classes"
    with pytest.raises(UserError, match=why):
        kin_rule("neighbours", {}).apply(method)
    assert with_background(method, "random:0.3").views[0].background.p == 0.3
    if name == "i-jepa":
        with pytest.raises(UserError, match="its queries have one kin each"):
            mixture("sdmp", {}).apply(method)


@pytest.mark.parametrize("name", PLACES)
def test_a_transformer_is_chosen_and_others_are_refused(name):
    assert asks_for_places(small_method(name))
    settings = Settings(method=name, method_options=SMALL[name])
    assert with_network(settings, NETWORKS[0], 64.0).backbone == "vit_mini"
    why = "must be a vision transformer|must show one place for each patch"
    with pytest.raises(UserError, match=why):
        assemble(replace(settings, backbone="resnet18", image_size=64), 64, 10, 0)


def test_a_network_that_takes_patches_alone_is_chosen_for_cpc():
    chosen = with_network(Settings(method="cpc"), NETWORKS[0], 32.0)
    assert chosen.backbone == "vit_mini"
    assemble(replace(chosen, method_options=SMALL["cpc"]), 32, 8, 0)


@pytest.mark.parametrize(
    ("method", "backbone", "size", "said"),
    [
        ("simmim", "resnet_mini", 97, "image_size: must divide into cells .* take 96"),
        ("inpainting", "resnet_mini", 37, "image_size: must divide into cells .* 32 or 40"),
        ("simmim", "resnet_mini", 36, "tile an image, .* 3 x 3 places, 16 px apart, of 36 px"),
        ("simmim", "amdim_mini", 32, "tile an image, .* 5 x 5 places, 4 px apart, of 32 px"),
        ("ibot", "amdim_mini", 32, "one place for each patch .* 5 x 5 places of 32 px"),
    ],
)
def test_cells_and_places_must_cover_the_image(method, backbone, size, said):
    with pytest.raises(UserError, match=said):
        assemble(Settings(method=method, backbone=backbone), size, 8, 0)


def test_holes_and_drawings_of_one_vector_need_no_places():
    for size in (33, 36):
        method, _ = assemble(Settings(method="inpainting", backbone="resnet_mini"), size, 8, 0)
        assert 4 <= size // method.derived[0].cell <= 16


@pytest.mark.parametrize(
    ("method", "options"),
    [("vicregl", {"alpha": 2}), ("inpainting", {"adversary": 2})],
)
def test_a_loss_whose_weight_is_negative_is_refused(method, options):
    settings = Settings(method=method, method_options=options, backbone="resnet_mini")
    with pytest.raises(UserError, match="weight of each loss must be at least 0, got -"):
        assemble(settings, 32, 8, 0)
