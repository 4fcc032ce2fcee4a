"""Which passes through which networks a method needs: read off its terms."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ilk.core import Mixability, Output, Role
from ilk.core.facts import LABEL
from ilk.kin import KnownClass, KnownOrPredicted
from ilk.method.record import Method
from ilk.method.references import outputs_in, parts_in
from ilk.method.term import Patches, Term
from ilk.networks import ASKED, FEATURE, HIDDEN, MAP, Head
from ilk.views import MaskedView, PatchGrid

OWN_IMAGE = "it compares an image with what the same view of it shows elsewhere"
_FEATURE = frozenset(("feature",))


@dataclass(frozen=True, slots=True)
class Pass:
    """One view through one network.

    Args:
        network: student, teacher or start.
        view: its name.
        heads: whose outputs are read, by name; the feature is always among them.
        gradient: whether any term learns through it.
    """

    network: Role
    view: str
    heads: frozenset[str]
    gradient: bool


def refusals(method: Method, views: Collection[str] | None = None) -> tuple[str, ...]:
    """Why a method cannot be mixed: what its parts say of themselves, each reason once.

    Args:
        method: not mixed yet.
        views: whose queries are mixed; None is those that the method names. Terms whose queries
            are places of other views stay as they are and need not take mixes.
    """
    mixed = method.mixable.queries if views is None else views
    asked = parts_in(
        [
            (term.objective, term.kin, term.negatives, term.candidates)
            for term in method.terms
            if not _stays(method, term, mixed)
        ]
    )
    said = [part.unmixable for part in asked if isinstance(part, Mixability)]
    said += [view.unmixable for view in method.derived]
    if not any(said) and any(_within_image(term, mixed) for term in method.terms):
        return (OWN_IMAGE,)
    return tuple(dict.fromkeys(reason for reason in said if reason))


def _stays(method: Method, term: Term, mixed: Collection[str]) -> bool:
    """Whether a mix of some views leaves a term of places as it is."""
    shown = [query for query in term.queries if isinstance(query, Output)]
    asked = places_read(method.heads, shown)
    return bool(asked) and not any(query.view in mixed for query in shown)


def _within_image(term: Term, mixed: Collection[str]) -> bool:
    """Whether queries of some views are compared with rows of their own view alone."""
    shown = {query.view for query in term.queries if isinstance(query, Output)} & set(mixed)
    rows = [e for e in term.row_sources if isinstance(e, Output) and e.network == "student"]
    return bool(shown and rows) and all(
        entry in rows and entry.view in shown for entry in term.row_sources
    )


def passes(method: Method) -> tuple[Pass, ...]:
    """The passes of one step, in the order in which terms first name them."""
    wanted: dict[tuple[Role, str], tuple[frozenset[str], bool]] = {}
    for output, learns in _uses(method):
        key = (output.network, output.view)
        # The feature comes with every pass at no cost; monitors look at it.
        names, gradient = wanted.get(key, (_FEATURE, False))
        wanted[key] = (names | frozenset((output.head,)), gradient or learns)
    return tuple(
        Pass(network, view, names, gradient)
        for (network, view), (names, gradient) in wanted.items()
    )


def shown_views(method: Method) -> frozenset[str]:
    """Views that a network sees, and those whose pixels are targets."""
    targets = [entry for term in method.terms for entry in term.candidates]
    pixels = {entry.view for entry in targets if isinstance(entry, Patches)}
    return frozenset(entry.view for entry in passes(method)) | pixels


def drops_patches(method: Method) -> bool:
    """Whether its networks are shown images without patches that are hidden."""
    masked = any(isinstance(view, MaskedView) for view in method.derived)
    return masked and all(head.on != HIDDEN for head in method.heads.values())


def asks_for_places(method: Method) -> bool:
    """Whether it has rows of the places that masks ask for, of which images have any number."""
    return any(head.asked or head.on == ASKED for head in method.heads.values())


def encodes_patches(method: Method) -> bool:
    """Whether patches of an image go through the backbone one by one, as rows of a batch."""
    return any(isinstance(view, PatchGrid) for view in method.derived)


def draws_on_map(method: Method) -> bool:
    """Whether pixels are predicted from the backbone's map, so that its places are squares."""
    asked = [
        query.head
        for term in method.terms
        if isinstance(term.candidates[0], Patches)
        for query in term.queries
        if isinstance(query, Output)
    ]
    return any(root_of(method.heads, name) == MAP for name in asked)


def root_of(heads: Mapping[str, Head], name: str) -> str:
    """What of the backbone an output rests on."""
    while name in heads:
        name = heads[name].on
    return name


def places_read(heads: Mapping[str, Head], outputs: Iterable[Output]) -> tuple[str, ...]:
    """Which outputs rest on the backbone's ``map`` or ``tokens``, by name, each once."""
    names = dict.fromkeys(output.head for output in outputs)
    return tuple(name for name in names if root_of(heads, name) != FEATURE)


def label_head(method: Method) -> str | None:
    """The head whose scores are over the classes of the labels; None where there is none."""
    for term in method.terms:
        kinds = KnownClass | KnownOrPredicted
        rules = [part for part in parts_in(term.kin) if isinstance(part, kinds)]
        if any(rule.fact == LABEL for rule in rules):
            heads = [query.head for query in term.queries if isinstance(query, Output)]
            return heads[0] if heads else None
    return None


def unlabelled_terms(method: Method) -> tuple[Term, ...]:
    """Terms that learn from unlabelled images, of a method that learns classes from labels.

    Terms are labelled that are called so, or whose queries show labelled images alone.
    """
    if label_head(method) is None:
        return ()
    only = {view.name for view in method.views if view.subset == "labelled"}
    for view in method.derived:
        if only.issuperset(view.of):
            only.update(view.names)
    shown = {
        term: {query.view for query in term.queries if isinstance(query, Output)}
        for term in method.terms
    }
    return tuple(
        term for term in method.terms if term.name != "labelled" and not shown[term] <= only
    )


def query_views(method: Method) -> tuple[str, ...]:
    """Views that are shown to a network as queries, in order."""
    asked = (query for term in method.terms for query in term.queries)
    return tuple(dict.fromkeys(query.view for query in asked if isinstance(query, Output)))


def _uses(method: Method) -> Iterator[tuple[Output, bool]]:
    for term in method.terms:
        shown = (*term.queries, *term.candidates)
        for output in outputs_in(shown):
            # In a `NearestNeighbour` an output is only looked up, so nothing flows back to it.
            yield output, output in shown and _open(output)
        for output in outputs_in((term.kin, term.negatives)):
            yield output, False
    for output in outputs_in(method.derived):
        yield output, False
    for remember in method.remember:
        for output in remember.outputs:
            yield output, False


def _open(output: Output) -> bool:
    return output.network == "student" and not output.stopped
