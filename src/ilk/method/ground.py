"""Backgrounds as an axis: a method in, the same method with views of other backgrounds out."""

from dataclasses import replace

from ilk.core import AlignedRule, Output, UserError
from ilk.kin import RowByRow
from ilk.method.items import image_views
from ilk.method.record import Method
from ilk.method.term import Term
from ilk.objectives import DecoupledContrast, SoftCrossEntropy
from ilk.views import MATCHED, Background, ImageView

KINDS = ("remove", "random", "swap")
USUAL = 0.2  # Ryali, Schwab and Morcos, 2021: 0.1 to 0.3 helps


def with_background(method: Method, spec: str) -> Method:
    """The method whose views lose their background at times.

    Ryali, Schwab and Morcos, 2021, https://arxiv.org/abs/2103.12719. ``remove`` paints it grey,
    ``random`` takes another image's, each view for itself. ``swap`` does as ``random``, and
    each query has a further negative: another image before the query's own background, so
    that the background tells nothing. Kin stay what they were.

    Args:
        method: mixed or not.
        spec: a kind, or a kind and its probability such as ``random:0.2``.

    Raises:
        UserError: there is no such kind, or the method cannot take the further negative.
    """
    name, _, number = spec.partition(":")
    if name not in KINDS:
        raise UserError(f"background: must be one of {', '.join(KINDS)}, got {spec!r}")
    try:
        p = float(number) if number else USUAL
    except ValueError as error:
        raise UserError(
            f"background: the probability must be a number, got {number!r}"
        ) from error
    changed = Background(kind="remove" if name == "remove" else "random", p=p)
    shown = image_views(method, "background")
    views = tuple(replace(view, background=changed) for view in shown)
    if name != "swap":
        return replace(method, views=views)
    return _with_negative(method, views)


def _with_negative(method: Method, views: tuple[ImageView, ...]) -> Method:
    """One more view, and its row as one more negative for every query that has some."""
    if method.mixes:
        raise UserError(
            "background swap: the method must not be mixed, for a mix has no background of its "
            "own; take random"
        )
    keys = [key for key in map(_key, method.terms) if key is not None]
    if not keys:
        raise UserError(
            "background swap: the method must use other images of the batch as negatives, "
            "but it does not, so that no further negative can be added; take random"
        )
    if any(term.negatives is not None for term in method.terms):
        raise UserError(
            "background swap: the method must have no negatives made for each query, but it "
            "makes its own; take random"
        )
    like = next((view for view in views if view.name == keys[0].view), None)
    if like is None:
        raise UserError(
            "background swap: the method must compare views of images, but it compares "
            f"{keys[0].view}, which is made from another view; take random"
        )
    extra = replace(like, name=MATCHED, background=Background(kind=MATCHED, p=1.0))
    return replace(method, views=(*views, extra), terms=tuple(map(_opposed, method.terms)))


def _opposed(term: Term) -> Term:
    key = _key(term)
    if key is None:
        return term
    return replace(term, negatives=RowByRow(replace(key, view=MATCHED, stopped=True)))


def _key(term: Term) -> Output | None:
    """What a query is compared with, where that is an image of the batch with negatives."""
    if not isinstance(term.objective, SoftCrossEntropy | DecoupledContrast) or isinstance(
        term.kin, AlignedRule
    ):
        return None
    if not all(isinstance(query, Output) for query in term.queries):
        return None
    return next((entry for entry in term.candidates if isinstance(entry, Output)), None)
