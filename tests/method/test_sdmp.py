"""SDMP as a rewriting: terms, weights, and the whole loss by hand."""

import math

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from ilk.core import Output, UserError
from ilk.method import Given, passes, query_views
from ilk.methods import recipe
from ilk.mixes.sdmp import SDMP
from ilk.train.loop.profile import no_clock
from ilk.views import RoleSwap
from tests.laws.world import batch, built, progress, small_method, small_trainer

GIVEN = Given(width=8, size=224)


@pytest.fixture(scope="session")
def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)


def weights(method) -> dict[str, float]:
    out: dict[str, float] = {}
    for term in method.terms:
        out[term.name] = out.get(term.name, 0.0) + term.weight
    return out


def test_replace_version_of_moco_v3():
    tau = 0.2
    method = small_method("moco-v3", "sdmp")
    assert weights(method) == pytest.approx({"clean": 2 * tau, "source": tau, "mix": tau})
    assert method.derived[0] == RoleSwap(("a", "b"))
    by_name = {term.name: term for term in method.terms}
    assert by_name["clean"].queries == (Output("student", "a", "predictor"),)
    assert by_name["source"].queries == by_name["mix"].queries
    assert by_name["source"].queries == (Output("student", "b~", "predictor"),)
    assert by_name["source"].candidates == (Output("teacher", "a", "projector"),)
    assert by_name["mix"].candidates == (Output("teacher", "a~", "projector"),)


def test_extra_view_version_keeps_the_symmetric_loss():
    tau = 0.2
    method = SDMP(version="extra").apply(small_method("moco-v3"))
    assert weights(method) == pytest.approx({"clean": 4 * tau, "source": tau, "mix": tau})
    assert [view.name for view in method.views] == ["a", "b", "b-extra"]
    shown = {(entry.network, entry.view) for entry in passes(method)}
    assert shown == {
        ("student", "a"), ("student", "b"), ("student", "b-extra~"),
        ("teacher", "a"), ("teacher", "b"), ("teacher", "a~"),
    }  # fmt: skip


def test_dino_mixes_the_last_half_of_its_small_crops():
    method = SDMP().apply(recipe("dino", {"prototypes": 16}).build(GIVEN))
    pairs = {name: 0 for name in ("clean", "source", "mix")}
    for term in method.terms:
        pairs[term.name] += len(term.queries)
    assert pairs == {"clean": 10, "source": 8, "mix": 8}
    assert weights(method) == pytest.approx({"clean": 1.0, "source": 1.0, "mix": 1.0})
    assert {mix.mixing.snap for mix in method.mixes.values()} == {32}
    mixed = [view for view in query_views(method) if view in method.mixes]
    assert mixed == ["l5~", "l6~", "l7~", "l8~"]


def test_dino_with_one_mixed_teacher_view():
    method = SDMP(mixed_teachers=1).apply(recipe("dino", {"prototypes": 16}).build(GIVEN))
    teacher = {e.view for e in passes(method) if e.network == "teacher"}
    assert teacher == {"g1", "g2", "g1~"}
    assert weights(method)["mix"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("small", "mixed"), [(0, ["g2~"]), (1, ["g2~"]), (2, ["l2~"]), (5, ["l4~", "l5~"])]
)
def test_dino_with_few_small_crops_is_mixed_with_a_caution(small, mixed):
    plain = recipe("dino", {"prototypes": 16, "local_views": small}).build(GIVEN)
    with pytest.warns(UserWarning, match=f"with {small} small crops .* local_views=6"):
        method = SDMP().apply(plain)
    assert [view for view in query_views(method) if view in method.mixes] == mixed


# Clean, source and mixed pairs of n small crops, m of them mixed: 2(n + 1 - m), 2m and 2m.
@pytest.mark.parametrize(
    ("small", "weighting", "expected"),
    [
        (6, "paper", (1.0, 1.0, 1.0)),
        (6, "pairs", (8 / 20, 6 / 20, 6 / 20)),
        (6, "crops", (8 / 14, 3 / 14, 3 / 14)),
        (8, "pairs", (10 / 26, 8 / 26, 8 / 26)),
        (8, "crops", (10 / 18, 4 / 18, 4 / 18)),
    ],
)
def test_weighting_of_mixed_crops(small, weighting, expected):
    plain = recipe("dino", {"prototypes": 16, "local_views": small}).build(GIVEN)
    found = weights(SDMP(weighting=weighting).apply(plain))
    assert found == pytest.approx(dict(zip(("clean", "source", "mix"), expected, strict=True)))


@pytest.mark.parametrize("weighting", ["paper", "crops"])
def test_two_views_keep_their_weights_by_either_rule(weighting):
    found = weights(SDMP(weighting=weighting).apply(small_method("moco-v3")))
    assert found == pytest.approx({"clean": 0.4, "source": 0.2, "mix": 0.2})


def test_a_mixed_crop_weighs_as_much_as_a_clean_one():
    method = SDMP(weighting="crops").apply(recipe("dino", {"prototypes": 16}).build(GIVEN))
    share: dict[str, float] = {}
    for term in method.terms:
        for query in term.queries:
            view = query.view
            share[view] = share.get(view, 0.0) + term.weight / len(term.queries)
    assert share["l8~"] == pytest.approx(share["l1"]) == pytest.approx(2 / 18)


