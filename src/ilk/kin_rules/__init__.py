"""Every kin rule that can be added to a method, by name: the one list of them."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, runtime_checkable

from ilk.core import UserError
from ilk.core.names import suggestion
from ilk.kin_rules.fnc import Attracted
from ilk.kin_rules.fnc_eliminate import Eliminated
from ilk.kin_rules.labels import KnownLabels
from ilk.kin_rules.neighbours import NearestPast
from ilk.kin_rules.table import MarkedPairs
from ilk.method import Method, check_ranges, typed_options


@runtime_checkable
class KinRuleRecipe(Protocol):
    """Settings of a kin rule."""

    main: ClassVar[str]  # the field that a number behind the name sets

    def apply(self, method: Method) -> Method:
        """The method with the rule's kin.

        Raises:
            UserError: the method cannot take the rule.
        """
        ...


KIN_RULES: Mapping[str, type[KinRuleRecipe]] = {
    "neighbours": NearestPast,
    "fnc": Attracted,
    "fnc-eliminate": Eliminated,
    "labels": KnownLabels,
    "table": MarkedPairs,
}


def kin_rule(rule: str, options: Mapping[str, Any]) -> KinRuleRecipe:
    """A kin rule's settings with some of them changed.

    Args:
        rule: its name, or its name and a number such as ``neighbours:5`` and ``labels:0.1``.
        options: further fields.

    Raises:
        UserError: the rule or a field is not known, or a value has the wrong type or is out of
            its range.
    """
    name, _, number = rule.partition(":")
    if name not in KIN_RULES:
        hint = suggestion("kin rule", name)
        raise UserError(f"kin: must be a known kin rule, got {name!r}; {hint}")
    kind = KIN_RULES[name]
    given = {kind.main: number} if number else {}
    made = typed_options(kind, name, {**given, **options})
    check_ranges(name, made, {*given, *options})
    return made
