"""Kin of places by feature and by location, found by loops and by the rules."""

import numpy as np
import pytest
import torch

from ilk.core import Composition, Output, Rows
from ilk.kin import AgainstMemory, NearestByFeature, NearestByPlace, places
from ilk.memory import Queue
from ilk.train.loop.places import parts_of
from tests.kin.context import FakeLook, plain, stale
from tests.laws.world import places as boxes_of
from tests.objectives.test_aligned import Largest

A, B = Output("student", "a", "map"), Output("teacher", "b", "map")


def cells(vectors, boxes=None, view=0, items=None):
    """Rows of the places of some images, as a step makes them."""
    images, count = vectors.shape[:2]
    items = torch.arange(images) if items is None else torch.as_tensor(items)
    slots = (items * 2 + view)[:, None] + (torch.arange(1, count + 1) << 40)
    whole = Composition.plain(items.repeat_interleave(count))
    return Rows(vectors.flatten(0, 1), whole, slots.flatten(), place=boxes)


def look(mine, theirs, images, memories=None):
    """A step with these places and the features of their images."""
    features = plain(torch.zeros(images, 1))
    return FakeLook(
        {
            A: mine, B: theirs, Output("student", "a", "feature"): features,
            Output("teacher", "b", "feature"): features,
        },
        memories or {},
    )  # fmt: skip


def grid(edges, rows=4, columns=4):
    """Boxes of the cells of crops."""
    return parts_of(torch.tensor(edges, dtype=torch.float32), rows, columns)


def found(kin):
    """The column of each query that has kin, or None."""
    pairs = zip(kin.columns.tolist(), kin.weights.tolist(), strict=True)
    return [column if weight else None for column, weight in pairs]


def by_loops(far, best):
    """Column and group of each query: far is [B, M, N]."""
    columns, groups = [], []
    for image, table in enumerate(far.tolist()):
        nearest = [min(range(len(row)), key=row.__getitem__) for row in table]
        order = sorted(range(len(table)), key=lambda m, t=table: min(t[m]))
        for m, column in enumerate(nearest):
            number = order.index(m) if best else m
            kept = not best or number < best
            columns.append(image * len(table[0]) + column if kept else None)
            groups.append(number)
    return columns, groups


@pytest.mark.parametrize("entries", [2**22, 40])
@pytest.mark.parametrize("best", [0, 2])
@pytest.mark.parametrize("cosine", [True, False])
def test_nearest_features_are_those_of_loops(monkeypatch, cosine, best, entries):
    monkeypatch.setattr(places, "ENTRIES", entries)
    torch.manual_seed(0)
    a, b = torch.randn(3, 6, 4).double(), torch.randn(3, 5, 4).double()
    if cosine:
        x, y = (rows / rows.norm(dim=2, keepdim=True) for rows in (a, b))
        far = 1 - torch.einsum("imd,ind->imn", x, y)
    else:
        far = (a[:, :, None] - b[:, None]).norm(dim=3)
    mine, theirs = cells(a), cells(b, view=1)
    rule = NearestByFeature(of=A, among=B, cosine=cosine, best=best)
    kin = rule.align(mine, theirs, look(mine, theirs, 3))
    columns, groups = by_loops(far, best)
    assert found(kin) == columns
    assert kin.group.tolist() == groups
    table = rule(mine, theirs, look(mine, theirs, 3)).weights
    assert [row.argmax().item() if row.any() else None for row in table] == columns


@pytest.mark.parametrize("best", [0, 5])
def test_nearest_places_are_those_of_loops_for_any_two_crops(best):
    items = np.arange(40)
    first, second = boxes_of(items, [1]), boxes_of(items, [2])
    assert (first[:, 1] > first[:, 3]).any(), "some are mirrored"
    a, b = parts_of(first, 3, 4), parts_of(second, 5, 5)
    mine = cells(torch.zeros(40, 12, 2), a)
    theirs = cells(torch.zeros(40, 25, 2), b, view=1)
    x, y = ((box[:, :2] + box[:, 2:]) / 2 for box in (a.double(), b.double()))
    far = (x.view(40, 12, 1, 2) - y.view(40, 1, 25, 2)).norm(dim=3)
    kin = NearestByPlace(of=A, among=B, best=best).align(mine, theirs, look(mine, theirs, 40))
    wanted = [
        min(table[m].tolist()) if column is not None else None
        for table, row in zip(far, torch.tensor(0).new_zeros(40, 12), strict=True)
        for m, column in enumerate(row.tolist())
    ]
    columns, _ = by_loops(far, best)
    for query, (column, other, least) in enumerate(
        zip(found(kin), columns, wanted, strict=True)
    ):
        assert (column is None) == (other is None)
        if column is not None:  # of two at one distance either is right
            image, cell = divmod(column, 25)
            assert image == query // 12
            assert far[image, query % 12, cell].item() == pytest.approx(least, abs=1e-6)
    inside = NearestByPlace(of=A, among=B, inside=True).align(
        mine, theirs, look(mine, theirs, 40)
    )
    edges = second.repeat_interleave(12, dim=0)
    low, high = (pick(edges[:, 1], edges[:, 3]) for pick in (torch.minimum, torch.maximum))
    within = (x[:, 0] > edges[:, 0]) & (x[:, 0] < edges[:, 2]) & (x[:, 1] > low)
    assert (inside.weights > 0).tolist() == (within & (x[:, 1] < high)).tolist()
    assert 0 < int((inside.weights > 0).sum()) < 480


