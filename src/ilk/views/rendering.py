"""Several views of the same items at once. Axes: B items, C channels."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int, Shaped
from torch import Tensor

from ilk.core.items import ItemKind
from ilk.core.min_pixels import MinPixels
from ilk.core.seeding import uniforms
from ilk.views.background import Scenery
from ilk.views.clip import PlainClip
from ilk.views.ctaugment import CTAugment
from ilk.views.image_view import ImageView, render_images
from ilk.views.plain import Plain
from ilk.views.view import View
from ilk.views.window import PlainWindow


def render(
    views: Sequence[View],
    images: Sequence[Shaped[np.ndarray, "..."]],
    items: Int[np.ndarray, " B"],
    epoch: int,
    seed: int,
    scenery: Scenery | None = None,
) -> dict[str, Shaped[Tensor, "B C *axes"]]:
    """Several views of each item by name, the very ones that ``View.render`` makes.

    Views of images are made together, which is sooner.

    Raises:
        ValueError: a view changes backgrounds, and no scenery is given.
    """
    together = [view for view in views if isinstance(view, ImageView)]
    made: dict[str, Tensor] = {}
    if together:
        made = render_images(together, images, items, epoch, seed, scenery)
    for view in views:
        if view.name not in made:
            made[view.name] = view.render(images, items, epoch, seed, scenery)
    return {view.name: made[view.name] for view in views}


def tasks_of(
    views: Sequence[View], items: Int[np.ndarray, " B"], when: int, seed: int
) -> dict[str, Int[np.ndarray, " B"]]:
    """Which operations were applied to each item, for views with which strengths are learned.

    Args:
        views: the views of the step.
        items: the numbers of the rows.
        when: step or epoch, as the views were rendered.
        seed: the seed of the run.
    """
    learning = {
        view.name: view.policy
        for view in views
        if isinstance(view, ImageView) and isinstance(view.policy, CTAugment)
    }
    return {
        name: policy.tasks(uniforms(seed, when, items, f"view/{name}/policy", policy.draws))
        for name, policy in learning.items()
        if not policy.memory
    }


def needed(views: Sequence[View]) -> MinPixels | None:
    """How much of an image any crop of these views may ask for: no side of one falls short.

    None where one of them asks for the whole image.
    """
    asked = [view.min_pixels() for view in views]
    known = [each for each in asked if each is not None]
    if len(known) < len(asked):
        return None
    return MinPixels(max(each.area for each in known), max(each.side for each in known))


def plain_view(kind: ItemKind, size: int, frames: int = 1) -> View:
    """The view to measure items of a kind with, no chance involved.

    Args:
        kind: what the items are.
        size: side of a frame in pixels, or samples of a window.
        frames: of a clip.
    """
    if kind == "clip":
        return PlainClip(size=size, frames=frames)
    return Plain(size=size) if kind == "image" else PlainWindow(size=size)
