"""Things asked for by what they can do, with an error that says what they lack."""

import inspect
from typing import TypeVar, cast

from ilk.core.errors import UserError

K = TypeVar("K")


def require_kind(thing: object, kind: type[K], name: str) -> K:
    """The same thing, known to have all that a protocol declares.

    ``isinstance`` does not do: from Python 3.12 on it looks past the buffers of a module.

    Args:
        thing: such as a memory.
        kind: a protocol.
        name: what a person calls the thing, for the message.

    Raises:
        UserError: the thing lacks some of it.

    Example:
        >>> from typing import Protocol
        >>> class Sized(Protocol):
        ...     def __len__(self) -> int: ...
        ...     def count(self, entry: int) -> int: ...
        >>> require_kind([1, 1], Sized, "entries").count(1)
        2
    """
    names = [
        entry
        for base in reversed(kind.__mro__)
        for entry in (*inspect.get_annotations(base), *vars(base))
        if entry[0] != "_"
    ]
    lacking = [entry for entry in names if not hasattr(thing, entry)]
    if lacking:
        raise UserError(
            f"{name}: must have {', '.join(names)}, but {type(thing).__name__} has no "
            f"{', '.join(lacking)}"
        )
    return cast(K, thing)