def test_centres_see_mixes_only_when_asked():
    plain = recipe("dino", {"prototypes": 16}).build(GIVEN)
    seen = [o.view for o in SDMP().apply(plain).remember[0].outputs]
    both = [o.view for o in SDMP(remember_mixed=True).apply(plain).remember[0].outputs]
    assert seen == ["g1", "g2"]
    assert both == ["g1", "g2", "g1~", "g2~"]


def test_refusal_says_why():
    with pytest.raises(UserError, match="exactly one partner"):
        small_method("vicreg", "sdmp")


def log_softmax(row: np.ndarray) -> np.ndarray:
    return row - math.log(np.exp(row - row.max()).sum()) - row.max()


def cosine(q: np.ndarray, k: np.ndarray) -> float:
    return float(q @ k / np.linalg.norm(q) / np.linalg.norm(k))


def mixed_labels(shares: np.ndarray, i: int) -> tuple[int, float, float]:
    """Partner, and own and partner weight in the mixing loss, by Eq. 4."""
    p = len(shares) - 1 - i
    both = min(shares[i], 1 - shares[p]) + min(1 - shares[i], shares[p])
    return p, 1 / (1 + both), both / (1 + both)


def test_whole_moco_v3_loss_by_hand(fabric):
    trainer = small_trainer(fabric, small_method("moco-v3", "sdmp"))
    context = trainer._look(batch(trainer.method.views, 3), progress(0), first=False)
    losses = trainer._losses(context)
    out = {
        (network, view): context.rows(Output(network, view, field)).vectors.double().numpy()
        for network, view, field in (
            ("student", "a", "predictor"), ("student", "b~", "predictor"),
            ("teacher", "a", "projector"), ("teacher", "b", "projector"),
            ("teacher", "a~", "projector"),
        )
    }  # fmt: skip
    shares = context._views["b~"].facts.composition.shares[:, 0].double().numpy()
    n, tau = len(shares), 0.2
    total = {"clean": 0.0, "source": 0.0, "mix": 0.0}
    for i in range(n):

        def logs(query, keys, i=i):
            return log_softmax(np.array([cosine(out[query][i], k) / tau for k in out[keys]]))

        p, own, other = mixed_labels(shares, i)
        total["clean"] -= logs(("student", "a"), ("teacher", "b"))[i]
        row = logs(("student", "b~"), ("teacher", "a"))
        total["source"] -= shares[i] * row[i] + (1 - shares[i]) * row[p]
        row = logs(("student", "b~"), ("teacher", "a~"))
        total["mix"] -= own * row[i] + other * row[p]
    expected = {
        "clean": 2 * tau * total["clean"] / n,
        "source": tau * total["source"] / n,
        "mix": tau * total["mix"] / n,
    }
    assert {k: v.item() for k, v in losses.items()} == pytest.approx(expected, rel=1e-5)


def test_whole_dino_loss_by_hand(fabric):  # noqa: C901
    trainer = small_trainer(fabric, small_method("dino", "sdmp"))
    trainer.memory["centre"].value.copy_(torch.linspace(-0.1, 0.1, 12))
    context = trainer._look(batch(trainer.method.views, 3), progress(0), first=False)
    losses = trainer._losses(context)

    def scores(network, view):
        return context.rows(Output(network, view, "prototypes")).vectors.double().numpy()

    centre = trainer.memory["centre"].value.double().numpy()
    shares = context._views["l3~"].facts.composition.shares[:, 0].double().numpy()
    deciding = context._views["g1~"].facts.composition.shares[:, 0].double().numpy()
    assert shares == pytest.approx(deciding)  # snapped: the same at both sizes
    n = len(shares)

    def teacher(view):
        rows = (scores("teacher", view) - centre) / 0.04
        return np.stack([np.exp(log_softmax(row)) for row in rows])

    def entropy(target, view, i):
        return -float(target @ log_softmax(scores("student", view)[i] / 0.1))

    clean, source, mix = [], [], []
    for g in ("g1", "g2"):
        for v in ("g1", "g2", "l1", "l2"):
            if v != g:
                clean += [entropy(teacher(g)[i], v, i) for i in range(n)]
        for v in ("l3~", "l4~"):
            for i in range(n):
                p, own, other = mixed_labels(shares, i)
                target = shares[i] * teacher(g)[i] + (1 - shares[i]) * teacher(g)[p]
                source.append(entropy(target, v, i))
                mixed = teacher(f"{g}~")
                mix.append(entropy(own * mixed[i] + other * mixed[p], v, i))
    expected = {"clean": np.mean(clean), "source": np.mean(source), "mix": np.mean(mix)}
    assert {k: v.item() for k, v in losses.items()} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("static", "name"), [("static_source", "source"), ("static_mix", "mix")]
)
def test_static_lambdas_halve_the_labels_and_leave_the_pictures(fabric, static, name):
    trainer = small_trainer(fabric, SDMP(**{static: True}).apply(small_method("moco-v3")))
    context = trainer._look(batch(trainer.method.views, 3), progress(0), first=False)
    trainer._losses(context)
    for kin_record in context.kin_records:
        if kin_record.term.name == name:
            assert kin_record.kin.weights.max(dim=1).values == pytest.approx(0.5)
    assert context._views["b~"].facts.composition.shares.unique().numel() > 4


def test_swap_gives_both_views_both_roles(fabric):
    trainer = built(fabric, "moco-v3", "sdmp")
    shown = batch(trainer.method.views, 0)
    first = set()
    for step in range(20):
        views, _ = trainer._view_maker(shown, epoch=0, step=step, clock=no_clock)
        first.add(views["a"].sum().item())
    assert len(first) == 2
