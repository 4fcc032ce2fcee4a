"""Views made from other views of the same batch, row by row or from several rows.

A derived view states what it is made from and describes each of its rows: what it is made of,
what was done to it, where in its image it lies. Mixing is one of them.
Axes: B images of a batch, R rows, C channels.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ilk.core import UNKNOWN, Composition, RowFacts, UserError
from ilk.core.seeding import uniform
from ilk.views.mixed import mix_pixels, send
from ilk.views.mixing import Mixing

TURNS = 4  # quarter turns until an image is itself again


@dataclass(frozen=True, slots=True)
class ViewRows:
    """The rows of one view.

    Args:
        images: normalised pixels, or whatever the items of the data set are.
        facts: what is known of each row.
        statistics: mean and deviation of each channel that pixels were normalised by; None
            where that is not known.
    """

    images: Float[Tensor, "R C *spatial"]
    facts: RowFacts
    statistics: tuple[Sequence[float], Sequence[float]] | None = None


@dataclass(frozen=True, slots=True)
class Chance:
    """All that chance may depend on, so that a run can be stopped and go on.

    Args:
        items: of the batch, for what is drawn for each image; each rank has its own.
        epoch: of the run.
        step: of the run, for what is drawn for the whole step.
        seed: of the run.
        subsets: the items of views that are made of some of them alone, by name.
    """

    items: Int[np.ndarray, " B"]
    epoch: int
    step: int
    seed: int
    subsets: Mapping[str, Int[np.ndarray, " _"]] = field(default_factory=dict)

    def of(self, views: Sequence[str]) -> "Chance":
        """The same for views that are all made of the same items; else for the whole batch."""
        subsets = [self.subsets.get(name, self.items) for name in views]
        same = all(np.array_equal(subsets[0], other) for other in subsets[1:])
        return replace(self, items=subsets[0]) if same else self


@runtime_checkable
class DerivedView(Protocol):
    """Makes one or more views from others.

    It must be a pure function of its arguments. Its rows come in blocks, each of which goes
    through the batch once and in its order, so that ranks agree with one process.
    """

    unmixable: ClassVar[str]  # why its rows must not be mixed with one another; empty if not

    @property
    def names(self) -> tuple[str, ...]:
        """Of the views that it makes; one that there is already is replaced."""
        ...

    @property
    def of(self) -> tuple[str, ...]:
        """Names of the views that it is made from."""
        ...

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> Mapping[str, ViewRows]:
        """The new views by name, on the device of those that they are made from."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class MixedView:
    """Each row of a view mixed with another one of the same block.

    All blocks are mixed in the same way, so a view with several rows of an image, such as its
    rotations, has mixes of images that had the same done to them: they keep their task.
    Where two tasks meet, the mix has none.

    Args:
        name: of the mixed view, on which it depends where boxes lie.
        view: that is mixed.
        mixing: how.
    """

    name: str
    view: str
    mixing: Mixing

    unmixable: ClassVar[str] = "its images are mixed already"

    @property
    def names(self) -> tuple[str, ...]:
        """The one view."""
        return (self.name,)

    @property
    def of(self) -> tuple[str, ...]:
        """The one view that is mixed."""
        return (self.view,)

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> dict[str, ViewRows]:
        """Mixed rows, of which it is not known where they lie.

        Raises:
            ValueError: a block has not one row for each image of the batch, or rows are made of
                several images.
        """
        shown = views[self.view]
        facts, count = shown.facts, len(chance.items) * shown.facts.blocks
        if len(shown.images) != count or facts.composition.sources.shape[1] != 1:
            raise ValueError(
                f"MixedView {self.name!r}: {self.view!r} must have {count} rows of one image "
                f"each, got {len(shown.images)} of {facts.composition.sources.shape[1]}"
            )
        draw = self.mixing.draw(
            chance.items, epoch=chance.epoch, step=chance.step, seed=chance.seed, view=self.name
        )
        made = [
            mix_pixels(block, draw, view=self.name)
            for block in shown.images.chunk(facts.blocks)
        ]
        first, second = (
            _in_blocks(send(rows, shown.images), facts.blocks, len(chance.items))
            for rows in (draw.rows, draw.partners)
        )
        sources, share = facts.composition.sources[:, 0], _cat([share for _, share in made])
        known = RowFacts(
            Composition.mixed(sources[first], sources[second], share),
            facts.blocks,
            None if facts.task is None else _same(facts.task[first], facts.task[second]),
            mask=None if facts.mask is None else facts.mask.take(first),
        )
        return {self.name: ViewRows(_cat([pixels for pixels, _ in made]), known)}


