"""Augmentation whose strengths are learned: a method in, the same method with it out."""

from dataclasses import replace
from typing import Literal

from ilk.core import Output
from ilk.memory import OperationRates
from ilk.method.items import image_views
from ilk.method.record import Method, Remember
from ilk.views import BINS, NAMES, CTAugment

Policy = Literal["randaugment", "ctaugment"]
RATES, TRIED = "rates", "tried"  # a memory, and the view with which it learns
PERIOD = 16  # steps


def with_policy(method: Method, policy: Policy, *, head: str = "classifier") -> Method:
    """The method whose views with RandAugment have another policy.

    CTAugment (Berthelot et al., ICLR 2020, https://arxiv.org/abs/1911.09785, section 3.2) has
    one view more, of the labelled images, with operations of any strength. The teacher, an
    average in evaluation mode, predicts their classes; the rates of strengths follow the match.

    Args:
        method: with a view ``labelled`` and a teacher that averages statistics.
        policy: ``randaugment`` leaves it as it is.
        head: whose scores are over the classes of the labels.
    """
    if policy == "randaugment":
        return method
    shown = image_views(method, "ctaugment")
    learned = CTAugment(memory=RATES)
    views = [view if view.policy is None else replace(view, policy=learned) for view in shown]
    like = next(view for view in shown if view.name == "labelled")
    tried = replace(like, name=TRIED, policy=replace(learned, memory=""))
    rates = OperationRates(
        len(NAMES), BINS, count=learned.count, decay=learned.decay, every=PERIOD
    )
    looked = Remember(RATES, (Output("teacher", TRIED, head),))
    return replace(
        method,
        views=(*views, tried),
        memory={**method.memory, RATES: rates},
        remember=(*method.remember, looked),
    )
