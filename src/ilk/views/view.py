"""What a view is, whatever it is a view of. Axes: B items, C channels."""

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Shaped
from torch import Tensor

from ilk.core.errors import UserError
from ilk.core.items import ItemKind, ItemSubset
from ilk.core.min_pixels import MinPixels
from ilk.views.background import Scenery


@runtime_checkable
class View(Protocol):
    """How an item is looked at: a frozen dataclass, to be copied under another name.

    ``ImageView``, ``ClipView`` and ``WindowView`` are random; ``Plain``, ``PlainClip`` and
    ``PlainWindow`` are those to measure with.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    kind: ClassVar[ItemKind]  # what it is a view of

    @property
    def name(self) -> str:
        """The name of the view in its method; views of different names are independent."""
        ...

    @property
    def size(self) -> int:
        """The side of a frame in pixels, or the number of samples of a window."""
        ...

    @property
    def subset(self) -> ItemSubset:
        """Which items it is made of; other than all, the method must know their labels."""
        ...

    def min_pixels(self) -> MinPixels | None:
        """How much of an image it can show; None asks for all of it."""
        ...

    def render(
        self,
        images: Sequence[Shaped[np.ndarray, "..."]],
        items: Int[np.ndarray, " B"],
        epoch: int,
        seed: int,
        scenery: Scenery | None = None,
    ) -> Shaped[Tensor, "B C *axes"]:
        """One view of each item: a pure function of content, item, epoch, seed and view.

        Args:
            images: items of the view's kind, as ``ilk.data.decode`` gives them.
            items: index of each in its data set.
            epoch: or any other counter.
            seed: of the run.
            scenery: knows foregrounds, for a view that changes backgrounds.
        """
        ...


def require(view: object, field: str, holds: bool, what: str) -> None:
    """Raise the error of a view's parameter that is outside its range."""
    if not holds:
        raise UserError(
            f"{type(view).__name__} {getattr(view, 'name', '')!r}: {field} must be {what},"
            f" got {getattr(view, field)}"
        )