@dataclass(frozen=True, slots=True)
class RoleSwap:
    """Two views that take each other's place in half of the steps, drawn for each step.

    Args:
        names: of both.
    """

    names: tuple[str, str]

    unmixable: ClassVar[str] = ""

    @property
    def of(self) -> tuple[str, str]:
        """The same two."""
        return self.names

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> dict[str, ViewRows]:
        """Both, in their own places or in the other's."""
        a, b = self.names
        if uniform(chance.seed, chance.step, "swap") < 1 / 2:
            return {a: views[b], b: views[a]}
        return {a: views[a], b: views[b]}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotations:
    """Each image four times, turned by 0, 90, 180 and 270 degrees counter-clockwise.

    RotNet, Gidaris et al., ICLR 2018, https://arxiv.org/abs/1803.07728: all four stand in one
    batch. Nothing is resampled. The task of a row is its number of quarter turns.

    Args:
        name: of the rotated view.
        view: that is rotated; it must be square.
    """

    name: str
    view: str

    unmixable: ClassVar[str] = ""  # both images of a mix have the same rotation
    answers: ClassVar[tuple[str, ...]] = (
        "upright",
        "quarter turn",
        "half turn",
        "three quarters",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """The one view."""
        return (self.name,)

    @property
    def of(self) -> tuple[str, ...]:
        """The one view that is rotated."""
        return (self.view,)

    def __call__(self, views: Mapping[str, ViewRows], chance: Chance) -> dict[str, ViewRows]:
        """Four blocks, one for each rotation; a box cannot say where a turned row lies.

        Raises:
            UserError: the items are no images or clips.
        """
        images, facts = views[self.view].images, views[self.view].facts
        if images.ndim < 4 or images.shape[-1] != images.shape[-2]:
            raise UserError(
                f"view {self.name}: rotated items must be square images, got "
                f"{' x '.join(map(str, images.shape[2:]))}"
            )
        turned = torch.cat([images.rot90(turn, (-2, -1)) for turn in range(TURNS)])
        return {self.name: ViewRows(turned, facts.in_blocks(TURNS))}


def derive(
    derived: Sequence[DerivedView],
    views: Mapping[str, ViewRows],
    wanted: Collection[str],
    chance: Chance,
) -> dict[str, ViewRows]:
    """All views, together with those derived ones that are wanted or that these are made from.

    Args:
        derived: in the order in which they are made.
        views: to begin with, by name.
        wanted: names of views.
        chance: of the step.

    Raises:
        ValueError: what a view makes is not what it says, or not in blocks of the batch.
    """
    out = dict(views)
    for view in _in_use(derived, wanted):
        own = chance.of(view.of)
        made = view({name: out[name] for name in view.of}, own)
        _check(view, made, len(own.items))
        out |= made
        subsets = {**chance.subsets, **dict.fromkeys(made, own.items)}
        chance = replace(chance, subsets=subsets)
    return out


def _check(view: DerivedView, made: Mapping[str, ViewRows], size: int) -> None:
    kind = type(view).__name__
    if set(made) != set(view.names):
        raise ValueError(
            f"{kind}: views must be made as named, {', '.join(view.names)}, got "
            f"{', '.join(made) or 'none'}"
        )
    for name, rows in made.items():
        count, known, blocks = len(rows.images), len(rows.facts.composition), rows.facts.blocks
        if known != count or count % blocks or count > blocks * size:
            raise ValueError(
                f"{kind}: {name} must be made in equal blocks of at most {size} rows, each "
                f"with a composition, got {count} rows, {known} compositions, blocks={blocks}"
            )


def _in_use(derived: Sequence[DerivedView], wanted: Collection[str]) -> list[DerivedView]:
    asked, used = set(wanted), list[DerivedView]()
    for view in reversed(derived):
        if not asked.isdisjoint(view.names):
            used.append(view)
            asked.update(view.of)
    return used[::-1]


def _in_blocks(rows: Int[Tensor, " r"], blocks: int, size: int) -> Int[Tensor, " R"]:
    """Numbers of rows in a block of some size as numbers of rows in all blocks."""
    starts = size * torch.arange(blocks, device=rows.device)
    return (starts[:, None] + rows).reshape(-1)


def _same(first: Int[Tensor, " R"], second: Int[Tensor, " R"]) -> Int[Tensor, " R"]:
    return torch.where(first == second, first, UNKNOWN)


def _cat(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
