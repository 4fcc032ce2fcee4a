"""Mixing as an axis: a method in, the same method with mixed queries out."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ilk.core import Output, UserError
from ilk.kin import KnownClass
from ilk.method.outputs import places_read, refusals, shown_views
from ilk.method.record import Method
from ilk.method.references import outputs_in, parts_in, substituted
from ilk.method.sampling import KnownShare
from ilk.method.term import Term
from ilk.views import DerivedView, MixedView, Mixing, RoleSwap, View, check_sides

Weighting = Literal["paper", "pairs", "crops"]


def mixed_totals(
    method: Method, queries: tuple[str, ...], weighting: Weighting, *, keep_clean: bool
) -> tuple[float, float, float]:
    """Summed weights of the clean, source and mix terms, as shares of the method's total.

    With k the share of the clean terms that stay and a the share of those whose queries are
    mixed, ``pairs`` gives k, a and a, divided by k + 2a: one mean over all pairs. ``crops``
    gives k, a/2 and a/2: a mixed crop weighs what the clean crop did, half of it in each loss.
    ``paper`` gives what the method declares in ``Mixable``.

    Args:
        method: not mixed yet.
        queries: views whose queries are mixed.
        weighting: one of the three.
        keep_clean: the clean terms of these queries stay beside the mixed ones.
    """
    if weighting == "paper":
        declared = method.mixable
        return (1.0 if keep_clean else declared.clean, declared.source, declared.mix)
    total = sum(term.weight for term in method.terms)
    asked = _with_queries(method.terms, lambda view: view in queries)
    share = sum(term.weight for term in asked) / total
    clean = 1.0 if keep_clean else 1.0 - share
    if weighting == "crops":
        return (clean, share / 2, share / 2)
    pairs = clean + 2 * share
    return (clean / pairs, share / pairs, share / pairs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewriting:
    """What a mix asks of a method.

    Args:
        name: of the mix, for messages.
        mixing: how images are mixed.
        queries: views whose queries are mixed.
        clean: which of the method's terms stay: those of other queries, all of them, or none.
        extra: whether each mixed query comes from a further view of its own.
        totals: summed weights of the clean, source and mix terms, as shares of the method's;
            zero drops the terms.
        teachers: views that may be mixed on the other side of mix terms; None is all of them.
        source: last change to every source term.
        mix: last change to every mix term.
        swap: two views that change roles with probability one half in each step.
        apart: whether mixed views share no pass with clean ones.
    """

    name: str
    mixing: Mixing
    queries: tuple[str, ...]
    clean: Literal["others", "all", "none"]
    extra: bool = False
    totals: tuple[float, float, float]
    teachers: tuple[str, ...] | None = None
    source: Callable[[Term], Term] = lambda term: term
    mix: Callable[[Term], Term] = lambda term: term
    swap: tuple[str, str] | None = None
    apart: bool = True


def with_mixed_queries(method: Method, rewriting: Rewriting) -> Method:
    """The method whose chosen queries are mixed images.

    A term ``queries -> candidates`` becomes a source term, the mixed queries against the clean
    candidates, and a mix term, the mixed queries against the mixed candidates. Nothing else
    changes: kin by common source weighs both as their compositions overlap.

    Raises:
        UserError: a part of the method takes no mixed images, no query can be mixed, no
            candidate is left for mixed queries, or views are of odd sides for puzzles.
    """
    _check(method, rewriting)
    views, renamed = _further_views(method, rewriting)
    asked = _with_queries(method.terms, lambda view: view in rewriting.queries)
    kept = {
        "all": list(method.terms),
        "others": _with_queries(method.terms, lambda view: view not in rewriting.queries),
        "none": [],
    }[rewriting.clean]
    source = [rewriting.source(_source_term(term, renamed)) for term in asked]
    mix = [rewriting.mix(_mix_term(term, renamed)) for term in asked]
    if rewriting.teachers is not None:
        allowed = {mix_name(view) for view in rewriting.teachers}
        mix = [term for term in mix if _views_of((term.candidates, term.kin)) <= allowed]
    total = sum(term.weight for term in method.terms)
    groups = zip((kept, source, mix), rewriting.totals, strict=True)
    made = replace(
        method,
        views=views,
        terms=tuple(term for group, share in groups for term in _scaled(group, share * total)),
        derived=(*_swapped(rewriting), *method.derived, *_mixes(method, views, rewriting)),
        mixed_apart=rewriting.apart,
    )
    check_sides(made.views, made.mixes.values(), shown_views(made))
    return made


def _check(method: Method, rewriting: Rewriting) -> None:
    if reasons := refusals(method, rewriting.queries):
        raise UserError(
            f"mix {rewriting.name}: the method must take mixed images, but {'; '.join(reasons)}"
        )
    if not _with_queries(method.terms, lambda view: view in rewriting.queries):
        raise UserError(
            f"mix {rewriting.name}: the method must have queries that show a view, but none "
            f"shows any of {', '.join(rewriting.queries) or 'its views'}"
        )
    _check_places(method, rewriting)
    _check_labels(method, rewriting)
    own = {view.name for view in method.views}
    if rewriting.extra and not own.issuperset(rewriting.queries):
        made = next(view for view in rewriting.queries if view not in own)
        raise UserError(
            f"mix {rewriting.name}: a further view must be one of images, but {made} is made "
            f"from another view; set mix.version=replace"
        )
    if method.mixable.caution:
        warnings.warn(f"mix {rewriting.name}: {method.mixable.caution}", stacklevel=4)


def _check_places(method: Method, rewriting: Rewriting) -> None:
    """Refuse boxes where mixed images are seen place by place: each shows shares of its own."""
    pasted = [name for name in rewriting.mixing.strategies if name != "mixup"]
    asked = _with_queries(method.terms, lambda view: view in rewriting.queries)
    mixed = [
        (term.queries, (term.candidates, term.kin) if rewriting.totals[2] else ())
        for term in asked
    ]
    heads = places_read(method.heads, outputs_in(mixed))
    if pasted and heads:
        raise UserError(
            f"mix {rewriting.name}: images must be mixed by mixup where {', '.join(heads)} "
            f"reads them place by place, but {', '.join(pasted)} puts boxes into them, under "
            f"which a place does not have the shares of its image; set "
            f"mix.strategies=('mixup',)"
        )


def _check_labels(method: Method, rewriting: Rewriting) -> None:
    """Refuse to lose labels: a mix of an image with a label and one without has none."""
    if not isinstance(method.sampling, KnownShare) or rewriting.clean == "all":
        return
    shared = {view.name for view in method.views if view.subset == "all"}
    lost = [
        term.name
        for term in _with_queries(method.terms, lambda view: view in rewriting.queries)
        if any(isinstance(part, KnownClass) for part in parts_in(term.kin))
        and not shared.isdisjoint(_views_of(term.queries))
    ]
    if lost:
        raise UserError(
            f"mix {rewriting.name}: labels must stay known, but the term {lost[0]} shows "
            f"images with and without one in one view, and a mix of both has none; choose a "
            f"mix that keeps clean images beside mixed ones, such as sdmp"
        )


def _with_queries(terms: Iterable[Term], wanted: Callable[[str], bool]) -> list[Term]:
    """The terms reduced to the queries of some views; a query's share of the weight stays.

    Nearest neighbours are looked up, not shown to the network, and stay as they are.
    """
    out = []
    for term in terms:
        chosen = tuple(
            query
            for query in term.queries
            if wanted(query.view if isinstance(query, Output) else "")
        )
        if chosen:
            weight = term.weight * len(chosen) / len(term.queries)
            out.append(replace(term, queries=chosen, weight=weight))
    return out


def _views_of(part: object) -> set[str]:
    return {output.view for output in outputs_in(part)}


def _further_views(
    method: Method, rewriting: Rewriting
) -> tuple[tuple[View, ...], dict[str, str]]:
    """The views of the new method, and which view each mixed query is made from."""
    if not rewriting.extra:
        return method.views, {name: name for name in rewriting.queries}
    renamed = {name: f"{name}-extra" for name in rewriting.queries}
    further = (replace(v, name=renamed[v.name]) for v in method.views if v.name in renamed)
    return (*method.views, *further), renamed


def _mixes(
    method: Method, views: tuple[View, ...], rewriting: Rewriting
) -> tuple[MixedView, ...]:
    """A mix of each view; those that no output asks for are never made."""
    names = dict.fromkeys((*(view.name for view in views), *method.all_views))
    return tuple(
        MixedView(name=mix_name(name), view=name, mixing=rewriting.mixing) for name in names
    )


def _swapped(rewriting: Rewriting) -> tuple[DerivedView, ...]:
    return () if rewriting.swap is None else (RoleSwap(rewriting.swap),)


def mix_name(view: str) -> str:
    """What the mix of a view is called; where its boxes lie depends on it, so it stays."""
    return f"{view}~"


def _source_term(term: Term, renamed: dict[str, str]) -> Term:
    """The mixed queries against the clean candidates.

    The student's own views among the candidates (SimCLR) are dropped: only mixes of them are
    seen. A method with no others cannot be mixed, as ``refusals`` says.
    """
    own = _views_of(term.queries)
    others = tuple(
        entry
        for entry in term.candidates
        if not (isinstance(entry, Output) and entry.network == "student" and entry.view in own)
    )
    queries = substituted(term.queries, {view: mix_name(renamed[view]) for view in own})
    return replace(term, name="source", queries=queries, candidates=others)


def _mix_term(term: Term, renamed: dict[str, str]) -> Term:
    """The mixed queries against the mixed candidates."""
    views = {view: mix_name(renamed.get(view, view)) for view in _views_of(term)}
    return replace(substituted(term, views), name="mix")


def _scaled(terms: list[Term], total: float) -> list[Term]:
    whole = sum(term.weight for term in terms)
    if total == 0 or whole == 0:  # nothing is mixed of terms that a person has turned off
        return []
    factor = total / whole
    return [replace(term, weight=term.weight * factor) for term in terms]
