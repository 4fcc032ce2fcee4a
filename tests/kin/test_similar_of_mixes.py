"""False negatives of mixed queries: those of all sources, each by its share."""

import torch

from ilk.core import Composition, Output, Rows
from ilk.kin import Added, CommonSource, Similar
from tests.kin.context import FakeLook, joined, mixed_rows, plain, stale

KEY = Output("teacher", "b", "projector")
SIMILAR = Similar(top=1, above=0.7, over=(KEY,))


def looked():
    """Keys of A and B, and a row of each kind among the candidates."""
    keys = plain(torch.eye(3)[:2].double(), first_slot=2)
    others = torch.tensor([[0.9, 0.0, 0.1], [0.0, 0.9, 0.1]]).double()
    return FakeLook({KEY: keys}), joined(keys, stale(others))


def mix(share: float) -> Rows:
    made = Composition.mixed(
        torch.tensor([0]), torch.tensor([1]), torch.tensor([share]).double()
    )
    return Rows(torch.ones(1, 3).double(), made, torch.tensor([0]))


def test_a_mix_attracts_those_of_both_sources_by_their_shares():
    context, candidates = looked()
    kin = (CommonSource() | SIMILAR)(mix(0.1), candidates, context)
    expected = torch.tensor([[0.05, 0.45, 0.05, 0.45]]).double()
    torch.testing.assert_close(kin.weights, expected)
    added = (CommonSource() | Added(by=KEY, rule=SIMILAR))(mix(0.1), candidates, context)
    torch.testing.assert_close(kin.weights, added.weights)


def test_a_mix_ignores_those_of_both_sources():
    context, candidates = looked()
    kin = (CommonSource() - SIMILAR)(mix(0.1), candidates, context)
    assert kin.ignored.tolist() == [[False, False, True, True]]
    torch.testing.assert_close(kin.weights, torch.tensor([[0.1, 0.9, 0, 0]]).double())


def test_a_source_that_resembles_the_other_is_no_further_kin():
    keys = plain(torch.tensor([[1.0, 0.0], [0.9, 0.1]]))
    found = SIMILAR(mix(0.5), keys, FakeLook({KEY: keys}))
    assert found.weights.tolist() == [[0, 0]]


def test_an_image_mixed_with_itself_has_its_own_bit_for_bit():
    torch.manual_seed(0)
    rule = Similar(top=7, above=-1.0, over=(KEY,))
    keys, bank = plain(torch.randn(3, 4), first_slot=3), stale(torch.randn(30, 4))
    context = FakeLook({KEY: keys})
    own = rule(plain(torch.randn(3, 4)), bank, context).weights
    share = torch.tensor([0.7, 0.6, 0.2])
    found = rule(mixed_rows(torch.randn(3, 4), share), bank, context).weights
    assert torch.equal(found[1], own[1])
    torch.testing.assert_close(found[0], 0.7 * own[0] + 0.3 * own[2])
