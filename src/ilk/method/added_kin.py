"""Kin as an axis: a method in, the same method with further kin out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from torch import nn

from ilk.core import AlignedRule, KinRule, Output, UserError
from ilk.kin import Added, AddedFromMemory, LeaveOut, Past, Union, Without
from ilk.memory import Queue
from ilk.method.outputs import places_read
from ilk.method.record import Method, Remember
from ilk.method.references import parts_in
from ilk.method.term import Classes, FromMemory, NearestNeighbour, Patches, Source, Term
from ilk.objectives import KoLeo, SquaredError

QUEUE = "kin"  # name of the memory that a rule brings along


@dataclass(frozen=True, kw_only=True, slots=True)
class AddedKin:
    """What a kin rule asks of a method.

    Args:
        name: of the rule, for messages.
        rule: makes the rule that is asked for the key of a query, from the method's keys (all
            the views that support it) and the past keys to look among, if any.
        found: whether those it finds are kin too, or are ignored.
        past: rows of a queue of past keys to look among, where the method has none; 0 looks
            among the candidates alone.
        same: a kind of rule with which a method does the same already.
        cancels: it makes up for false negatives, which a method without negatives has not.
        facts: that it asks for by name, and the share of known values that it may see.
        never: finds pairs that are no kin, whatever the method says; they stay negatives.
    """

    name: str
    rule: Callable[[tuple[Output, ...], KinRule | None], KinRule]
    found: Literal["kin", "ignored"] = "kin"
    past: int = 0
    same: type
    cancels: bool = False
    facts: Mapping[str, float] = field(default_factory=dict)
    never: KinRule | None = None


def with_added_kin(method: Method, added: AddedKin) -> Method:
    """The method whose queries have further kin, or fewer negatives.

    Only the kin of terms change, and where a rule looks among past keys that are no candidates
    of a term, these become candidates that are ignored unless they are found. What is found for
    the key of an image counts for every query that shares sources with it, so that the method
    can be mixed afterwards. Terms whose queries are nearest neighbours, and terms of places of
    images, keep their kin.

    Raises:
        UserError: the method cannot take the rule, or is mixed already.
    """
    _check(method, added)
    changed = [_takes(method, term) for term in method.terms]
    asked = [term for term, takes in zip(method.terms, changed, strict=True) if takes]
    keys = tuple(dict.fromkeys(key for term in asked for key in _keys(term)))
    method = _with_memory(method, added, keys)
    memory = _memory_of(method) if added.past else None
    terms = tuple(
        _with_kin(term, added, keys, memory) if takes else term
        for term, takes in zip(method.terms, changed, strict=True)
    )
    return replace(method, terms=terms, facts={**method.facts, **added.facts})


def _check(method: Method, added: AddedKin) -> None:
    name = f"kin {added.name}"
    reasons = {term.objective.unmixable for term in method.terms} - {""}
    asked = [term for term in method.terms if _takes(method, term)]
    rules = list(parts_in([term.kin for term in method.terms]))
    if method.mixes:
        raise UserError(f"{name}: the method is mixed already, add kin before the mix")
    if any(isinstance(part, Added | AddedFromMemory) for part in rules):
        raise UserError(f"{name}: the method has a kin rule added already, give one only")
    if reasons:
        raise UserError(f"{name}: the method must take soft kin weights, but {reasons.pop()}")
    _check_candidates(name, method, asked)
    if added.past and any(isinstance(term.objective, SquaredError) for term in asked):
        raise UserError(
            f"{name}: the positives of the method must be embeddings, but they are scores over "
            "classes, which past keys of unit length do not hold"
        )
    if any(isinstance(part, added.same) for part in rules):
        raise UserError(f"{name}: the method must not do the same, but it does already")
    if added.cancels and not any(term.objective.contrasts for term in asked):
        raise UserError(
            f"{name}: the method must have negatives, but it has none, so that there "
            "are no false negatives"
        )


def _check_candidates(name: str, method: Method, asked: list[Term]) -> None:
    if any(term.objective.joint for term in asked):
        raise UserError(
            f"{name}: the loss of the method must be a mean over queries, but it is a "
            "statistic of the whole batch"
        )
    if any(isinstance(entry, Patches) for term in method.terms for entry in term.candidates):
        raise UserError(
            f"{name}: the positives of the method must be images, but they are the pixels of "
            "the image itself"
        )
    if all(term.classes or isinstance(term.objective, KoLeo) for term in method.terms):
        raise UserError(
            f"{name}: the positives of the method must be images, but they are classes, to "
            "which an image cannot be added"
        )
    if not asked and any(_of_places(method, term) for term in method.terms):
        raise UserError(
            f"{name}: the positives of the method must be images, but they are places of the "
            "image itself"
        )
    if not asked:
        raise UserError(
            f"{name}: the key of an image must be among its candidates, but they are past "
            "keys alone, each of which is a positive in proportion to its similarity"
        )


def _takes(method: Method, term: Term) -> bool:
    """Whether its kin may become more: those found for images are none of places.

    KoLeo is of rows alone, whatever their kin.
    """
    if isinstance(term.objective, KoLeo) or _of_places(method, term):
        return False
    return bool(_keys(term)) and isinstance(term.queries[0], Output)


def _of_places(method: Method, term: Term) -> bool:
    outputs = [query for query in term.queries if isinstance(query, Output)]
    by_place = places_read(method.heads, (*outputs, *_keys(term)))
    return bool(by_place) or isinstance(term.kin, AlignedRule)


def _keys(term: Term) -> tuple[Output, ...]:
    """The candidates' rows of this step, or those whose nearest neighbours are looked up."""
    outputs = (_key(entry) for entry in term.candidates)
    return tuple(replace(key, stopped=True) for key in outputs if key is not None)


