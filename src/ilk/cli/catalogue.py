"""What can be named, as ``core/catalogue.json`` keeps it: importing every method is slow."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ilk.core.names import catalogue

KINDS = ("method", "mix", "kin rule")


def entries() -> dict[str, dict[str, Any]]:
    """Every method, mix and kin rule by the name that `ilk methods` takes."""
    return {
        f"kin.{name}" if kind == "kin rule" else name: entry
        for kind in KINDS
        for name, entry in catalogue()[kind].items()
    }


def made() -> dict[str, Any]:
    """The same from the code, which takes seconds."""
    from ilk.cli.matrix import fits
    from ilk.kin_rules import KIN_RULES
    from ilk.method import Optimisation
    from ilk.methods import METHODS
    from ilk.mixes import MIXES
    from ilk.networks import OWN, Tuning

    return {
        "method": {name: _entry(name, kind) for name, kind in METHODS.items()},
        "mix": {name: _entry(name, kind) for name, kind in MIXES.items()},
        "kin rule": {name: _entry(f"kin.{name}", kind) for name, kind in KIN_RULES.items()},
        "optimiser": [field.name for field in dataclasses.fields(Optimisation)],
        "tune": [field.name for field in dataclasses.fields(Tuning) if field.name != "parts"],
        "backbones": list(OWN),
        "fits": {name: dict(row) for name, row in fits().items()},
    }


def _entry(name: str, kind: type[Any]) -> dict[str, Any]:
    from ilk.cli.methods import header, recipes
    from ilk.cli.needs import needs

    return {
        "header": header(kind),
        "needs": needs(name),
        "recipes": recipes(name),
        "fields": [
            [field.name, repr(field.default), _type(field)]
            for field in dataclasses.fields(kind)
        ],
    }


def _type(field: "dataclasses.Field[Any]") -> str:
    if isinstance(field.type, str):
        return field.type
    return getattr(field.type, "__name__", str(field.type))


def fields_of(kind: str, name: str) -> Sequence[str]:
    """Fields that ``--set`` takes for a method, mix or kin rule."""
    entry: Mapping[str, Any] = catalogue()[kind][name]
    further = ["recipe"] if entry["recipes"] else []
    return [*(field[0] for field in entry["fields"]), *further]
