"""Checks of types while tests run: shapes where a signature names any, else beartype's alone.

jaxtyping's hook (``--jaxtyping-packages``) wraps all functions so that sizes of the same name
agree within a call. It binds the arguments of each call, checks them twice, and once more with
what is returned, which took as long as all else that small networks do. So functions without a
shape in their signature are checked by beartype, and the others have their shapes checked in
their first calls of each test, and no more.
"""

import functools
import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import is_dataclass
from typing import Any, get_args, get_type_hints

import jaxtyping

FIRST = 10  # calls of a function, in a test
SHAPED = jaxtyping.jaxtyped

_calls = Counter[int]()


def begin() -> None:
    """A test begins, and with it the count of calls."""
    _calls.clear()


def checked(*, typechecker: Callable[..., Any]) -> Callable[[Any], Any]:
    """What the hook decorates each function and each class with."""

    def decorate(what: Any) -> Any:
        if inspect.isfunction(what):
            return decorated(what, typechecker)
        if is_dataclass(what) and "__init__" in vars(what):
            what.__init__ = decorated(what.__init__, typechecker)  # pyright: ignore
            return what
        return SHAPED(what, typechecker=typechecker)

    return decorate


def decorated(
    function: Callable[..., Any], typechecker: Callable[..., Any]
) -> Callable[..., Any]:
    """The function with its checks."""
    if not names_a_shape(function):
        return typechecker(function)
    with_shapes = SHAPED(function, typechecker=typechecker)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        _calls[id(function)] += 1
        first = _calls[id(function)] <= FIRST
        return (with_shapes if first else function)(*args, **kwargs)

    return call


def names_a_shape(function: Callable[..., Any]) -> bool:
    """Whether an argument or what is returned has a shape; what cannot be read may have one."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError:  # of the class that is being made
        return True
    return any(map(_has_shape, hints.values()))


def _has_shape(hint: Any) -> bool:
    if isinstance(hint, list):  # arguments of a callable
        return any(map(_has_shape, hint))
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(map(_has_shape, get_args(hint)))
