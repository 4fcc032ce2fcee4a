"""Pixels as targets: what a term compares, what is refused, what is drawn of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import AlignedKin, Composition, Output, Rows, UserError
from ilk.core.patches import cut_patches, join_patches
from ilk.kin import Counterpart
from ilk.kin_rules import kin_rule
from ilk.method import Patches, Term, drops_patches, with_background, with_item_kind
from ilk.mixes import mixture
from ilk.objectives import SquaredDistance
from ilk.train.assemble import assemble
from ilk.train.loop.places import patch_rows
from ilk.train.loop.step import KinRecord
from ilk.train.planning.choices import with_network
from ilk.train.planning.defaults import NETWORKS
from ilk.train.previews.reconstructions import GREY, reconstructions
from ilk.train.previews.step import StepPreview
from ilk.train.settings import Settings
from ilk.views import normalise
from tests.laws.world import batch, built, progress, small_method, small_trainer

STATISTICS = ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
PIXELS = ("mae", "simmim", "denoising", "variational", "inpainting")


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def test_targets_are_patches_of_mean_zero_and_variance_one():
    images = torch.randn(2, 3, 8, 8)
    plain = patch_rows(images, Patches(view="a", side=4))
    assert torch.equal(plain, cut_patches(images, 4))
    rows = patch_rows(images, Patches(view="a", side=4, standard=True))
    torch.testing.assert_close(rows.mean(2), torch.zeros(2, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(rows.var(2), torch.ones(2, 4), atol=1e-4, rtol=0)
    flat = patch_rows(torch.ones(1, 3, 4, 4), Patches(view="a", side=4, standard=True))
    assert (flat == 0).all()


@pytest.mark.parametrize("name", ["mae", "simmim", "inpainting"])
def test_the_loss_is_of_hidden_patches_alone_and_none_is_seen(fabric, name):
    trainer = built(fabric, name)
    context = trainer._look(batch(trainer.method.views, 0), progress(2), first=False)
    (term,) = trainer.method.terms
    context.loss(term)
    (record,) = context.kin_records
    assert record.queries.hidden is not None
    assert torch.equal(record.kin.weights > 0, record.queries.hidden)
    assert not record.candidates.vectors.requires_grad


def test_what_is_predicted_of_visible_patches_costs_nothing(fabric):
    trainer = built(fabric, "simmim")
    context = trainer._look(batch(trainer.method.views, 0), progress(2), first=False)
    (term,) = trainer.method.terms
    asked = Output("student", "masked", "patches")
    shown = context._outputs["student"]["masked"]["patches"]
    before = context.loss(term)
    hidden = context.rows(asked).hidden.view(shown.shape[:2])
    context._outputs["student"]["masked"]["patches"] = torch.where(
        hidden[..., None], shown, shown + 100
    )
    assert torch.equal(context.loss(term), before)
    context._outputs["student"]["masked"]["patches"] = shown + 100
    assert context.loss(term) > before + 90


def test_an_adversary_learns_and_what_is_drawn_learns_against_it(fabric):
    torch.manual_seed(1)
    method = small_method("inpainting", adversary=0.25)
    assert [term.weight for term in method.terms] == [0.75, 0.25]
    trainer = small_trainer(fabric, method)
    context = trainer._look(batch(method.views, 0), progress(2), first=False)
    critic, images = trainer.student.critic, context._views["a"].images
    mask = context._views["cut"].facts.mask
    drawn = context._outputs["student"]["cut"]["decoder"]
    context.loss(method.terms[1]).backward()
    learned = critic.scores.weight.grad.clone()
    moved = trainer.student.drawn.last.predict.bias.grad.clone()
    # By hand: scores of real images are to be 0 and of drawn ones 1, with and without reversal.
    critic.zero_grad()
    shown = join_patches(drawn.detach(), 8, (4, 4)).requires_grad_()
    hidden = mask.hidden.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None]
    loss = torch.zeros(())
    for images_of, which in ((images, 0), (torch.where(hidden, shown, images), 1)):
        scores = critic.scores(critic.body(images_of).mean((2, 3)))
        loss = loss - scores.log_softmax(1)[:, which].mean() / 2
    loss.backward()
    torch.testing.assert_close(critic.scores.weight.grad, learned)
    torch.testing.assert_close(-shown.grad.sum((0, 2, 3)), moved, rtol=1e-4, atol=1e-7)


def test_a_term_of_hidden_places_needs_a_mask(fabric):
    trainer = built(fabric, "denoising")
    context = trainer._look(batch(trainer.method.views, 0), progress(2), first=False)
    term = Term(
        name="x", queries=(Output("student", "noisy", "decoder"),),
        candidates=(Patches(view="a", side=32),), kin=Counterpart(),
        objective=SquaredDistance(), rows="hidden",
    )  # fmt: skip
    with pytest.raises(ValueError, match="must be cells of a mask"):
        context.loss(term)


@pytest.mark.parametrize("name", [*PIXELS, "colorization"])
def test_axes_fit_or_are_refused_with_their_reason(name):
    method = small_method(name)
    why = "colour of neither image" if name == "colorization" else "those of a mix are of two"
    with pytest.raises(UserError, match=f"must take mixed images, but .*{why}"):
        mixture("sdmp", {}).apply(method)
    why = "they are classes" if name == "colorization" else "pixels of the image|image alone"
    with pytest.raises(UserError, match=why):
        kin_rule("neighbours", {}).apply(method)
    assert with_background(method, "random:0.3").views[0].background.p == 0.3
    with pytest.raises(UserError, match="background swap: .* take random"):
        with_background(method, "swap")
    if name != "variational":
        with pytest.raises(UserError, match="View are for images alone"):
            with_item_kind(method, "clip", 4)


def test_patches_are_left_out_by_transformers_alone():
    assert drops_patches(small_method("mae"))
    assert not any(drops_patches(small_method(name)) for name in ("simmim", "inpainting"))
    settings = Settings(method="mae", backbone="resnet_mini", image_size=32)
    with pytest.raises(UserError, match="must be a vision transformer, .* take vit_mini"):
        assemble(settings, 32, 10, 0)


@pytest.mark.parametrize(("row", "name"), [(0, "vit_mini"), (1, "vit_small_patch16_224")])
def test_a_transformer_is_chosen_where_patches_are_left_out(row, name):
    assert with_network(Settings(method="mae"), NETWORKS[row], 64.0).backbone == name
    other = with_network(Settings(method="simmim"), NETWORKS[row], 64.0)
    assert other.backbone == NETWORKS[row].backbone


@pytest.mark.parametrize(("standard", "rows"), [(True, "hidden"), (False, "with kin")])
def test_a_perfect_prediction_is_drawn_as_the_original(standard, rows):
    chance = np.random.default_rng(0)
    originals = chance.integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    images = normalise(torch.from_numpy(originals).permute(0, 3, 1, 2), *STATISTICS)
    target = Patches(view="a", side=4, standard=standard)
    vectors = patch_rows(images, target).flatten(0, 1)
    hidden = torch.tensor([True, False, False, True] * 3)
    spoilt = torch.where(hidden[:, None] | (rows != "hidden"), vectors, vectors + 5)
    made = Composition.plain(torch.arange(3).repeat_interleave(4))
    queries = Rows(spoilt, made, torch.arange(12), hidden=hidden)
    term = Term(
        name="x", queries=(Output("student", "m", "d"),), candidates=(target,),
        kin=Counterpart(), objective=SquaredDistance(), rows=rows,
    )  # fmt: skip
    kin = AlignedKin(torch.arange(12), hidden.float())
    record = KinRecord(term, queries, queries, kin)
    seen = StepPreview(
        (record,), np.array([7, 2, 5]), 0, {"a": originals, "m": originals},
        torch.full((9,), -1), STATISTICS, {},
    )  # fmt: skip
    found = reconstructions(seen, most=2)
    assert [one.item for one in found] == [7, 2]
    for one, original in zip(found, originals, strict=False):
        assert np.abs(one.drawn.astype(int) - original.astype(int)).max() <= 1
        assert (one.seen[:4, :4] == GREY).all()
        assert (one.seen[4:, 4:] == GREY).all()
        assert (one.seen[:4, 4:] == original[:4, 4:]).all()
    no_pixels = KinRecord(small_method("simclr").terms[0], queries, queries, kin)
    other = replace(seen, kin_records=(no_pixels,))
    assert reconstructions(other) == ()