@pytest.mark.parametrize("cosine", [True, False])
def test_of_two_equal_views_the_kin_are_the_diagonal(cosine):
    torch.manual_seed(0)
    vectors, boxes = torch.randn(2, 16, 8), grid([[0.1, 0.2, 0.7, 0.9], [0, 1, 1, 0]])
    mine, theirs = cells(vectors, boxes), cells(vectors, boxes, view=1)
    step = look(mine, theirs, 2)
    for rule in (
        NearestByFeature(of=A, among=B, cosine=cosine),
        NearestByPlace(of=A, among=B),
        NearestByPlace(of=A, among=B, inside=True),
    ):
        assert found(rule.align(mine, theirs, step)) == list(range(32))


def test_of_views_one_cell_apart_the_kin_are_one_cell_apart():
    vectors = torch.zeros(1, 16, 2)
    mine = cells(vectors, grid([[0, 0, 0.5, 0.5]]))
    theirs = cells(vectors, grid([[0, 0.125, 0.5, 0.625]]), view=1)
    step = look(mine, theirs, 1)
    shifted = [row * 4 + max(column - 1, 0) for row in range(4) for column in range(4)]
    assert found(NearestByPlace(of=A, among=B).align(mine, theirs, step)) == shifted
    inside = found(NearestByPlace(of=A, among=B, inside=True).align(mine, theirs, step))
    assert inside == [None if n % 4 == 0 else n - 1 for n in range(16)]


def test_of_a_mirrored_view_the_kin_are_mirrored():
    vectors = torch.zeros(1, 16, 2)
    mine = cells(vectors, grid([[0, 0, 1, 1]]))
    theirs = cells(vectors, grid([[0, 1, 1, 0]]), view=1)
    mirrored = [row * 4 + 3 - column for row in range(4) for column in range(4)]
    kin = NearestByPlace(of=A, among=B, inside=True).align(mine, theirs, look(mine, theirs, 1))
    assert found(kin) == mirrored


def test_places_of_other_ranks_stand_between():
    """Queries of this rank, candidates of all ranks in any order, and a memory behind."""
    torch.manual_seed(0)
    a, b = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    mine, theirs = cells(a, items=[5, 6]), cells(b, view=1, items=[5, 6])
    far = cells(torch.randn(3, 4, 3), view=1, items=[1, 9, 2])
    past = stale(torch.randn(7, 3))
    everyone = Rows(
        torch.cat([far.vectors, theirs.vectors, past.vectors]),
        Composition.cat([far.composition, theirs.composition, past.composition]),
        torch.cat([far.slots, theirs.slots, past.slots]),
    )
    rule = NearestByFeature(of=A, among=B)
    kin = rule.align(mine, everyone, look(mine, theirs, 2))
    near = rule.align(mine, theirs, look(mine, theirs, 2))
    assert (kin.columns - 12).tolist() == near.columns.tolist()
    assert kin.weights.tolist() == [1.0] * 8


def test_against_a_memory_other_places_are_ignored():
    torch.manual_seed(0)
    a, b = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    mine, theirs, memory = cells(a), cells(b, view=1), Queue(5, 3)
    candidates = Rows(
        torch.cat([theirs.vectors, memory.vectors]),
        Composition.cat([theirs.composition, memory.rows().composition]),
        torch.cat([theirs.slots, memory.rows().slots]),
    )
    step, near = look(mine, theirs, 2, {"q": memory}), NearestByFeature(of=A, among=B)
    kin = AgainstMemory(rule=near, memory="q")(mine, candidates, step)
    alone = near.align(mine, candidates, step)
    for query in range(8):
        for column in range(13):
            own = column == alone.columns[query]
            assert kin.weights[query, column] == own
            assert kin.ignored[query, column] == (column < 8 and not own)


def test_what_lies_nowhere_has_no_kin():
    vectors = torch.zeros(2, 16, 2)
    boxes = grid([[0, 0, 1, 1], [torch.nan] * 4])
    mine, theirs = cells(vectors, boxes), cells(vectors, grid([[0, 0, 1, 1]] * 2), view=1)
    kin = NearestByPlace(of=A, among=B).align(mine, theirs, look(mine, theirs, 2))
    assert found(kin) == [*range(16), *[None] * 16]
    none, fewer = cells(vectors), plain(torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"set Method.places"):
        NearestByPlace(of=A, among=B).align(none, theirs, look(none, theirs, 2))
    with pytest.raises(ValueError, match="must be the places of student a map"):
        NearestByPlace(of=A, among=B).align(fewer, theirs, look(mine, theirs, 2))


@pytest.mark.parametrize("rule", [NearestByFeature, NearestByPlace])
def test_memory_does_not_grow_with_all_pairs_of_a_batch(monkeypatch, rule):
    monkeypatch.setattr(places, "ENTRIES", 2**13)
    vectors, boxes = torch.randn(200, 16, 4), grid([[0, 0, 1, 1]] * 200)
    mine, theirs = cells(vectors, boxes), cells(vectors, boxes, view=1)
    with Largest() as largest:
        rule(of=A, among=B).align(mine, theirs, look(mine, theirs, 200))
    assert largest.entries <= max(2 * 2**13, 200 * 16 * 4)
