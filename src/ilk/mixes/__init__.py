"""Every mix by name: the one list of them."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from ilk.core import UserError
from ilk.core.names import suggestion
from ilk.method import Method, check_ranges, typed_options
from ilk.mixes.dacl import DACL
from ilk.mixes.i_mix import IMix
from ilk.mixes.mixco import MixCo
from ilk.mixes.sdmp import SDMP
from ilk.mixes.un_mix import UnMix


@runtime_checkable
class Mixture(Protocol):
    """Settings of a mix; the defaults are its paper's."""

    def apply(self, method: Method) -> Method:
        """The method with mixed queries.

        Raises:
            UserError: a part of the method takes no mixed images.
        """
        ...


MIXES: Mapping[str, type[Mixture]] = {
    "sdmp": SDMP,
    "i-mix": IMix,
    "un-mix": UnMix,
    "mixco": MixCo,
    "dacl": DACL,
}


def mixture(name: str, options: Mapping[str, Any]) -> Mixture:
    """A mix's settings with some of them changed.

    Raises:
        UserError: the mix or a field is not known, or a value has the wrong type or is out of
            its range.
    """
    if name not in MIXES:
        hint = suggestion("mix", name)
        raise UserError(f"mix: must be a known mix, got {name!r}; {hint}")
    made = typed_options(MIXES[name], name, options)
    check_ranges(name, made, options.keys())
    return made
