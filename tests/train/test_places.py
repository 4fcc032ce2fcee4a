"""Heads on a map, on tokens and behind a reversed gradient, trained by the one loop."""

from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from ilk.core import Line, Output, Progress, UserError, similarities
from ilk.kin import CommonSource, Itself, leave_out
from ilk.method import EMA, Head, Method, Mixable, Optimisation, Term
from ilk.mixes import mixture
from ilk.networks import EachPlace, Network, backbone, mlp, sync_batch_norm
from ilk.objectives import SoftCrossEntropy
from ilk.train.loop.places import parts_of
from ilk.train.loop.step_result import StepResult
from ilk.train.loop.trainer import Trainer
from ilk.views import ImageView
from tests.laws.world import batch, in_float64, progress
from tests.processes import ranks

TRUNKS = {
    "resnet_mini": {"widths": (8, 16), "depths": (1, 1)},
    "vit_tiny_patch16_224": {"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2},
}
CASES = [("resnet_mini", "map"), ("vit_tiny_patch16_224", "tokens"), ("resnet_mini", "tokens")]
PLACES, BATCH = 16, 4


def local_method(on: str, together="size") -> Method:
    """The feature of one view finds the places of its own image in the other view."""
    torch.manual_seed(1)
    pairs = (("a", "b"), ("b", "a"))
    return Method(
        views=tuple(ImageView(name=name, size=32) for name in "ab"),
        heads={
            "projector": Head(mlp(16, 12, 6, layers=2)),
            "local": Head(EachPlace(mlp(16, 12, 6, layers=2)), on=on),
        },
        terms=tuple(
            Term(
                name="local",
                queries=(Output("student", query, "projector"),),
                candidates=(Output("student", key, "local"),),
                kin=CommonSource(),
                objective=SoftCrossEntropy(temperature=0.5),
            )
            for query, key in pairs
        ),
        together=together,
        optimisation=Optimisation(name="sgd", lr=6.4, warmup_epochs=0),
        batch_size=BATCH,
        mixable=Mixable(queries=("a",)),
    )


def trainer_of(method: Method, name: str, fabric: Fabric) -> Trainer:
    torch.manual_seed(0)
    trunk = backbone(name, image_size=32, options=TRUNKS[name])
    student = Network(trunk, method.heads)
    if fabric.world_size > 1:
        student = sync_batch_norm(student, fabric.device)
    return Trainer(
        method, student.double(), fabric=fabric, batch_size=BATCH, lr=None,
        statistics=((0.5,) * 3, (0.25,) * 3), seed=0,
    )  # fmt: skip


def stepped(trainer: Trainer, now: Progress, world: int = 1, rank: int = 0) -> StepResult:
    """One step in float64, so that rounding hides nothing."""
    size = BATCH // world
    shown = batch(trainer.method.views, 0, size=size, world=world, rank=rank)
    with in_float64(trainer):
        return trainer.take_step([shown], now)


@pytest.fixture
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


@pytest.mark.parametrize("together", ["view", "size", "all"])
@pytest.mark.parametrize(("name", "on"), CASES)
def test_a_step_with_a_head_on_places(name, on, together, fabric):
    trainer = trainer_of(local_method(on, together), name, fabric)
    before = {key: w.clone() for key, w in trainer.student.named_parameters()}
    with in_float64(trainer):
        shown, _ = trainer._view_maker(
            batch(trainer.method.views, 0, size=BATCH), epoch=0, step=0, clock=trainer.clock
        )
        expected = slow_loss(trainer.student, shown, on, together)
    result = stepped(trainer, progress(0))
    assert result.loss == pytest.approx(expected.item(), rel=1e-9)
    moved = [key for key, w in trainer.student.named_parameters() if not w.equal(before[key])]
    assert any(key.startswith("backbone.") for key in moved)
    assert any(key.startswith("local.head.") for key in moved)

    rows = result.context.rows(Output("student", "a", "local"))
    assert rows.vectors.shape == (BATCH * PLACES, 6)
    items = result.context.rows(Output("student", "a", "feature")).composition.sources[:, 0]
    assert torch.equal(rows.composition.sources[:, 0], items.repeat_interleave(PLACES))
    others = [Output("student", "b", "local"), Output("student", "a", "feature")]
    slots = [rows.slots, *(result.context.rows(other).slots for other in others)]
    assert len(torch.cat(slots).unique()) == sum(map(len, slots))


def slow_loss(student: Network, shown, on: str, together: str) -> torch.Tensor:
    """By hand: each image's feature against all places of all images of the other view."""
    names = sorted(shown)
    parts = [[name] for name in names] if together == "view" else [names]
    queries, places = {}, {}
    for part in parts:
        images = torch.cat([shown[name] for name in part])
        held = student.backbone.forward_features(images)
        if held.ndim == 3:
            tokens = held[:, student.backbone.num_prefix_tokens :]
        else:
            tokens = torch.stack([held[:, :, y, x] for y in range(4) for x in range(4)], dim=1)
        feature = student.projector(student.backbone.forward_head(held))
        local = student.local.head(tokens.reshape(-1, tokens.shape[-1]))
        for i, name in enumerate(part):
            queries[name] = feature[i * BATCH : (i + 1) * BATCH]
            places[name] = local[i * BATCH * PLACES : (i + 1) * BATCH * PLACES]
    loss = torch.zeros((), dtype=torch.float64)
    for query, key in (("a", "b"), ("b", "a")):
        logs = (similarities(queries[query], (places[key],)) / 0.5).log_softmax(dim=1)
        for row in range(BATCH):
            loss -= logs[row, row * PLACES : (row + 1) * PLACES].mean() / BATCH
    return loss.detach()


def test_maps_themselves_are_rows_and_places_are_told_apart(fabric):
    method = local_method("map")
    a = Output("student", "a", "map")
    term = replace(
        method.terms[0], queries=(a,), candidates=(a,), kin=leave_out(CommonSource(), Itself())
    )
    trainer = trainer_of(replace(method, heads={}, terms=(term,)), "resnet_mini", fabric)
    kin = stepped(trainer, progress(0)).context
    (record,) = kin.kin_records
    weights = record.kin.weights
    assert weights.shape == (BATCH * PLACES, BATCH * PLACES)
    assert (weights.diagonal() == 0).all()  # none is its own kin, all others of its image are
    assert ((weights > 0).sum(dim=1) == PLACES - 1).all()


def test_crops_of_two_sizes_share_the_heads_of_features_and_not_those_of_places(fabric):
    method = local_method("map", "all")
    views = (method.views[0], replace(method.views[1], size=16))
    trainer = trainer_of(replace(method, views=views), "resnet_mini", fabric)
    calls = {"projector": 0, "local": 0}
    for name in ("projector", "local"):
        trainer.student.get_submodule(name).register_forward_hook(
            lambda *_, name=name: calls.__setitem__(name, calls[name] + 1)
        )
    context = stepped(trainer, progress(0)).context
    assert calls == {"projector": 1, "local": 2}
    assert len(context.rows(Output("student", "a", "local"))) == BATCH * PLACES
    assert len(context.rows(Output("student", "b", "local"))) == BATCH * PLACES // 4


def test_a_place_lies_in_its_part_of_the_crop():
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.2, 0.9, 0.6, 0.3]])  # the second is mirrored
    cells = parts_of(boxes, 2, 3)
    assert cells.shape == (12, 4)
    torch.testing.assert_close(cells[4], torch.tensor([0.5, 1 / 3, 1.0, 2 / 3]))
    torch.testing.assert_close(cells[6], torch.tensor([0.2, 0.9, 0.4, 0.7]))
    torch.testing.assert_close(cells[11], torch.tensor([0.4, 0.5, 0.6, 0.3]))


