from dataclasses import replace

import pytest
import torch

from ilk.networks import Head, Network, Teacher, check_heads, mlp


class Counted(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.inner(x)


def test_fields_follow_one_another(network):
    network.eval()
    images = torch.randn(4, 3, 32, 32)
    out = network(images, ("feature", "projector", "predictor", "prototypes"))
    torch.testing.assert_close(out["feature"], network.backbone(images))
    torch.testing.assert_close(out["projector"], network.projector(out["feature"]))
    torch.testing.assert_close(out["predictor"], network.predictor(out["projector"]))
    torch.testing.assert_close(
        out["prototypes"], network.scores("prototypes", out["projector"])
    )


@pytest.mark.parametrize(
    ("wanted", "calls"),
    [
        ({"feature"}, (1, 0, 0, 0)),
        ({"projector"}, (1, 1, 0, 0)),
        ({"feature", "predictor"}, (1, 1, 1, 0)),
        ({"prototypes"}, (1, 1, 0, 1)),
        ({"feature", "projector", "predictor", "prototypes"}, (1, 1, 1, 1)),
    ],
)
def test_only_what_is_needed_is_computed(network, wanted, calls):
    heads = {n: replace(h, module=Counted(h.module)) for n, h in network.heads.items()}
    counted = Network(Counted(network.backbone), heads)
    out = counted(torch.randn(4, 3, 32, 32), frozenset(wanted))
    assert set(out) == wanted
    assert tuple(part.calls for part in counted.parts().values()) == calls


def test_a_missing_head_is_named_with_the_nearest_one(network):
    images = torch.randn(2, 3, 32, 32)
    with pytest.raises(ValueError, match="got 'projection'; did you mean projector"):
        network(images, {"projection"})
    with pytest.raises(ValueError, match="got 'classes'"):
        network.scores("classes", torch.randn(2, 8))
    bare = Network(network.backbone)
    assert list(bare.parts()) == ["backbone"]
    with pytest.raises(ValueError, match="got 'projector'; choose from feature"):
        bare(images, {"projector"})


def head(on="feature", **kwargs):
    return Head(torch.nn.Identity(), on=on, **kwargs)


@pytest.mark.parametrize(
    ("heads", "words"),
    [
        ({"a": head("featur")}, "a must sit on a head before it, got .featur.; did you mean f"),
        ({"a": head("b"), "b": head()}, "a must sit on a head before it, got 'b'"),
        ({"a": head("b"), "b": head("a")}, "a must sit on a head before it, got 'b'"),
        ({"a": head("a")}, "a must sit on a head before it, got 'a'"),
        ({"feature": head()}, "a name must be a word that is free, got 'feature'"),
        ({"backbone": head()}, "a name must be a word that is free, got 'backbone'"),
        ({"forward": head()}, "a name must be a word that is free, got 'forward'"),
        ({"train": head()}, "a name must be a word that is free, got 'train'"),
        ({"a.b": head()}, "a name must be a word that is free, got 'a.b'"),
        ({"a": head(teacher=False), "b": head("a")}, "give b teacher=False"),
    ],
)  # fmt: skip
def test_heads_that_no_network_can_be_made_of_are_refused(heads, words):
    with pytest.raises(ValueError, match=words):
        check_heads(heads)


def test_heads_may_stand_on_heads_at_will(conv):
    heads = {
        "low": Head(mlp(16, 8, 4, layers=2)),
        "left": Head(mlp(4, 8, 3, layers=1), on="low"),
        "right": Head(mlp(3, 8, 2, layers=1), on="left", teacher=False),
    }
    check_heads(heads)
    network = Network(conv, heads)
    images = torch.randn(4, 3, 32, 32)
    network.eval()
    out = network(images, {"right", "low"})
    low = network.low(conv(images))
    torch.testing.assert_close(out["right"], network.right(network.left(low)))
    assert set(out) == {"right", "low"}
    assert list(Teacher(network).network.heads) == ["low", "left"]
    assert "right.0.weight" in network.state_dict()
