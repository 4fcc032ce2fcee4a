"""Passes of a view that is moved by the network's gradient: how many, and what they leave."""

import pytest
import torch
from torch import nn

from ilk.core import Output
from ilk.method import Pass
from ilk.networks import Head, Network, keep_statistics, sync_batch_norm
from ilk.train.loop.passes import Runner
from ilk.views import AdversarialView
from ilk.views.adversarial import unit

HEADS = frozenset(("feature", "classifier"))
BY = Output("student", "a", "classifier", stopped=True)


def network(chance: float = 0.0) -> Network:
    torch.manual_seed(0)
    trunk = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(chance)
    )
    return Network(trunk, {"classifier": Head(nn.Linear(72, 4))})


def runner(student: Network, **settings) -> Runner:
    view = AdversarialView(name="r", by=BY, **{"radius": 2.0, **settings})
    return Runner(
        student,
        [Pass("student", "r", HEADS, True), Pass("student", "a", HEADS, False)],
        together="all",
        mixes={},
        apart=True,
        adversarial={"r": view},
    )


def views() -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(1)
    images = torch.randn(6, 3, 5, 5, generator=chance)
    return {"a": images, "r": unit(torch.randn(6, 3, 5, 5, generator=chance))}


def test_running_statistics_are_those_of_the_clean_pass_alone():
    alone, student = network(), network()
    alone.backbone(views()["a"])
    calls: list[int] = []
    student.backbone.register_forward_hook(lambda *_: calls.append(1))
    runner(student)(views(), {}, {})
    assert len(calls) == 3  # clean, search, moved
    for name, buffer in alone.named_buffers():
        assert torch.equal(dict(student.named_buffers())[name], buffer), name
    assert int(student.backbone[1].num_batches_tracked) == 1


@pytest.mark.parametrize("synchronised", [False, True])
def test_statistics_are_kept_within_alone(synchronised):
    norm = nn.BatchNorm1d(4)
    norm = sync_batch_norm(norm, torch.device("cpu")) if synchronised else norm
    rows = torch.randn(8, 4)
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    with keep_statistics(norm):
        within = norm(rows)
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())
    assert torch.equal(norm(rows), within)  # by the batch, within as without
    assert int(norm.num_batches_tracked) == 1


def test_without_a_step_the_moved_view_is_the_clean_one_with_the_same_dropout():
    out = runner(network(chance=0.5), radius=0.0)(views(), {}, {})
    assert torch.equal(out["r"]["classifier"], out["a"]["classifier"])
    moved = runner(network(chance=0.5))(views(), {}, {})
    assert not torch.equal(moved["r"]["classifier"], moved["a"]["classifier"])


def test_no_gradient_flows_through_the_search():
    found, student = {}, network()
    seen = runner(student)
    out = seen(views(), {}, {})
    shown = seen._with_moved("r", views(), out, {})["r"]
    assert not shown.requires_grad
    assert not out["a"]["classifier"].requires_grad
    for name, rows in (("searched", None), ("given", shown)):
        student.zero_grad()
        with keep_statistics(student):
            scores = out["r"] if rows is None else student(rows, HEADS)
        scores["classifier"].square().sum().backward()
        found[name] = [p.grad.clone() for p in student.parameters()]
    for searched, given in zip(*found.values(), strict=True):
        torch.testing.assert_close(searched, given)
        assert searched.abs().sum() > 0
