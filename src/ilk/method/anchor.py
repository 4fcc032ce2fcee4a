"""An anchor as an axis: a method in, the same method held near its start out."""

import math
from dataclasses import replace

from ilk.core import Output, Role, UserError
from ilk.kin import Counterpart
from ilk.method.outputs import passes
from ilk.method.record import Method
from ilk.method.term import Term
from ilk.networks import FEATURE, HIDDEN, TOKENS, Head, PlaceSimilarities
from ilk.objectives import GramDifference, MeanShift, SquaredDistance

KINDS = ("cosine", "gram")
USUAL = 1.0  # weight
GRAM = "gram"  # name of the head


def with_anchor(method: Method, spec: str, *, places: bool) -> Method:
    r"""The method with one more term, which keeps the student near a frozen copy of its start.

    Student and start see the same view of the same images: the first one that the student
    learns from, a clean one where there is any. With weight $w$, B images and N patches:

    * ``cosine`` adds $w \cdot \frac 1B \sum_i (1 - \cos(s_i, t_i))$ of their features.
    * ``gram`` adds $w \cdot \frac 1{B N^2} \sum_i \| S_i S_i^T - T_i T_i^T \|_F^2$, where the
      rows of S and T are the patch tokens of an image, of unit length: Simeoni et al., DINOv3,
      2025, https://arxiv.org/abs/2508.10104, section 4. Its sum is a mean here, so that the
      weight does not depend on the number of patches, and the start takes the place of an
      earlier teacher. Cells of a feature map are the tokens of a convolutional network.
    * Where a backbone shows no places, ``gram`` compares the rows of the batch over all
      devices instead: $w \cdot \frac 1{B^2} \| S S^T - T T^T \|_F^2$ of features.

    Only similarities are held by ``gram``, so all features of an image may turn together.

    Args:
        method: with its mix and kin rule, if it has any.
        spec: a kind, or a kind and its weight such as ``gram:0.5``. Weight 0 adds nothing.
        places: whether the backbone shows the places of images.

    Raises:
        UserError: there is no such kind, the weight is no number from 0 on, or the student
            sees something else in the place of hidden patches.

    Example:
        >>> from ilk.method import Given
        >>> from ilk.methods import recipe
        >>> byol = recipe("byol", {}).build(Given(width=512, size=224))
        >>> with_anchor(byol, "cosine:0.5", places=True).terms[-1].name
        'anchor'
    """
    kind, weight = _read(spec)
    if weight == 0:
        return method
    if any(head.on == HIDDEN for head in method.heads.values()):
        raise UserError(
            "anchor: must be off for a method whose student fills in hidden patches, since the "
            "start would see them"
        )
    view = _view(method)
    if kind == "cosine":
        # Half of what BYOL's objective gives, which is 2 - 2 cos.
        return _held(method, Output("student", view, FEATURE), MeanShift(), weight / 2)
    if not places:
        return _held(method, Output("student", view, FEATURE), GramDifference(), weight)
    head = Head(PlaceSimilarities(), on=TOKENS)
    method = replace(method, heads={**method.heads, GRAM: head})
    return _held(method, Output("student", view, GRAM), SquaredDistance(), weight)


def _read(spec: str) -> tuple[str, float]:
    kind, _, number = spec.partition(":")
    if kind not in KINDS:
        raise UserError(f"anchor: must be one of {', '.join(KINDS)}, got {spec!r}")
    try:
        weight = float(number) if number else USUAL
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise UserError(f"anchor: the weight must be a number from 0 on, got {number!r}")
    return kind, weight


def _view(method: Method) -> str:
    """The first view that the student learns from, one that is not mixed if there is any."""
    learned = [entry.view for entry in passes(method) if entry.gradient]
    return next((view for view in learned if view not in method.mixes), learned[0])


def _held(
    method: Method,
    query: Output,
    objective: MeanShift | GramDifference | SquaredDistance,
    weight: float,
) -> Method:
    start: Role = "start"
    term = Term(
        name="anchor",
        queries=(query,),
        candidates=(replace(query, network=start),),
        kin=Counterpart(),
        objective=objective,
        weight=weight,
    )
    return replace(method, terms=(*method.terms, term))
