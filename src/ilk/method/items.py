"""The kind of items as an axis: a method for images in, the same for clips or windows out."""

import math
from dataclasses import replace

from ilk.core import UserError
from ilk.core.items import ItemKind
from ilk.method.record import Method
from ilk.views import (
    AdversarialView,
    ClipView,
    ImageView,
    MixedView,
    RoleSwap,
    View,
    WindowView,
)

ANY = AdversarialView | MixedView | RoleSwap  # derived views of items of any kind


def with_item_kind(method: Method, kind: ItemKind, frames: int = 1) -> Method:
    """The method whose views are of clips or of sensor windows.

    A view of clips does to every frame what the method's view does to an image. A view of
    windows keeps its size, now in samples, the share of a side that is cropped, and how often
    it is mirrored, now in time; where colours were changed, it scales and jitters.

    Args:
        method: for images, mixed or not.
        kind: what the items are.
        frames: of the clips that come out.

    Raises:
        UserError: the method is for other items already, or does what only images allow.

    Example:
        >>> from ilk.method import Given
        >>> from ilk.methods import recipe
        >>> simclr = recipe("simclr", {}).build(Given(width=48, size=128, channels=3))
        >>> with_item_kind(simclr, "window").views[0].size
        128
    """
    if kind == "image":
        return method
    views = image_views(method, f"a method for {kind}s")
    if any(view.background is not None for view in views):
        raise UserError(f"background: only images can have theirs changed, got {kind}s")
    own = [made for made in method.derived if not isinstance(made, ANY)]
    if own or method.places:
        what = f"{type(own[0]).__name__} are" if own else "places in an image are"
        raise UserError(f"method: must suit {kind}s, but {what} for images alone")
    if kind == "window" and any(view.near is not None for view in views):
        raise UserError("method: must suit windows, but crops near others are for images alone")
    made: list[View] = []
    for view in views:
        if kind == "window":
            made.append(_of_windows(view))
        else:
            made.append(ClipView(name=view.name, image=view, frames=frames))
    return replace(method, views=tuple(made))


def image_views(method: Method, what: str) -> tuple[ImageView, ...]:
    """The views of a method for images.

    Args:
        method: perhaps for images.
        what: what is to be made of it, for the message.

    Raises:
        UserError: it has views of other items.
    """
    views = tuple(view for view in method.views if isinstance(view, ImageView))
    if len(views) < len(method.views):
        kinds = {view.kind for view in method.views} - {"image"}
        raise UserError(
            f"{what}: must be made of a method for images, got one for {', '.join(kinds)}s"
        )
    return views


def _of_windows(view: ImageView) -> WindowView:
    low, high = view.scale
    colours = view.jitter_p > 0 or view.gray_p > 0 or view.autoaugment_p > 0
    changed = colours or view.policy is not None
    made = WindowView(
        name=view.name,
        size=view.size,
        scale=(math.sqrt(low), math.sqrt(high)),
        flip=view.flip,
        subset=view.subset,
    )
    return made if changed else replace(made, scaling=0.0, jitter=0.0)
