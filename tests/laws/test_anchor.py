"""A term that keeps the student near its start, against plain formulas."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric

from ilk.core import AlignedKin, Kin, Progress, UserError
from ilk.method import Method, with_anchor
from ilk.networks import Network, PlaceSimilarities, backbone
from ilk.networks.places import feature_and_places
from ilk.objectives import GramDifference, SquaredDistance
from ilk.train.loop.trainer import Trainer
from tests.laws.world import CASES, batch, built, label, progress, small_method, small_trainer

NOW = Progress(0, 1, 1.0)
LOSSES = [("cosine", False), ("gram", False)]


def stepped(trainer: Trainer, count: int) -> list[dict[str, float]]:
    return [
        trainer.take_step([batch(trainer.method.views, step)], progress(step)).terms
        for step in range(count)
    ]


def cosine(ours, theirs):
    total = 0.0
    for s, t in zip(ours, theirs, strict=True):
        total += 1 - float(s @ t) / float(s.norm() * t.norm())
    return total / len(ours)


def gram(ours, theirs):
    """The mean over all pairs of rows of a table."""
    total = 0.0
    for i in range(len(ours)):
        for j in range(len(ours)):
            one = float(F.cosine_similarity(ours[i], ours[j], dim=0))
            two = float(F.cosine_similarity(theirs[i], theirs[j], dim=0))
            total += (one - two) ** 2
    return total / len(ours) ** 2


def grams(ours, theirs):
    """The same of the patches of each image, as a mean over images."""
    return sum(gram(s, t) for s, t in zip(ours, theirs, strict=True)) / len(ours)


@pytest.mark.parametrize(("spec", "slow"), [("cosine:0.7", cosine), ("gram:0.7", gram)])
def test_the_term_is_the_formula(fabric: Fabric, spec, slow):
    trainer = small_trainer(fabric, with_anchor(small_method("byol"), spec, places=False))
    (view,) = {
        entry.queries[0].view for entry in trainer.method.terms if entry.name == "anchor"
    }
    stepped(trainer, 3)
    shown = batch(trainer.method.views, 3)
    context = trainer._look(shown, progress(3), first=True)
    term = trainer.method.terms[-1]
    ours, theirs = (
        context.rows(replace(term.queries[0], network=role)).vectors
        for role in ("student", "start")
    )
    assert view == "a"
    assert not torch.allclose(ours, theirs)
    found = term.weight * context.loss(term).detach()
    torch.testing.assert_close(float(found), 0.7 * slow(ours, theirs), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (
            "vit_tiny_patch16_224",
            {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2},
        ),
        ("resnet_mini", {"widths": (8, 16), "depths": (1, 1)}),
    ],
)
def test_patches_of_an_image_are_compared_with_each_other(fabric: Fabric, name, options):
    torch.manual_seed(0)
    method = with_anchor(small_method("byol"), "gram", places=True)
    trunk = backbone(name, image_size=32, options=options)
    heads = {**method.heads, **small_method_heads(trunk.num_features)}
    method = replace(method, heads={**heads, "gram": method.heads["gram"]})
    trainer = Trainer(
        method, Network(trunk, method.heads), fabric=fabric, batch_size=8, lr=0.5,
        statistics=((0.5,) * 3, (0.25,) * 3), seed=0,
    )  # fmt: skip
    first, *_ = stepped(trainer, 2)
    assert first["anchor"] == pytest.approx(0, abs=1e-10)
    shown = batch(method.views, 3)
    images, _ = trainer._view_maker(shown, epoch=0, step=2, clock=trainer.clock)
    with torch.no_grad():
        ours, theirs = (
            feature_and_places(network.backbone, images["a"])["tokens"]
            for network in (trainer.student, trainer._start)
        )
        context = trainer._look(shown, progress(2), first=True)
        found = context.loss(method.terms[-1])
    assert found > 1e-6
    torch.testing.assert_close(float(found), grams(ours, theirs), rtol=1e-3, atol=1e-7)


def small_method_heads(width: int):
    from ilk.method import Given
    from ilk.methods import recipe

    made = recipe("byol", {"hidden": 16, "dim": 8}).build(Given(width=width, size=32))
    return dict(made.heads)


FILLED_IN = ("simmim", "inpainting", "ibot", "dinov2")


@pytest.mark.parametrize("name", FILLED_IN)
def test_a_start_cannot_see_what_the_student_fills_in(name):
    with pytest.raises(UserError, match="anchor: must be off for a method whose student fills"):
        with_anchor(small_method(name), "cosine", places=False)


@pytest.mark.parametrize("case", [c for c in CASES if c[0] not in FILLED_IN], ids=label)
def test_every_method_takes_an_anchor_which_is_zero_at_the_start(fabric: Fabric, case):
    anchored = with_anchor(small_method(*case), "cosine", places=False)
    (terms,) = stepped(small_trainer(fabric, anchored), 1)
    assert terms["anchor"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", ["cosine", "gram"])
@pytest.mark.parametrize("case", [("moco-v3", "sdmp"), ("dino",)], ids=label)
def test_the_other_terms_stay_what_they_are(fabric: Fabric, case, kind):
    torch.manual_seed(1)
    anchored = with_anchor(small_method(*case), kind, places=False)
    (terms,) = stepped(small_trainer(fabric, anchored), 1)
    (without,) = stepped(built(fabric, *case), 1)
    assert terms.pop("anchor") == pytest.approx(0, abs=1e-6)
    assert terms == without


def test_without_weight_the_method_stays_what_it_is():
    method = small_method("moco-v3", "sdmp")
    assert with_anchor(method, "cosine:0", places=True) is method
    assert with_anchor(method, "gram:0", places=True) is method


def test_a_strong_anchor_holds_the_features(fabric: Fabric):
    loose, held = (
        small_trainer(fabric, with_anchor(small_method("moco-v2"), spec, places=False), lr=0.1)
        for spec in ("cosine:1e-6", "cosine:1")
    )
    apart = [stepped(trainer, 10)[-1]["anchor"] for trainer in (loose, held)]
    assert apart[1] < 0.2 * apart[0] / 1e-6


def test_the_start_stands_still_and_normalises_as_the_student_does(fabric: Fabric):
    trainer = small_trainer(fabric, with_anchor(small_method("byol"), "cosine", places=False))
    before = {name: p.clone() for name, p in trainer._start.named_parameters()}
    trainer.student.backbone.body[0].eval()
    stepped(trainer, 2)
    assert all(torch.equal(p, before[n]) for n, p in trainer._start.named_parameters())
    assert not trainer._start.backbone.body[0].training
    assert trainer._start.backbone.body[2].training
    assert not any(name.startswith("start") for name in trainer.state())
    assert set(trainer._start.parts()) == {"backbone"}


def test_a_mixed_view_is_compared_where_no_other_is_learned_from(fabric: Fabric):
    method = with_anchor(small_method("moco-v3", "i-mix"), "cosine", places=False)
    assert method.terms[-1].queries[0].view in method.mixes
    (terms, *_) = stepped(small_trainer(fabric, method), 1)
    assert terms["anchor"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("spec", ["l2", "cosine:much", "gram:-1", "gram:inf", "cosine:nan"])
def test_other_anchors_are_refused(spec):
    with pytest.raises(UserError, match="anchor: "):
        with_anchor(small_method("byol"), spec, places=False)


def test_objectives_equal_their_tables():
    torch.manual_seed(0)
    rows, others = torch.randn(5, 3).double(), torch.randn(6, 3).double()
    kin = AlignedKin(torch.tensor([2, 0, 5, 1, 3]), torch.ones(5).double())
    table = kin.as_table(6)
    slow = (rows - others[kin.columns]).square().mean()
    assert isinstance(table, Kin)
    for objective, right in (
        (SquaredDistance(), float(slow)),
        (GramDifference(), gram(rows, others[kin.columns])),
    ):
        found = objective.aligned(rows, (others[:2], others[2:]), kin, NOW)
        assert found.item() == pytest.approx(right)
        assert objective(rows, (others[:2], others[2:]), table, NOW).item() == pytest.approx(
            right
        )


def test_similarities_of_places_are_those_of_an_image_alone():
    torch.manual_seed(0)
    shown = torch.randn(2, 3, 4, 5)
    found = PlaceSimilarities()(shown)
    tokens = shown.flatten(2).transpose(1, 2)
    assert found.shape == (2, 20, 20)
    for i in range(2):
        alone = F.cosine_similarity(tokens[i][:, None], tokens[i][None], dim=2)
        torch.testing.assert_close(found[i], alone, rtol=1e-5, atol=1e-6)
    assert torch.equal(PlaceSimilarities()(tokens), found)


def test_a_method_of_another_start_is_named():
    method = small_method("byol")
    anchored = with_anchor(method, "cosine", places=False)
    assert isinstance(anchored, Method)
    wrong = replace(anchored.terms[-1].candidates[0], head="projektor")
    term = replace(anchored.terms[-1], candidates=(wrong,))
    with pytest.raises(ValueError, match="an output of start must be known"):
        replace(anchored, terms=(term,))
