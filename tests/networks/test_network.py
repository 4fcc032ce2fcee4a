import pytest
import torch

from ilk.networks import Network


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
    out = network(images, ("feature", "projection", "prediction", "scores"))
    torch.testing.assert_close(out["feature"], network.backbone(images))
    torch.testing.assert_close(out["projection"], network.projector(out["feature"]))
    torch.testing.assert_close(out["prediction"], network.predictor(out["projection"]))
    torch.testing.assert_close(out["scores"], network.scores(out["projection"]))


@pytest.mark.parametrize(
    ("wanted", "calls"),
    [
        ({"feature"}, (1, 0, 0, 0)),
        ({"projection"}, (1, 1, 0, 0)),
        ({"feature", "prediction"}, (1, 1, 1, 0)),
        ({"scores"}, (1, 1, 0, 1)),
        ({"feature", "projection", "prediction", "scores"}, (1, 1, 1, 1)),
    ],
)
def test_only_what_is_needed_is_computed(network, wanted, calls):
    counted = Network(*(Counted(part) for part in network.parts().values()))
    out = counted(torch.randn(4, 3, 32, 32), frozenset(wanted))
    assert set(out) == wanted
    assert tuple(part.calls for part in counted.parts().values()) == calls


def test_missing_head_is_named(conv):
    bare = Network(conv)
    assert list(bare.parts()) == ["backbone"]
    for wanted, head in (("projection", "projector"), ("scores", "projector")):
        with pytest.raises(ValueError, match=head):
            bare(torch.randn(2, 3, 32, 32), {wanted})
