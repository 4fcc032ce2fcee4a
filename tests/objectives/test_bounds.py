"""Bounds of information: loops over pairs, values known by hand, and rows without negatives."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from ilk.core import Kin, Progress
from ilk.objectives import DonskerVaradhan, EachPositive, JensenShannon

NOW = Progress(0, 1, 1.0)
ALL = [EachPositive(), EachPositive(temperature=2.0, clip=1.5, penalty=0.3), JensenShannon(),
       DonskerVaradhan()]  # fmt: skip


@st.composite
def cases(draw):
    """Queries, candidates, soft kin and ignored pairs; some rows without kin or negatives."""
    count, columns = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    torch.manual_seed(draw(st.integers(0, 1000)))
    queries, keys = torch.randn(count, 3).double(), torch.randn(columns, 3).double()
    ignored = torch.rand(count, columns) < draw(st.sampled_from([0.0, 0.4]))
    weights = torch.rand(count, columns).double() * (torch.rand(count, columns) < 0.5)
    weights = weights.masked_fill(ignored, 0)
    weights[torch.rand(count) < 0.2] = 0
    sums = weights.sum(1, keepdim=True)
    return queries, keys, Kin(weights / torch.where(sums > 0, sums, 1), ignored)


def by_pairs(objective, queries, keys, kin):
    """The formulas, pair by pair."""
    rows, apart, together = [], [], []
    for n, query in enumerate(queries):
        weights = kin.weights[n].tolist()
        if sum(weights) == 0:
            continue
        raw = [float(query @ key) for key in keys]
        kept = [k for k in range(len(raw)) if not kin.ignored[n, k]]
        foreign = [k for k in kept if weights[k] == 0]
        if isinstance(objective, EachPositive):
            raw = [s / objective.temperature for s in raw]
            c = objective.clip
            scores = raw if c is None else [c * math.tanh(s / c) for s in raw]
            others = sum(math.exp(scores[k]) for k in foreign)
            loss = -sum(
                w * math.log(math.exp(s) / (math.exp(s) + others))
                for w, s in zip(weights, scores, strict=True)
            )
            rows.append(loss + objective.penalty * sum(raw[k] ** 2 for k in kept) / len(kept))
        elif isinstance(objective, JensenShannon):
            own = sum(w * math.log1p(math.exp(-s)) for w, s in zip(weights, raw, strict=True))
            far = [math.log1p(math.exp(raw[k])) for k in foreign]
            rows.append(own + sum(far) / max(len(far), 1) - 2 * math.log(2))
        else:
            together.append(sum(w * s for w, s in zip(weights, raw, strict=True)))
            apart += [math.exp(raw[k]) for k in foreign]
    if isinstance(objective, DonskerVaradhan):
        if not apart:
            return 0.0
        return math.log(sum(apart) / len(apart)) - sum(together) / len(together)
    return sum(rows) / max(len(rows), 1)


@pytest.mark.parametrize("objective", ALL, ids=repr)
@given(case=cases())
def test_losses_match_a_loop_and_gradients_are_finite(objective, case):
    queries, keys, kin = case
    queries.requires_grad_()
    loss = objective(queries, (keys,), kin, NOW)
    loss.backward()
    assert loss.item() == pytest.approx(
        by_pairs(objective, queries.detach(), keys, kin), abs=1e-9
    )
    assert queries.grad.isfinite().all()
    assert (queries.grad[~kin.related] == 0).all()


def test_no_information_costs_what_chance_costs():
    """Four images of 25 or 49 places: AMDIM's three terms."""
    queries = torch.zeros(4, 8)
    for places, chance in ((25, math.log(1 + 3 * 25)), (49, math.log(1 + 3 * 49))):
        kin = Kin(torch.eye(4).repeat_interleave(places, dim=1) / places)
        loss = EachPositive(clip=20.0)(queries, (torch.zeros(4 * places, 8),), kin, NOW)
        assert loss.item() == pytest.approx(chance, abs=1e-5)
    assert JensenShannon()(queries, (queries,), Kin(torch.eye(4)), NOW).item() == 0
    assert DonskerVaradhan()(queries, (queries,), Kin(torch.eye(4)), NOW).item() == 0


def test_scores_are_clipped_softly_and_punished_before():
    """One positive of 30 against one negative of 0."""
    query, keys = torch.tensor([[1.0]]), torch.tensor([[30.0], [0.0]])
    kin = Kin(torch.tensor([[1.0, 0.0]]))
    clipped = 20 * math.tanh(30 / 20)
    assert clipped == pytest.approx(18.102965, abs=1e-6)
    expected = math.log1p(math.exp(-clipped)) + 0.05 * 900 / 2
    loss = EachPositive(clip=20.0, penalty=0.05)(query, (keys,), kin, NOW)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_positives_of_a_query_are_no_rivals():
    """A second positive, however strong, costs the first one nothing."""
    query, kin = torch.tensor([[1.0]]), Kin(torch.tensor([[0.5, 0.5, 0.0]]))
    weak = EachPositive()(query, (torch.tensor([[2.0], [2.0], [0.0]]),), kin, NOW)
    strong = EachPositive()(query, (torch.tensor([[2.0], [9.0], [0.0]]),), kin, NOW)
    alone = math.log1p(math.exp(-2))
    assert weak.item() == pytest.approx(alone, rel=1e-6)
    assert strong.item() == pytest.approx((alone + math.log1p(math.exp(-9))) / 2, rel=1e-5)


def test_donsker_and_varadhan_are_of_all_rows_at_once():
    """The mean stands inside the logarithm, so halves of a batch do not add up."""
    torch.manual_seed(0)
    rows, keys = torch.randn(4, 3), torch.randn(4, 3)
    whole = DonskerVaradhan()(rows, (keys,), Kin(torch.eye(4)), NOW)
    halves = [
        DonskerVaradhan()(rows[part], (keys,), Kin(torch.eye(4)[part]), NOW)
        for part in (slice(0, 2), slice(2, 4))
    ]
    assert DonskerVaradhan.joint
    assert whole.item() != pytest.approx(sum(halves).item() / 2, abs=1e-3)
