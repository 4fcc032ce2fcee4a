"""Some items of a source."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from ilk.core.facts import Fact
from ilk.data.account import LeftOut, left_out, roots, unlabelled_because
from ilk.data.facts import fact
from ilk.data.source import Source, digest


@dataclass(frozen=True, slots=True)
class Subset:
    """Some items of a source, as a source.

    Args:
        source: the whole.
        chosen: indices into it, in the order they shall have.
        left: what was left out, and why, where that is known.
    """

    source: Source
    chosen: Int[np.ndarray, " N"]
    left: tuple[LeftOut, ...] = ()

    @property
    def name(self) -> str:
        """The name of the whole."""
        return self.source.name

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the whole."""
        return self.source.classes

    @property
    def fingerprint(self) -> str:
        """Of the whole, with the choice."""
        return digest([self.source.fingerprint.encode(), self.chosen])

    @property
    def unlabelled_because(self) -> str:
        """What the whole says."""
        return unlabelled_because(self.source)

    @property
    def roots(self) -> dict[str, str]:
        """The roots of the whole."""
        return roots(self.source)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What was left out here, and what the whole left out."""
        return (*self.left, *left_out(self.source))

    @property
    def facts(self) -> tuple[str, ...]:
        """The names of the facts of the whole."""
        return tuple(getattr(self.source, "facts", ()))

    def fact(self, name: str) -> Fact:
        """A fact of the chosen items; values are named as in the whole."""
        known = fact(self.source, name)
        shares = None if known.shares is None else known.shares[self.chosen]
        return replace(known, values=known.values[self.chosen], shares=shares)

    def __len__(self) -> int:
        return len(self.chosen)

    def item(self, index: int) -> bytes | np.ndarray:
        """An item of the whole."""
        return self.source.item(int(self.chosen[index]))

    def label(self, index: int) -> int:
        """Its label."""
        return self.source.label(int(self.chosen[index]))

    def key(self, index: int) -> str:
        """Its key."""
        return self.source.key(int(self.chosen[index]))
