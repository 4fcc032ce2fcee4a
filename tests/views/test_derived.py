"""Views that are made from others: what their rows are, and which of them are made."""

import numpy as np
import pytest
import torch

from ilk.core import UNKNOWN, Composition, RowFacts, UserError
from ilk.views import (
    Chance,
    MixedView,
    Mixing,
    RoleSwap,
    Rotations,
    ViewRows,
    derive,
    mix,
)

ITEMS = np.array([7, 3, 11, 5])
CHANCE = Chance(ITEMS, epoch=2, step=9, seed=4)


def plain(size: int = 12, items: np.ndarray = ITEMS, start: int = 0) -> ViewRows:
    drawn = torch.Generator().manual_seed(start)
    images = torch.rand(len(items), 3, size, size, generator=drawn)
    return ViewRows(images, RowFacts(Composition.plain(torch.from_numpy(items))))


@pytest.mark.parametrize("strategy", ["mixup", "cutmix", "resizemix"])
def test_a_mixed_view_is_what_mixing_makes(strategy):
    mixing = Mixing(strategies=(strategy,), per_view=True)
    view, shown = MixedView(name="m", view="a", mixing=mixing), plain()
    made = view({"a": shown}, CHANCE)["m"]
    draw = mixing.draw(ITEMS, epoch=2, step=9, seed=4, view="m")
    expected = mix(shown.images, draw, view="m")
    assert torch.equal(made.images, expected.images)
    assert torch.equal(made.facts.composition.sources, expected.composition.sources)
    assert torch.equal(made.facts.composition.shares, expected.composition.shares)
    assert made.facts.task is None


@pytest.mark.parametrize("partner", ["reversed", "shuffled", "halves"])
@pytest.mark.parametrize("groups", [1, 2])
def test_blocks_are_mixed_alike_and_keep_their_task(partner, groups):
    mixing = Mixing(strategies=("cutmix",), partner=partner, groups=groups)
    turned = Rotations(name="r", view="a")({"a": plain()}, CHANCE)["r"]
    made = MixedView(name="m", view="r", mixing=mixing)({"r": turned}, CHANCE)["m"]
    draw = mixing.draw(ITEMS, epoch=2, step=9, seed=4, view="m")
    rows = len(draw.rows)
    assert len(made.images) == 4 * rows
    for turn in range(4):
        block = slice(turn * rows, (turn + 1) * rows)
        alone = mix(turned.images[4 * turn : 4 * turn + 4], draw, view="m")
        assert torch.equal(made.images[block], alone.images)
        assert torch.equal(made.facts.composition.sources[block], alone.composition.sources)
        assert torch.equal(made.facts.composition.shares[block], alone.composition.shares)
        assert (made.facts.task[block] == turn).all()
    assert made.facts.blocks == 4


def test_where_two_tasks_meet_the_mix_has_none():
    shown = plain()
    facts = RowFacts(shown.facts.composition, task=torch.tensor([0, 1, 1, 2]))
    view = MixedView(name="m", view="a", mixing=Mixing())
    made = view({"a": ViewRows(shown.images, facts)}, CHANCE)["m"]
    assert made.facts.task.tolist() == [UNKNOWN, 1, 1, UNKNOWN]


def test_a_mix_of_rows_that_are_no_images_of_the_batch_is_refused():
    view = MixedView(name="m", view="a", mixing=Mixing())
    with pytest.raises(ValueError, match=r"must have 4 rows of one image each, got 3 of 1"):
        view({"a": plain(items=ITEMS[:3])}, CHANCE)
    mixed = view({"a": plain()}, CHANCE)["m"]
    with pytest.raises(ValueError, match=r"must have 4 rows of one image each, got 4 of 2"):
        view({"a": mixed}, CHANCE)


def test_four_rotations_as_in_the_paper():
    images = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    shown = ViewRows(images, RowFacts(Composition.plain(torch.tensor([8]))))
    made = Rotations(name="r", view="a")({"a": shown}, CHANCE)["r"]
    turned = [[int(pixel) for pixel in row.flatten()] for row in made.images]
    assert turned == [[0, 1, 2, 3], [1, 3, 0, 2], [3, 2, 1, 0], [2, 0, 3, 1]]
    assert made.facts.task.tolist() == [0, 1, 2, 3]
    assert made.facts.composition.sources.flatten().tolist() == [8] * 4


def test_rotations_of_a_batch_stand_one_block_after_the_other():
    shown = plain()
    made = Rotations(name="r", view="a")({"a": shown}, CHANCE)["r"]
    assert torch.equal(made.images[:4], shown.images)
    assert torch.equal(made.images[8:12].flip(-1, -2), shown.images)
    back = Rotations(name="b", view="r")({"r": made}, CHANCE)["b"]
    assert torch.equal(back.images[48 + 4 : 48 + 8], shown.images)  # one turn, then three
    assert back.facts.blocks == 16
    assert made.facts.composition.sources[:, 0].tolist() == ITEMS.tolist() * 4


@pytest.mark.parametrize("shape", [(4, 3, 12, 10), (4, 3, 12)])
def test_what_cannot_be_turned_is_refused(shape):
    facts = RowFacts(Composition.plain(torch.from_numpy(ITEMS)))
    with pytest.raises(UserError, match="must be square images, got 12"):
        Rotations(name="r", view="a")({"a": ViewRows(torch.rand(shape), facts)}, CHANCE)


def test_two_views_take_each_others_place_in_half_of_the_steps():
    views, swaps = {"x": plain(start=1), "y": plain(start=2)}, 0
    for step in range(200):
        chance = Chance(ITEMS, epoch=0, step=step, seed=0)
        made = RoleSwap(("x", "y"))(views, chance)
        again = RoleSwap(("x", "y"))(views, Chance(ITEMS[::-1], epoch=5, step=step, seed=0))
        assert made["x"] is again["x"]  # all ranks, whatever they see, decide alike
        assert {id(made["x"]), id(made["y"])} == {id(views["x"]), id(views["y"])}
        swaps += made["x"] is views["y"]
    assert 70 < swaps < 130


def test_only_what_is_wanted_is_made_from_what_came_before():
    views = {"a": plain(start=1), "b": plain(start=2)}
    derived = (
        RoleSwap(("a", "b")),
        Rotations(name="r", view="b"),
        MixedView(name="rm", view="r", mixing=Mixing()),
        MixedView(name="am", view="a", mixing=Mixing()),
    )
    assert set(derive(derived, views, {"a"}, CHANCE)) == {"a", "b"}
    assert set(derive(derived, views, {"am"}, CHANCE)) == {"a", "b", "am"}
    made = derive(derived, views, {"rm"}, CHANCE)
    assert set(made) == {"a", "b", "r", "rm"}
    assert torch.equal(made["r"].images[:4], made["b"].images)
    swapped = next(s for s in range(99) if RoleSwap(("a", "b"))(
        views, Chance(ITEMS, epoch=0, step=s, seed=0))["a"] is views["b"])  # fmt: skip
    made = derive(derived, views, {"r"}, Chance(ITEMS, epoch=0, step=swapped, seed=0))
    assert torch.equal(made["r"].images[:4], views["a"].images)
    assert derive(derived, views, set(), CHANCE) == views