def test_a_teacher_has_places_too(fabric):
    method = local_method("map")
    terms = tuple(
        replace(t, candidates=(replace(t.candidates[0], network="teacher"),))
        for t in method.terms
    )
    trainer = trainer_of(
        replace(method, teacher=EMA(momentum=0.9), terms=terms), "resnet_mini", fabric
    )
    assert stepped(trainer, progress(0)).loss > 0


def adversarial(reverse) -> Method:
    """What the head learns to tell, the backbone learns to hide; the rate of both is one."""
    method = local_method("map")  # seeds what follows
    heads = {"judge": Head(nn.Linear(16, 6), reverse=reverse)}
    terms = (replace(method.terms[0], queries=(Output("student", "a", "judge"),),
                     candidates=(Output("student", "b", "judge"),)),)  # fmt: skip
    return replace(method, heads=heads, terms=terms)


def gradients(reverse, fabric: Fabric, now: Progress) -> dict[str, torch.Tensor]:
    trainer = trainer_of(adversarial(reverse), "resnet_mini", fabric)
    stepped(trainer, now)
    return {key: w.grad for key, w in trainer.student.named_parameters() if w.grad is not None}


def test_a_reversed_head_follows_its_schedule(fabric):
    now = Progress(2, 8, 4.0)
    plain = gradients(None, fabric, now)
    for reverse, scale in ((2.0, 2.0), (Line(0.0, 1.0), 0.25)):
        turned = gradients(reverse, fabric, now)
        for key, gradient in plain.items():
            factor = -scale if key.startswith("backbone.") else 1.0
            torch.testing.assert_close(turned[key], factor * gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.xdist_group("ranks")
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_take_the_step_of_one(strategy, tmp_path, fabric):
    done = ranks("tests.train.place_ranks", tmp_path, strategy)
    assert [rank.returncode for rank in done] == [0, 0], "".join(r.stderr[-3000:] for r in done)
    one = trainer_of(local_method("tokens"), "vit_tiny_patch16_224", fabric)
    stepped(one, progress(0))
    for rank in range(2):
        two = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        for name, tensor in one.state().items():
            torch.testing.assert_close(two[name], tensor, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("mix", ["sdmp", "i-mix"])
@pytest.mark.parametrize("strategy", ["mixup", "cutmix", "resizemix"])
def test_places_of_an_image_with_a_box_are_refused(mix, strategy):
    """Under a box a place shows one of both images, not the shares of the whole."""
    method = local_method("map")
    both = replace(method.terms[0], queries=(Output("student", "a", "local"),))
    chosen = mixture(mix, {"strategies": [strategy]})
    if strategy == "mixup":
        assert chosen.apply(replace(method, terms=(both,))).mixes
        return
    with pytest.raises(
        UserError, match=rf"where local reads .* but {strategy} puts boxes .* set mix"
    ):
        chosen.apply(replace(method, terms=(both,)))


@pytest.mark.parametrize(("mix", "fits"), [("sdmp", False), ("i-mix", True)])
def test_clean_places_beside_a_mixed_feature_take_any_mix(mix, fits):
    """SDMP holds mixed features against mixed places too, i-Mix against clean ones alone."""
    chosen = mixture(mix, {"strategies": ["cutmix"]})
    method = replace(local_method("tokens"), terms=local_method("tokens").terms[:1])
    if fits:
        assert chosen.apply(method).mixes
        return
    with pytest.raises(UserError, match="where local reads them place by place"):
        chosen.apply(method)
