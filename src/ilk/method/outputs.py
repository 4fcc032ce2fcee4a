"""Which passes through which networks a method needs: read off its terms."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from ilk.core import Field, Mixability, Output, Role
from ilk.method.record import Method

_FEATURE: frozenset[Field] = frozenset(("feature",))


@dataclass(frozen=True, slots=True)
class Pass:
    """One view through one network.

    Args:
        network: student or teacher.
        view: its name.
        fields: what is read off.
        gradient: whether any term learns through it.
    """

    network: Role
    view: str
    fields: frozenset[Field]
    gradient: bool


def parts_in(part: Any) -> Iterator[Any]:
    """A term, a kin rule or any tuple of them, and all that they are made of, in order."""
    if isinstance(part, tuple | list):
        for entry in part:
            yield from parts_in(entry)
        return
    yield part
    if is_dataclass(part):
        for entry in fields(part):
            yield from parts_in(getattr(part, entry.name))


def outputs_in(part: Any) -> Iterator[Output]:
    """Every output that a term, a kin rule or any tuple of them refers to."""
    return (entry for entry in parts_in(part) if isinstance(entry, Output))


def refusals(method: Method) -> tuple[str, ...]:
    """Why a method cannot be mixed: what its parts say of themselves, each reason once."""
    asked = parts_in([(term.objective, term.kin, term.negatives) for term in method.terms])
    said = [part.unmixable for part in asked if isinstance(part, Mixability)]
    said += [view.unmixable for view in method.derived]
    return tuple(dict.fromkeys(reason for reason in said if reason))


def substituted(part: Any, views: Mapping[str, str]) -> Any:
    """The same part with other views in the place of some."""
    if isinstance(part, Output):
        return replace(part, view=views.get(part.view, part.view))
    if isinstance(part, tuple):
        return tuple(substituted(entry, views) for entry in part)
    if is_dataclass(part) and not isinstance(part, type) and any(outputs_in(part)):
        changed = {entry.name: getattr(part, entry.name) for entry in fields(part)}
        return replace(part, **{k: substituted(v, views) for k, v in changed.items()})
    return part


def passes(method: Method) -> tuple[Pass, ...]:
    """The passes of one step, in the order in which terms first name them."""
    wanted: dict[tuple[Role, str], tuple[frozenset[Field], bool]] = {}
    for output, learns in _uses(method):
        key = (output.network, output.view)
        # The feature comes with every pass at no cost; monitors look at it.
        names, gradient = wanted.get(key, (_FEATURE, False))
        wanted[key] = (names | frozenset((output.field,)), gradient or learns)
    return tuple(
        Pass(network, view, names, gradient)
        for (network, view), (names, gradient) in wanted.items()
    )


def query_views(method: Method) -> tuple[str, ...]:
    """Views that are shown to a network as queries, in order."""
    asked = (query for term in method.terms for query in term.queries)
    return tuple(dict.fromkeys(query.view for query in asked if isinstance(query, Output)))


def _uses(method: Method) -> Iterator[tuple[Output, bool]]:
    for term in method.terms:
        shown = (*term.queries, *term.candidates)
        for output in outputs_in(shown):
            # Inside a stand-in an output is only looked up, so nothing flows back to it.
            yield output, output in shown and _open(output)
        for output in outputs_in((term.kin, term.negatives)):
            yield output, False
    for remember in method.remember:
        for output in remember.outputs:
            yield output, False


def _open(output: Output) -> bool:
    return output.network == "student" and not output.stopped