def _key(entry: Source) -> Output | None:
    if isinstance(entry, FromMemory | Classes | Patches):
        return None
    return entry.of if isinstance(entry, NearestNeighbour) else entry


def _other_view(term: Term, keys: tuple[Output, ...]) -> Output:
    """The key of another view than the query's, where there is one."""
    shown = {query.view for query in term.queries if isinstance(query, Output)}
    return next((key for key in keys if key.view not in shown), keys[0])


def _memory_of(method: Method) -> str:
    """The queue of past keys."""
    return next(name for name, memory in method.memory.items() if isinstance(memory, Queue))


def _with_memory(method: Method, added: AddedKin, keys: tuple[Output, ...]) -> Method:
    """The method with a queue of past keys, one an image, where it needs one and has none."""
    if not added.past or any(isinstance(m, Queue) for m in method.memory.values()):
        return method
    queue = Queue(added.past, _width(method, keys[0]))
    return replace(
        method,
        memory={**method.memory, QUEUE: queue},
        remember=(*method.remember, Remember(QUEUE, keys[:1])),
    )


def _width(method: Method, key: Output) -> int:
    """How wide the rows of a key are: as its head's, or that of a query compared with it."""
    asking = [query for term in method.terms if key in _keys(term) for query in term.queries]
    names = [key.head, *(query.head for query in asking if isinstance(query, Output))]
    head = next(method.heads[name] for name in names if name in method.heads)
    layers = [layer for layer in head.module.modules() if isinstance(layer, nn.Linear)]
    return layers[-1].out_features


def _with_kin(
    term: Term, added: AddedKin, keys: tuple[Output, ...], memory: str | None
) -> Term:
    past = None if memory is None else Past(memory=memory)
    by = _other_view(term, _keys(term))
    further = Added(by=by, rule=added.rule(keys, past))
    if added.found == "ignored":
        return replace(term, kin=LeaveOut(rule=term.kin, those=further))
    if memory is None or FromMemory(memory) in term.candidates:
        kin: KinRule = Union(rules=(term.kin, further))
        if added.never is not None:
            kin = Without(rule=kin, those=Added(by=by, rule=added.never))
        return replace(term, kin=kin)
    return replace(
        term,
        candidates=(*term.candidates, FromMemory(memory)),
        kin=AddedFromMemory(rule=term.kin, added=further, memory=memory),
    )
