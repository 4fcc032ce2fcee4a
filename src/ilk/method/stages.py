"""Methods of several stages: what each stage trains, and what the one before leaves it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from ilk.core.facts import PSEUDO_LABEL
from ilk.kin import PastPrediction
from ilk.method.record import Method
from ilk.method.references import outputs_in, parts_in
from ilk.method.sampling import KnownShare
from ilk.method.term import Term
from ilk.networks import SHOWN


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One training of several that a method consists of; a run as any other.

    Args:
        name: the name of the stage, by which later ones refer to it; a name of a folder.
        options: fields of the method in this stage.
        settings: settings of the run that are others than those of the whole, by name.
        labels: stage whose network labels the images that have no label, before this one
            begins; empty is none.
        weights: stage whose weights this one begins with; empty is those of the whole.
        lr_share: how much of the learning rate of the whole, or of the stage whose weights it
            has, this one has.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    labels: str = ""
    weights: str = ""
    lr_share: float = 1.0


@runtime_checkable
class Staged(Protocol):
    """A recipe whose method is trained in stages. Its field ``pseudo_labels`` names a table."""

    def stages(self) -> tuple[Stage, ...]:
        """The stages in their order; the last one's network is what the method gives."""
        ...


def as_taught(method: Method, *, alone: bool = False) -> Method:
    """The method as far as there is something to teach it.

    Without a table of predictions the terms that learn from one are left out, and the labelled
    term takes their weight. What no term asks for any more goes with them: views, heads,
    memories, and all other images where each view is of labelled ones.

    Args:
        method: with `Method.pseudo`, and a labelled term of that name.
        alone: whether to learn from labels alone: the labelled term is all that stays.
    """
    assert method.pseudo is not None, "a method says which predictions it takes"
    if alone:
        kept = [replace(term, weight=1.0) for term in method.terms if term.name == "labelled"]
        return _with_terms(method, kept, alone=True)
    if method.pseudo.table:
        return method
    spared = sum(term.weight for term in method.terms if _from_table(term))
    kept = [term for term in method.terms if not _from_table(term)]
    kept = [
        replace(term, weight=term.weight + spared) if term.name == "labelled" else term
        for term in kept
    ]
    return _with_terms(method, kept, alone=False)


def _from_table(term: Term) -> bool:
    rules = (part for part in parts_in(term.kin) if isinstance(part, PastPrediction))
    return any(rule.predictions == PSEUDO_LABEL for rule in rules)


def _with_terms(method: Method, terms: Collection[Term], *, alone: bool) -> Method:
    """The method with these terms and what they need; perhaps no images without a label."""
    outputs = list(outputs_in(tuple(terms)))
    asked = {output.view for output in outputs}
    derived = [view for view in method.derived if asked & set(view.names)]
    outputs += outputs_in(tuple(derived))
    asked |= {name for view in derived for name in view.of}
    views = tuple(view for view in method.views if view.name in asked)
    heads = {output.head for output in outputs}
    # Each stands after the one that it sits on.
    for name, head in reversed(list(method.heads.items())):
        heads |= {head.on} - set(SHOWN) if name in heads else set()
    sampling = method.sampling
    alone = alone or all(view.subset == "labelled" for view in views)
    if isinstance(sampling, KnownShare) and alone:
        sampling = replace(sampling, share=1.0)
    return replace(
        method,
        views=views,
        derived=tuple(derived),
        heads={name: head for name, head in method.heads.items() if name in heads},
        terms=tuple(terms),
        memory={n: part for n, part in method.memory.items() if n != PSEUDO_LABEL},
        pseudo=None,
        sampling=sampling,
    )
